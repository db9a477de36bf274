// How agents' commands are counted, and when an agent is suspended.
#include <gmock/gmock.h>

#include "app/last_refusals.h"
#include "app/rule_limits.h"
#include "app/suspensions.h"
#include "base/limits.h"
#include "unit/approve/desk_fixture.h"

namespace assent::app {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

model::RuleLimit limit_of(std::string rule, std::uint32_t commands, long per_s) {
    model::RuleLimit out;
    out.rule = std::move(rule);
    out.commands = commands;
    out.per = seconds(per_s);
    return out;
}

class RuleLimitsTest : public testing::Test {
protected:
    bool is_over(const std::string& agent = "nightly", const model::RuleLimit& limit = limit_of("r", 3, 60)) {
        return !limits.count(agent, {limit}).empty();
    }
    approve::TestClock clock;
    RuleLimits limits{clock};
};

TEST_F(RuleLimitsTest, SoManyInSoLongATimeAndNoMore) {
    EXPECT_FALSE(is_over());
    clock.pass(seconds(30));
    EXPECT_FALSE(is_over());
    EXPECT_FALSE(is_over());
    EXPECT_TRUE(is_over());
    EXPECT_TRUE(is_over()) << "what is over is not counted, and does not get less";
    EXPECT_FALSE(is_over("weekly")) << "each agent by itself";
    clock.pass(seconds(32));
    EXPECT_FALSE(is_over()) << "the first is long enough ago";
    EXPECT_TRUE(is_over());
}

TEST_F(RuleLimitsTest, NeverMoreInAnyWindowOfThatTime) {
    std::vector<long> taken;
    for (long second = 0; second < 600; ++second) {
        if (!is_over("nightly", limit_of("r", 5, 60))) taken.push_back(second);
        clock.pass(seconds(1));
    }
    for (std::size_t i = 5; i < taken.size(); ++i) EXPECT_GE(taken[i] - taken[i - 5], 60) << i;
    EXPECT_GT(taken.size(), 40U) << "and not much less";
}

TEST_F(RuleLimitsTest, AClockThatIsSetBackForgetsNothing) {
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(is_over());
    clock.set_wall(-seconds(100'000));
    EXPECT_TRUE(is_over());
}

TEST_F(RuleLimitsTest, ACommandUnderTwoLimitsIsCountedWhereItRunsOnly) {
    const auto narrow = limit_of("narrow", 1, 60);
    const auto wide = limit_of("wide", 2, 60);
    EXPECT_THAT(limits.count("a", {narrow, wide}), IsEmpty());
    const auto over = limits.count("a", {narrow, wide});
    ASSERT_EQ(over.size(), 1U);
    EXPECT_EQ(over[0].rule, "narrow");
    EXPECT_THAT(limits.count("a", {wide}), IsEmpty()) << "it was not counted under wide";
}

TEST_F(RuleLimitsTest, WhatWasCountedIsSavedAndLoaded) {
    EXPECT_FALSE(is_over());
    EXPECT_TRUE(limits.has_changed());
    const auto saved = limits.save();
    EXPECT_FALSE(limits.has_changed());
    RuleLimits other(clock);
    other.load(saved);
    EXPECT_THAT(other.count("nightly", {limit_of("r", 3, 60)}), IsEmpty());
    EXPECT_THAT(other.count("nightly", {limit_of("r", 3, 60)}), IsEmpty());
    EXPECT_EQ(other.count("nightly", {limit_of("r", 3, 60)}).size(), 1U);
    clock.pass(seconds(3600));
    EXPECT_THAT(other.save(), IsEmpty()) << "what is old is not kept";
}

TEST_F(RuleLimitsTest, WithoutRoomToCountItIsOver) {
    for (std::size_t i = 0; i < limits::limit_counters; ++i) EXPECT_FALSE(is_over(std::to_string(i)));
    EXPECT_TRUE(is_over("one more"));
    clock.pass(seconds(120));
    EXPECT_FALSE(is_over("one more")) << "old ones make room";
}

class SuspensionsTest : public approve::DeskFixture {
protected:
    std::unique_ptr<Suspensions> open(policy::Settings::Suspend settings = {}) {
        return std::make_unique<Suspensions>(
            Suspensions::Parts{*desk, settings, clock, [](const std::function<void()>& task) { task(); },
                               [this](const approve::Suspension& one) { told.push_back(one.agent + ": " + one.reason); }});
    }
    std::vector<std::string> told;
};

TEST_F(SuspensionsTest, FiveDenialsByPeopleWithinAMinute) {
    auto suspensions = open();
    for (int i = 0; i < 4; ++i) suspensions->denied("nightly", false);
    for (int i = 0; i < 50; ++i) suspensions->denied("nightly", true);
    EXPECT_EQ(suspensions->why("nightly", {}), "") << "rules do not count, unless the settings say so";
    clock.pass(seconds(61));
    for (int i = 0; i < 4; ++i) suspensions->denied("nightly", false);
    EXPECT_EQ(suspensions->why("nightly", {}), "") << "not within a minute";
    suspensions->denied("nightly", false);
    EXPECT_EQ(suspensions->why("nightly", {}), "5 denials within 60 s (by assent)");
    EXPECT_EQ(suspensions->why("weekly", {}), "");
    EXPECT_THAT(told, ElementsAre("nightly: 5 denials within 60 s"));
    suspensions->denied("nightly", false);
    EXPECT_EQ(told.size(), 1U) << "once";
    suspensions = open();
    EXPECT_NE(suspensions->why("nightly", {}), "") << "also after a restart";
    EXPECT_TRUE(suspensions->resume("nightly").has_value());
    EXPECT_EQ(suspensions->why("nightly", {}), "");
    EXPECT_EQ(suspensions->resume("nightly").error().code, Errc::not_found);
}

TEST_F(SuspensionsTest, AsTheSettingsSay) {
    auto off = open({.is_on = false});
    for (int i = 0; i < 50; ++i) off->denied("nightly", false);
    EXPECT_EQ(off->why("nightly", {}), "");
    auto strict = open({.is_on = true, .denials = 2, .within = seconds(10), .counts_rules = true});
    strict->denied("nightly", true);
    strict->denied("nightly", true);
    EXPECT_THAT(strict->why("nightly", {}), HasSubstr("2 denials within 10 s"));
}

TEST_F(SuspensionsTest, ByTheNameOfASetToo) {
    auto suspensions = open();
    ASSERT_TRUE(suspensions->suspend({"bots", "ana", "", clock.wall()}).has_value());
    EXPECT_EQ(suspensions->why("nightly-7", {"others", "bots"}), "no reason was given (by ana)");
    EXPECT_EQ(suspensions->why("nightly-7", {"others"}), "");
}

TEST_F(SuspensionsTest, WhoeverManyAgentsAreDeniedMemoryIsBounded) {
    auto suspensions = open();
    for (std::size_t i = 0; i < 3 * limits::agents_remembered; ++i) suspensions->denied("agent " + std::to_string(i), false);
    EXPECT_THAT(suspensions->list(), IsEmpty());
}

TEST(LastRefusals, KeepsTheNewestOfEachAgent) {
    LastRefusals refusals;
    for (int i = 0; i < 100; ++i) refusals.add(7, 1000, {WallTime(seconds(i)), std::to_string(i), "m", "d", "h"});
    const auto own = refusals.of(7, 1000);
    ASSERT_EQ(own.size(), limits::refusals_remembered);
    EXPECT_EQ(own.front().what, "99") << "newest first";
    EXPECT_THAT(refusals.of(7, 1001), IsEmpty()) << "another user of that cgroup";
    refusals.add(8, 1, {WallTime(), std::string(100'000, 'x'), {}, {}, {}});
    EXPECT_LE(refusals.of(8, 1)[0].what.size(), limits::refusal_text_remembered);
    for (std::uint64_t i = 100; i < 100 + 2 * limits::agents_remembered; ++i)
        refusals.add(i, 1, {WallTime(seconds(500)), "x", {}, {}, {}});
    EXPECT_THAT(refusals.of(7, 1000), IsEmpty()) << "the oldest agents were forgotten";
}

}  // namespace
}  // namespace assent::app
