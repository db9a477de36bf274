// LearnedNames: which address a name leads to, and for how long.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/limits.h"
#include "resolve/learned_names.h"

namespace assent::resolve {
namespace {

using namespace std::chrono_literals;

class HandClock final : public Clock {
public:
    [[nodiscard]] Moment now() const override { return moment; }
    [[nodiscard]] WallTime wall() const override { return {}; }
    Moment moment{};
};

model::IpAddress ip(std::string_view text) { return *model::IpAddress::parse(text); }

struct LearnedNamesTest : ::testing::Test {
    HandClock clock;
    LearnedNames names{clock};
};

constexpr const char* agent = "/assent.slice/run-1.scope";
constexpr const char* other = "/assent.slice/run-2.scope";

TEST_F(LearnedNamesTest, knows_nothing_at_first) {
    EXPECT_FALSE(names.leads_to(agent, "db.internal", ip("10.0.0.5")));
    EXPECT_FALSE(names.leads_to(agent, "", ip("10.0.0.5")));
}

TEST_F(LearnedNamesTest, compares_without_case_and_trailing_dot) {
    names.learn(agent, "DB.Internal.", ip("10.0.0.5"), 60, false);
    EXPECT_TRUE(names.leads_to(agent, "db.internal", ip("10.0.0.5")));
    EXPECT_TRUE(names.leads_to(agent, "db.INTERNAL.", ip("10.0.0.5")));
    EXPECT_FALSE(names.leads_to(agent, "db.internal.evil.com", ip("10.0.0.5")));
    EXPECT_FALSE(names.leads_to(agent, "internal", ip("10.0.0.5")));
    EXPECT_FALSE(names.leads_to(agent, "db.internal", ip("10.0.0.6")));
}

TEST_F(LearnedNamesTest, what_one_agent_was_told_holds_for_no_other) {
    names.learn(agent, "db.internal", ip("10.0.0.5"), 60, true);
    EXPECT_FALSE(names.leads_to(other, "db.internal", ip("10.0.0.5")));
    EXPECT_FALSE(names.leads_to("", "db.internal", ip("10.0.0.5")));
}

TEST_F(LearnedNamesTest, what_the_daemon_found_holds_for_all) {
    ASSERT_TRUE(names.resolve_now(std::vector<std::string>{"localhost"}).empty());
    for (const auto* one : {agent, other})
        EXPECT_TRUE(names.leads_to(one, "localhost", ip("127.0.0.1")) || names.leads_to(one, "localhost", ip("::1")));
}

TEST_F(LearnedNamesTest, forgets_when_the_answer_has_expired) {
    names.learn(agent, "db.internal", ip("10.0.0.5"), 3600, true);
    clock.moment += 59min;
    EXPECT_TRUE(names.leads_to(agent, "db.internal", ip("10.0.0.5")));
    clock.moment += 2min;
    EXPECT_FALSE(names.leads_to(agent, "db.internal", ip("10.0.0.5")));
}

TEST_F(LearnedNamesTest, keeps_short_answers_a_little_and_long_ones_not_for_ever) {
    names.learn(agent, "short.internal", ip("10.0.0.5"), 0, false);
    names.learn(agent, "long.internal", ip("10.0.0.6"), 0xffffffff, false);
    clock.moment += LearnedNames::least_life - 1s;
    EXPECT_TRUE(names.leads_to(agent, "short.internal", ip("10.0.0.5")));
    clock.moment += 2s;
    EXPECT_FALSE(names.leads_to(agent, "short.internal", ip("10.0.0.5")));
    clock.moment += LearnedNames::longest_life;
    EXPECT_FALSE(names.leads_to(agent, "long.internal", ip("10.0.0.6")));
}

TEST_F(LearnedNamesTest, a_shorter_answer_does_not_take_back_a_longer_one) {
    names.learn(agent, "db.internal", ip("10.0.0.5"), 7200, false);
    names.learn(agent, "db.internal", ip("10.0.0.5"), 1, false);
    clock.moment += 1h;
    EXPECT_TRUE(names.leads_to(agent, "db.internal", ip("10.0.0.5")));
}

TEST_F(LearnedNamesTest, asking_for_many_names_pushes_out_no_name_of_a_target) {
    names.learn(agent, "db.internal", ip("10.0.0.5"), 3600, true);
    for (std::size_t i = 0; i < limits::learned_names_per_agent + 100; ++i)
        names.learn(agent, fmt::format("junk{}.evil.com", i), ip("10.6.6.6"), 86400, false);
    EXPECT_EQ(names.size(agent), limits::learned_names_per_agent);
    EXPECT_TRUE(names.leads_to(agent, "db.internal", ip("10.0.0.5")));
}

TEST_F(LearnedNamesTest, keeps_a_bounded_number_of_agents) {
    for (std::size_t i = 0; i < limits::dns_agents + 10; ++i) {
        clock.moment += 1s;
        names.learn(fmt::format("/agents.slice/run-{}.scope", i), "db.internal", ip("10.0.0.5"), 86400, true);
    }
    EXPECT_FALSE(names.leads_to("/agents.slice/run-9.scope", "db.internal", ip("10.0.0.5")));
    EXPECT_TRUE(names.leads_to("/agents.slice/run-10.scope", "db.internal", ip("10.0.0.5")));
}

TEST_F(LearnedNamesTest, one_name_keeps_a_bounded_number_of_addresses) {
    std::size_t known = 0;
    for (unsigned i = 0; i < 300; ++i)
        names.learn(agent, "many.internal", ip(fmt::format("10.0.{}.{}", i / 200, i % 200)), 3600 + i, true);
    for (unsigned i = 0; i < 300; ++i)
        known += names.leads_to(agent, "many.internal", ip(fmt::format("10.0.{}.{}", i / 200, i % 200))) ? 1U : 0U;
    EXPECT_EQ(known, limits::addresses_per_name);
    EXPECT_TRUE(names.leads_to(agent, "many.internal", ip("10.0.1.99")));
}

TEST_F(LearnedNamesTest, says_which_names_cannot_be_resolved) {
    const auto failed = names.resolve_now(std::vector<std::string>{"localhost", "no such name"});
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_TRUE(failed.front().starts_with("no such name: "));
}

}  // namespace
}  // namespace assent::resolve
