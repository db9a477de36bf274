// The files of the log as the writer sees them: bytes go to the active segment, become durable, and the next segment begins.
// Survives failing disks: what was given to it stays in memory until it is durable, and is written anew. Thread: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"
#include "record/compose.h"
#include "record/files.h"
#include "record/log.h"
#include "record/recover.h"
#include "record/tree.h"

namespace assent::record {

struct StoredSegment {
    std::uint64_t first = 0;
    std::uint64_t size_bytes = 0;
};

class Store {
public:
    Store(const LogOptions& options, Key key, Fd lock, Recovered recovered);

    // Takes a packed draft (record/lane.h) as the next record. Durable after the next flush() that succeeds.
    void add(Bytes packed);
    [[nodiscard]] bool has_room() const noexcept;  // false: flush() before the next add()
    [[nodiscard]] bool has_pending() const noexcept { return !pending_.empty(); }
    // Makes all that was added durable, and begins the next segment when this one is full. Try again after an error.
    [[nodiscard]] Result<> flush();
    // Lets go of the pages of what was made durable: kept in the cache it would take the place of what others read, and each
    // new page of it costs more than the record.
    void forget_cached() noexcept;

    [[nodiscard]] bool is_checkpoint_due(Moment now) const;
    [[nodiscard]] bool has_unchecked() const noexcept { return tree_.size() != checkpoint_size_; }
    [[nodiscard]] Moment checkpoint_due() const noexcept { return checkpoint_time_ + options_.checkpoint_interval; }
    // Signs the tree as it is; call after a flush() that succeeded.
    [[nodiscard]] Result<> make_checkpoint(Moment now);

    // The oldest segments that are beyond retain or max_size: the record that says so comes first, then prune().
    [[nodiscard]] std::size_t prunable(WallTime now) const;
    [[nodiscard]] std::string describe_prune(std::size_t count) const;  // members of that record
    [[nodiscard]] Result<> prune(std::size_t count);

    [[nodiscard]] std::uint64_t free_bytes() const;
    [[nodiscard]] std::uint64_t records() const noexcept { return tree_.size(); }
    [[nodiscard]] std::uint64_t pending_records() const noexcept { return tree_.size() - durable_records_; }
    [[nodiscard]] std::uint64_t checkpoint_size() const noexcept { return checkpoint_size_; }
    [[nodiscard]] std::uint64_t size_bytes() const noexcept;
    [[nodiscard]] std::size_t segment_count() const noexcept { return segments_.size(); }

private:
    [[nodiscard]] bool is_full(std::size_t more) const noexcept;
    [[nodiscard]] Result<> write_pending();
    [[nodiscard]] Result<> seal_segment();
    void write_hashes();
    [[nodiscard]] Result<> begin_segment();

    LogOptions options_;
    Disk& disk_;
    Key key_;
    Fd lock_;
    std::string origin_;
    Composer composer_;
    Tree tree_;
    std::vector<StoredSegment> segments_;  // oldest first; the last is the active one
    Fd active_;
    std::size_t cached_size_ = 0;  // of its durable end, written since the cache was last told
    Fd hashes_file_;
    std::string pending_;            // of the active segment, after its durable size: written or not, not yet durable
    std::string hashes_;             // leaf hashes of the active segment that are not in its file yet
    std::uint64_t hashes_size_ = 0;  // bytes of the file
    std::uint64_t durable_records_ = 0;
    std::uint64_t checkpoint_size_ = 0;
    Moment checkpoint_time_{};
};

}  // namespace assent::record
