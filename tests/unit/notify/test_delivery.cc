// Deliveries to a real HTTP server of this process, and to programs.
#include <httplib.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "notify/deliverer.h"

namespace assent::notify {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

template <typename IsDone>
bool wait_for(IsDone is_done, std::chrono::milliseconds limit = 10s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end) {
        if (is_done()) return true;
        std::this_thread::sleep_for(10ms);
    }
    return is_done();
}

// Answers with the statuses that it is told, then with 200.
class LittleServer {
public:
    explicit LittleServer(std::vector<int> statuses) : statuses_(std::move(statuses)) {
        server_.Post("/hook", [this](const httplib::Request& request, httplib::Response& response) {
            const std::scoped_lock lock(mutex_);
            response.status = requests_.size() < statuses_.size() ? statuses_[requests_.size()] : 200;
            requests_.push_back(request);
        });
        port_ = server_.bind_to_any_port("127.0.0.1");
        thread_ = std::thread([this] { server_.listen_after_bind(); });
        server_.is_running();
    }
    ~LittleServer() {
        server_.stop();
        thread_.join();
    }
    [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/hook"; }
    [[nodiscard]] std::vector<httplib::Request> requests() {
        const std::scoped_lock lock(mutex_);
        return requests_;
    }

private:
    std::vector<int> statuses_;
    httplib::Server server_;
    int port_ = 0;
    std::mutex mutex_;
    std::vector<httplib::Request> requests_;
    std::thread thread_;
};

policy::Webhook hook_settings() {
    policy::Webhook settings;
    settings.name = "ops";
    settings.events = {policy::NoticeEvent::opened};
    return settings;
}

Notice small_notice(const std::string& id, const std::string& event = "opened") {
    return {id, {{"event", event}, {"hold", {{"id", "h-7k2mq4"}, {"agent", "nightly"}}}}, ""};
}

struct Delivery : ::testing::Test {
    std::unique_ptr<Deliverer> deliverer_to(std::unique_ptr<Channel> channel) {
        return std::make_unique<Deliverer>(
            std::move(channel),
            [this](const ChannelState& state) {
                const std::scoped_lock lock(mutex);
                states.push_back(state);
            },
            5ms);
    }
    std::mutex mutex;
    std::vector<ChannelState> states;
};

TEST_F(Delivery, IsSignedAndTriedAgainWithTheSameIdUntilItIsTaken) {
    LittleServer server({503, 429});
    const auto deliverer = deliverer_to(make_webhook(hook_settings(), server.url(), "key"));
    deliverer->put(small_notice("id-1"));
    ASSERT_TRUE(wait_for([&] { return deliverer->state().delivered == 1; }));
    const auto requests = server.requests();
    ASSERT_EQ(requests.size(), 3U);
    for (const auto& request : requests) {
        EXPECT_EQ(request.get_header_value("Assent-Notice"), "id-1");
        const auto header = request.get_header_value("Assent-Signature");
        const auto time = std::stoll(header.substr(2));
        EXPECT_EQ(header, signature("key", time, request.body));
        EXPECT_EQ(json::parse(request.body)["hold"]["id"], "h-7k2mq4");
    }
    const std::scoped_lock lock(mutex);
    ASSERT_GE(states.size(), 3U);
    EXPECT_TRUE(states.front().is_failing);
    EXPECT_EQ(states.front().why, "it answered 503");
    EXPECT_FALSE(states.back().is_failing);
}

TEST_F(Delivery, WhatIsRefusedForGoodIsGivenUpAndTheNextOneGoes) {
    LittleServer server({404});
    const auto deliverer = deliverer_to(make_webhook(hook_settings(), server.url(), ""));
    deliverer->put(small_notice("id-1"));
    deliverer->put(small_notice("id-2"));
    ASSERT_TRUE(wait_for([&] { return deliverer->state().delivered == 1; }));
    EXPECT_EQ(deliverer->state().dropped, 1U);
    const auto requests = server.requests();
    ASSERT_EQ(requests.size(), 2U);
    EXPECT_EQ(requests[1].get_header_value("Assent-Notice"), "id-2");
    EXPECT_FALSE(requests[1].has_header("Assent-Signature")) << "no key is given";
}

TEST_F(Delivery, ARedirectIsNotFollowed) {
    LittleServer server({302});
    const auto deliverer = deliverer_to(make_webhook(hook_settings(), server.url(), ""));
    deliverer->put(small_notice("id-1"));
    ASSERT_TRUE(wait_for([&] { return deliverer->state().dropped == 1; }));
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(Delivery, WhatNobodyTakesIsGivenUpAfterSomeTries) {
    const auto deliverer = deliverer_to(make_webhook(hook_settings(), "http://127.0.0.1:1/hook", ""));
    deliverer->put(small_notice("id-1"));
    ASSERT_TRUE(wait_for([&] { return deliverer->state().dropped == 1; }, 20s));
    const std::scoped_lock lock(mutex);
    EXPECT_EQ(states.size(), limits::notice_attempts);
}

TEST_F(Delivery, AFullQueueDropsAndNeverWaits) {
    const auto deliverer = deliverer_to(make_webhook(hook_settings(), "http://127.0.0.1:1/hook", ""));
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < limits::notice_queue + 100; ++i) deliverer->put(small_notice("id"));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
    EXPECT_GE(deliverer->state().dropped, 90U);
}

TEST_F(Delivery, EventsThatAChannelDoesNotNameAreLeftOut) {
    LittleServer server({});
    const auto deliverer = deliverer_to(make_webhook(hook_settings(), server.url(), ""));
    deliverer->put(small_notice("id-1", "ended"));
    deliverer->put(small_notice("id-2"));
    ASSERT_TRUE(wait_for([&] { return deliverer->state().delivered == 1; }));
    EXPECT_EQ(server.requests().size(), 1U);
}

struct Exec : Delivery {
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "assent-notify-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }
    std::filesystem::path program(const std::string& text) const {
        const auto file = folder / "program";
        std::ofstream(file) << "#!/bin/sh\n" << text;
        EXPECT_EQ(::chmod(file.c_str(), 0700), 0);
        return file;
    }
    [[nodiscard]] std::string said() const {
        std::ifstream in(folder / "said");
        return {std::istreambuf_iterator<char>(in), {}};
    }
    std::filesystem::path folder;
};

TEST_F(Exec, AProgramGetsArgumentsAndOneObject) {
    const auto channel = make_exec(program("{ echo \"$# $1 $2\"; cat; env; } > " + (folder / "said").string()));
    ::setenv("SECRET_OF_THE_NOTIFIER", "x", 1);
    const auto delivered = channel->deliver(small_notice("id-1"));
    ASSERT_TRUE(delivered.has_value()) << delivered.error().message;
    EXPECT_EQ(said().substr(0, 18), "2 opened h-7k2mq4\n");
    const auto line = said().substr(18, said().find('\n', 18) - 18);
    EXPECT_EQ(json::parse(line)["hold"]["agent"], "nightly");
    EXPECT_EQ(said().find("SECRET_OF_THE_NOTIFIER"), std::string::npos);
}

TEST_F(Exec, NoShellLooksAtWhatAnAgentWrote) {
    Notice notice = small_notice("id-1");
    notice.about["hold"]["id"] = "$(touch " + (folder / "evil").string() + ")";
    const auto channel = make_exec(program("printf '%s' \"$2\" > " + (folder / "said").string()));
    ASSERT_TRUE(channel->deliver(notice).has_value());
    EXPECT_EQ(said(), notice.about["hold"]["id"].get<std::string>());
    EXPECT_FALSE(std::filesystem::exists(folder / "evil"));
}

TEST_F(Exec, AProgramThatFailsOrIsNotThereIsSaidSo) {
    const auto failed = make_exec(program("exit 3"))->deliver(small_notice("id-1"));
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().message, "it ended with 3");
    const auto missing = make_exec(folder / "nothing")->deliver(small_notice("id-1"));
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().code, Errc::invalid);
}

TEST_F(Exec, WhatAProgramLeavesBehindEndsWithIt) {
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(make_exec(program("sleep 60 &\nexit 0"))->deliver(small_notice("id-1")).has_value());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

}  // namespace
}  // namespace assent::notify
