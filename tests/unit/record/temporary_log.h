// A log in a folder of its own that goes away with the test.
#pragma once

#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>

#include <gtest/gtest.h>

#include "record/log.h"

namespace assent::record {

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "assent-record-XXXXXX").string();
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code error;
        std::filesystem::remove_all(path_, error);
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] LogOptions options() const {
        LogOptions options;
        options.folder = path_ / "records";
        options.key = path_ / "keys" / "log.key";
        options.origin = "assent/test";
        options.reserve_bytes = 0;
        return options;
    }

private:
    std::filesystem::path path_;
};

// A producer that can wait until its lane moved.
class Producer {
public:
    explicit Producer(Log& log) : sink_(log.add_lane([state = state_] { state->moved(); })) {}

    model::RecordTicket append(std::string_view type, std::string_view session, std::string_view members,
                               std::span<const model::RecordBody> bodies = {}, bool is_urgent = true) {
        for (;;) {
            const auto ticket = sink_.append({type, session, members, bodies, is_urgent});
            if (ticket) return *ticket;
            EXPECT_EQ(ticket.error().code, Errc::limit) << ticket.error().message;
            if (ticket.error().code != Errc::limit) return 0;
            wait_for(sink_.durable() + 1);
        }
    }
    // True when it is durable within half a minute.
    bool wait_for(model::RecordTicket ticket) {
        return state_->wait([&] { return sink_.durable() >= ticket; });
    }
    // False as soon as the disk fails.
    bool wait_for_or_failure(model::RecordTicket ticket) {
        return state_->wait([&] { return sink_.durable() >= ticket || !sink_.is_available(); }) && sink_.durable() >= ticket;
    }
    bool wait_until_available(bool is_available) {
        return state_->wait([&] { return sink_.is_available() == is_available; });
    }
    model::RecordSink& sink() { return sink_; }

private:
    // The lane calls it for as long as the log lives, which may be longer than the producer.
    struct State {
        std::mutex mutex;
        std::condition_variable changed;
        void moved() {
            const std::lock_guard lock(mutex);
            changed.notify_all();
        }
        template <typename Predicate>
        bool wait(Predicate predicate) {
            std::unique_lock lock(mutex);
            return changed.wait_for(lock, std::chrono::seconds(30), predicate);
        }
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
    model::RecordSink& sink_;
};

inline std::string read_whole(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline void write_whole(const std::filesystem::path& file, std::string_view text) {
    // Truncating to nothing would make file systems flush it to the disk each time.
    std::ofstream(file, std::ios::binary | std::ios::app).close();
    std::filesystem::resize_file(file, text.size());
    std::ofstream stream(file, std::ios::binary | std::ios::in);
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
}

}  // namespace assent::record
