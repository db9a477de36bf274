// LearnedNames: which address a name leads to, and for how long.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/limits.h"
#include "kernel/names.h"

namespace assent::kernel {
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

TEST_F(LearnedNamesTest, knows_nothing_at_first) {
    EXPECT_FALSE(names.leads_to("db.internal", ip("10.0.0.5")));
    EXPECT_FALSE(names.leads_to("", ip("10.0.0.5")));
}

TEST_F(LearnedNamesTest, compares_without_case_and_trailing_dot) {
    names.learn("DB.Internal.", ip("10.0.0.5"), 60);
    EXPECT_TRUE(names.leads_to("db.internal", ip("10.0.0.5")));
    EXPECT_TRUE(names.leads_to("db.INTERNAL.", ip("10.0.0.5")));
    EXPECT_FALSE(names.leads_to("db.internal.evil.com", ip("10.0.0.5")));
    EXPECT_FALSE(names.leads_to("internal", ip("10.0.0.5")));
    EXPECT_FALSE(names.leads_to("db.internal", ip("10.0.0.6")));
}

TEST_F(LearnedNamesTest, forgets_when_the_answer_has_expired) {
    names.learn("db.internal", ip("10.0.0.5"), 3600);
    clock.moment += 59min;
    EXPECT_TRUE(names.leads_to("db.internal", ip("10.0.0.5")));
    clock.moment += 2min;
    EXPECT_FALSE(names.leads_to("db.internal", ip("10.0.0.5")));
    EXPECT_TRUE(names.names_of(ip("10.0.0.5")).empty());
    EXPECT_TRUE(names.addresses_of("db.internal").empty());
}

TEST_F(LearnedNamesTest, keeps_short_answers_a_little_and_long_ones_not_for_ever) {
    names.learn("short.internal", ip("10.0.0.5"), 0);
    names.learn("long.internal", ip("10.0.0.6"), 0xffffffff);
    clock.moment += LearnedNames::least_life - 1s;
    EXPECT_TRUE(names.leads_to("short.internal", ip("10.0.0.5")));
    clock.moment += 2s;
    EXPECT_FALSE(names.leads_to("short.internal", ip("10.0.0.5")));
    clock.moment += LearnedNames::longest_life;
    EXPECT_FALSE(names.leads_to("long.internal", ip("10.0.0.6")));
}

TEST_F(LearnedNamesTest, a_shorter_answer_does_not_take_back_a_longer_one) {
    names.learn("db.internal", ip("10.0.0.5"), 7200);
    names.learn("db.internal", ip("10.0.0.5"), 1);
    clock.moment += 1h;
    EXPECT_TRUE(names.leads_to("db.internal", ip("10.0.0.5")));
}

TEST_F(LearnedNamesTest, tells_every_name_of_a_shared_address) {
    names.learn("b.internal", ip("fd00::5"), 60);
    names.learn("a.internal", ip("fd00::5"), 60);
    names.learn("c.internal", ip("fd00::6"), 60);
    EXPECT_EQ(names.names_of(ip("fd00::5")), (std::vector<std::string>{"a.internal", "b.internal"}));
}

TEST_F(LearnedNamesTest, asking_for_many_names_pushes_out_no_name_of_a_target) {
    ASSERT_TRUE(names.resolve_now(std::vector<std::string>{"localhost"}).empty());
    EXPECT_TRUE(names.leads_to("localhost", ip("127.0.0.1")) || names.leads_to("localhost", ip("::1")));
    for (std::size_t i = 0; i < limits::learned_names + 100; ++i)
        names.learn(fmt::format("junk{}.evil.com", i), ip("10.6.6.6"), 86400);
    EXPECT_EQ(names.size(), limits::learned_names);
    EXPECT_FALSE(names.addresses_of("localhost").empty());
}

TEST_F(LearnedNamesTest, one_name_keeps_a_bounded_number_of_addresses) {
    for (unsigned i = 0; i < 300; ++i)
        names.learn("many.internal", ip(fmt::format("10.0.{}.{}", i / 200, i % 200)), 3600 + i);
    EXPECT_EQ(names.addresses_of("many.internal").size(), limits::addresses_per_name);
    EXPECT_TRUE(names.leads_to("many.internal", ip("10.0.1.99")));
}

TEST_F(LearnedNamesTest, says_which_names_cannot_be_resolved) {
    const auto failed = names.resolve_now(std::vector<std::string>{"localhost", "no such name"});
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_TRUE(failed.front().starts_with("no such name: "));
}

}  // namespace
}  // namespace assent::kernel
