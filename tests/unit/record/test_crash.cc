// Crashes, failing and full disks: what was acknowledged is there, what was not done is said, and the log goes on.
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "record/files.h"
#include "record/reader.h"
#include "record/verify.h"
#include "temporary_log.h"

namespace assent::record {
namespace {

using testing::HasSubstr;

std::vector<std::string> leaves(const std::filesystem::path& folder) {
    std::vector<std::string> out;
    auto reader = Reader::open(folder);
    EXPECT_TRUE(reader);
    for (;;) {
        const auto entry = reader->next();
        EXPECT_TRUE(entry) << entry.error().message;
        if (!entry || !*entry) return out;
        out.emplace_back((*entry)->leaf);
    }
}

void expect_intact(const TemporaryFolder& folder) {
    const auto report = verify({folder.options().folder, folder.path() / "keys/log.pub", std::nullopt, {}});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_FALSE(report->finding) << report->finding->detail << " at record " << report->finding->seq;
}

bool contains(const std::vector<std::string>& lines, std::string_view text) {
    return std::ranges::any_of(lines, [text](const std::string& line) { return line.find(text) != std::string::npos; });
}

// A disk whose calls fail when they are told to.
class FaultyDisk final : public Disk {
public:
    ssize_t write(int descriptor, Bytes bytes, off_t offset) override {
        if (const int number = write_error.load(); number != 0) {
            errno = number;
            return -1;
        }
        if (is_short.load() && bytes.size() > 7) bytes = bytes.first(bytes.size() / 2);
        return real_disk().write(descriptor, bytes, offset);
    }
    int sync(int descriptor) override {
        if (sync_errors.load() > 0) {
            --sync_errors;
            // What a failing disk does: the pages are gone, and the next call would say that all is well.
            errno = EIO;
            return -1;
        }
        return real_disk().sync(descriptor);
    }
    void forget_cached(int descriptor, off_t offset, off_t size) noexcept override {
        real_disk().forget_cached(descriptor, offset, size);
    }
    std::uint64_t free_bytes(int /*descriptor*/) override { return free.load(); }

    std::atomic<int> write_error{0};
    std::atomic<int> sync_errors{0};
    std::atomic<bool> is_short{false};
    std::atomic<std::uint64_t> free{1ULL << 40U};
};

// Appends from two lanes for ever and writes each acknowledged name to the pipe.
[[noreturn]] void append_until_killed(const LogOptions& options, int pipe, int round) {
    auto log = Log::open(options);
    if (!log) ::_exit(1);
    std::vector<std::thread> threads;
    for (int lane = 0; lane < 2; ++lane) {
        threads.emplace_back([&log, pipe, round, lane] {
            Producer producer(**log);
            for (int n = 0;; ++n) {
                const std::string name = std::to_string(round) + "-" + std::to_string(lane) + "-" + std::to_string(n);
                const model::RecordBody body{"text", as_bytes(name)};
                const auto ticket = producer.append("command", "s" + name, R"("command":1)", {&body, 1}, n % 3 == 0);
                if (n % 3 != 0 || !producer.wait_for(ticket)) continue;
                const std::string line = name + "\n";
                if (::write(pipe, line.data(), line.size()) < 0) ::_exit(1);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    ::_exit(1);
}

std::string read_all(int descriptor) {
    std::string out;
    char buffer[4096];
    for (ssize_t size = 0; (size = ::read(descriptor, buffer, sizeof buffer)) > 0;)
        out.append(buffer, static_cast<std::size_t>(size));
    return out;
}

TEST(CrashTest, NothingAcknowledgedIsLostByKill9AtRandomMoments) {
    const TemporaryFolder folder;
    auto options = folder.options();
    options.segment_size_bytes = 50'000;
    options.checkpoint_records = 50;
    std::mt19937 random(std::random_device{}());
    std::set<std::string> acknowledged;
    for (int round = 0; round < 8; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) append_until_killed(options, ends[1], round);
        ::close(ends[1]);
        std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(30, 250)(random)));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        std::istringstream lines(read_all(ends[0]));
        ::close(ends[0]);
        for (std::string line; std::getline(lines, line);) acknowledged.insert(line);
        if (!acknowledged.empty()) expect_intact(folder);  // killed before its first record: even the key may not be there
    }
    auto log = Log::open(options);
    ASSERT_TRUE(log) << log.error().message;
    (*log)->close();
    expect_intact(folder);
    std::set<std::string> recorded;
    for (const auto& leaf : leaves(options.folder)) {
        if (const auto start = leaf_start(leaf); start && !start->session.empty())
            recorded.emplace(start->session.substr(1));
    }
    EXPECT_GT(acknowledged.size(), 10);
    for (const auto& name : acknowledged) EXPECT_TRUE(recorded.contains(name)) << name;
}

class RecoveryTest : public testing::Test {
protected:
    void write(int count) {
        auto log = Log::open(folder_.options());
        ASSERT_TRUE(log) << log.error().message;
        for (int i = 0; i < count; ++i) ASSERT_TRUE((*log)->append_and_wait({"command", "s1", R"("command":1)", {}, true}));
    }
    std::filesystem::path segment() const { return folder_.options().folder / segment_file(0); }
    TemporaryFolder folder_;
};

TEST_F(RecoveryTest, TornTailIsCutKeptAndRecorded) {
    write(3);
    const std::string whole = read_whole(segment());
    write_whole(segment(), whole + std::string("\0\0\1\0L{\"seq\":3", 14));
    write(1);
    EXPECT_EQ(read_whole(segment().string() + ".torn-" + std::to_string(whole.size())),
              std::string("\0\0\1\0L{\"seq\":3", 14));
    const auto lines = leaves(folder_.options().folder);
    ASSERT_EQ(lines.size(), 5);
    EXPECT_THAT(lines[3], HasSubstr(R"("type":"daemon.degraded","what":"records")"));
    EXPECT_THAT(lines[3], HasSubstr(R"("cut_bytes":14)"));
    expect_intact(folder_);
}

TEST_F(RecoveryTest, BodiesWithoutTheirLeafAreCut) {
    write(1);
    std::string text = read_whole(segment());
    append_frame(text, FrameKind::body, "DELETE FROM orders");
    write_whole(segment(), text);
    write(1);
    expect_intact(folder_);
    EXPECT_TRUE(contains(leaves(folder_.options().folder), "the last record was not finished"));
}

TEST_F(RecoveryTest, SegmentThatWasNeverFinishedBeingMadeIsPutAside) {
    write(2);
    write_whole(folder_.options().folder / segment_file(2), "asse");
    write(1);
    expect_intact(folder_);
    EXPECT_EQ(leaves(folder_.options().folder).size(), 4);
}

// What a checkpoint covers was on the disk: when it is damaged that is no crash, and nothing may be "repaired".
TEST_F(RecoveryTest, DamageThatACheckpointCoversIsNotOpened) {
    write(3);
    std::string text = read_whole(segment());
    const std::string whole = text;
    text[text.find(R"("seq":1)") + 6] = '7';
    write_whole(segment(), text);
    const auto log = Log::open(folder_.options());
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().code, Errc::malformed);
    EXPECT_THAT(log.error().message, HasSubstr("assent verify"));
    EXPECT_EQ(read_whole(segment()), text) << "the evidence was changed";
    write_whole(segment(), whole);
    write(1);
}

TEST_F(RecoveryTest, LogThatLostItsTailIsNotOpened) {
    write(3);
    const std::string text = read_whole(segment());
    write_whole(segment(), std::string_view(text).substr(0, text.find(R"({"seq":2)") - frame_head_size));
    const auto log = Log::open(folder_.options());
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().code, Errc::malformed);
}

TEST_F(RecoveryTest, LogOfAnotherKeyIsNotOpened) {
    write(1);
    std::filesystem::remove_all(folder_.path() / "keys");
    const auto log = Log::open(folder_.options());
    ASSERT_FALSE(log);
    EXPECT_THAT(log.error().message, HasSubstr("signature"));
}

TEST(FaultTest, FailingWritesDenyThenComeBackAndNothingIsLost) {
    const TemporaryFolder folder;
    FaultyDisk disk;
    auto options = folder.options();
    options.disk = &disk;
    auto log = Log::open(options);
    ASSERT_TRUE(log);
    Producer producer(**log);
    disk.write_error = ENOSPC;
    const auto pending = producer.append("command", "pending", R"("command":1)");
    ASSERT_TRUE(producer.wait_until_available(false));
    EXPECT_LT(producer.sink().durable(), pending);
    const auto refused = producer.sink().append({"command", "refused", R"("command":2)", {}, true});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::unavailable);
    // How a command that was let through ended can still be told.
    EXPECT_TRUE(producer.sink().append({"outcome", "told", R"("command":1)", {}, false}));
    EXPECT_THAT((*log)->describe(), HasSubstr("No space left"));
    disk.write_error = 0;
    EXPECT_TRUE(producer.wait_until_available(true));
    EXPECT_TRUE(producer.wait_for(pending));
    EXPECT_TRUE(producer.wait_for(producer.append("command", "after", R"("command":3)")));
    (*log)->close();
    const auto lines = leaves(options.folder);
    for (const char* name : {"pending", "told", "after", "daemon.degraded"}) EXPECT_TRUE(contains(lines, name)) << name;
    EXPECT_FALSE(contains(lines, "refused"));
    expect_intact(folder);
}

TEST(FaultTest, FailedSyncIsNotBelievedTheSecondTime) {
    const TemporaryFolder folder;
    FaultyDisk disk;
    auto options = folder.options();
    options.disk = &disk;
    auto log = Log::open(options);
    ASSERT_TRUE(log);
    Producer producer(**log);
    disk.sync_errors = 1;
    const auto ticket = producer.append("command", "s1", R"("command":1)");
    EXPECT_TRUE(producer.wait_for(ticket));
    (*log)->close();
    EXPECT_TRUE(contains(leaves(options.folder), "Input/output error"));
    expect_intact(folder);
}

TEST(FaultTest, ShortWritesAreGoneOnWith) {
    const TemporaryFolder folder;
    FaultyDisk disk;
    disk.is_short = true;
    auto options = folder.options();
    options.disk = &disk;
    options.segment_size_bytes = 5'000;
    auto log = Log::open(options);
    ASSERT_TRUE(log) << log.error().message;
    for (int i = 0; i < 50; ++i) ASSERT_TRUE((*log)->append_and_wait({"command", "s1", R"("command":1)", {}, true}));
    (*log)->close();
    expect_intact(folder);
}

TEST(FaultTest, BelowTheReserveCommandsAreDeniedAndAdministratorsAreRecorded) {
    const TemporaryFolder folder;
    FaultyDisk disk;
    auto options = folder.options();
    options.disk = &disk;
    options.reserve_bytes = 1'000'000;
    disk.free = 999'999;
    auto log = Log::open(options);
    ASSERT_TRUE(log);
    Producer producer(**log);
    EXPECT_FALSE(producer.sink().is_available());
    EXPECT_FALSE(producer.sink().append({"command", "s1", R"("command":1)", {}, true}));
    EXPECT_TRUE((*log)->append_and_wait({"administered", "", R"("what":"session.end")", {}, true}));
    disk.free = 1ULL << 30U;
    EXPECT_TRUE(producer.wait_until_available(true));
    EXPECT_TRUE(producer.wait_for(producer.append("command", "s1", R"("command":1)")));
}

TEST(FaultTest, AppendAndWaitGivesUpWhileTheDiskFails) {
    const TemporaryFolder folder;
    FaultyDisk disk;
    auto options = folder.options();
    options.disk = &disk;
    auto log = Log::open(options);
    ASSERT_TRUE(log);
    disk.write_error = EIO;
    const auto appended = (*log)->append_and_wait({"administered", "", R"("what":"session.end")", {}, true});
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().code, Errc::unavailable);
}

// A real file system of a few megabytes, filled to the last byte.
TEST(FaultTest, FullFileSystemLosesNothingThatWasAcknowledged) {
    if (::geteuid() != 0) {
        std::puts("not root: the full disk is only simulated (FailingWritesDenyThenComeBack…)");
        return;
    }
    const TemporaryFolder outer;
    const auto mount_point = outer.path() / "disk";
    std::filesystem::create_directory(mount_point);
    ASSERT_EQ(::mount("assent-test", mount_point.c_str(), "tmpfs", 0, "size=4m"), 0) << std::strerror(errno);
    const std::unique_ptr<const std::filesystem::path, void (*)(const std::filesystem::path*)> mounted(
        &mount_point, [](const std::filesystem::path* path) { EXPECT_EQ(::umount2(path->c_str(), MNT_DETACH), 0); });
    auto options = outer.options();
    options.folder = mount_point / "records";
    auto log = Log::open(options);
    ASSERT_TRUE(log);
    Producer producer(**log);
    const std::string big(100'000, 'x');
    const model::RecordBody body{"text", as_bytes(big)};
    model::RecordTicket last = 0;
    while (const auto ticket = producer.sink().append({"command", "s1", R"("command":1)", {&body, 1}, true})) {
        last = *ticket;
        if (!producer.wait_for_or_failure(last)) break;
        ASSERT_LT(last, 1000);
    }
    const auto acknowledged = producer.sink().durable();
    EXPECT_GT(acknowledged, 20);
    EXPECT_FALSE(producer.sink().is_available());
    // Readable while it is full.
    EXPECT_GE(leaves(options.folder).size(), acknowledged);
    ASSERT_EQ(::mount("assent-test", mount_point.c_str(), "tmpfs", MS_REMOUNT, "size=8m"), 0) << std::strerror(errno);
    EXPECT_TRUE(producer.wait_until_available(true));
    EXPECT_TRUE(producer.wait_for(producer.append("command", "after", R"("command":2)")));
    (*log)->close();
    EXPECT_TRUE(contains(leaves(options.folder), R"("session":"after")"));
    const auto report = verify({options.folder, outer.path() / "keys/log.pub", std::nullopt, {}});
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->finding) << report->finding->detail;
}

TEST(PruneTest, OldestSegmentsGoWithARecordAndTheTreeStillVerifies) {
    const TemporaryFolder folder;
    auto options = folder.options();
    options.segment_size_bytes = 4'000;
    options.max_size_bytes = 20'000;
    auto log = Log::open(options);
    ASSERT_TRUE(log);
    for (int i = 0; i < 300; ++i) ASSERT_TRUE((*log)->append_and_wait({"command", "s1", R"("command":1)", {}, true}));
    (*log)->close();
    const auto report = verify({options.folder, folder.path() / "keys/log.pub", std::nullopt, {}});
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->finding) << report->finding->detail;
    EXPECT_GT(report->pruned_records, 50);
    EXPECT_LT(report->size_bytes, 30'000);
    EXPECT_TRUE(contains(leaves(options.folder), "records.pruned"));
}

// A program that shares no code with assent reads the same log and computes the same root.
TEST(FormatTest, IndependentReaderComputesTheSameRoot) {
    const TemporaryFolder folder;
    auto options = folder.options();
    options.segment_size_bytes = 3'000;
    options.checkpoint_records = 7;
    auto log = Log::open(options);
    ASSERT_TRUE(log);
    const std::string big(limits::record_body_text + 5, 'x');
    for (int i = 0; i < 40; ++i) {
        const model::RecordBody bodies[] = {{"text", as_bytes(i == 20 ? std::string_view(big) : "SELECT 'é'")},
                                            {"result", {}}};
        ASSERT_TRUE((*log)->append_and_wait({"command", "s1", R"("command":1,"message":"a \"quoted\" é")", bodies, true}));
    }
    (*log)->close();
    const auto report = verify({options.folder, folder.path() / "keys/log.pub", std::nullopt, {}});
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->finding) << report->finding->detail;
    const auto run = [&folder, &options] {
        const auto out = folder.path() / "out";
        const std::string command = "/usr/bin/python3 " ASSENT_SOURCE_DIR "/tests/support/read_log.py " +
                                    options.folder.string() + " --key " + (folder.path() / "keys/log.pub").string() + " > " +
                                    out.string() + " 2>&1";
        const int status = std::system(command.c_str());
        return std::pair(status, read_whole(out));
    };
    const auto [status, text] = run();
    EXPECT_EQ(status, 0) << text;
    EXPECT_THAT(text, HasSubstr(R"("records": 40, "bodies": 80)"));
    EXPECT_THAT(text, HasSubstr(R"("root": ")" + report->root + "\""));
    std::string changed = read_whole(options.folder / segment_file(0));
    changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 4);
    write_whole(options.folder / segment_file(0), changed);
    EXPECT_NE(run().first, 0);
}

// The bytes of FORMAT.md's example.
TEST(FormatTest, ExampleOfTheDocumentIsRight) {
    std::string frame;
    append_frame(frame, FrameKind::body, "SELECT 1");
    EXPECT_EQ(to_hex(as_bytes(frame)),
              "00000008"
              "42"
              "53454c4543542031"
              "5ad86f9c");
    EXPECT_EQ(to_hex(body_hash(as_bytes("SELECT 1"))), "e004ebd5b5532a4b85984a62f8ad48a81aa3460c1ca07701f386135d72cdecf5");
}

}  // namespace
}  // namespace assent::record
