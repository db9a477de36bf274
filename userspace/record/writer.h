// The writer thread: drains the lanes into the store, syncs when somebody waits or the time is up, tells the lanes.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "record/lane.h"
#include "record/log.h"
#include "record/store.h"

namespace assent::record {

class Writer final : public Log {
public:
    Writer(const LogOptions& options, Store store);
    ~Writer() override;
    [[nodiscard]] Result<> start(const std::vector<std::string>& degraded);

    [[nodiscard]] model::RecordSink& add_lane(std::function<void()> moved) override;
    [[nodiscard]] Result<> append_and_wait(const model::RecordDraft& draft) override;
    void close() override;
    [[nodiscard]] std::uint64_t unwritten() const override { return unwritten_; }
    [[nodiscard]] std::string describe() const override;
    [[nodiscard]] const std::filesystem::path& folder() const noexcept override { return options_.folder; }

private:
    // A draft of a thread that waits; shared by the two, under mutex_.
    struct Waiting {
        std::string packed;
        bool is_durable = false;
    };
    // What describe() tells; under mutex_.
    struct Status {
        std::uint64_t size_bytes = 0;
        std::uint64_t segments = 0;
        std::uint64_t records = 0;
        std::uint64_t last_checkpoint = 0;
        std::string why;
    };

    void run();
    [[nodiscard]] bool is_anything_queued();
    void drain();
    void drain_lane(Lane& lane);
    void add_own(std::string_view type, std::string_view members);
    void note_added(Bytes packed);
    [[nodiscard]] bool must_flush(Moment now) const;
    void flush(Moment now);
    void check(Moment now);  // makes a checkpoint
    void publish();
    void update_status();
    void failed(const Error& error, Moment now);
    void recovered();
    void watch_space(Moment now);
    void prune(Moment now);
    void set_available();
    void sleep(Moment now);
    [[nodiscard]] std::uint64_t count_unwritten();

    LogOptions options_;
    Store store_;
    Doorbell doorbell_;

    mutable std::mutex mutex_;
    std::condition_variable settled_;
    std::vector<std::unique_ptr<Lane>> lanes_;      // under mutex_; grows only
    std::deque<std::shared_ptr<Waiting>> waiting_;  // under mutex_
    Status status_;                                 // under mutex_
    bool is_over_ = false;                          // under mutex_: the thread has ended
    std::atomic<std::uint64_t> queued_{0};          // of waiting_ and lanes_: their count of additions
    std::uint64_t seen_queued_ = 0;

    // Of the writer's thread.
    std::vector<Lane*> known_lanes_;
    std::size_t first_lane_ = 0;
    std::deque<std::shared_ptr<Waiting>> arrived_;
    std::vector<std::shared_ptr<Waiting>> taken_;  // in the store, not durable yet
    bool has_urgent_ = false;
    Moment oldest_unsynced_{};
    bool is_failing_ = false;
    bool is_low_ = false;
    std::string failure_;
    WallTime failing_since_{};
    Moment retry_at_{};
    Moment look_at_space_{};
    Moment look_at_age_{};
    std::size_t pruned_at_count_ = 0;
    std::uint64_t unwritten_ = 0;  // when the thread has ended

    std::thread thread_;
};

}  // namespace assent::record
