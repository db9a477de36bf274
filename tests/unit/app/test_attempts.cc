// What agents tried is counted for each of them, and a flood leaves the log alone.
#include <gtest/gtest.h>

#include "app/attempts.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;

model::Agent agent_of(std::uint64_t cgroup_id) {
    model::Agent out;
    out.cgroup_id = cgroup_id;
    out.cgroup_path = "/agents.slice/" + std::to_string(cgroup_id);
    return out;
}

struct AttemptsTest : testing::Test {
    bool one(std::uint64_t cgroup_id, std::string_view what = "send") {
        return attempts.count(agent_of(cgroup_id), what, "10.0.0.1:443", now, WallTime(1s * ++seconds));
    }
    Attempts attempts;
    Moment now{1000s};
    int seconds = 0;
};

TEST_F(AttemptsTest, are_recorded_up_to_a_number_for_each_agent) {
    std::uint64_t recorded = 0;
    for (int i = 0; i < 1000; ++i) recorded += one(1) ? 1U : 0U;
    EXPECT_EQ(recorded, Attempts::recorded_at_once);
    EXPECT_TRUE(one(2)) << "another agent is not held back by it";
}

TEST_F(AttemptsTest, are_recorded_up_to_a_number_for_all_agents) {
    std::uint64_t recorded = 0;
    for (std::uint64_t cgroup_id = 1; cgroup_id <= 400; ++cgroup_id) recorded += one(cgroup_id) ? 1U : 0U;
    EXPECT_EQ(recorded, Attempts::recorded_of_all);
    now += Attempts::window;
    EXPECT_EQ(attempts.take_left_out(now).size(), 400 - Attempts::recorded_of_all);
    EXPECT_TRUE(one(1));
}

TEST_F(AttemptsTest, tell_how_many_were_left_out_when_the_time_has_passed) {
    for (int i = 0; i < 1000; ++i) (void)one(1);
    EXPECT_TRUE(attempts.take_left_out(now).empty());
    now += Attempts::window;
    const auto left_out = attempts.take_left_out(now);
    ASSERT_EQ(left_out.size(), 1U);
    EXPECT_EQ(left_out[0].cgroup_id, 1U);
    EXPECT_EQ(left_out[0].cgroup_path, "/agents.slice/1");
    EXPECT_EQ(left_out[0].count, 1000 - Attempts::recorded_at_once);
    EXPECT_TRUE(one(1)) << "and then it is recorded again";
    EXPECT_TRUE(attempts.take_left_out(now + Attempts::window).empty());
}

TEST_F(AttemptsTest, that_nobody_saw_are_told_with_what_is_left_out) {
    EXPECT_TRUE(one(1));
    attempts.count_unseen(1, 5000, now);
    attempts.count_unseen(2, 7, now);
    EXPECT_EQ(attempts.describe()[0]["count"], 5001);
    EXPECT_EQ(attempts.describe()[0]["kinds"]["untold"], 5000);
    now += Attempts::window;
    const auto left_out = attempts.take_left_out(now);
    ASSERT_EQ(left_out.size(), 2U);
    EXPECT_EQ(left_out[0].cgroup_id, 1U);
    EXPECT_EQ(left_out[0].count, 5000U);
    EXPECT_EQ(left_out[1].cgroup_id, 0U) << "of one that is not remembered";
    EXPECT_EQ(left_out[1].count, 7U);
}

TEST_F(AttemptsTest, a_quiet_agent_is_never_left_out) {
    for (int i = 0; i < 100; ++i) {
        EXPECT_TRUE(one(1));
        now += 1s;
        EXPECT_TRUE(attempts.take_left_out(now).empty());
    }
}

TEST_F(AttemptsTest, are_shown_by_agent_the_latest_first) {
    (void)one(1, "send");
    (void)one(1, "bind");
    (void)one(1, "send");
    (void)one(2, "socket");
    const auto shown = attempts.describe();
    ASSERT_EQ(shown.size(), 2U);
    EXPECT_EQ(shown[0]["cgroup_id"], 2);
    EXPECT_EQ(shown[1]["count"], 3);
    EXPECT_EQ(shown[1]["kinds"]["send"], 2);
    EXPECT_EQ(shown[1]["kinds"]["bind"], 1);
    EXPECT_EQ(shown[1]["last_what"], "send");
    EXPECT_EQ(shown[1]["last_address"], "10.0.0.1:443");
}

TEST_F(AttemptsTest, forget_the_agent_that_was_quiet_for_longest_but_not_its_number) {
    for (std::uint64_t i = 0; i <= Attempts::recorded_at_once; ++i) (void)one(1);
    for (std::uint64_t cgroup_id = 2; cgroup_id <= Attempts::agents_limit + 1; ++cgroup_id) {
        EXPECT_TRUE(one(cgroup_id));
        now += 1s;
    }
    EXPECT_EQ(attempts.describe().size(), Attempts::agents_limit);
    const auto left_out = attempts.take_left_out(now);
    ASSERT_EQ(left_out.size(), 1U);
    EXPECT_EQ(left_out[0].agent, "");
    EXPECT_EQ(left_out[0].count, 1U);
}

}  // namespace
}  // namespace assent::app
