// What was judged once is used again, also for texts that differ in their constants, but never where a constant decides.
#include <stdexcept>

#include <gtest/gtest.h>

#include "policy/loading.h"
#include "session/judge.h"

namespace assent::session {
namespace {

constexpr const char* policy_text = R"(
version: 1
agents: {bot: [{run: bot, runners: [root]}]}
targets: {db: {protocol: postgres, addresses: ["192.0.2.1:5432"]}}
rules:
  - {name: all, agents: [bot], targets: [db], operations: [read], objects: [any], verdict: allow}
  - {name: five, agents: [bot], targets: [db], operations: [update], objects: [any], when: {matches: "= [56]$"}, verdict: allow}
)";

class JudgeTest : public testing::Test {
protected:
    JudgeTest() {
        auto loaded = policy::load_texts({{"p.yaml", policy_text}}, 1);
        if (!loaded) throw std::runtime_error(loaded.error().front().to_text());
        policy_ = *loaded;
        judge_.use(policy_, policy_->scope({"bot"}, "db", "shop"));
    }
    std::shared_ptr<const Judged> judged(std::string_view text) { return judge_.judge(judge_.parse(text, true), {}, true); }
    model::Decision decision(std::string_view text) { return judged(text)->verdict.decision; }

    std::shared_ptr<const policy::Policy> policy_;
    Judge judge_{std::make_shared<Cache>(), system_clock()};
};

TEST_F(JudgeTest, TextsThatDifferInConstantsAreJudgedOnce) {
    const auto first = judged("SELECT total FROM orders WHERE id = 1");
    EXPECT_EQ(judged("SELECT total FROM orders WHERE id = 2"), first);
    EXPECT_EQ(judged("SELECT total FROM orders WHERE id = 7"), first);  // the rule that looks at texts is not about reading
    EXPECT_NE(judged("SELECT total FROM orders WHERE id > 1"), first);
}

TEST_F(JudgeTest, ARuleThatLooksAtTheTextSeesEachText) {
    for (int round = 0; round < 3; ++round) {
        EXPECT_EQ(decision("UPDATE orders SET total = 1 WHERE id = 5"), model::Decision::allow);
        EXPECT_EQ(decision("UPDATE orders SET total = 1 WHERE id = 7"), model::Decision::deny);
        EXPECT_EQ(decision("UPDATE orders SET total = 7 WHERE id = 6"), model::Decision::allow);
    }
}

TEST_F(JudgeTest, WhatOpensAPortalIsJudgedForItsOwnText) {
    // A portal is judged again after a reload, by the text that opened it.
    const std::string text = "UPDATE orders SET total = 1 WHERE id = 5";
    judged("UPDATE orders SET total = 1 WHERE id = 4");
    const auto parsed = judge_.parse(text, false);
    EXPECT_FALSE(parsed->has_lent_tree);
    EXPECT_EQ(judge_.judge(parsed, {}, true)->first->text, text);
}

}  // namespace
}  // namespace assent::session
