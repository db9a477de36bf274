#include <sys/stat.h>

#include <fstream>

#include <gmock/gmock.h>

#include "approve/hold_id.h"
#include "approve/sqlite.h"
#include "base/limits.h"
#include "unit/approve/desk_fixture.h"

namespace assent::approve {
namespace {

using model::HoldState;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

using DeskTest = DeskFixture;

TEST_F(DeskTest, AHoldWaitsUntilAReviewerApprovesAndRunsOnce) {
    auto opened = desk->request(request());
    ASSERT_TRUE(opened.has_value());
    EXPECT_TRUE(opened->is_new);
    EXPECT_EQ(opened->state, HoldState::waiting);
    EXPECT_EQ(opened->deadline, clock.wall() + seconds(900));
    EXPECT_EQ(desk->waiting_count(), 1U);
    EXPECT_FALSE(desk->use(opened->id).value()) << "not approved yet";

    auto decided = desk->decide(opened->id, ben, true, "seen with ana");
    ASSERT_TRUE(decided.has_value()) << decided.error().message;
    EXPECT_EQ(decided->state, HoldState::approved);
    EXPECT_EQ(decided->decided_by, "ben");
    EXPECT_EQ(decided->reason, "seen with ana");
    EXPECT_EQ(desk->waiting_count(), 0U);

    EXPECT_TRUE(desk->use(opened->id).value());
    EXPECT_FALSE(desk->use(opened->id).value()) << "an approval is good once";
    EXPECT_EQ(state_of(opened->id), HoldState::used);
    EXPECT_EQ(desk->find(opened->id)->status.decided_by, "ben");
}

TEST_F(DeskTest, TheSameCommandJoinsAndAfterApprovalIsToldSo) {
    const std::string id = open_hold(request());
    auto joined = desk->request(request());
    EXPECT_EQ(joined->id, id);
    EXPECT_FALSE(joined->is_new);
    EXPECT_NE(open_hold(request("DELETE FROM accounts WHERE id = 7")), id) << "another text is another command";

    ASSERT_TRUE(desk->decide(id, ana, true, "").has_value());
    auto retried = desk->request(request());
    EXPECT_EQ(retried->id, id);
    EXPECT_EQ(retried->state, HoldState::approved);
    EXPECT_TRUE(desk->use(id).value());
    auto again = desk->request(request());
    EXPECT_NE(again->id, id) << "a used approval is gone: the next time asks anew";
    EXPECT_EQ(again->state, HoldState::waiting);
}

TEST_F(DeskTest, ADenialIsToldAgainUntilTheDeadline) {
    const std::string id = open_hold(request());
    ASSERT_TRUE(desk->decide(id, ben, false, "wrong table").has_value());
    EXPECT_FALSE(desk->use(id).value());
    auto again = desk->request(request());
    EXPECT_EQ(again->id, id);
    EXPECT_EQ(again->state, HoldState::denied);
    EXPECT_EQ(again->reason, "wrong table");
    clock.pass(seconds(899));
    EXPECT_EQ(desk->request(request())->state, HoldState::denied);
    clock.pass(seconds(1));
    EXPECT_EQ(desk->request(request())->state, HoldState::waiting);
}

TEST_F(DeskTest, AHoldIsDecidedOnceAndTheSecondIsToldByWhom) {
    const std::string id = open_hold(request());
    ASSERT_TRUE(desk->decide(id, ben, true, "").has_value());
    auto second = desk->decide(id, ana, false, "too late");
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, Errc::not_found);
    EXPECT_THAT(second.error().message, HasSubstr("approved by ben"));
    EXPECT_EQ(state_of(id), HoldState::approved);
}

TEST_F(DeskTest, AnExpiredHoldDeniesAndANewOneMayBeOpened) {
    const std::string id = open_hold(request());
    clock.pass(seconds(899));
    EXPECT_TRUE(desk->expire().empty());
    clock.pass(seconds(1));
    auto late = desk->decide(id, ben, true, "");
    ASSERT_FALSE(late.has_value()) << "even when nobody called expire() yet";
    EXPECT_THAT(late.error().message, HasSubstr("expired"));

    const std::string other = open_hold(request());
    EXPECT_NE(other, id);
    clock.pass(seconds(900));
    const auto expired = desk->expire();
    ASSERT_EQ(expired.size(), 2U) << "also the one that decide() found past its deadline";
    EXPECT_EQ(expired[0].status.id, id);
    EXPECT_EQ(expired[1].status.id, other);
    EXPECT_EQ(expired[1].status.state, HoldState::expired);
    EXPECT_TRUE(desk->expire().empty()) << "given once";
}

TEST_F(DeskTest, AnApprovalNotUsedBeforeTheDeadlineIsGone) {
    const std::string id = open_hold(request());
    ASSERT_TRUE(desk->decide(id, ben, true, "").has_value());
    clock.pass(seconds(900));
    EXPECT_FALSE(desk->use(id).value());
    EXPECT_EQ(state_of(id), HoldState::expired);
}

TEST_F(DeskTest, AClockSetBackProlongsNothingAndForwardEndsEarly) {
    const std::string first = open_hold(request());
    clock.set_wall(-seconds(7200));
    clock.pass(seconds(900));
    ASSERT_EQ(desk->expire().size(), 1U);
    EXPECT_EQ(state_of(first), HoldState::expired);

    const std::string second = open_hold(request());
    clock.set_wall(seconds(901));
    EXPECT_FALSE(desk->decide(second, ben, true, "").has_value());
}

TEST_F(DeskTest, ARestartWithAClockSetBackGivesNoMoreThanTheWholeDeadline) {
    const std::string id = open_hold(request());
    ASSERT_TRUE(desk->decide(id, ben, true, "").has_value());
    clock.set_wall(-seconds(1'000'000));
    clock.restart();
    reopen();
    clock.pass(seconds(899));
    EXPECT_EQ(state_of(id), HoldState::approved);
    clock.pass(seconds(1));
    EXPECT_FALSE(desk->use(id).value());
}

TEST_F(DeskTest, EverythingSurvivesARestart) {
    model::HoldRequest odd = request(std::string("UPDATE t SET x = '\xff\x00\x1b[2J'", 24));
    odd.approvals.push_back(approval("security", {}, {"security"}));
    odd.estimate = {{{"update", "t\x1b", 1204}, {"read", "", 0}}, ""};
    const std::string id = open_hold(odd);
    ASSERT_TRUE(desk->decide(id, dora, true, "half").has_value());
    const std::string denied = open_hold(request("two"));
    ASSERT_TRUE(desk->decide(denied, ben, false, "no").has_value());
    clock.restart();
    reopen();

    auto hold = desk->find(id);
    ASSERT_TRUE(hold.has_value());
    EXPECT_EQ(hold->request.text, odd.text) << "byte for byte, also what is not UTF-8";
    EXPECT_EQ(hold->request.digest, odd.digest);
    EXPECT_EQ(hold->request.parameters, odd.parameters);
    EXPECT_EQ(hold->request.before, odd.before);
    EXPECT_EQ(hold->request.estimate, odd.estimate);
    EXPECT_EQ(hold->request.runner_uid, odd.runner_uid);
    EXPECT_EQ(hold->request.approvals, odd.approvals);
    EXPECT_EQ(hold->request.deadline, odd.deadline);
    EXPECT_THAT(hold->approved, ElementsAre("dba"));
    EXPECT_EQ(hold->status.state, HoldState::waiting);
    EXPECT_EQ(desk->request(request("two"))->state, HoldState::denied);
    EXPECT_EQ(desk->decide(id, sam, true, "")->state, HoldState::approved);
    EXPECT_TRUE(desk->use(id).value());
}

TEST_F(DeskTest, SeveralApprovalsAreAllNeeded) {
    model::HoldRequest both = request();
    both.approvals.push_back(approval("security", {"sam"}, {"security"}));
    const std::string id = open_hold(both);
    auto half = desk->decide(id, ben, true, "");
    ASSERT_TRUE(half.has_value());
    EXPECT_EQ(half->state, HoldState::waiting);
    EXPECT_FALSE(desk->use(id).value());
    auto twice = desk->decide(id, ana, true, "");
    ASSERT_FALSE(twice.has_value());
    EXPECT_THAT(twice.error().message, HasSubstr("still waits for: security"));
    auto whole = desk->decide(id, sam, true, "");
    ASSERT_TRUE(whole.has_value());
    EXPECT_EQ(whole->state, HoldState::approved);
    EXPECT_EQ(whole->decided_by, "ben, sam");
}

TEST_F(DeskTest, OnePersonSpeaksForEachApprovalTheyReview) {
    model::HoldRequest both = request();
    both.approvals.push_back(approval("owners", {"ben"}));
    const std::string id = open_hold(both);
    EXPECT_EQ(desk->decide(id, ben, true, "")->state, HoldState::approved);
    EXPECT_THAT(desk->find(id)->approved, ElementsAre("dba", "owners"));
    EXPECT_EQ(desk->find(id)->status.decided_by, "ben");
}

TEST_F(DeskTest, OneDenialEndsItWhateverElseWasGiven) {
    model::HoldRequest both = request();
    both.approvals.push_back(approval("security", {"sam"}));
    const std::string id = open_hold(both);
    ASSERT_TRUE(desk->decide(id, ben, true, "").has_value());
    auto denied = desk->decide(id, ben, false, "on second thoughts");
    ASSERT_TRUE(denied.has_value()) << denied.error().message;
    EXPECT_EQ(denied->state, HoldState::denied);
    EXPECT_EQ(denied->decided_by, "ben");
    EXPECT_FALSE(desk->decide(id, sam, true, "").has_value());
}

TEST_F(DeskTest, AHoldThatNoLongerCoversWhatThePolicyAsksIsRevoked) {
    const std::string weak = open_hold(request());
    ASSERT_TRUE(desk->decide(weak, ben, true, "").has_value());
    model::HoldRequest strict = request();
    strict.approvals.push_back(approval("security", {"sam"}));
    auto opened = desk->request(strict);
    ASSERT_TRUE(opened.has_value());
    EXPECT_NE(opened->id, weak);
    EXPECT_EQ(opened->state, HoldState::waiting);
    EXPECT_EQ(state_of(weak), HoldState::revoked);
    EXPECT_FALSE(desk->use(weak).value());
    // The other way round the stricter hold stays.
    EXPECT_EQ(desk->request(request())->id, opened->id);
}

TEST_F(DeskTest, TheWitnessSeesADecisionBeforeItCountsAndCanStopIt) {
    const std::string id = open_hold(request());
    auto stopped = desk->decide(id, ben, true, "", [&](const Decision& after) -> Result<> {
        EXPECT_EQ(after.hold.status.state, HoldState::approved);
        EXPECT_EQ(after.hold.acts.size(), 1U);
        return fail(Errc::unavailable, "the disk is full");
    });
    ASSERT_FALSE(stopped.has_value());
    EXPECT_EQ(stopped.error().message, "the disk is full");
    EXPECT_EQ(state_of(id), HoldState::waiting);
    EXPECT_FALSE(desk->use(id).value());
    reopen();
    EXPECT_EQ(state_of(id), HoldState::waiting);
    EXPECT_TRUE(desk->find(id)->acts.empty());
    EXPECT_TRUE(desk->decide(id, ben, true, "").has_value());
}

TEST_F(DeskTest, TheRunnerMayAnswerAndItIsWrittenDown) {
    const std::string id = open_hold(request());
    ASSERT_TRUE(desk->decide(id, ana, true, "").has_value());
    EXPECT_TRUE(desk->find(id)->acts.at(0).is_runner);
    const std::string other = open_hold(request("two"));
    ASSERT_TRUE(desk->decide(other, ben, true, "").has_value());
    EXPECT_FALSE(desk->find(other)->acts.at(0).is_runner);
}

TEST_F(DeskTest, CancelTakesItBackUnlessAnotherSessionWaits) {
    const std::string id = open_hold(request());
    desk->set_connected(id, true);
    desk->set_connected(id, true);
    EXPECT_TRUE(desk->find(id)->is_agent_connected);
    ASSERT_TRUE(desk->cancel(id).has_value());
    EXPECT_EQ(state_of(id), HoldState::waiting) << "both sessions still wait";
    desk->set_connected(id, false);
    ASSERT_TRUE(desk->cancel(id).has_value());
    EXPECT_EQ(state_of(id), HoldState::waiting);
    desk->set_connected(id, false);
    ASSERT_TRUE(desk->cancel(id).has_value());
    EXPECT_EQ(state_of(id), HoldState::cancelled);
    EXPECT_TRUE(desk->cancel(id).has_value()) << "nothing to do is no error";
    EXPECT_FALSE(desk->cancel("h-zzzzzz").has_value());
    EXPECT_FALSE(desk->decide(id, ben, true, "").has_value());
}

TEST_F(DeskTest, AnAgentCannotOpenHoldsWithoutEnd) {
    for (std::size_t i = 0; i < limits::open_holds_per_agent; ++i) open_hold(request("q" + std::to_string(i)));
    auto over = desk->request(request("one more"));
    ASSERT_FALSE(over.has_value());
    EXPECT_EQ(over.error().code, Errc::limit);
    EXPECT_TRUE(desk->request(request("q0")).has_value()) << "joining opens nothing";
    auto other = request("of another agent");
    other.agent = "weekly";
    EXPECT_TRUE(desk->request(other).has_value());
    const std::string first = desk->request(request("q0"))->id;
    ASSERT_TRUE(desk->decide(first, ben, false, "").has_value());
    EXPECT_TRUE(desk->request(request("one more")).has_value());
}

TEST_F(DeskTest, WhatCannotBeShownWholeIsNotHeld) {
    auto over = desk->request(request(std::string(limits::hold_shown_size / 8, '\x01')));
    ASSERT_FALSE(over.has_value());
    EXPECT_EQ(over.error().code, Errc::limit);
    EXPECT_TRUE(desk->request(request(std::string(limits::statement_size, 'x'))).has_value());
    auto nobody = request();
    nobody.approvals.clear();
    EXPECT_FALSE(desk->request(nobody).has_value());
}

TEST_F(DeskTest, IdsAreFoundByTheirBeginning) {
    const std::string id = open_hold(request());
    EXPECT_TRUE(normal_hold_id(id).has_value());
    EXPECT_EQ(id.size(), hold_id_size);
    EXPECT_EQ(desk->find(id.substr(0, 6))->status.id, id);
    EXPECT_EQ(desk->find(id.substr(2))->status.id, id);
    EXPECT_FALSE(desk->find("h-").has_value());
    EXPECT_FALSE(desk->find("").has_value());
    EXPECT_FALSE(desk->find("h-%'; DROP TABLE holds;--").has_value());
    EXPECT_FALSE(desk->find("h-000").has_value()) << "0 is not a letter of ids";
    std::string upper = id;
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    EXPECT_EQ(desk->find(upper)->status.id, id);
}

TEST_F(DeskTest, ChangesAreToldInOrderAndTheCallbackMayUseTheDesk) {
    std::vector<std::string> told;
    desk->on_change([&](const Hold& hold) {
        told.push_back(std::string(name_of(hold.status.state)));
        static_cast<void>(desk->waiting_count());
        if (hold.status.state == HoldState::approved) {
            EXPECT_TRUE(desk->use(hold.status.id).value());
        }
    });
    const std::string id = open_hold(request());
    open_hold(request());
    ASSERT_TRUE(desk->decide(id, ben, true, "").has_value());
    EXPECT_THAT(told, ElementsAre("waiting", "approved", "used"));
}

TEST_F(DeskTest, ListsWaitingOldestFirstAndAllNewestFirst) {
    const std::string first = open_hold(request("1"));
    const std::string second = open_hold(request("2"));
    const std::string third = open_hold(request("3"));
    ASSERT_TRUE(desk->decide(second, ben, false, "").has_value());
    const auto ids = [](const std::vector<Hold>& holds) {
        std::vector<std::string> out;
        for (const auto& hold : holds) out.push_back(hold.status.id);
        return out;
    };
    EXPECT_THAT(ids(desk->list(true, 10)), ElementsAre(first, third));
    EXPECT_THAT(ids(desk->list(false, 10)), ElementsAre(third, second, first));
    EXPECT_THAT(ids(desk->list(false, 1)), ElementsAre(third));
}

TEST_F(DeskTest, TheFileIsPrivateAndHasOneOwner) {
    struct stat status {};
    ASSERT_EQ(::stat(file().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    auto second = Desk::open(file(), clock);
    ASSERT_FALSE(second.has_value());
    EXPECT_THAT(second.error().message, HasSubstr("locked"));
}

TEST_F(DeskTest, ADamagedOrNewerDatabaseIsRefused) {
    open_hold(request());
    desk.reset();
    {
        auto database = Database::open(file());
        ASSERT_TRUE((*database)->execute("PRAGMA user_version = 99").has_value());
    }
    auto newer = Desk::open(file(), clock);
    ASSERT_FALSE(newer.has_value());
    EXPECT_THAT(newer.error().message, HasSubstr("newer assent"));
    {
        std::fstream bytes(file(), std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekp(4096 + 100);
        bytes << std::string(3000, '\x5a');
    }
    EXPECT_FALSE(Desk::open(file(), clock).has_value());
    std::filesystem::remove(file());
    std::filesystem::create_symlink("/etc/hostname", file());
    EXPECT_FALSE(Desk::open(file(), clock).has_value()) << "never through a link";
}

TEST(HoldId, IsRandomOfItsAlphabet) {
    std::set<std::string> ids;
    for (int i = 0; i < 2000; ++i) ids.insert(make_hold_id());
    EXPECT_GT(ids.size(), 1990U);
    for (const auto& id : ids) ASSERT_EQ(normal_hold_id(id), id);
}

}  // namespace
}  // namespace assent::approve
