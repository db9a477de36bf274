// What names may carry: form, length, randomness and number; and whose names count together.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/limits.h"
#include "model/dns_type.h"
#include "resolve/agent_key.h"
#include "resolve/name_limits.h"

namespace assent::resolve {
namespace {

using namespace std::chrono_literals;

policy::DnsSettings settings() {
    policy::DnsSettings out;
    out.types = {1, 28, 12};
    out.queries_per_minute = 50;
    out.names_per_hour = 20;
    out.names_per_domain = 5;
    return out;
}

wire::dns::Query query_for(std::string_view name, std::uint16_t type = 1) {
    wire::dns::Query out;
    out.name = name;
    out.type = type;
    out.record_class = 1;
    while (!name.empty()) {
        const auto label = name.substr(0, name.find('.'));
        out.labels.emplace_back(label);
        name.remove_prefix(std::min(label.size() + 1, name.size()));
    }
    return out;
}

struct NameLimitsTest : ::testing::Test {
    // Why it is refused, "" when it is not.
    std::string refusal(std::string_view name, std::uint16_t type = 1, const std::string& asking = "a") {
        const auto refused = judged.judge(asking, query_for(name, type), now);
        return refused ? refused->text : "";
    }
    NameLimits judged{settings()};
    Moment now{};
};

TEST_F(NameLimitsTest, names_as_they_are_pass) {
    for (const auto* name :
         {"example.com", "a.b.example.org", "_postgresql._tcp.db.internal", "internal-balancer-1234567890.eu.test",
          "mydb.c9akciq32h5v.eu-west-1.rds.amazonaws.com", "localhost", "", "5.2.0.10.in-addr.arpa"})
        EXPECT_EQ(refusal(name), "") << name;
}

TEST_F(NameLimitsTest, other_types_are_refused) {
    EXPECT_NE(refusal("example.com", *model::dns_type::of_name("TXT")).find("TXT"), std::string::npos);
    EXPECT_NE(refusal("example.com", *model::dns_type::of_name("NULL")), "");
    EXPECT_NE(refusal("example.com", 4711).find("TYPE4711"), std::string::npos);
    EXPECT_EQ(refusal("example.com", 28), "");
}

TEST_F(NameLimitsTest, long_and_random_names_are_refused) {
    const std::string base32 = "mzxw6ytboi2gk3tfonzsa5dimuqhg5dsnfxgo3dpojs";
    EXPECT_EQ(refusal(base32 + ".example.com"), "");
    EXPECT_NE(refusal(base32 + "." + base32 + ".example.com").find("dns.names.random"), std::string::npos);
    EXPECT_NE(refusal(std::string(63, 'a') + "." + std::string(63, 'b') + ".test").find("dns.names.longest"),
              std::string::npos);
    wire::dns::Query binary = query_for("example.com");
    binary.labels.front() = "\x01\x02";
    EXPECT_TRUE(judged.judge("a", binary, now).has_value());
}

TEST_F(NameLimitsTest, only_so_many_names_of_one_domain_an_hour) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(refusal(fmt::format("n{}.evil.example", i)), "");
    EXPECT_NE(refusal("n5.evil.example").find("dns.names.per_domain"), std::string::npos);
    EXPECT_NE(refusal("n6.deeper.down.evil.example"), "");
    // What was asked before may be asked again; other domains and other agents have their own.
    EXPECT_EQ(refusal("n0.evil.example"), "");
    EXPECT_EQ(refusal("n5.other.example"), "");
    EXPECT_EQ(refusal("n5.evil.example", 1, "b"), "");
    now += 61min;
    EXPECT_EQ(refusal("n5.evil.example"), "");
}

TEST_F(NameLimitsTest, only_so_many_names_in_all_and_so_many_queries) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(refusal(fmt::format("www.domain{}.example", i)), "");
    EXPECT_NE(refusal("www.domain20.example").find("dns.names.per_hour"), std::string::npos);
    for (int i = 0; i < 29; ++i) EXPECT_EQ(refusal("www.domain0.example"), "");
    EXPECT_NE(refusal("www.domain0.example").find("dns.queries.per_minute"), std::string::npos);
    now += 61s;
    EXPECT_EQ(refusal("www.domain0.example"), "");
}

TEST_F(NameLimitsTest, more_agents_than_are_kept_are_refused) {
    for (std::size_t i = 0; i < assent::limits::dns_agents; ++i)
        EXPECT_EQ(refusal("example.com", 1, fmt::format("agent {}", i)), "");
    EXPECT_NE(refusal("example.com", 1, "one more"), "");
    now += 61min;
    EXPECT_EQ(refusal("example.com", 1, "one more"), "");
}

TEST(NameLimits, can_refuse_every_name) {
    auto strict = settings();
    strict.refuses_unlisted = true;
    EXPECT_TRUE(NameLimits(strict).judge("a", query_for("example.com"), {}).has_value());
}

TEST(DomainOf, shares_budgets) {
    const auto domain = [](std::string_view name) { return domain_of(query_for(name).labels); };
    EXPECT_EQ(domain("a.b.example.com"), "example.com");
    EXPECT_EQ(domain("com"), "com");
    EXPECT_EQ(domain(""), "");
    EXPECT_EQ(domain("5.2.0.10.in-addr.arpa"), "0.10.in-addr.arpa");
    EXPECT_EQ(domain("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
              "8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST(Entropy, tells_words_from_noise) {
    EXPECT_EQ(entropy_of(""), 0);
    EXPECT_EQ(entropy_of("aaaa"), 0);
    EXPECT_NEAR(entropy_of("abcd"), 2, 1e-9);
}

TEST(AgentKey, is_not_for_the_agent_to_choose) {
    EXPECT_EQ(agent_key("/assent.slice/run-1.scope"), "/assent.slice/run-1.scope");
    EXPECT_EQ(agent_key("/assent.slice/run-1.scope/evil.slice/x.service"), "/assent.slice/run-1.scope");
    EXPECT_EQ(agent_key("/agents.slice/agents-night.slice/a.service/x"), "/agents.slice/agents-night.slice/a.service");
    EXPECT_EQ(agent_key("/assent.slice/by-hand/x.slice"), "/assent.slice/by-hand");
    EXPECT_EQ(agent_key("/test-1/agents.slice/run-2.scope/x"), "/test-1/agents.slice/run-2.scope");
    EXPECT_EQ(agent_key("/assent.slice"), "/assent.slice");
    EXPECT_EQ(agent_key("/docker/0123/x"), "/docker/0123/x");
    EXPECT_EQ(agent_key("/odd/a.service/x.scope"), "/odd/a.service");
    EXPECT_EQ(agent_key(""), "");
}

}  // namespace
}  // namespace assent::resolve
