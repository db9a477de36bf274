// Globs, zones, agents, targets, masks, and that the order of rules and files never matters.
#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>

#include "policy/glob.h"
#include "policy/spelling.h"
#include "policy/zone.h"
#include "unit/policy/policy_fixture.h"

namespace assent::policy {
namespace {

using model::Operation;

TEST(Glob, StarsAndQuestionMarks) {
    EXPECT_TRUE(Glob("migrator@*.service").matches("migrator@1.service"));
    EXPECT_FALSE(Glob("migrator@*.service").matches("migrator.service"));
    EXPECT_TRUE(Glob("*").matches(""));
    EXPECT_TRUE(Glob("a?c").matches("abc"));
    EXPECT_FALSE(Glob("a?c").matches("ac"));
    EXPECT_TRUE(Glob("*a*b*").matches("xxaxxbxx"));
    EXPECT_FALSE(Glob("*a*b*").matches("xxbxxaxx"));
    EXPECT_TRUE(Glob("a\\*").matches("a*"));
    EXPECT_FALSE(Glob("a\\*").matches("ab"));
    EXPECT_FALSE(Glob(std::string(200, '*') + "b").matches(std::string(5000, 'a')));  // linear, whatever the stars
}

TEST(Glob, PathsStopAtSlashes) {
    EXPECT_TRUE(Glob("/opt/bots/*/migrate", Glob::Kind::path).matches("/opt/bots/a/migrate"));
    EXPECT_FALSE(Glob("/opt/bots/*/migrate", Glob::Kind::path).matches("/opt/bots/a/../../tmp/migrate"));
    EXPECT_TRUE(Glob("/opt/**/migrate", Glob::Kind::path).matches("/opt/a/b/migrate"));
    EXPECT_FALSE(Glob("/opt/?/x", Glob::Kind::path).matches("/opt///x"));
}

TEST(Glob, MeetsWhenThereIsATextForBoth) {
    EXPECT_TRUE(Glob("agent-*.service").meets(Glob("*-1.service")));
    EXPECT_FALSE(Glob("agent-*.service").meets(Glob("bot-*.service")));
    EXPECT_TRUE(Glob("a*").meets(Glob("*b")));
    EXPECT_FALSE(Glob("a?").meets(Glob("abc")));
}

TEST(Spelling, NearestIsWhatWasMeant) {
    const std::vector<std::string> words = {"operations", "objects", "agents"};
    EXPECT_EQ(nearest("operatons", words), "operations");
    EXPECT_EQ(nearest("AGENTS", words), "agents");
    EXPECT_EQ(nearest("zebra", words), std::nullopt);
    EXPECT_EQ(edit_distance("ab", "ba"), 1U);
    EXPECT_EQ(edit_distance("", "abc"), 3U);
}

std::int64_t utc(int year, unsigned month, unsigned day, int hour) {
    const auto date = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
    return std::chrono::duration_cast<std::chrono::seconds>(
               (std::chrono::sys_days(date) + std::chrono::hours(hour)).time_since_epoch())
        .count();
}

TEST(Zone, KnowsSummerTimeNowAndInAHundredYears) {
    const auto madrid = TimeZone::load("Europe/Madrid").value();
    EXPECT_EQ(madrid->offset_seconds_at(utc(2026, 7, 1, 0)), 7200);
    EXPECT_EQ(madrid->offset_seconds_at(utc(2026, 1, 1, 0)), 3600);
    EXPECT_EQ(madrid->offset_seconds_at(utc(2026, 3, 29, 1)), 7200);  // the moment itself
    EXPECT_EQ(madrid->offset_seconds_at(utc(2026, 3, 29, 1) - 1), 3600);
    EXPECT_EQ(madrid->offset_seconds_at(utc(2026, 10, 25, 1)), 3600);
    EXPECT_EQ(madrid->offset_seconds_at(utc(2126, 7, 1, 0)), 7200);  // after the file's last transition: by its rule
    EXPECT_EQ(madrid->offset_seconds_at(utc(2126, 12, 1, 0)), 3600);
    const auto sydney = TimeZone::load("Australia/Sydney").value();  // summer spans the new year
    EXPECT_EQ(sydney->offset_seconds_at(utc(2126, 1, 1, 0)), 11 * 3600);
    EXPECT_EQ(sydney->offset_seconds_at(utc(2126, 7, 1, 0)), 10 * 3600);
    EXPECT_EQ(TimeZone::load("Asia/Kolkata").value()->offset_seconds_at(utc(2126, 7, 1, 0)), 19800);
    EXPECT_EQ(TimeZone::load("UTC").value()->offset_seconds_at(utc(2026, 7, 1, 0)), 0);
}

TEST(Zone, EveryZoneOfTheDatabaseCanBeReadAndEveryCutOfOneIsAnError) {
    for (const char* name : {"America/New_York", "Africa/Casablanca", "America/Godthab", "Asia/Gaza", "Europe/Dublin",
                             "Pacific/Apia", "Etc/GMT+12"}) {
        EXPECT_TRUE(TimeZone::load(name).has_value()) << name;
    }
    std::ifstream file("/usr/share/zoneinfo/Europe/Madrid", std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    ASSERT_TRUE(TimeZone::parse(whole).has_value());
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(TimeZone::parse(whole.substr(0, size)).has_value()) << size;
    for (const char* name : {"", "/etc/passwd", "../zoneinfo/UTC", "Europe", "posixrules\n", "zone.tab"}) {
        EXPECT_FALSE(TimeZone::load(name).has_value()) << name;
    }
}

TEST(Hours, MayCrossMidnightAndBelongToTheDayTheyStartOn) {
    const auto policy =
        policy_of(world +
                  "rules: [{name: night, agents: [bot], targets: [db], operations: [read], objects: [any], verdict: allow,"
                  " when: {hours: {days: fri, from: \"22:00\", to: \"06:00\", zone: UTC}}}]\n");
    const auto at = [&](unsigned day, int hour) {
        Asked asked{{effect(Operation::read, {"public.a"})}};
        asked.when = std::chrono::sys_days(std::chrono::year(2026) / 6 / std::chrono::day(day)) + std::chrono::hours(hour);
        const auto verdict = judge(*policy, asked);
        EXPECT_FALSE(verdict.is_cacheable);
        return verdict.decision == model::Decision::allow;
    };
    EXPECT_FALSE(at(19, 21));  // Friday
    EXPECT_TRUE(at(19, 22));
    EXPECT_TRUE(at(20, 5));  // Saturday morning
    EXPECT_FALSE(at(20, 6));
    EXPECT_FALSE(at(20, 22));
    EXPECT_FALSE(at(19, 5));  // of Thursday's night
}

TEST(Verdict, IsCacheableUnlessTimeMatters) {
    const std::string rules =
        "rules: [{name: r, agents: [other], targets: [db], operations: [read], objects: [any], verdict: allow,"
        " when: {hours: {days: fri, zone: UTC}}}]\n";
    const auto policy = policy_of(world + rules);
    EXPECT_TRUE(judge(*policy, {{effect(Operation::read, {"public.a"})}}).is_cacheable);
    EXPECT_FALSE(judge(*policy, {{effect(Operation::read, {"public.a"})}}, {"other"}).is_cacheable);
}

TEST(Agents, AreKnownByTheirTokens) {
    const auto policy = policy_of(R"(version: 1
agents:
  for-ana: [{token: {issuer: "https://idp", claims: {sub: ana, groups: [bots, nightly]}}}]
  deep: [{token: {issuer: "https://idp", claims: {realm: {roles: dba}, admin: true}}}]
  both: [{unit: "bot@*.service", token: {issuer: "https://idp", claims: {sub: ana}}}]
)");
    const auto sets = [&](const std::function<void(model::AgentToken&)>& change, const std::string& unit = "") {
        auto token = std::make_shared<model::AgentToken>();
        token->issuer = "https://idp";
        token->claims = {{{"sub"}, {"ana"}},
                         {{"groups"}, {"nightly", "bots", "more"}},
                         {{"realm", "roles"}, {"dba"}},
                         {{"admin"}, {"true"}}};
        change(*token);
        model::Agent agent;
        agent.unit = unit;
        agent.token = token;
        return policy->agents_matching(agent);
    };
    using Sets = std::vector<std::string>;
    EXPECT_EQ(sets([](auto&) {}), (Sets{"deep", "for-ana"}));
    EXPECT_EQ(sets([](auto&) {}, "bot@1.service"), (Sets{"both", "deep", "for-ana"}));
    EXPECT_EQ(sets([](auto& token) { token.issuer = "https://other"; }, "bot@1.service"), Sets());
    EXPECT_EQ(sets([](auto& token) { token.failure = "expired"; }), Sets());
    EXPECT_EQ(sets([](auto& token) { token.is_pending = true; }), Sets());
    EXPECT_EQ(sets([](auto& token) { token.claims[0].values = {"bob"}; }), (Sets{"deep"}));
    EXPECT_EQ(sets([](auto& token) { token.claims[1].values = {"bots"}; }), (Sets{"deep"}))
        << "all that is wanted must be there";
    EXPECT_EQ(sets([](auto& token) { token.claims.pop_back(); }), (Sets{"for-ana"}));
    EXPECT_EQ(sets([](auto& token) { token.claims[2].path = {"realm.roles"}; }), (Sets{"for-ana"}));
    EXPECT_EQ(policy->agents_matching(model::Agent{}), Sets());
}

TEST(Agents, WithTokensOfIssuersThatNobodyAsksCanNeverMatch) {
    const auto policy = policy_of("agents: {bot: [{token: {issuer: \"https://idp\", claims: {sub: ana}}}]}\n");
    Settings settings;
    EXPECT_NE(all_mistakes(policy->check_against(settings)).find("'https://idp' is not in 'identity'"), std::string::npos);
    settings.identity.issuers.push_back(
        {.issuer = "https://idp", .audience = {}, .ca = {}, .reviewers = {}, .agents_login = {}});
    EXPECT_NE(all_mistakes(policy->check_against(settings)).find("no 'audience'"), std::string::npos);
    settings.identity.issuers.front().audience = "assent";
    EXPECT_EQ(all_mistakes(policy->check_against(settings)), "");
}

model::Agent agent_of(const std::string& unit, const std::string& path, const std::string& exe = "/usr/bin/psql") {
    model::Agent agent;
    agent.unit = unit;
    agent.cgroup_path = path;
    agent.exe = exe;
    return agent;
}

TEST(Agents, KeysOfOneItemMustAllHoldAndItemsAreAlternatives) {
    const auto policy = policy_of(R"(
agents:
  migrator:
    - {unit: "migrator@*.service", exe: "/opt/bots/*/migrate"}
    - {slice: agents-nightly.slice}
  nightly:
    - {run: "nightly-*", runners: [ana, ci]}
  unclaimed:
    - {run: loose}
  boxed:
    - {cgroup: "/docker/box-*"}
)");
    using Sets = std::vector<std::string>;
    EXPECT_EQ(policy->agents_matching(agent_of("", "/docker/box-1")), Sets{"boxed"});
    EXPECT_EQ(policy->agents_matching(agent_of("x.service", "/docker/box-1/init/x.service")), Sets{"boxed"});
    EXPECT_EQ(policy->agents_matching(agent_of("", "/docker/other/box-1")), Sets{});
    EXPECT_EQ(policy->agents_matching(agent_of("", "/elsewhere/docker/box-1")), Sets{});
    EXPECT_EQ(policy->agents_matching(agent_of("", "")), Sets{});
    EXPECT_EQ(
        policy->agents_matching(agent_of("migrator@1.service", "/system.slice/migrator@1.service", "/opt/bots/a/migrate")),
        Sets{"migrator"});
    EXPECT_EQ(policy->agents_matching(agent_of("migrator@1.service", "/system.slice/migrator@1.service")), Sets{});
    EXPECT_EQ(policy->agents_matching(agent_of("migrator@1.service", "/system.slice", "")), Sets{});
    EXPECT_EQ(policy->agents_matching(
                  agent_of("x.service", "/agents.slice/agents-nightly.slice/agents-nightly-a.slice/x.service")),
              Sets{"migrator"});
    EXPECT_EQ(policy->agents_matching(agent_of("agents-nightly.slice.service", "/a.slice/agents-nightly.slice.service")),
              Sets{});
    auto run = agent_of("", "/assent.slice/run-1.scope");
    run.run_name = "nightly-1";
    EXPECT_EQ(policy->agents_matching(run), Sets{});
    run.runner = "ana";
    EXPECT_EQ(policy->agents_matching(run), Sets{"nightly"});
    EXPECT_TRUE(policy->may_run("nightly-1", "ci"));
    EXPECT_FALSE(policy->may_run("nightly-1", "root"));
    EXPECT_FALSE(policy->may_run("other", "ana"));
    EXPECT_FALSE(policy->may_run("", "ana"));
    EXPECT_TRUE(policy->may_run("loose", "root"));  // nobody was named: only who could do it anyway
    EXPECT_FALSE(policy->may_run("loose", "ana"));
}

class Learned final : public NameLookup {
public:
    bool leads_to(std::string_view host, const model::IpAddress& address) const override {
        return host == "db.internal" && address == *model::IpAddress::parse("10.2.3.4");
    }
};

TEST(Targets, TheLongestPrefixWins) {
    const auto policy = policy_of(R"(
targets:
  everything: {protocol: tcp, addresses: ["0.0.0.0/0:5432", "[::]:5432"]}
  network: {protocol: tcp, addresses: ["10.2.0.0/16:5432", "[fd00::/8]:5432"]}
  named: {protocol: tcp, addresses: [DB.internal:5432]}
  exact: {protocol: tcp, addresses: ["10.2.3.5:5432", "[fd00::5]:5432"]}
)");
    const Learned names;
    const auto at = [&](const char* address, std::uint16_t port = 5432) -> std::string {
        const Target* target = policy->target_at({*model::IpAddress::parse(address), port}, names);
        return target == nullptr ? "" : target->name;
    };
    EXPECT_EQ(at("192.0.2.1"), "everything");
    EXPECT_EQ(at("192.0.2.1", 5433), "");
    EXPECT_EQ(at("10.2.9.9"), "network");
    EXPECT_EQ(at("10.3.0.1"), "everything");
    EXPECT_EQ(at("10.2.3.4"), "named");
    EXPECT_EQ(at("10.2.3.5"), "exact");
    EXPECT_EQ(at("::ffff:10.2.3.5"), "exact");
    EXPECT_EQ(at("fd00::5"), "exact");
    EXPECT_EQ(at("fd00::6"), "network");
    EXPECT_EQ(at("2001:db8::1"), "");
}

TEST(Targets, ASocketIsItsName) {
    const auto policy = policy_of(R"(
targets:
  everything: {protocol: tcp, addresses: ["0.0.0.0/0:5432"]}
  local: {protocol: tcp, addresses: ["unix:/run/postgresql/.s.PGSQL.5432", "10.2.3.5:5432"]}
  abstract: {protocol: tcp, addresses: ["unix:@bus"]}
)");
    const auto at = [&](const std::string& name) -> std::string {
        const Target* target = policy->target_at({{}, 0, name}, Learned());
        return target == nullptr ? "" : target->name;
    };
    EXPECT_EQ(at("/run/postgresql/.s.PGSQL.5432"), "local");
    EXPECT_EQ(at("@bus"), "abstract");
    EXPECT_EQ(at("/run/postgresql/.s.PGSQL.5433"), "");
    EXPECT_EQ(at("bus"), "");
}

TEST(Masks, TheStrongestComesFirst) {
    const auto policy = policy_of(world + R"(
masks:
  - {name: last-four, columns: ["public.customers.*"], method: {partial: {keep_last: 4}}}
  - {name: hidden, columns: ["*.*.ssn"], method: null}
  - {name: hashed, columns: ["public.*.ssn"], method: hash, unproven: deny}
  - {name: fixed, columns: [public.customers.ssn], method: redact}
  - {name: elsewhere, columns: [hr.public.customers.ssn], method: redact}
  - {name: of-others, agents: [other], columns: [public.customers.ssn], method: redact}
)");
    const auto names = [](const std::vector<sql::MaskedColumn>& masks) {
        std::string out;
        for (const auto& mask : masks) out += mask.mask + (mask.denies_unproven ? "! " : " ");
        return out;
    };
    const auto scope = policy->scope({"bot"}, "db", "shop");
    EXPECT_TRUE(scope->has_masks());
    EXPECT_EQ(names(scope->masks_of("public", "customers", "ssn")), "hidden fixed hashed! last-four ");
    EXPECT_EQ(names(scope->masks_of("public", "customers", "name")), "last-four ");
    EXPECT_EQ(names(scope->masks_of("audit", "log", "text")), "");
    EXPECT_TRUE(scope->may_mask("audit", "log"));  // it may have a column ssn
    EXPECT_EQ(names(policy->scope({"bot"}, "db", "hr")->masks_of("public", "customers", "ssn")),
              "hidden elsewhere fixed hashed! last-four ");
    EXPECT_EQ(names(policy->scope({"bot"}, "db", "")->masks_of("public", "customers", "ssn")),
              "hidden elsewhere fixed hashed! last-four ");
    EXPECT_EQ(names(policy->scope({"other"}, "db", "shop")->masks_of("public", "customers", "ssn")),
              "hidden fixed of-others hashed! last-four ");
}

TEST(HarmlessFunctions, AreThoseThatAreListed) {
    const auto scope = policy_of("harmless_functions: [reporting.week_of, \"util.*\", \"pg_*.*\"]\n")->scope({}, "", "");
    EXPECT_TRUE(scope->is_harmless("reporting", "week_of"));
    EXPECT_FALSE(scope->is_harmless("public", "week_of"));
    EXPECT_TRUE(scope->is_harmless("util", "anything"));
    EXPECT_FALSE(scope->is_harmless("pg_catalog", "pg_read_file"));  // no wildcard makes the server's own functions harmless
}

TEST(Policy, ItsDigestNamesItsContentAndItsRevisionTheLoad) {
    const auto first = load_texts({{"a.yaml", "version: 1\n"}}, 1).value();
    const auto second = load_texts({{"a.yaml", "version: 1\n"}}, 2).value();
    const auto other = load_texts({{"a.yaml", "version: 1\n\n"}}, 1).value();
    const auto renamed = load_texts({{"b.yaml", "version: 1\n"}}, 1).value();
    EXPECT_EQ(first->digest(), second->digest());
    EXPECT_NE(first->digest(), other->digest());
    EXPECT_NE(first->digest(), renamed->digest());
    EXPECT_EQ(second->revision(), 2U);
    EXPECT_EQ(first->files().at("a.yaml"), "version: 1\n");
}

// Any order of the rules, any split into files: the same verdicts.
TEST(Order, OfRulesAndFilesNeverMatters) {
    const std::vector<std::string> rules = {
        "{name: a, agents: [bot], targets: [db], operations: [read, transaction], objects: [\"public.*\"], verdict: allow}",
        "{name: b, agents: [any], targets: [any], operations: [writes], objects: [any], verdict: hold, approval: dba}",
        "{name: c, operations: [update, delete], when: {where_clause: absent}, verdict: deny, message: Needs a WHERE.}",
        "{name: d, operations: [drop], objects: [\"*.orders\"], verdict: deny}",
        "{name: e, agents: [bot], targets: [db], operations: [ddl], objects: [any], except: {objects: [public.pay]}, "
        "verdict: hold, approval: security}",
        "{name: f, agents: [bot], targets: [db], operations: [insert], objects: [public.log], verdict: allow}",
        "{name: g, operations: [read], objects: [hr.salaries], verdict: deny}",
        "{name: h, agents: [bot, other], targets: [db], operations: [read], objects: [\"@catalog\", \"hr.*\"], verdict: "
        "allow}"};
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const std::vector<Operation> operations = {Operation::read, Operation::update, Operation::remove,     Operation::insert,
                                               Operation::drop, Operation::create, Operation::transaction};
    const std::vector<std::string> names = {"public.orders", "public.pay",          "public.log", "hr.salaries",
                                            "hr.people",     "pg_catalog.pg_class", "x.orders"};
    const auto pick = [&](const auto& list) { return list[random() % list.size()]; };
    const auto load_shuffled = [&] {
        auto shuffled = rules;
        std::shuffle(shuffled.begin(), shuffled.end(), random);
        std::map<std::string, std::string> files = {{"world.yaml", world}};
        for (const auto& rule : shuffled) {
            auto& file = files["f" + std::to_string(random() % 3) + ".yaml"];
            if (file.empty()) file = "rules:\n";
            file += "  - " + rule + "\n";
        }
        return policy_of(files);
    };
    const auto reference = policy_of(world + "rules:\n  - " + [&] {
        std::string joined = rules[0];
        for (std::size_t i = 1; i < rules.size(); ++i) joined += "\n  - " + rules[i];
        return joined + "\n";
    }());
    for (int round = 0; round < 20; ++round) {
        const auto shuffled = load_shuffled();
        for (int question = 0; question < 50; ++question) {
            Asked asked;
            for (std::size_t count = 1 + random() % 3; count > 0; --count) {
                model::Effect one =
                    effect(pick(operations), {pick(names), pick(names)}, static_cast<model::WhereClause>(random() % 3));
                one.objects[0].is_resolved = random() % 4 != 0;
                asked.effects.push_back(std::move(one));
            }
            const auto expected = judge(*reference, asked);
            const auto got = judge(*shuffled, asked);
            EXPECT_EQ(verdict_text(got), verdict_text(expected));
            EXPECT_EQ(got.message, expected.message);
            EXPECT_EQ(got.approvals, expected.approvals);
            std::shuffle(asked.effects.begin(), asked.effects.end(), random);
            EXPECT_EQ(verdict_text(judge(*reference, asked)), verdict_text(expected));  // nor does that of the effects
        }
    }
}

}  // namespace
}  // namespace assent::policy
