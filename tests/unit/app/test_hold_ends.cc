// Each end of a hold is in the log once, whatever ended it and however often the daemon starts again.
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/hold_service.h"
#include "record/reader.h"
#include "unit/record/temporary_log.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;
using model::HoldState;

class Nobody final : public HoldService::Client {
    void hold_answered(const std::string&, const HoldAnswer&) override {}
};

model::HoldRequest request(char seed, const std::string& reviewer = "ana", std::chrono::seconds deadline = 900s) {
    model::HoldRequest made;
    made.digest.fill(static_cast<std::byte>(seed));
    made.session = std::string("session-") + seed;
    made.agent = "nightly";
    made.text = "UPDATE orders SET total = 0";
    made.approvals = {{"dba", {{.users = {reviewer}}}, {}}};
    made.deadline = deadline;
    return made;
}

approve::Person ana() {
    approve::Person person;
    person.uid = person.login_uid = 1000;
    person.name = "ana";
    return person;
}

class HoldEndsTest : public testing::Test {
protected:
    void SetUp() override { start(); }
    void TearDown() override { stop(); }

    void start() {
        log_ = std::move(*record::Log::open(folder_.options()));
        desk_ = std::move(*approve::Desk::open(folder_.path() / "holds.sqlite", system_clock()));
        service_ = std::make_unique<HoldService>(*desk_, log_->add_lane([] {}));
        ASSERT_TRUE(service_->start(log_->folder()));
    }
    // As the daemon does; or as if it had been killed once its log was on disk.
    void stop(bool is_in_order = true) {
        service_->stop();
        log_->close();
        if (is_in_order) service_->finish();
        service_.reset();
        desk_.reset();
        log_.reset();
    }
    std::string ask(const model::HoldRequest& asked) {
        service_->open(nobody_, asked);
        for (int i = 0; i < 300; ++i, std::this_thread::sleep_for(10ms)) {
            for (const auto& hold : desk_->list(false, 100)) {
                const bool is_it = hold.request.digest == asked.digest && hold.request.approvals == asked.approvals;
                if (is_it) return hold.status.id;
            }
        }
        ADD_FAILURE() << "no hold was opened";
        return {};
    }
    void wait_for(const std::string& id, HoldState state) {
        for (int i = 0; i < 500 && desk_->find(id)->status.state != state; ++i) std::this_thread::sleep_for(10ms);
        EXPECT_EQ(desk_->find(id)->status.state, state);
    }
    // "state in session" of each hold.ended, by hold.
    std::multimap<std::string, std::string> ends() {
        std::multimap<std::string, std::string> out;
        auto reader = record::Reader::open(folder_.path() / "records");
        for (auto entry = reader->next(); entry && *entry; entry = reader->next()) {
            if ((*entry)->start.type != "hold.ended") continue;
            const auto leaf = *record::parse_leaf((*entry)->leaf);
            out.emplace(leaf["hold"], leaf["state"].get<std::string>() + " in " + std::string((*entry)->start.session));
        }
        return out;
    }

    record::TemporaryFolder folder_;
    std::unique_ptr<record::Log> log_;
    std::unique_ptr<approve::Desk> desk_;
    std::unique_ptr<HoldService> service_;
    Nobody nobody_;
};

TEST_F(HoldEndsTest, every_way_to_end_is_recorded_once_also_over_restarts) {
    std::multimap<std::string, std::string> expected;
    const auto used = ask(request('u'));
    ASSERT_TRUE(desk_->decide(used, ana(), true, ""));
    service_->use(nobody_, "another-session", used);
    service_->use(nobody_, "too-late", used);
    wait_for(used, HoldState::used);
    expected.emplace(used, "used in another-session");
    const auto denied = ask(request('d'));
    ASSERT_TRUE(desk_->decide(denied, ana(), false, "no"));
    expected.emplace(denied, "denied in session-d");
    const auto expired = ask(request('e', "ana", 1s));
    wait_for(expired, HoldState::expired);
    expected.emplace(expired, "expired in session-e");
    const auto cancelled = ask(request('c'));
    service_->leave("session-c", cancelled, true);
    wait_for(cancelled, HoldState::cancelled);
    expected.emplace(cancelled, "cancelled in session-c");
    const auto revoked = ask(request('r'));
    ask(request('r', "bea"));  // the policy asks for somebody else now
    wait_for(revoked, HoldState::revoked);
    expected.emplace(revoked, "revoked in session-r");
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(20ms);
        stop();
        start();
    }
    EXPECT_EQ(ends(), expected);
}

TEST_F(HoldEndsTest, a_start_finds_in_the_log_what_the_desk_does_not_know_to_be_there) {
    const auto id = ask(request('d'));
    ASSERT_TRUE(desk_->decide(id, ana(), false, "no"));
    std::this_thread::sleep_for(100ms);
    stop(false);
    start();
    EXPECT_EQ(ends().count(id), 1U);
}

TEST_F(HoldEndsTest, what_ended_unrecorded_is_recorded_at_the_next_start) {
    const auto id = ask(request('d'));
    service_->stop();  // nobody hears of it
    ASSERT_TRUE(desk_->decide(id, ana(), false, "no"));
    stop();
    EXPECT_EQ(ends().count(id), 0U);
    start();
    stop();
    start();
    EXPECT_EQ(ends().count(id), 1U);
}

}  // namespace
}  // namespace assent::app
