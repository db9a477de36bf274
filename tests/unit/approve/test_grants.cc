// Widened approvals, broken glass, and what bounds an agent's holds.
#include <gmock/gmock.h>

#include "base/limits.h"
#include "unit/approve/desk_fixture.h"

namespace assent::approve {
namespace {

using model::HoldState;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class GrantTest : public DeskFixture {
protected:
    static model::HoldRequest of_shape(const std::string& text, const std::string& shape = "UPDATE … WHERE id = ?") {
        auto made = request(text);
        made.shape = sha256(as_bytes(shape));
        made.runner_uid.reset();
        return made;
    }
    static Answer widened(long lasts_s = 600, std::uint32_t times = 0) {
        return {true, "the nightly import", Widening{seconds(lasts_s), times}, {}};
    }
    Result<Decision> answer(const std::string& id, const Person& who, const Answer& given) {
        return desk->answer(id, who, given);
    }
};

TEST_F(GrantTest, AWidenedApprovalIsForAgentsThatTheSamePersonStarted) {
    auto of_ana = of_shape("1");
    of_ana.runner_uid = 1000;
    auto of_ben = of_shape("2");
    of_ben.runner_uid = 1001;
    const std::string first = open_hold(of_ana);
    const std::string second = open_hold(of_ben);
    EXPECT_THAT(desk->would_release(first).value(), IsEmpty());
    ASSERT_TRUE(answer(first, ben, widened()).has_value());
    EXPECT_EQ(state_of(second), HoldState::waiting) << "ben would have approved his own agent's command";
    of_ben.digest = sha256(as_bytes("3"));
    EXPECT_EQ(desk->request(of_ben)->state, HoldState::waiting);
    reopen();
    of_ana.digest = sha256(as_bytes("4"));
    EXPECT_EQ(desk->request(of_ana)->state, HoldState::approved);
}

TEST_F(GrantTest, AWidenedApprovalReleasesWhatWaitsAndLetsTheSameShapeThrough) {
    const std::string first = open_hold(of_shape("1"));
    const std::string second = open_hold(of_shape("2"));
    const std::string other = open_hold(of_shape("3", "another shape"));
    EXPECT_THAT(desk->would_release(first).value(), ElementsAre(second)) << "said beforehand";
    EXPECT_EQ(state_of(first), HoldState::waiting);

    const auto decided = answer(first, ben, widened());
    ASSERT_TRUE(decided.has_value()) << decided.error().message;
    ASSERT_TRUE(decided->grant.has_value());
    EXPECT_THAT(decided->released, ElementsAre(second));
    EXPECT_EQ(state_of(second), HoldState::approved);
    EXPECT_EQ(state_of(other), HoldState::waiting);
    EXPECT_EQ(desk->find(second)->status.grant, decided->grant->id);
    EXPECT_TRUE(desk->use(first).value());
    EXPECT_TRUE(desk->use(second).value());

    const auto third = desk->request(of_shape("4"));
    EXPECT_EQ(third->state, HoldState::approved);
    EXPECT_EQ(third->id, decided->grant->id);
    EXPECT_EQ(third->grant, decided->grant->id);
    EXPECT_EQ(third->decided_by, "ben");
    EXPECT_TRUE(desk->use(third->id).value());
    EXPECT_TRUE(desk->use(third->id).value()) << "as often as it likes";
    EXPECT_EQ(desk->grants(true).at(0).used, 4U);
    EXPECT_EQ(desk->request(of_shape("5", "another shape"))->state, HoldState::waiting);

    clock.pass(seconds(600));
    EXPECT_FALSE(desk->use(decided->grant->id).value());
    EXPECT_EQ(desk->request(of_shape("6"))->state, HoldState::waiting);
    EXPECT_THAT(desk->grants(true), IsEmpty());
}

TEST_F(GrantTest, ItIsForThatAgentTargetAndDatabaseAlone) {
    const std::string id = open_hold(of_shape("1"));
    ASSERT_TRUE(answer(id, ben, widened()).has_value());
    const auto waits = [&](auto change) {
        auto wanted = of_shape("another");
        change(wanted);
        wanted.digest = sha256(as_bytes(wanted.agent + wanted.target + wanted.database + wanted.database_user +
                                        std::to_string(wanted.agent_uid)));
        return desk->request(wanted)->state == HoldState::waiting;
    };
    EXPECT_TRUE(waits([](auto& wanted) { wanted.agent = "weekly"; }));
    EXPECT_TRUE(waits([](auto& wanted) { wanted.agent_uid = 5001; }));
    EXPECT_TRUE(waits([](auto& wanted) { wanted.target = "orders-db"; }));
    EXPECT_TRUE(waits([](auto& wanted) { wanted.database = "orders"; }));
    EXPECT_TRUE(waits([](auto& wanted) { wanted.database_user = "admin"; }));
    EXPECT_TRUE(waits([](auto& wanted) { wanted.shape = Digest{}; })) << "no shape is no shape";
    EXPECT_TRUE(waits([](auto& wanted) {
        wanted.approvals.push_back(approval("security", {"sam"}));
        wanted.database = "x";
    }));
}

TEST_F(GrantTest, ItIsGoodForSoManyTimesAlsoOverARestart) {
    const std::string first = open_hold(of_shape("1"));
    clock.pass(seconds(1));
    const std::string second = open_hold(of_shape("2"));
    clock.pass(seconds(1));
    const std::string third = open_hold(of_shape("3"));
    const auto decided = answer(first, ben, widened(600, 3));
    ASSERT_TRUE(decided.has_value());
    EXPECT_THAT(decided->released, ElementsAre(second, third)) << "with its own command that is three";
    EXPECT_EQ(desk->request(of_shape("4"))->state, HoldState::waiting);
    EXPECT_TRUE(desk->use(first).value()) << "what was released may run";
    EXPECT_TRUE(desk->use(second).value());
    EXPECT_TRUE(desk->use(third).value());

    const std::string fifth = open_hold(of_shape("5", "other"));
    const auto again = answer(fifth, ben, widened(600, 2));
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(desk->use(again->grant->id).value());
    clock.restart();
    reopen();
    EXPECT_FALSE(desk->use(again->grant->id).value()) << "used up before the restart";
    EXPECT_EQ(desk->request(of_shape("6", "other"))->state, HoldState::waiting);
}

TEST_F(GrantTest, TheNarrowestOfThoseWhoApproveWins) {
    auto two = [](const std::string& text, const std::string& shape) {
        auto made = of_shape(text, shape);
        made.approvals[0].stages[0].quorum = 2;
        return made;
    };
    const std::string mixed = open_hold(two("1", "a"));
    ASSERT_TRUE(answer(mixed, ben, widened()).has_value());
    const auto once = desk->answer(mixed, ana, {true, "this one only", {}, {}});
    ASSERT_TRUE(once.has_value());
    EXPECT_EQ(once->hold.status.state, HoldState::approved);
    EXPECT_FALSE(once->grant.has_value()) << "one of them approved this command only";
    EXPECT_EQ(desk->request(two("2", "a"))->state, HoldState::waiting);

    const std::string wide = open_hold(two("3", "b"));
    ASSERT_TRUE(answer(wide, ben, widened(600, 0)).has_value());
    clock.pass(seconds(100));
    const auto narrow = answer(wide, ana, widened(300, 5));
    ASSERT_TRUE(narrow->grant.has_value());
    EXPECT_EQ(narrow->grant->times, 5U);
    EXPECT_EQ(narrow->grant->until, clock.wall() + seconds(300));

    const std::string stale = open_hold(two("4", "c"));
    ASSERT_TRUE(answer(stale, ben, widened(60)).has_value());
    clock.pass(seconds(50));
    EXPECT_EQ(answer(stale, ana, widened(600))->grant->until, clock.wall() + seconds(10)) << "each counts from its answer";
}

TEST_F(GrantTest, MoreIsNotReleasedThanWasSaid) {
    const std::string id = open_hold(of_shape("1"));
    const std::string other = open_hold(of_shape("2"));
    Answer told = widened();
    told.most_released = 0;
    const auto refused = desk->answer(id, ben, told);
    ASSERT_FALSE(refused.has_value());
    EXPECT_THAT(refused.error().message, HasSubstr("release 1 other"));
    EXPECT_EQ(state_of(id), HoldState::waiting) << "nothing has happened";
    EXPECT_EQ(state_of(other), HoldState::waiting);
    EXPECT_THAT(desk->find(id)->acts, IsEmpty());
    told.most_released = 1;
    EXPECT_TRUE(desk->answer(id, ben, told).has_value());
}

TEST_F(GrantTest, RevokedItLetsNothingMoreThrough) {
    const std::string first = open_hold(of_shape("1"));
    const std::string second = open_hold(of_shape("2"));
    const auto decided = answer(first, ben, widened());
    const auto stopped = desk->revoke(decided->grant->id, "ana", "no",
                                      [](const Grant&) -> Result<> { return fail(Errc::unavailable, "the disk is full"); });
    EXPECT_FALSE(stopped.has_value());
    EXPECT_EQ(desk->request(of_shape("3"))->state, HoldState::approved) << "what cannot be recorded does not happen";

    const auto revoked = desk->revoke(decided->grant->id.substr(2, 4), "ana", "wrong table");
    ASSERT_TRUE(revoked.has_value()) << revoked.error().message;
    EXPECT_EQ(revoked->revoked_by, "ana");
    EXPECT_EQ(state_of(first), HoldState::revoked) << "approved by it and not run yet";
    EXPECT_EQ(state_of(second), HoldState::revoked);
    EXPECT_FALSE(desk->use(first).value());
    EXPECT_FALSE(desk->use(decided->grant->id).value());
    EXPECT_EQ(desk->request(of_shape("3"))->state, HoldState::waiting);
    EXPECT_EQ(desk->revoke(decided->grant->id, "ana", "").error().code, Errc::not_found);
    clock.restart();
    reopen();
    EXPECT_EQ(desk->request(of_shape("3"))->state, HoldState::waiting);
    EXPECT_EQ(desk->find_grant(decided->grant->id)->revoke_reason, "wrong table");
}

TEST_F(GrantTest, ADenialOfTheVeryCommandIsStronger) {
    const std::string denied = open_hold(of_shape("1"));
    ASSERT_TRUE(desk->decide(denied, ben, false, "not this one").has_value());
    ASSERT_TRUE(answer(open_hold(of_shape("2")), ben, widened()).has_value());
    EXPECT_EQ(desk->request(of_shape("1"))->state, HoldState::denied);
    EXPECT_EQ(desk->request(of_shape("3"))->state, HoldState::approved);
}

TEST_F(GrantTest, UnderAPolicyThatAsksForMoreItCoversNothing) {
    ASSERT_TRUE(answer(open_hold(of_shape("1")), ben, widened()).has_value());
    auto strict = of_shape("2");
    strict.approvals.push_back(approval("security", {"sam"}));
    EXPECT_EQ(desk->request(strict)->state, HoldState::waiting);
    auto others = of_shape("3");
    others.approvals = {approval("dba", {"sam"})};
    EXPECT_EQ(desk->request(others)->state, HoldState::waiting) << "ben may not approve it any more";
}

TEST_F(GrantTest, WhatMakesNoSenseIsRefused) {
    const std::string id = open_hold(of_shape("1"));
    EXPECT_FALSE(desk->answer(id, ben, widened(0)).has_value());
    EXPECT_FALSE(desk->answer(id, ben, widened(90'000)).has_value());
    EXPECT_FALSE(desk->answer(id, ben, {false, "", Widening{seconds(60), 0}, {}}).has_value());
    EXPECT_FALSE(answer(open_hold(request("no shape")), ben, widened()).has_value());
    EXPECT_FALSE(desk->revoke("w-222222", "ana", "").has_value());
    EXPECT_EQ(state_of(id), HoldState::waiting);
}

class GlassTest : public GrantTest {
protected:
    static model::HoldRequest behind_glass(const std::string& text) {
        auto made = of_shape(text, text);
        made.approvals = {approval("glass", {"ana", "ben"})};
        made.approvals[0].break_glass = seconds(1800);
        made.runner_uid = 1000;  // ana
        return made;
    }
};

TEST_F(GlassTest, ItLetsTheAgentThroughAtOnceForAWhileAndWantsAReview) {
    const std::string id = open_hold(behind_glass("1"));
    const std::string waiting = open_hold(behind_glass("2"));
    const auto silent = desk->decide(id, ana, true, "  ");
    ASSERT_FALSE(silent.has_value());
    EXPECT_THAT(silent.error().message, HasSubstr("say why"));
    const auto broken = desk->answer(id, ana, {true, "the database is on fire", {}, {}});
    ASSERT_TRUE(broken.has_value()) << broken.error().message;
    ASSERT_TRUE(broken->grant.has_value());
    EXPECT_EQ(broken->grant->kind, GrantKind::glass);
    EXPECT_EQ(broken->grant->until, clock.wall() + seconds(1800));
    EXPECT_THAT(broken->released, ElementsAre(waiting)) << "whatever the command";
    EXPECT_TRUE(desk->use(id).value());
    const auto next = desk->request(behind_glass("3"));
    EXPECT_EQ(next->state, HoldState::approved);
    EXPECT_TRUE(desk->use(next->id).value());
    auto more = behind_glass("4");
    more.approvals.push_back(approval("dba", {"ben"}));
    EXPECT_EQ(desk->request(more)->state, HoldState::waiting) << "what needs others too waits for them";

    clock.pass(seconds(1800));
    EXPECT_EQ(desk->request(behind_glass("5"))->state, HoldState::waiting);
    ASSERT_EQ(desk->grants(false).size(), 1U);
    EXPECT_TRUE(desk->grants(false)[0].needs_review());
    EXPECT_FALSE(desk->review(broken->grant->id, ben, " ").has_value()) << "a review is written";
    clock.restart();
    reopen();
    ASSERT_TRUE(desk->review(broken->grant->id, ben, "only the stuck job was removed").has_value());
    EXPECT_FALSE(desk->grants(false)[0].needs_review());
    EXPECT_FALSE(desk->review(broken->grant->id, ben, "again").has_value());
}

TEST_F(GlassTest, TheRequesterMayBreakItAndSomebodyElseReviewsWherePeopleHaveTokens) {
    desk_options.reviewing = {true, true};
    reopen();
    auto wanted = behind_glass("1");
    wanted.approvals = {approval("glass", {"unix:ana", "unix:ben"})};
    wanted.approvals[0].break_glass = seconds(60);
    const std::string id = open_hold(wanted);
    const auto broken = desk->answer(id, ana, {true, "fire", {}, {}});
    ASSERT_TRUE(broken.has_value()) << "she started the agent: " << broken.error().message;
    EXPECT_TRUE(broken->hold.acts.at(0).is_runner);
    EXPECT_EQ(desk->review(broken->grant->id, ana, "all fine").error().code, Errc::denied);
    EXPECT_TRUE(desk->review(broken->grant->id, ben, "all fine").has_value());
}

TEST_F(GlassTest, OthersMayNotBreakIt) {
    const std::string id = open_hold(behind_glass("1"));
    EXPECT_EQ(desk->decide(id, mallory, true, "fire").error().code, Errc::denied);
    auto of_ana = behind_glass("2");
    of_ana.agent_uid = ana.uid;
    EXPECT_EQ(desk->decide(open_hold(of_ana), ana, true, "fire").error().code, Errc::denied) << "the agent itself";
}

TEST_F(DeskFixture, SuspensionsAndCountsSurviveARestart) {
    ASSERT_TRUE(desk->suspend({"nightly", "ana", "wrong rows", clock.wall()}).has_value());
    ASSERT_TRUE(desk->suspend({"nightly", "", "5 denials", clock.wall()}).has_value()) << "the newest reason counts";
    ASSERT_TRUE(desk->save_limit_counts({{"nightly", "reads", 12, 60'000'000, {3, 0, 17}}}).has_value());
    reopen();
    ASSERT_EQ(desk->suspensions().size(), 1U);
    EXPECT_EQ(desk->suspensions()[0].reason, "5 denials");
    EXPECT_EQ(desk->limit_counts().value().at(0).counts, (std::vector<std::uint32_t>{3, 0, 17}));
    EXPECT_TRUE(desk->resume("nightly").has_value());
    EXPECT_EQ(desk->resume("nightly").error().code, Errc::not_found);
    EXPECT_THAT(desk->suspensions(), IsEmpty());
}

TEST_F(DeskFixture, AnAgentThatCancelsAndAsksAgainFillsNoDisk) {
    const std::string large(400'000, 'x');
    std::vector<std::string> ids;
    const std::size_t count = limits::ended_holds_size_per_agent / large.size() + 40;
    for (std::size_t i = 0; i < count; ++i) {
        ids.push_back(open_hold(request(std::to_string(i) + large)));
        ASSERT_TRUE(desk->cancel(ids.back()).has_value());
    }
    EXPECT_TRUE(desk->find(ids.front()).has_value()) << "its end is not in the log yet";
    ASSERT_TRUE(desk->ends_recorded(ids).has_value());
    EXPECT_FALSE(desk->find(ids.front()).has_value()) << "the oldest went";
    EXPECT_TRUE(desk->find(ids.back()).has_value());
}

TEST_F(DeskFixture, TheOpenHoldsOfAnAgentAreBoundedByTheirBytes) {
    const std::string large(limits::statement_size, 'x');
    std::size_t opened = 0;
    while (desk->request(request(std::to_string(opened) + large)).has_value()) ++opened;
    EXPECT_LE(opened, limits::open_holds_size_per_agent / large.size());
    EXPECT_GT(opened, limits::open_holds_size_per_agent / large.size() / 2);
    auto other = request("small, of another agent");
    other.agent = "weekly";
    EXPECT_TRUE(desk->request(other).has_value());
}

}  // namespace
}  // namespace assent::approve
