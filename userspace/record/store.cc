#include "record/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <numeric>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "record/checkpoint.h"
#include "record/frame.h"
#include "record/segment.h"

namespace assent::record {
namespace {

constexpr std::size_t hashes_chunk = 4096;

Fd open_hashes(const std::filesystem::path& folder, std::uint64_t first) {
    const auto file = folder / segment_file(first, hashes_suffix);
    return Fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
}

}  // namespace

Store::Store(const LogOptions& options, Key key, Fd lock, Recovered recovered)
    : options_(options),
      disk_(options.disk != nullptr ? *options.disk : real_disk()),
      key_(std::move(key)),
      lock_(std::move(lock)),
      origin_(recovered.origin.empty() ? options.origin : recovered.origin),
      tree_(std::move(recovered.tree)),
      active_(std::move(recovered.active)),
      hashes_(std::move(recovered.hashes)),
      durable_records_(tree_.size()),
      checkpoint_size_(recovered.last_checkpoint),
      checkpoint_time_(std::chrono::steady_clock::now()) {
    for (const SegmentName& name : recovered.segments) {
        std::error_code error;
        const auto size = std::filesystem::file_size(options_.folder / segment_file(name.first), error);
        segments_.push_back({name.first, error ? 0 : size});
    }
    if (active_.is_open()) segments_.back().size_bytes = recovered.size_bytes;
}

void Store::add(Bytes packed) {
    const Digest hash = composer_.append_record(pending_, packed, tree_.size());
    tree_.add(hash);
    hashes_ += as_text(hash);
}

bool Store::has_room() const noexcept {
    return active_.is_open() && pending_.size() < limits::record_batch && !is_full(pending_.size());
}

// A segment has at least one record, so that no two have the same name.
bool Store::is_full(std::size_t more) const noexcept {
    const auto& active = segments_.back();
    return active.size_bytes + more >= options_.segment_size_bytes && tree_.size() > active.first;
}

Result<> Store::flush() {
    if (!active_.is_open()) {
        if (auto begun = begin_segment(); !begun) return begun;
    }
    if (!pending_.empty()) {
        if (auto written = write_pending(); !written) return written;
    }
    if (!is_full(0)) return {};
    if (auto sealed = seal_segment(); !sealed) return sealed;
    return begin_segment();
}

// After a failed sync nobody knows which pages reached the disk, and asking again would say yes: everything since the last
// sync that succeeded is written anew.
Result<> Store::write_pending() {
    auto& active = segments_.back();
    const auto offset = static_cast<off_t>(active.size_bytes);
    if (auto written = write_all(disk_, active_.get(), as_bytes(pending_), offset, "records"); !written) return written;
    if (disk_.sync(active_.get()) != 0) return fail_errno("cannot sync records", errno);
    active.size_bytes += pending_.size();
    cached_size_ += pending_.size();
    pending_.clear();
    durable_records_ = tree_.size();
    // Not with every sync: a second file that grows makes each one dearer.
    if (hashes_.size() >= hashes_chunk) write_hashes();
    return {};
}

void Store::forget_cached() noexcept {
    if (cached_size_ == 0) return;
    const std::size_t end = segments_.back().size_bytes;
    disk_.forget_cached(active_.get(), static_cast<off_t>(end - cached_size_), static_cast<off_t>(cached_size_));
    cached_size_ = 0;
}

// The hashes can be made anew from the segment, so a failure only leaves them for the next time.
void Store::write_hashes() {
    if (!hashes_file_.is_open()) hashes_file_ = open_hashes(options_.folder, segments_.back().first);
    if (!hashes_file_.is_open()) return;
    if (!write_all(disk_, hashes_file_.get(), as_bytes(hashes_), static_cast<off_t>(hashes_size_), "leaf hashes")) return;
    hashes_size_ += hashes_.size();
    hashes_.clear();
}

Result<> Store::seal_segment() {
    write_hashes();
    if (!hashes_.empty() || !hashes_file_.is_open()) return fail(Errc::io, "cannot write the leaf hashes of a segment");
    if (disk_.sync(hashes_file_.get()) != 0) return fail_errno("cannot sync the leaf hashes of a segment", errno);
    return {};
}

Result<> Store::begin_segment() {
    assert(pending_.empty() && hashes_.empty());
    const std::string name = segment_file(tree_.size());
    const auto file = options_.folder / name;
    Fd made(::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!made.is_open()) return fail_errno(fmt::format("cannot make the segment {}", file.string()), errno);
    const std::string start = compose_segment_start(origin_, to_rfc3339(std::chrono::system_clock::now()), tree_);
    auto written = write_all(disk_, made.get(), as_bytes(start), 0, file.string());
    if (written && disk_.sync(made.get()) != 0) written = fail_errno(fmt::format("cannot sync {}", file.string()), errno);
    if (written) written = sync_folder(options_.folder);
    if (!written) {
        ::unlink(file.c_str());
        return written;
    }
    active_ = std::move(made);
    segments_.push_back({tree_.size(), start.size()});
    hashes_file_ = open_hashes(options_.folder, tree_.size());
    hashes_size_ = 0;
    cached_size_ = 0;
    return {};
}

bool Store::is_checkpoint_due(Moment now) const {
    if (!has_unchecked()) return false;
    return tree_.size() - checkpoint_size_ >= options_.checkpoint_records || now >= checkpoint_due();
}

Result<> Store::make_checkpoint(Moment now) {
    assert(pending_.empty());
    const Checkpoint checkpoint{origin_, tree_.size(), tree_.root()};
    const std::string note = sign_checkpoint(checkpoint, key_);
    append_frame(pending_, FrameKind::checkpoint, note);
    write_hashes();
    if (auto written = write_pending(); !written) return written;
    if (auto written = replace_file(options_.folder / checkpoint_name, note, 0600); !written) return written;
    checkpoint_size_ = checkpoint.size;
    checkpoint_time_ = now;
    if (options_.on_checkpoint) options_.on_checkpoint(note);
    return {};
}

std::size_t Store::prunable(WallTime now) const {
    std::uint64_t total = size_bytes();
    std::size_t count = 0;
    while (count + 1 < segments_.size()) {
        const auto file = options_.folder / segment_file(segments_[count].first);
        struct stat status {};
        if (::stat(file.c_str(), &status) != 0) break;
        const auto age = now - std::chrono::system_clock::from_time_t(status.st_mtim.tv_sec);
        if (total <= options_.max_size_bytes && age < options_.retain) break;
        total -= segments_[count].size_bytes;
        ++count;
    }
    return count;
}

std::string Store::describe_prune(std::size_t count) const {
    assert(count < segments_.size());
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back(segment_file(segments_[i].first));
    std::string members;
    JsonWriter(members)
        .member("what", "records.pruned")
        .member("pruned_before", segments_[count].first)
        .strings("segments", names);
    return members;
}

Result<> Store::prune(std::size_t count) {
    assert(count < segments_.size());
    for (; count > 0; --count) {
        const auto file = options_.folder / segment_file(segments_.front().first);
        if (::unlink(file.c_str()) != 0 && errno != ENOENT)
            return fail_errno(fmt::format("cannot remove {}", file.string()), errno);
        segments_.erase(segments_.begin());
    }
    return sync_folder(options_.folder);
}

std::uint64_t Store::free_bytes() const { return disk_.free_bytes(lock_.get()); }

std::uint64_t Store::size_bytes() const noexcept {
    return std::accumulate(segments_.begin(), segments_.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const StoredSegment& segment) { return sum + segment.size_bytes; });
}

}  // namespace assent::record
