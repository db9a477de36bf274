#include <unistd.h>

#include <gmock/gmock.h>

#include "unit/approve/desk_fixture.h"

namespace assent::approve {
namespace {

using testing::HasSubstr;

class ReviewersTest : public DeskFixture {
protected:
    // What they are told; empty when they may.
    [[nodiscard]] std::string answer_to(const Person& someone) const {
        auto hold = desk->find(id);
        if (!hold) return hold.error().message;
        auto allowed = may_decide(*hold, someone, {decide_users, decide_groups, desk_options.reviewing});
        if (allowed) return {};
        EXPECT_EQ(allowed.error().code, Errc::denied);
        return allowed.error().message;
    }
    void SetUp() override {
        DeskFixture::SetUp();
        id = open_hold(request());
    }
    std::string id;
    std::vector<std::string> decide_users = {"ana", "ben", "root"};
    std::vector<std::string> decide_groups = {"dbas", "security"};
};

TEST_F(ReviewersTest, ByNameOrGroupInBothLists) {
    EXPECT_EQ(answer_to(ben), "");
    EXPECT_EQ(answer_to(dora), "") << "by her group";
    EXPECT_THAT(answer_to(sam), HasSubstr("not a reviewer")) << "in decide, but no reviewer of dba";
    EXPECT_THAT(answer_to(mallory), HasSubstr("not a reviewer"));
    decide_users = {"root"};
    EXPECT_THAT(answer_to(ben), HasSubstr("decide")) << "a reviewer, but not for this host";
}

TEST_F(ReviewersTest, RootIsNobodySpecial) {
    EXPECT_THAT(answer_to(person("root", 0, {"root"})), HasSubstr("not a reviewer"));
    auto for_root = request("for root");
    for_root.approvals = {approval("dba", {"root"})};
    id = open_hold(for_root);
    EXPECT_EQ(answer_to(person("root", 0)), "");
    decide_users = {"ana"};
    EXPECT_THAT(answer_to(person("root", 0)), HasSubstr("decide"));
}

TEST_F(ReviewersTest, SudoKeepsThePersonOtherIdentitiesDoNot) {
    Person with_sudo = ben;
    with_sudo.uid = 0;
    EXPECT_EQ(answer_to(with_sudo), "");
    Person as_a_service = ben;
    as_a_service.uid = 33;
    EXPECT_THAT(answer_to(as_a_service), HasSubstr("answer as yourself"));
}

TEST_F(ReviewersTest, AnAgentNeverMayWhateverTheListsSay) {
    Person governed = ben;
    governed.is_governed = true;
    EXPECT_THAT(answer_to(governed), HasSubstr("agent"));
    auto of_ben = request("runs as ben");
    of_ben.agent_uid = ben.uid;
    id = open_hold(of_ben);
    EXPECT_THAT(answer_to(ben), HasSubstr("nobody approves their own"));
    Person ben_with_sudo = ben;
    ben_with_sudo.uid = 0;
    EXPECT_THAT(answer_to(ben_with_sudo), HasSubstr("nobody approves their own"));
    Person somebody_as_ben = ana;
    somebody_as_ben.uid = ben.uid;
    EXPECT_NE(answer_to(somebody_as_ben), "");
    // The desk itself refuses as well.
    EXPECT_EQ(desk->decide(id, ben, true, "").error().code, Errc::denied);
    EXPECT_EQ(desk->decide(id, governed, true, "").error().code, Errc::denied);
    EXPECT_EQ(desk->decide(id, mallory, true, "").error().code, Errc::denied);
    EXPECT_EQ(desk->decide(id, mallory, false, "").error().code, Errc::denied);
}

TEST_F(ReviewersTest, WithSudoTheyAreWhoLoggedInAndNotRoot) {
    desk_options.reviewing.by_token = true;
    reopen();
    auto of_root = request("started by root");
    of_root.runner_uid = 0;
    of_root.approvals = {approval("dba", {"unix:ben"})};
    id = open_hold(of_root);
    Person with_sudo = ben;
    with_sudo.uid = 0;
    EXPECT_TRUE(desk->decide(id, with_sudo, true, "").has_value());
    auto of_ben = request("started by ben");
    of_ben.runner_uid = ben.uid;
    of_ben.approvals = of_root.approvals;
    EXPECT_THAT(desk->decide(open_hold(of_ben), with_sudo, true, "").error().message, HasSubstr("you started this agent"));
}

TEST_F(ReviewersTest, ATokenThatNamesTheUserWhoStartedTheAgentGivesNothing) {
    desk_options.reviewing.by_token = true;
    reopen();
    Person known = person("ana@example.com", 33);
    known.issuer = "https://idp.example.com";
    known.subject = "u-1";
    auto wanted = request("of somebody with a token");
    wanted.approvals = {approval("dba", {"ana@example.com"})};
    id = open_hold(wanted);
    known.own_uid = 1000;
    EXPECT_THAT(desk->decide(id, known, true, "").error().message, HasSubstr("you started this agent"));
    known.own_uid = 5000;
    EXPECT_THAT(desk->decide(id, known, true, "").error().message, HasSubstr("the agent runs as your user"));
    known.own_uid = 1001;
    EXPECT_TRUE(desk->decide(id, known, true, "").has_value());
}

TEST_F(ReviewersTest, WhomTheHostDoesNotKnowMayNot) {
    Person nameless = ben;
    nameless.name.clear();
    auto with_empty = request("an empty name in a list");
    with_empty.approvals = {approval("dba", {""}, {""})};
    id = open_hold(with_empty);
    decide_users.emplace_back("");
    EXPECT_THAT(answer_to(nameless), HasSubstr("does not know"));
    Person unset = ben;
    unset.login_uid = static_cast<std::uint32_t>(-1);
    EXPECT_NE(answer_to(unset), "");
}

TEST_F(ReviewersTest, ANameMayBeWrittenWithThisHost) {
    std::array<char, 256> host{};
    ASSERT_EQ(::gethostname(host.data(), host.size() - 1), 0);
    auto of_host = request("with a host");
    of_host.approvals = {approval("dba", {std::string("ben@") + host.data()})};
    id = open_hold(of_host);
    EXPECT_EQ(answer_to(ben), "");
    of_host.text = "of another host";
    of_host.digest = sha256(as_bytes(of_host.text));
    of_host.approvals = {approval("dba", {"ben@elsewhere.example.com"})};
    id = open_hold(of_host);
    EXPECT_NE(answer_to(ben), "") << "not somebody else of the same short name";
}

}  // namespace
}  // namespace assent::approve
