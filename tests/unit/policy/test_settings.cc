#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "model/dns_type.h"
#include "policy/loading.h"
#include "policy/settings.h"
#include "unit/policy/policy_fixture.h"

namespace assent::policy {
namespace {

class SettingsFile : public testing::Test {
protected:
    SettingsFile() {
        std::string name = testing::TempDir() + "settings-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    ~SettingsFile() override { std::filesystem::remove_all(folder_); }

    auto load(const std::string& text) {
        const auto path = folder_ / "assent.yaml";
        std::ofstream(path, std::ios::binary) << text;
        return Settings::load(path);
    }
    // "line:column: message" of every mistake.
    std::string mistakes(const std::string& text) {
        const auto loaded = load(text);
        std::string out;
        if (loaded) return out;
        for (const auto& one : loaded.error())
            out += std::to_string(one.line) + ":" + std::to_string(one.column) + ": " + one.message + "\n";
        return out;
    }

    std::filesystem::path folder_;
};

TEST_F(SettingsFile, EverythingThatCanBeSaid) {
    const auto settings = load(R"(version: 1
policies: /srv/policies
state: /srv/state
run: /srv/run
govern: {slices: [assent.slice], units: ["agent-*.service"], cgroups: ["/docker/*"]}
decide: {users: [ana, root], groups: [dba]}
unlisted_targets: hold
unix_sockets: {unlisted: pass, datagrams: [/dev/log]}
records: {durability: {writes: strict, reads: 250ms}, max_size: 5GiB, reserve: 512MiB, retain: 30d}
kernel: {accept: [no-lsm, root-agents], sockets_before: list, new_cgroups: watch}
proxy: {ports: [880, 881], threads: 2}
bpffs: /srv/bpf
dns:
  resolvers: [10.0.0.53, "127.0.0.1:5353", "fd00::53", "[::1]:54"]
  unlisted: refuse
  types: [A, AAAA, TYPE4711]
  queries: {per_minute: 10}
  names: {per_hour: 20, per_domain: 5, longest: 60, random: 24}
  ech: keep
)");
    ASSERT_TRUE(settings.has_value()) << all_mistakes(settings.error());
    EXPECT_EQ(settings->policies, "/srv/policies");
    EXPECT_TRUE(settings->kernel.accepts_no_lsm && settings->kernel.accepts_root_agents);
    EXPECT_FALSE(settings->kernel.accepts_new_privileges);
    EXPECT_FALSE(settings->kernel.ends_earlier_sockets || settings->kernel.gates_new_cgroups);
    EXPECT_EQ(settings->govern_cgroups, std::vector<std::string>{"/docker/*"});
    EXPECT_EQ(settings->state, "/srv/state");
    EXPECT_EQ(settings->run, "/srv/run");
    EXPECT_EQ(settings->govern_slices, std::vector<std::string>{"assent.slice"});
    EXPECT_EQ(settings->govern_units, std::vector<std::string>{"agent-*.service"});
    EXPECT_EQ(settings->decide_users, (std::vector<std::string>{"ana", "root"}));
    EXPECT_EQ(settings->decide_groups, std::vector<std::string>{"dba"});
    EXPECT_EQ(settings->unlisted_targets, Settings::Unlisted::hold);
    EXPECT_TRUE(settings->unix_sockets.others_pass);
    EXPECT_EQ(settings->unix_sockets.datagrams, std::vector<std::string>{"/dev/log"});
    EXPECT_FALSE(settings->records.reads_strict);
    EXPECT_EQ(settings->records.reads, std::chrono::milliseconds(250));
    EXPECT_EQ(settings->records.max_size_bytes, 5ULL << 30U);
    EXPECT_EQ(settings->records.reserve_bytes, 512ULL << 20U);
    EXPECT_EQ(settings->records.retain, std::chrono::hours(30 * 24));
    EXPECT_EQ(settings->proxy_ports, (std::vector<std::uint16_t>{880, 881}));
    EXPECT_EQ(settings->threads, 2U);
    EXPECT_EQ(settings->bpffs, "/srv/bpf");
    std::vector<std::string> resolvers;
    for (const auto& one : settings->dns.resolvers) resolvers.push_back(one.to_text());
    EXPECT_EQ(resolvers, (std::vector<std::string>{"10.0.0.53:53", "127.0.0.1:5353", "[fd00::53]:53", "[::1]:54"}));
    EXPECT_TRUE(settings->dns.refuses_unlisted);
    EXPECT_EQ(settings->dns.types, (std::vector<std::uint16_t>{1, 28, 4711}));
    EXPECT_EQ(settings->dns.queries_per_minute, 10U);
    EXPECT_EQ(settings->dns.names_per_hour, 20U);
    EXPECT_EQ(settings->dns.names_per_domain, 5U);
    EXPECT_EQ(settings->dns.longest_name, 60U);
    EXPECT_EQ(settings->dns.random_characters, 24U);
    EXPECT_TRUE(settings->dns.keeps_ech);
}

TEST_F(SettingsFile, MistakesOfLookups) {
    EXPECT_NE(mistakes("dns: {types: [AAA]}").find("did you mean"), std::string::npos);
    EXPECT_NE(mistakes("dns: {types: [AXFR]}").find("never passed on"), std::string::npos);
    EXPECT_NE(mistakes("dns: {resolvers: [resolver.internal]}").find("not the address of a resolver"), std::string::npos);
    EXPECT_NE(mistakes("dns: {resolvers: [\"10.0.0.1:0\"]}"), "");
    EXPECT_NE(mistakes("dns: {unlisted: pass}"), "");
    EXPECT_NE(mistakes("dns: {names: {per_hour: 0}}"), "");
    EXPECT_NE(mistakes("dns: {name: {per_hour: 5}}").find("names"), std::string::npos);
}

TEST_F(SettingsFile, WhatIsLeftOutIsSafe) {
    const auto settings = load("version: 1\n");
    ASSERT_TRUE(settings.has_value());
    EXPECT_EQ(settings->policies, "/etc/assent/policies");
    EXPECT_EQ(settings->unlisted_targets, Settings::Unlisted::deny);
    EXPECT_EQ(settings->govern_slices, std::vector<std::string>{"assent.slice"});
    EXPECT_TRUE(settings->decide_users.empty());
    EXPECT_FALSE(settings->unix_sockets.others_pass);
    EXPECT_EQ(settings->records.reads, std::chrono::milliseconds(100));
    EXPECT_TRUE(settings->dns.resolvers.empty());
    EXPECT_FALSE(settings->dns.keeps_ech);
    const auto& types = settings->dns.types;
    const auto has = [&](std::string_view name) {
        return std::ranges::find(types, model::dns_type::of_name(name).value_or(0)) != types.end();
    };
    for (const auto* name : {"A", "AAAA", "CNAME", "PTR", "SRV"}) EXPECT_TRUE(has(name)) << name;
    for (const auto* name : {"NULL", "TXT", "AXFR", "ANY"}) EXPECT_FALSE(has(name)) << name;
}

TEST_F(SettingsFile, WhatAKernelLacksIsAcceptedByNameOnly) {
    const auto settings = load("version: 1\n");
    ASSERT_TRUE(settings.has_value());
    EXPECT_FALSE(settings->kernel.accepts_no_lsm || settings->kernel.accepts_root_agents ||
                 settings->kernel.accepts_new_privileges);
    EXPECT_TRUE(settings->kernel.ends_earlier_sockets && settings->kernel.gates_new_cgroups);
    EXPECT_NE(mistakes("kernel: {accept: [no-lms]}\n"), "");
    EXPECT_EQ(mistakes("kernel: {sockets_before: keep}\n"), "1:26: 'sockets_before' is one of destroy, list, not 'keep'\n");
    EXPECT_EQ(mistakes("kernel: {new_cgroups: pass}\n"), "1:23: 'new_cgroups' is one of gate, watch, not 'pass'\n");
    EXPECT_NE(mistakes("govern: {cgroups: [docker]}\n"), "");
    EXPECT_NE(mistakes("govern: {cgroups: [\"/a//b\"]}\n"), "");
    EXPECT_NE(mistakes("govern: {cgroups: [\"/a/../b\"]}\n"), "");
    EXPECT_NE(mistakes("govern: {cgroups: [\"/1/2/3/4/5/6/7/8/9\"]}\n"), "");
    EXPECT_NE(mistakes("kernel: {accept: []}\n"), "");
    EXPECT_NE(mistakes("kernel: {accept: no-lsm}\n"), "");
}

TEST_F(SettingsFile, ReadsMayBeStrict) {
    EXPECT_TRUE(load("records: {durability: {reads: strict}}\n")->records.reads_strict);
    EXPECT_TRUE(load("records: {durability: {reads: 0ms}}\n")->records.reads_strict);
}

TEST_F(SettingsFile, MistakesHaveTheirPlace) {
    EXPECT_EQ(mistakes("polices: /a\n"), "1:1: unknown key 'polices'; did you mean 'policies'?\n");
    EXPECT_EQ(mistakes("state: var/lib\n"), "1:8: 'state' is a full path that starts with '/', not 'var/lib'\n");
    EXPECT_EQ(mistakes("unlisted_targets: allow\n"), "1:19: 'unlisted_targets' is one of deny, hold, pass, not 'allow'\n");
    EXPECT_EQ(mistakes("unix_sockets: {unlisted: hold}\n"), "1:26: 'unlisted' is one of deny, pass, not 'hold'\n");
    EXPECT_EQ(mistakes("unix_sockets: {datagrams: [log]}\n"), "1:28: 'log' is not the whole path of a socket\n");
    EXPECT_EQ(mistakes("records: {max_size: 50GB}\n"),
              "1:21: 'max_size' is a size with a unit (512MiB, 50GiB), not '50GB'\n");
    EXPECT_EQ(mistakes("records: {durability: {writes: 100ms}}\n"), "1:32: 'writes' is one of strict, not '100ms'\n");
    EXPECT_EQ(mistakes("records: {durability: {reads: 5m}}\n"), "1:31: 'reads' may wait for one minute at most\n");
    EXPECT_EQ(mistakes("govern: {}\n"), "1:9: 'govern' names no slices, units or cgroups, so nothing would be governed\n");
    EXPECT_EQ(mistakes("govern: {slices: [assent]}\n"), "1:19: 'assent' is not the name of a slice (assent.slice)\n");
    EXPECT_EQ(mistakes("proxy: {ports: [70000]}\n"), "1:17: a port is a number from 1 to 65535, not '70000'\n");
    EXPECT_EQ(mistakes("proxy: {ports: [880, 880]}\n"), "1:22: port 880 is listed twice\n");
    EXPECT_EQ(mistakes("decide: [ana]\n"), "1:9: 'decide' has to be a map (key: value), and is a list\n");
}

TEST_F(SettingsFile, AConsoleHasToSayWhereItIsFound) {
    EXPECT_EQ(mistakes("console: {listen: \"127.0.0.1:7443\"}\n"), "1:10: 'console' needs 'public_url'\n");
}

TEST_F(SettingsFile, IdentityProviders) {
    const auto settings = load(R"(version: 1
identity:
  clock_skew: 5s
  at_expiry: finish-transactions
  local_reviewers: allow
  issuers:
    - issuer: https://idp.example.com
      audience: assent
      ca: /etc/assent/idp.pem
      agents_login: {client_id: agents, scopes: [run], resource: "https://assent.example"}
      reviewers:
        client_id: console
        client_secret: {file: /etc/assent/secrets/console}
        name_claim: preferred_username
        unix_claim: [host, user]
        groups_claim: [realm_access, roles]
        groups: [dba, oncall]
        scopes: [openid, roles]
    - {issuer: "http://127.0.0.1:9000", audience: local}
  units: [{unit: "agent-*.service", file: "/run/credentials/{unit}/token"}]
)");
    ASSERT_TRUE(settings.has_value()) << settings.error().front().to_text();
    const auto& identity = settings->identity;
    EXPECT_EQ(identity.clock_skew, std::chrono::seconds(5));
    EXPECT_TRUE(identity.finishes_transactions && identity.has_local_reviewers && identity.has_reviewers());
    ASSERT_EQ(identity.issuers.size(), 2U);
    const auto* issuer = identity.find("https://idp.example.com");
    ASSERT_NE(issuer, nullptr);
    EXPECT_EQ(issuer->audience, "assent");
    EXPECT_EQ(issuer->agents_login->resource, "https://assent.example");
    EXPECT_EQ(issuer->reviewers->client_secret, "/etc/assent/secrets/console");
    EXPECT_EQ(issuer->reviewers->groups_claim, (std::vector<std::string>{"realm_access", "roles"}));
    EXPECT_EQ(issuer->reviewers->unix_claim, (std::vector<std::string>{"host", "user"}));
    EXPECT_EQ(issuer->reviewers->groups, (std::vector<std::string>{"dba", "oncall"}));
    EXPECT_FALSE(identity.issuers[1].reviewers.has_value());
    EXPECT_EQ(identity.units.front().file, "/run/credentials/{unit}/token");
    EXPECT_EQ(identity.find("https://other.example"), nullptr);
}

TEST_F(SettingsFile, IdentityProvidersThatCannotBe) {
    const auto of_issuer = [&](const std::string& members) {
        return mistakes("identity: {issuers: [{" + members + "}]}\n");
    };
    const std::string name = "issuer: \"https://a.example\", ";
    EXPECT_EQ(mistakes("identity: {issuers: []}\n"), "1:21: 'issuers' has to be a list with at least one item\n");
    EXPECT_EQ(mistakes("identity: {}\n"), "1:11: 'identity' needs 'issuers'\n");
    EXPECT_NE(of_issuer("issuer: \"http://a.example\", audience: x").find("is not the https URL"), std::string::npos);
    EXPECT_NE(of_issuer("issuer: a.example, audience: x").find("is not the https URL"), std::string::npos);
    EXPECT_NE(of_issuer("issuer: \"https://a.example\"").find("for agents ('audience'), for people"), std::string::npos);
    EXPECT_NE(of_issuer(name + "audience: x, reviewers: {client_id: x}").find("ID tokens would be agents'"),
              std::string::npos);
    EXPECT_NE(of_issuer(name + "reviewers: {client: x}").find("did you mean 'client_id'?"), std::string::npos);
    EXPECT_NE(of_issuer(name + "reviewers: {client_id: x, scopes: [email]}").find("lacks 'openid'"), std::string::npos);
    EXPECT_NE(of_issuer(name + "reviewers: {client_id: x}, agents_login: {client_id: y}").find("needs an 'audience'"),
              std::string::npos);
    EXPECT_NE(of_issuer(name + "audience: x}, {" + name + "audience: y").find("stands twice"), std::string::npos);
    const std::string good = "identity: {issuers: [{" + name + "audience: x}], ";
    EXPECT_NE(mistakes(good + "clock_skew: 1h}\n").find("five minutes at most"), std::string::npos);
    EXPECT_NE(mistakes(good + "at_expiry: pass}\n").find("'at_expiry'"), std::string::npos);
    EXPECT_NE(mistakes(good + "local_reviewers: allow}\n").find("no issuer has 'reviewers'"), std::string::npos);
    EXPECT_NE(mistakes(good + "units: [{unit: a.service, file: token}]}\n").find("'file'"), std::string::npos);
}

TEST_F(SettingsFile, ThatIsNotThereIsAMistakeToo) {
    const auto loaded = Settings::load(folder_ / "nowhere.yaml");
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error()[0].to_text(),
              (folder_ / "nowhere.yaml").string() + ": cannot be opened: No such file or directory");
}

TEST_F(SettingsFile, AgentsOutsideGovernAreAMistakeOfThePolicy) {
    auto settings = *load("govern: {slices: [assent.slice], units: [\"agent-*.service\"]}\ndecide: {users: [root]}\n");
    const auto said = [&](const std::string& item) {
        const auto mistakes = policy_of("agents:\n  bot:\n    - " + item + "\n")->check_against(settings);
        return mistakes.empty() ? "" : std::to_string(mistakes[0].line) + ":" + std::to_string(mistakes[0].column);
    };
    EXPECT_EQ(said("{unit: agent-1.service}"), "");
    EXPECT_EQ(said("{unit: \"*-1.service\"}"), "");
    EXPECT_EQ(said("{unit: nginx.service}"), "3:7");
    EXPECT_EQ(said("{unit: nginx.service, slice: assent.slice}"), "");
    EXPECT_EQ(said("{slice: assent-nightly.slice}"), "");
    EXPECT_EQ(said("{slice: system.slice}"), "3:7");
    EXPECT_EQ(said("{slice: assentish.slice}"), "3:7");
    EXPECT_EQ(said("{cgroup: \"/assent.slice/*\"}"), "");
    EXPECT_EQ(said("{cgroup: \"/**/agent-*.service/inner\"}"), "");
    EXPECT_EQ(said("{cgroup: \"/docker/web\"}"), "3:7");
    settings.govern_cgroups = {"/docker/*"};
    EXPECT_EQ(said("{cgroup: \"/docker/*\"}"), "");
    EXPECT_EQ(said("{cgroup: \"/docker/a/b\"}"), "");
    EXPECT_EQ(said("{cgroup: \"/podman/web\"}"), "3:7");
    settings.govern_cgroups = {"/machine.slice/docker-*.scope"};
    EXPECT_EQ(said("{unit: docker-1.scope}"), "");
    EXPECT_EQ(said("{unit: podman-1.scope}"), "3:7");
    EXPECT_EQ(said("{run: nightly, runners: [ana]}"), "");
    EXPECT_EQ(said("{exe: /usr/bin/psql}"), "");
}

TEST_F(SettingsFile, ApprovalsThatNobodyHereCanGiveAreAMistakeOfThePolicy) {
    auto settings = *load("decide: {users: [root], groups: [dba]}\n");
    const auto said = [&](const std::string& reviewers) {
        const auto mistakes =
            policy_of("approvals:\n  a: {stages: [{reviewers: " + reviewers + "}]}\n")->check_against(settings);
        return mistakes.empty() ? "" : mistakes[0].message.substr(0, mistakes[0].message.find(':'));
    };
    EXPECT_EQ(said("{users: [root]}"), "");
    EXPECT_EQ(said("{groups: [dba]}"), "");
    EXPECT_EQ(said("{groups: [root]}"), "");  // user root is in group root, by the host's own databases
    EXPECT_EQ(said("{users: [ana@example.com]}"), "nobody can give approval 'a'");
    EXPECT_EQ(said("{groups: [no-such-group]}"), "nobody can give approval 'a'");
}

TEST_F(SettingsFile, AChainNeedsEnoughPeopleWhoMayDecideHere) {
    auto settings = *load("decide: {users: [ana, ben], groups: [dba]}\n");
    const auto said = [&](const std::string& stages) {
        return policy_of("approvals:\n  a: {stages: " + stages + "}\n")->check_against(settings).size();
    };
    EXPECT_EQ(said("[{reviewers: {users: [ana, ben, cid]}, quorum: 2}]"), 0U);
    EXPECT_EQ(said("[{reviewers: {users: [ana, cid, dan]}, quorum: 2}]"), 1U) << "one of them may decide here";
    EXPECT_EQ(said("[{reviewers: {users: [ana, cid]}}, {reviewers: {users: [ana, dan]}}]"), 1U) << "ana counts once";
    EXPECT_EQ(said("[{reviewers: {users: [ana]}}, {reviewers: {users: [ana, ben]}}]"), 0U);
    EXPECT_EQ(said("[{reviewers: {users: [cid]}, escalate: {after: 1m, to: {users: [ben]}}}]"), 0U);
    EXPECT_EQ(said("[{reviewers: {groups: [dba]}, quorum: 50}]"), 0U) << "how many a group has changes without us";
    EXPECT_EQ(said("[{reviewers: {users: [\"unix:ana\"]}}]"), 0U);
}

TEST_F(SettingsFile, WhereReviewersHaveAProviderPlainNamesAreItsOwn) {
    const std::string with_provider =
        "decide: {users: [ana]}\nidentity: {issuers: [{issuer: \"https://idp\", reviewers: {client_id: x}}]";
    const auto said = [&](const std::string& settings, const std::string& stages) {
        return policy_of("approvals:\n  a: {stages: " + stages + "}\n")->check_against(*load(settings)).size();
    };
    const std::string tokens_only = with_provider + "}\n";
    const std::string both = with_provider + ", local_reviewers: allow}\n";
    EXPECT_EQ(said(tokens_only, "[{reviewers: {users: [ana@example.com]}}]"), 0U);
    EXPECT_EQ(said(tokens_only, "[{reviewers: {groups: [dba]}, quorum: 3}]"), 0U);
    EXPECT_EQ(said(tokens_only, "[{reviewers: {users: [\"unix:ana\"]}}]"), 1U) << "people of this host do not answer";
    EXPECT_EQ(said(both, "[{reviewers: {users: [\"unix:ana\"]}}]"), 0U);
    EXPECT_EQ(said(both, "[{reviewers: {users: [\"unix:ben\"]}}]"), 1U) << "and of them those in `decide`";
    EXPECT_EQ(said(tokens_only, "[{reviewers: {users: [\"unix:ana\", a@example.com]}, quorum: 2}]"), 1U);
}

TEST_F(SettingsFile, WhenAgentsAreSuspended) {
    EXPECT_TRUE(load("decide: {users: [root]}\n")->suspend.is_on);
    EXPECT_FALSE(load("suspend: off\n")->suspend.is_on);
    const auto set = load("suspend: {denials: 9, within: 5m, of: all}\n")->suspend;
    EXPECT_EQ(set.denials, 9U);
    EXPECT_EQ(set.within, std::chrono::minutes(5));
    EXPECT_TRUE(set.counts_rules);
    EXPECT_FALSE(load("suspend: {denials: 0}\n").has_value());
    EXPECT_FALSE(load("suspend: {within: 2d}\n").has_value());
    EXPECT_FALSE(load("suspend: never\n").has_value());
}

}  // namespace
}  // namespace assent::policy
