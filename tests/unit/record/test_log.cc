// The writer: what is appended becomes durable, in order, and is there after the log was closed and opened again.
#include <sys/stat.h>

#include <atomic>
#include <deque>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "temporary_log.h"

namespace assent::record {
namespace {

nlohmann::json described(const Log& log) { return nlohmann::json::parse("{" + log.describe() + "}"); }

TEST(LogTest, UrgentRecordIsDurableSoon) {
    const TemporaryFolder folder;
    auto options = folder.options();
    options.unsynced = std::chrono::hours(1);
    auto log = Log::open(options);
    ASSERT_TRUE(log) << log.error().message;
    Producer producer(**log);
    const auto ticket = producer.append("command", "s1", R"("command":1)");
    EXPECT_EQ(ticket, 1);
    EXPECT_TRUE(producer.wait_for(ticket));
}

TEST(LogTest, RecordThatNobodyWaitsForIsDurableWithinItsTime) {
    const TemporaryFolder folder;
    auto log = Log::open(folder.options());
    ASSERT_TRUE(log);
    Producer producer(**log);
    EXPECT_TRUE(producer.wait_for(producer.append("command", "s1", R"("command":1)", {}, false)));
}

TEST(LogTest, IsPrivateAndKeyHasItsPublicHalf) {
    const TemporaryFolder folder;
    ASSERT_TRUE(Log::open(folder.options()));
    struct stat status {};
    ASSERT_EQ(::stat((folder.path() / "records").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    ASSERT_EQ(::stat((folder.path() / "keys/log.key").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    ASSERT_EQ(::stat((folder.path() / "keys/log.pub").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0644U);
    EXPECT_THAT(read_whole(folder.path() / "keys/log.pub"), testing::StartsWith("-----BEGIN PUBLIC KEY-----"));
}

TEST(LogTest, SecondOpenerIsRefused) {
    const TemporaryFolder folder;
    auto log = Log::open(folder.options());
    ASSERT_TRUE(log);
    const auto second = Log::open(folder.options());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::unavailable);
}

TEST(LogTest, GoesOnWhereItEnded) {
    const TemporaryFolder folder;
    for (int round = 1; round <= 3; ++round) {
        auto log = Log::open(folder.options());
        ASSERT_TRUE(log) << log.error().message;
        ASSERT_TRUE((*log)->append_and_wait({"daemon.started", "", R"("version":"1")", {}, true}));
        EXPECT_EQ(described(**log)["records"], round);
        EXPECT_EQ(described(**log)["segments"], 1);
    }
}

TEST(LogTest, ManyProducersLoseNothing) {
    constexpr int producers = 4;
    constexpr int each = 5'000;
    const TemporaryFolder folder;
    auto options = folder.options();
    options.segment_size_bytes = 256 * limits::KiB;
    auto log = Log::open(options);
    ASSERT_TRUE(log);
    std::vector<std::thread> threads;
    std::deque<Producer> lanes;
    for (int i = 0; i < producers; ++i) {
        threads.emplace_back([&producer = lanes.emplace_back(**log), i] {
            const std::string text = "SELECT " + std::to_string(i);
            const model::RecordBody body{"text", as_bytes(text)};
            model::RecordTicket last = 0;
            for (int n = 0; n < each; ++n)
                last = producer.append("command", "s" + std::to_string(i), R"("command":1)", {&body, 1}, n % 1000 == 0);
            EXPECT_TRUE(producer.wait_for(last));
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(described(**log)["records"], producers * each);
    EXPECT_GT(described(**log)["segments"], 5);
    (*log)->close();
    EXPECT_EQ(described(**log)["last_checkpoint"], producers * each);
}

// Room for a batch is bounded: a lane that is always full must not keep another one waiting.
TEST(LogTest, BusyLaneDoesNotStarveAnother) {
    const TemporaryFolder folder;
    auto options = folder.options();
    options.segment_size_bytes = 20'000;
    auto log = Log::open(options);
    ASSERT_TRUE(log);
    Producer busy(**log);
    Producer quiet(**log);
    std::atomic<bool> is_done = false;
    std::thread thread([&] {
        const std::string text(1'000, 'x');
        const model::RecordBody body{"text", as_bytes(text)};
        while (!is_done) (void)busy.sink().append({"command", "busy", R"("command":1)", {&body, 1}, false});
    });
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(quiet.wait_for(quiet.append("command", "quiet", R"("command":1)")));
    is_done = true;
    thread.join();
}

}  // namespace
}  // namespace assent::record
