// Stages in order, quorums of distinct persons, escalations, and who may not.
#include <gmock/gmock.h>

#include "approve/chain.h"
#include "unit/approve/desk_fixture.h"

namespace assent::approve {
namespace {

using model::HoldState;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

Person with_token(std::string name, std::string subject, std::vector<std::string> groups = {}) {
    Person made = person(std::move(name), 990);  // of the console, say
    made.groups = std::move(groups);
    made.issuer = "https://idp.example.com";
    made.subject = std::move(subject);
    return made;
}

class ChainTest : public DeskFixture {
protected:
    // dba (one of dbas), then security (two of them), who after a minute may be oncall.
    static model::HoldRequest chained(const std::string& text = "DELETE FROM accounts") {
        auto made = request(text);
        model::HoldStage dba;
        dba.users = {"ana", "ben"};
        dba.groups = {"dbas"};
        model::HoldStage security;
        security.groups = {"security"};
        security.quorum = 2;
        security.escalate_after = seconds(60);
        security.escalate_users = {"oscar"};
        security.escalate_groups = {"oncall"};
        made.approvals = {{"chain", {dba, security}, {}}};
        return made;
    }
    std::string told(const std::string& id, const Person& who, bool approves = true) {
        auto got = desk->decide(id, who, approves, "because");
        return got ? std::string(name_of(got->state)) : got.error().message;
    }

    const Person sue = person("sue", 1010, {"security"});
    const Person both = person("both", 1011, {"dbas", "security"});
    const Person oscar = person("oscar", 1012);
    const Person olga = person("olga", 1013, {"oncall"});
};

TEST_F(ChainTest, StagesAreAnsweredInTheirOrder) {
    const std::string id = open_hold(chained());
    EXPECT_THAT(told(id, sam), HasSubstr("not your turn"));
    EXPECT_EQ(told(id, ben), "waiting");
    EXPECT_THAT(told(id, ana), HasSubstr("not your turn")) << "her stage has its quorum";
    EXPECT_EQ(told(id, sam), "waiting");
    EXPECT_FALSE(desk->use(id).value());
    EXPECT_EQ(told(id, sue), "approved");
    EXPECT_EQ(desk->find(id)->status.decided_by, "ben, sam, sue");
    EXPECT_TRUE(desk->use(id).value());
}

TEST_F(ChainTest, OnePersonCountsOnceWhateverGroupsTheyAreIn) {
    const std::string id = open_hold(chained());
    EXPECT_EQ(told(id, both), "waiting");
    EXPECT_THAT(told(id, both), HasSubstr("is approved; it still waits for: chain (stage 2 of 2, 0 of 2)"));
    Person renamed = both;
    renamed.name = "both-again";
    EXPECT_THAT(told(id, renamed), HasSubstr("is approved")) << "a login is a person, whatever it is called";
    EXPECT_EQ(told(id, sam), "waiting");
    EXPECT_THAT(told(id, sam), HasSubstr("is approved"));
    EXPECT_EQ(state_of(id), HoldState::waiting);
}

TEST_F(ChainTest, OneDenialEndsItInAnyStage) {
    const std::string first = open_hold(chained("1"));
    EXPECT_EQ(told(first, sam, false), "denied") << "also before their turn";
    const std::string second = open_hold(chained("2"));
    EXPECT_EQ(told(second, ben), "waiting");
    EXPECT_EQ(told(second, sam), "waiting");
    EXPECT_EQ(told(second, ben, false), "denied") << "also when they had approved";
    const std::string third = open_hold(chained("3"));
    EXPECT_THAT(told(third, olga, false), HasSubstr("not a reviewer")) << "not escalated to her yet";
}

TEST_F(ChainTest, AStageEscalatesAtItsTimeAndOnlyThen) {
    const std::string id = open_hold(chained());
    clock.pass(seconds(59));
    EXPECT_TRUE(desk->escalate().empty()) << "the first stage has no escalation";
    EXPECT_EQ(told(id, ben), "waiting");
    clock.pass(seconds(59));
    EXPECT_TRUE(desk->escalate().empty()) << "counted since the stage began";
    EXPECT_THAT(told(id, oscar), HasSubstr("not a reviewer"));
    clock.pass(seconds(1));
    const auto escalated = desk->escalate();
    ASSERT_EQ(escalated.size(), 1U);
    EXPECT_EQ(escalated[0].status.id, id);
    EXPECT_EQ(escalated[0].escalated.back().stage, 1U);
    EXPECT_TRUE(desk->escalate().empty()) << "once";
    EXPECT_EQ(told(id, oscar), "waiting");
    EXPECT_EQ(told(id, sam), "approved") << "those of before still may";
}

TEST_F(ChainTest, AnEscalationComesAlsoWhileNobodyLooksAndOverARestart) {
    const std::string id = open_hold(chained());
    EXPECT_EQ(told(id, ben), "waiting");
    clock.pass(seconds(60));
    EXPECT_EQ(told(id, olga), "waiting") << "before anybody called escalate()";
    EXPECT_EQ(desk->escalate().size(), 1U) << "and it is given to be recorded";
    clock.restart();
    reopen();
    EXPECT_EQ(desk->find(id)->escalated.size(), 1U);
    EXPECT_EQ(told(id, oscar), "approved");

    const std::string other = open_hold(chained("other"));
    EXPECT_EQ(told(other, ben), "waiting");
    desk.reset();
    clock.pass(seconds(300));
    clock.restart();
    reopen();
    EXPECT_EQ(desk->escalate().size(), 1U) << "its time came while no daemon ran";
    EXPECT_EQ(told(other, oscar), "waiting");
}

TEST_F(ChainTest, TheDeadlineEndsItWhateverWasGiven) {
    const std::string id = open_hold(chained());
    EXPECT_EQ(told(id, ben), "waiting");
    clock.pass(seconds(900));
    EXPECT_THAT(told(id, sam), HasSubstr("expired"));
    EXPECT_EQ(state_of(id), HoldState::expired);
}

TEST_F(ChainTest, WhoIsCoveredByAQuorumIsNotCoveredByASmallerOne) {
    auto weak = chained();
    weak.approvals[0].stages[1].quorum = 1;
    EXPECT_TRUE(model::covers(chained().approvals, weak.approvals)) << "two have answered where one is asked for";
    EXPECT_FALSE(model::covers(weak.approvals, chained().approvals));
    auto shorter = chained();
    shorter.approvals[0].stages.pop_back();
    EXPECT_TRUE(model::covers(chained().approvals, shorter.approvals));
    EXPECT_FALSE(model::covers(shorter.approvals, chained().approvals));
    auto reordered = chained();
    std::swap(reordered.approvals[0].stages[0], reordered.approvals[0].stages[1]);
    EXPECT_FALSE(model::covers(reordered.approvals, chained().approvals)) << "their order is part of what was asked";
    auto others = chained();
    others.approvals[0].stages[0].users = {"ana"};
    EXPECT_FALSE(model::covers(others.approvals, chained().approvals));
    auto escalated = chained();
    escalated.approvals[0].stages[1].escalate_after = seconds(30);
    EXPECT_FALSE(model::covers(escalated.approvals, chained().approvals));
    EXPECT_FALSE(model::covers({}, chained().approvals));
    EXPECT_FALSE(model::covers({{"chain", {}, {}}}, {{"chain", {}, {}}})) << "no stages is nobody";
}

class TokenChainTest : public ChainTest {
protected:
    void SetUp() override {
        desk_options.reviewing = {true, false};
        ChainTest::SetUp();
    }
};

TEST_F(TokenChainTest, APersonOfAnIssuerIsCountedByIssuerAndSubject) {
    const std::string id = open_hold(chained());
    EXPECT_EQ(told(id, with_token("ana", "u-1")), "waiting");
    EXPECT_EQ(told(id, with_token("sue", "u-2", {"security"})), "waiting");
    EXPECT_THAT(told(id, with_token("sue@example.com", "u-2", {"security"})), HasSubstr("is approved"))
        << "another name, the same subject";
    Person elsewhere = with_token("sam", "u-2", {"security"});
    elsewhere.issuer = "https://other.example.com";
    EXPECT_EQ(told(id, elsewhere), "approved") << "the same subject of another issuer is somebody else";
}

TEST_F(TokenChainTest, NamesOfTheHostAndOfTokensNeverStandForEachOther) {
    const std::string id = open_hold(chained());
    EXPECT_THAT(told(id, ben), HasSubstr("not a reviewer")) << "people of this host do not decide here";
    auto of_root = request("for root");
    of_root.approvals = {approval("dba", {"root", "unix:root"}, {"wheel"})};
    const Deciders deciders{{"root"}, {"wheel"}, {false, true}};
    EXPECT_FALSE(is_decider(with_token("root", "u-9", {"wheel"}), deciders)) << "\"root\" in a token is nobody";
    EXPECT_FALSE(is_unix_person(with_token("root", "u-9", {"wheel"}), {"root"}, {"wheel"}));
    const Reviewing tokens{true, true};
    EXPECT_TRUE(is_named(with_token("root", "u-9"), {"root"}, {}, tokens));
    EXPECT_FALSE(is_named(person("root", 0), {"root"}, {}, tokens)) << "a bare name is of the provider here";
    EXPECT_TRUE(is_named(person("root", 0), {"unix:root"}, {}, tokens));
    EXPECT_FALSE(is_named(with_token("unix:root", "u-9", {"unix:wheel"}), {"unix:root"}, {"unix:wheel"}, tokens));
    EXPECT_FALSE(is_named(with_token("ana", "u-1"), {"ana"}, {}, {false, true})) << "no provider is configured";
}

TEST_F(TokenChainTest, WhoIsKnownInTwoWaysIsNotCountedTwice) {
    desk_options.reviewing = {true, true};
    reopen();
    auto wanted = request();
    model::HoldStage two;
    two.users = {"ana", "unix:ana"};
    two.quorum = 2;
    wanted.approvals = {{"dba", {two}, {}}};
    wanted.runner_uid.reset();
    const std::string id = open_hold(wanted);
    EXPECT_EQ(told(id, with_token("ana", "u-1")), "waiting");
    EXPECT_THAT(told(id, ana), HasSubstr("is approved")) << "nobody can tell that she is somebody else";
}

TEST_F(TokenChainTest, NobodyApprovesForAnAgentThatActsForThemOrThatTheyStarted) {
    auto wanted = chained();
    wanted.acts_for = {{"https://idp.example.com", "u-1"}};
    const std::string id = open_hold(wanted);
    EXPECT_THAT(told(id, with_token("ana", "u-1")), HasSubstr("acts for you"));
    Person runner = with_token("ben", "u-3");
    runner.login_uid = 1000;
    EXPECT_THAT(told(id, runner), HasSubstr("you started this agent"));
    EXPECT_EQ(told(id, with_token("ana", "u-1"), false), "denied") << "they may refuse it";
}

TEST_F(TokenChainTest, WhomTheTokenDoesNotNameIsNobody) {
    const std::string id = open_hold(chained());
    EXPECT_THAT(told(id, with_token("ana", "")), HasSubstr("does not know who you are"));
    EXPECT_THAT(told(id, with_token("", "u-1")), HasSubstr("does not know who you are"));
    Person governed = with_token("ana", "u-1");
    governed.is_governed = true;
    EXPECT_THAT(told(id, governed), HasSubstr("an agent may not"));
}

TEST_F(ChainTest, WhoeverWatchesIsToldWhatHappenedLast) {
    std::vector<std::string> told_of;
    desk->on_change([&](const Hold& hold) { told_of.emplace_back(name_of(last_event(hold))); });
    const std::string id = open_hold(chained());
    EXPECT_EQ(told(id, ben), "waiting");
    clock.pass(seconds(61));
    EXPECT_EQ(desk->escalate().size(), 1U);
    EXPECT_EQ(told(id, oscar), "waiting");
    EXPECT_EQ(told(id, sam), "approved");
    EXPECT_TRUE(desk->use(id).value());
    EXPECT_THAT(told_of, ElementsAre("opened", "decided", "escalated", "decided", "decided", "ended"));
}

}  // namespace
}  // namespace assent::approve
