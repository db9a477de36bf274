// What the desk's verbs do for whom. The server is a table of handlers here: who asks is made up, no socket is needed.
#include <map>
#include <thread>

#include <gmock/gmock.h>

#include "app/hold_requests.h"
#include "app/status_requests.h"
#include "unit/approve/desk_fixture.h"

namespace assent::app {
namespace {

using approve::Person;
using control::Emit;
using control::Handler;
using control::Peer;
using model::HoldState;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class TableServer final : public control::Server {
public:
    void handle(std::string verb, Handler handler) override { handlers[std::move(verb)] = std::move(handler); }
    void identify_by(control::IdentifyByToken) override {}
    void authorize_by(control::Authorize) override {}
    void reserve_for(uid_t, std::size_t) override {}
    void start() override {}
    void stop() override {}
    Fd release() override { return {}; }
    std::map<std::string, Handler> handlers;
};

class HoldRequestsTest : public approve::DeskFixture {
protected:
    void SetUp() override {
        DeskFixture::SetUp();
        const auto record = [this](const model::RecordDraft& draft) -> Result<> {
            if (!are_records_available) return fail(Errc::unavailable, "the disk is full");
            records.push_back(json::parse("{" + std::string(draft.members) + "}"));
            records.back()["type"] = draft.type;
            records.back()["session"] = draft.session;
            if (on_record) on_record();
            return {};
        };
        const auto decide = [] { return DecideLists{{{"ana", "ben"}, {"dbas"}, {}}, {}, {}}; };
        add_hold_requests(server, {*desk, decide, record, clock, [](const auto&, const auto&) { return std::string(); }});
        add_status_requests(server, {[] {
                                         return json{{"pid", 1}};
                                     },
                                     [this](const std::string& session, const std::string& by,
                                            const std::string& reason) -> Result<std::string> {
                                         ended = session + "/" + by + "/" + reason;
                                         return "s-whole";
                                     },
                                     decide, record});
        id = open_hold(request());
    }
    static Peer peer(const Person& who) {
        Peer made;
        made.uid = who.uid;
        made.cgroup_id = 1;
        made.person = who;
        return made;
    }
    // The agent of request().
    static Peer agent() {
        Peer made = peer(approve::person("bot", 5000));
        made.cgroup_id = 77;
        made.person.is_governed = true;
        return made;
    }
    Result<json> ask(const char* verb, const Peer& who, json request, const Emit& emit = {}) {
        request["verb"] = verb;
        const Emit collect = [this](const json& line) {
            if (!line.is_null()) lines.push_back(line);
            return true;
        };
        lines.clear();
        return server.handlers.at(verb)(who, request, emit ? emit : collect);
    }

    TableServer server;
    std::string id;
    std::vector<json> lines;
    std::vector<json> records;
    bool are_records_available = true;
    std::function<void()> on_record;
    std::string ended;
};

TEST_F(HoldRequestsTest, AnApprovalIsRecordedWithItsPersonBeforeItCounts) {
    on_record = [&] { EXPECT_EQ(records.back()["type"], "hold.decided"); };
    auto answer = ask("approve", peer(ana), {{"id", id.substr(0, 6)}, {"reason", "checked"}});
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(answer->at("state"), "approved");
    ASSERT_EQ(records.size(), 1U);
    const json& record = records[0];
    EXPECT_EQ(record["hold"], id);
    EXPECT_EQ(record["state"], "approved");
    EXPECT_EQ(record["person"], "ana");
    EXPECT_EQ(record["uid"], 1000);
    EXPECT_EQ(record["login_uid"], 1000);
    EXPECT_EQ(record["reason"], "checked");
    EXPECT_EQ(record["is_runner"], true) << "ana started this agent";
    EXPECT_EQ(record["session"], "s-1");
    EXPECT_EQ(record["approvals"], json({"dba"}));
}

TEST_F(HoldRequestsTest, AWidenedApprovalIsTriedFirstAndItsGrantRecorded) {
    auto wanted = request("one");
    wanted.shape = sha256(as_bytes("shape"));
    const std::string one = open_hold(wanted);
    wanted = request("two");
    wanted.shape = sha256(as_bytes("shape"));
    const std::string two = open_hold(wanted);
    const json shape = {{"for_s", 600}, {"times", 5}};
    const auto trial = ask("approve", peer(ben), {{"id", one}, {"shape", shape}, {"is_trial", true}});
    ASSERT_TRUE(trial.has_value()) << trial.error().message;
    EXPECT_EQ(trial->at("would_release"), json({two}));
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0]["type"], "looked") << "what it would release was shown, and nothing done";
    EXPECT_EQ(state_of(one), HoldState::waiting);
    ASSERT_TRUE(ask("holds", peer(ben), {}).has_value());
    const auto listed = ask("holds", peer(ben), {});
    EXPECT_EQ(listed->at("groups").size(), 2U) << "the two of one shape, and the other";
    EXPECT_EQ(listed->at("groups")[1]["count"], 2);
    EXPECT_EQ(listed->at("groups")[1]["ids"], json({one, two}));
    records.clear();
    EXPECT_FALSE(ask("approve", peer(ben), {{"id", one}, {"shape", shape}, {"most_released", 0}}).has_value());
    const auto given =
        ask("approve", peer(ben), {{"id", one}, {"shape", shape}, {"most_released", 1}, {"reason", "import"}});
    ASSERT_TRUE(given.has_value()) << given.error().message;
    EXPECT_EQ(given->at("released"), json({two}));
    EXPECT_EQ(given->at("granted")["times"], 5);
    EXPECT_EQ(records.back()["grant"], given->at("granted")["id"]);
    EXPECT_EQ(records.back()["released"], json({two}));
    EXPECT_EQ(records.back()["widened_s"], 600);
    EXPECT_EQ(state_of(two), HoldState::approved);
}

TEST_F(HoldRequestsTest, TheStagesOfAHoldAreShown) {
    auto wanted = request("staged");
    model::HoldStage second;
    second.groups = {"security"};
    second.quorum = 2;
    second.escalate_after = std::chrono::seconds(60);
    second.escalate_users = {"oscar"};
    wanted.approvals[0].stages.push_back(second);
    const std::string staged = open_hold(wanted);
    const auto after = ask("approve", peer(ben), {{"id", staged}});
    ASSERT_TRUE(after.has_value()) << after.error().message;
    EXPECT_EQ(after->at("waits_for"), json({"dba (stage 2 of 2, 0 of 2)"}));
    const json& approval = after->at("approvals")[0];
    EXPECT_EQ(approval["stage"], 2);
    EXPECT_EQ(approval["groups"], json({"security"}));
    EXPECT_EQ(approval["stages"][0]["state"], "given");
    EXPECT_EQ(approval["stages"][0]["given_by"], json({"ben"}));
    EXPECT_EQ(approval["stages"][1]["missing"], 2);
    EXPECT_EQ(approval["stages"][1]["escalates"], to_rfc3339(clock.wall() + std::chrono::seconds(60)));
    EXPECT_EQ(approval["stages"][1]["is_escalated"], false);
}

TEST_F(HoldRequestsTest, WhatCannotBeRecordedDoesNotCount) {
    are_records_available = false;
    auto answer = ask("approve", peer(ben), {{"id", id}});
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().message, "the disk is full");
    EXPECT_EQ(state_of(id), HoldState::waiting);
    EXPECT_FALSE(ask("holds", peer(ben), {}).has_value()) << "nor is anything shown";
    are_records_available = true;
    EXPECT_TRUE(ask("deny", peer(ben), {{"id", id}, {"reason", "no"}}).has_value());
    EXPECT_EQ(state_of(id), HoldState::denied);
}

TEST_F(HoldRequestsTest, StrangersSeeNothingAndDecideNothing) {
    for (const char* verb : {"holds", "hold", "wait", "approve", "deny"}) {
        auto answer = ask(verb, peer(mallory), {{"id", id}});
        ASSERT_FALSE(answer.has_value()) << verb;
        EXPECT_EQ(answer.error().code, Errc::denied) << verb;
    }
    EXPECT_TRUE(lines.empty());
    EXPECT_TRUE(records.empty());
    const Peer root = peer(approve::person("root", 0));
    EXPECT_TRUE(ask("hold", root, {{"id", id}}).has_value()) << "root may look";
    EXPECT_EQ(ask("approve", root, {{"id", id}}).error().code, Errc::denied) << "and not decide";
    EXPECT_EQ(state_of(id), HoldState::waiting);
}

TEST_F(HoldRequestsTest, AnAgentSeesItsOwnAndDecidesNone) {
    auto other = request("of another agent");
    other.cgroup_id = 78;
    const std::string others = open_hold(other);
    ASSERT_TRUE(ask("holds", agent(), {{"all", true}}).has_value());
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0]["hold"]["id"], id);
    EXPECT_TRUE(ask("hold", agent(), {{"id", id}}).has_value());
    EXPECT_EQ(ask("hold", agent(), {{"id", others}}).error().code, Errc::not_found);
    EXPECT_EQ(ask("wait", agent(), {{"id", others}}).error().code, Errc::not_found);
    EXPECT_EQ(ask("approve", agent(), {{"id", id}}).error().code, Errc::denied);
    EXPECT_EQ(ask("deny", agent(), {{"id", id}}).error().code, Errc::denied);
    EXPECT_EQ(state_of(id), HoldState::waiting);
}

TEST_F(HoldRequestsTest, AHoldIsShownWholeAndEscaped) {
    auto hostile = request("UPDATE t SET a = '\x1b[2J\xe2\x80\xae\xff'\n WHERE b");
    hostile.purpose = "nice\rDENIED";
    const std::string hostile_id = open_hold(hostile);
    auto shown = ask("hold", peer(ben), {{"id", hostile_id}});
    ASSERT_TRUE(shown.has_value());
    EXPECT_EQ(shown->at("text"), "UPDATE t SET a = '\\u{001B}[2J\\u{202E}\\xFF'\n WHERE b");
    EXPECT_EQ(shown->at("purpose"), "nice\\u{000D}DENIED");
    EXPECT_EQ(shown->at("has_escapes"), true);
    EXPECT_EQ(shown->at("is_text_whole"), true);
    EXPECT_EQ(shown->at("parameters"), json({"'7'", "NULL"}));
    EXPECT_EQ(shown->at("before"), json({"SELECT 1"}));
    EXPECT_EQ(shown->at("runner_uid"), 1000);
    EXPECT_EQ(shown->at("left_s"), 900);
    EXPECT_NO_THROW(static_cast<void>(shown->dump())) << "it is UTF-8";
    ASSERT_TRUE(ask("holds", peer(ben), {{"brief", true}}).has_value());
    EXPECT_FALSE(lines[0]["hold"].contains("parameters"));

    const std::string large_id = open_hold(request(std::string(1'000'000, 'x')));
    ASSERT_TRUE(ask("holds", peer(ben), {{"brief", true}}).has_value());
    EXPECT_EQ(lines.back()["hold"]["is_text_whole"], false);
    EXPECT_EQ(ask("hold", peer(ben), {{"id", large_id}})->at("text").get<std::string>().size(), 1'000'000U);
}

TEST_F(HoldRequestsTest, EveryLookIsRecordedWithItsPerson) {
    ASSERT_TRUE(ask("holds", peer(ben), {}).has_value());
    ASSERT_TRUE(ask("hold", peer(dora), {{"id", id}}).has_value());
    ASSERT_EQ(records.size(), 2U);
    EXPECT_EQ(records[0]["type"], "looked");
    EXPECT_EQ(records[0]["person"], "ben");
    EXPECT_EQ(records[1]["what"], "hold " + id);
}

TEST_F(HoldRequestsTest, WatchingTellsOfOpenedDecidedAndEnded) {
    std::vector<std::string> told;
    int ticks = 0;
    std::string second;
    const Emit emit = [&](const json& line) {
        if (line.is_null()) {
            // Between two lines: the next step of the story.
            switch (ticks) {
                case 0:
                    second = open_hold(request("second"));
                    break;
                case 1:
                    EXPECT_TRUE(desk->decide(second, ben, true, "").has_value());
                    break;
                case 2:
                    EXPECT_TRUE(desk->use(second).value());
                    break;
                default:
                    clock.pass(std::chrono::seconds(900));
                    EXPECT_EQ(desk->expire().size(), ticks == 3 ? 1U : 0U);
            }
            return ticks++ < 4;
        }
        const std::string event = line.value("event", "listed hold");
        told.push_back(event + (line.contains("hold") ? " " + line["hold"]["state"].get<std::string>() : std::string()));
        return true;
    };
    ASSERT_TRUE(ask("holds", peer(ben), {{"watch", true}}, emit).has_value());
    EXPECT_THAT(told, ElementsAre("listed hold waiting", "listed", "opened waiting", "decided approved", "ended used",
                                  "ended expired"));
}

TEST_F(HoldRequestsTest, WaitingEndsWithTheDecision) {
    std::thread reviewer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        EXPECT_TRUE(desk->decide(id, ben, false, "not today").has_value());
    });
    const Emit emit = [](const json&) { return true; };
    auto answer = server.handlers.at("wait")(agent(), {{"id", id}}, emit);
    reviewer.join();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->at("state"), "denied");
    EXPECT_EQ(answer->at("reason"), "not today");
    EXPECT_EQ(ask("wait", agent(), {{"id", id}})->at("state"), "denied") << "at once when it is decided";
}

TEST_F(HoldRequestsTest, SessionsAreEndedByThoseWhoDecideAndItIsRecordedFirst) {
    EXPECT_EQ(ask("end", peer(mallory), {{"session", "s-1"}}).error().code, Errc::denied);
    EXPECT_EQ(ask("end", agent(), {{"session", "s-1"}}).error().code, Errc::denied);
    EXPECT_EQ(ask("end", peer(ben), {{"session", ""}}).error().code, Errc::invalid);
    are_records_available = false;
    EXPECT_FALSE(ask("end", peer(ben), {{"session", "s-1"}}).has_value());
    EXPECT_EQ(ended, "");
    are_records_available = true;
    auto answer = ask("end", peer(ben), {{"session", "s-1"}, {"reason", "stuck"}});
    EXPECT_EQ(answer->at("session"), "s-whole");
    EXPECT_EQ(ended, "s-1/ben/stuck");
    EXPECT_EQ(records.back()["type"], "administered");
    EXPECT_TRUE(ask("end", peer(approve::person("root", 0)), {{"session", "s-1"}}).has_value());
    EXPECT_EQ(ask("status", agent(), {}).error().code, Errc::denied);
    EXPECT_EQ(ask("status", peer(mallory), {})->at("pid"), 1);
}

}  // namespace
}  // namespace assent::app
