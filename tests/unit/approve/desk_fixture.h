// A desk in a folder of its own, with a clock that tests move, and the people of the stories.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "approve/desk.h"
#include "base/digest.h"

namespace assent::approve {

class TestClock final : public Clock {
public:
    Moment now() const override { return now_; }
    WallTime wall() const override { return wall_; }
    void pass(std::chrono::seconds time) {
        now_ += time;
        wall_ += time;
    }
    void set_wall(std::chrono::seconds forward) { wall_ += forward; }  // somebody sets the clock
    void restart() { now_ = Moment(std::chrono::seconds(5)); }         // the monotonic clock of another boot

private:
    Moment now_{std::chrono::seconds(1000)};
    WallTime wall_{std::chrono::seconds(1'800'000'000)};
};

inline Person person(std::string name, std::uint32_t uid, std::vector<std::string> groups = {}) {
    Person made;
    made.uid = uid;
    made.login_uid = uid;
    made.name = std::move(name);
    made.groups = std::move(groups);
    return made;
}

// One stage, of one person.
inline model::HoldApproval approval(std::string name, std::vector<std::string> users, std::vector<std::string> groups = {}) {
    model::HoldStage stage;
    stage.users = std::move(users);
    stage.groups = std::move(groups);
    return {std::move(name), {std::move(stage)}, {}};
}

class DeskFixture : public testing::Test {
protected:
    void SetUp() override {
        // In memory: a desk syncs whatever it writes, and no test is to wait for a slow disk ten thousand times.
        std::string pattern = "/dev/shm/assent-desk-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder = pattern;
        reopen();
    }
    void TearDown() override {
        desk.reset();
        std::filesystem::remove_all(folder);
    }
    void reopen() {
        desk.reset();
        auto opened = Desk::open(file(), clock, desk_options);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        desk = std::move(*opened);
    }
    [[nodiscard]] std::filesystem::path file() const { return folder / "holds.sqlite"; }

    // An UPDATE of the agent `nightly` (uid 5000), started by ana, that the approval `dba` is needed for.
    static model::HoldRequest request(std::string text = "UPDATE accounts SET balance = 0 WHERE id = 7") {
        model::HoldRequest made;
        made.digest = sha256(as_bytes(text));
        made.session = "s-1";
        made.agent = "nightly";
        made.agent_sets = {"migrator"};
        made.cgroup_id = 77;
        made.agent_uid = 5000;
        made.runner_uid = 1000;
        made.exe = "/usr/bin/psql";
        made.purpose = "end of month";
        made.target = "payments-db";
        made.database = "payments";
        made.database_user = "app";
        made.text = std::move(text);
        made.parameters = {"'7'", "NULL"};
        made.rules = {"writes-need-a-dba"};
        made.effects = {"update public.accounts"};
        made.before = {"SELECT 1"};
        made.policy_revision = 3;
        made.approvals = {approval("dba", {"ana", "ben"}, {"dbas"})};
        made.deadline = std::chrono::seconds(900);
        return made;
    }
    std::string open_hold(const model::HoldRequest& wanted) {
        auto status = desk->request(wanted);
        EXPECT_TRUE(status.has_value()) << status.error().message;
        return status ? status->id : std::string();
    }
    [[nodiscard]] model::HoldState state_of(const std::string& id) const {
        auto hold = desk->find(id);
        EXPECT_TRUE(hold.has_value());
        return hold ? hold->status.state : model::HoldState::waiting;
    }

    const Person ana = person("ana", 1000);
    const Person ben = person("ben", 1001);
    const Person dora = person("dora", 1002, {"staff", "dbas"});
    const Person sam = person("sam", 1003, {"security"});
    const Person mallory = person("mallory", 1666, {"staff"});

    TestClock clock;
    DeskOptions desk_options;
    std::filesystem::path folder;
    std::unique_ptr<Desk> desk;
};

}  // namespace assent::approve
