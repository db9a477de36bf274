#include "record/writer.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "base/json_writer.h"

namespace assent::record {
namespace {

constexpr auto retry_interval = std::chrono::seconds(1);
constexpr auto age_interval = std::chrono::minutes(10);
constexpr auto longest_sleep = std::chrono::minutes(10);
constexpr auto patience = std::chrono::seconds(5);  // of append_and_wait() while the disk fails

}  // namespace

Writer::Writer(const LogOptions& options, Store store) : options_(options), store_(std::move(store)) {}

Writer::~Writer() { close(); }

Result<> Writer::start(const std::vector<std::string>& degraded) {
    if (auto opened = doorbell_.open(); !opened) return opened;
    for (const std::string& members : degraded) {
        if (!store_.has_room()) {
            if (auto flushed = store_.flush(); !flushed) return flushed;
        }
        add_own(model::record_type::degraded, members);
    }
    if (auto flushed = store_.flush(); !flushed) return flushed;
    has_urgent_ = false;
    const Moment now = std::chrono::steady_clock::now();
    look_at_space_ = look_at_age_ = now;
    watch_space(now);
    publish();
    thread_ = std::thread([this] { run(); });
    return {};
}

model::RecordSink& Writer::add_lane(std::function<void()> moved) {
    auto lane = Lane::make(doorbell_, std::move(moved));
    if (!lane) std::abort();  // a thread without a lane could record nothing, so nothing could be let through
    const std::lock_guard lock(mutex_);
    lanes_.push_back(std::move(*lane));
    queued_.fetch_add(1);
    return *lanes_.back();
}

Result<> Writer::append_and_wait(const model::RecordDraft& draft) {
    const auto size = packed_size(draft);
    if (!size) return std::unexpected(size.error());
    auto waiting = std::make_shared<Waiting>();
    waiting->packed.resize(*size);
    pack(draft, *size, std::chrono::system_clock::now(), reinterpret_cast<std::byte*>(waiting->packed.data()));
    std::unique_lock lock(mutex_);
    if (doorbell_.is_closed.load()) return fail(Errc::unavailable, "the log is closed");
    if (waiting_.size() >= limits::record_waiting) return fail(Errc::limit, "too many records wait for the disk");
    waiting_.push_back(waiting);
    queued_.fetch_add(1);
    doorbell_.appended(true);
    const Moment give_up = std::chrono::steady_clock::now() + patience;
    while (!waiting->is_durable) {
        settled_.wait_for(lock, retry_interval);
        if (waiting->is_durable) break;
        const bool is_late = !status_.why.empty() && std::chrono::steady_clock::now() >= give_up;
        if (!is_late && !is_over_) continue;
        std::erase(waiting_, waiting);
        const std::string why = is_over_ ? "the log is closed" : status_.why;
        return fail(Errc::unavailable, fmt::format("the record could not be written: {}", why));
    }
    return {};
}

void Writer::close() {
    if (!thread_.joinable()) return;
    doorbell_.is_closed.store(true);
    doorbell_.ring();
    thread_.join();
}

std::string Writer::describe() const {
    const std::lock_guard lock(mutex_);
    std::string out;
    JsonWriter(out)
        .member("size_bytes", status_.size_bytes)
        .member("segments", status_.segments)
        .member("records", status_.records)
        .member("last_checkpoint", status_.last_checkpoint)
        .member("is_available", doorbell_.is_available.load() && !doorbell_.is_closed.load())
        .member("why", status_.why);
    return out;
}

void Writer::run() {
    bool is_ending = false;
    while (!is_ending) {
        const bool is_closed = doorbell_.is_closed.load();
        if (!is_failing_) drain();
        const Moment now = std::chrono::steady_clock::now();
        const bool is_checkpoint_due = store_.is_checkpoint_due(now);
        if (is_failing_ ? now >= retry_at_ || is_closed : is_closed || is_checkpoint_due || must_flush(now)) flush(now);
        if (!is_failing_ && is_checkpoint_due) check(now);
        if (!is_failing_) watch_space(now);
        if (!is_failing_ && !is_closed) prune(now);
        // Closing: everything is written, or the disk fails and nobody was told that it would not.
        if (is_closed)
            is_ending = is_failing_ || !(store_.has_pending() || is_anything_queued());
        else
            sleep(now);
    }
    if (!is_failing_ && store_.has_unchecked()) check(std::chrono::steady_clock::now());
    const std::lock_guard lock(mutex_);
    unwritten_ = count_unwritten();
    is_over_ = true;
    settled_.notify_all();
}

// Under mutex_, when nothing is taken any more.
std::uint64_t Writer::count_unwritten() {
    std::uint64_t count = store_.pending_records() + arrived_.size();
    for (const auto& lane : lanes_) {
        for (Bytes packed = lane->front(); !packed.empty(); packed = lane->front()) {
            lane->taken(packed.size());
            ++count;
        }
    }
    return count;
}

bool Writer::is_anything_queued() {
    return queued_.load() != seen_queued_ || !arrived_.empty() ||
           std::ranges::any_of(known_lanes_, [](const Lane* lane) { return lane->has_draft(); });
}

void Writer::drain() {
    if (queued_.load() != seen_queued_) {
        const std::lock_guard lock(mutex_);
        seen_queued_ = queued_.load();
        for (std::size_t i = known_lanes_.size(); i < lanes_.size(); ++i) known_lanes_.push_back(lanes_[i].get());
        arrived_.insert(arrived_.end(), waiting_.begin(), waiting_.end());
        waiting_.clear();
    }
    for (; !arrived_.empty() && store_.has_room(); arrived_.pop_front()) {
        note_added(as_bytes(arrived_.front()->packed));
        taken_.push_back(arrived_.front());
    }
    // Each time another lane is first: when the room is short, none waits for ever behind a busy one.
    for (std::size_t i = 0; i < known_lanes_.size(); ++i) drain_lane(*known_lanes_[(first_lane_ + i) % known_lanes_.size()]);
    ++first_lane_;
}

void Writer::drain_lane(Lane& lane) {
    while (store_.has_room()) {
        const Bytes packed = lane.front();
        if (packed.empty()) return;
        note_added(packed);
        lane.taken(packed.size());
    }
}

void Writer::note_added(Bytes packed) {
    DraftHead head;
    std::memcpy(&head, packed.data(), sizeof head);
    if (!store_.has_pending()) oldest_unsynced_ = std::chrono::steady_clock::now();
    if (head.is_urgent != 0) has_urgent_ = true;
    store_.add(packed);
}

void Writer::add_own(std::string_view type, std::string_view members) {
    const model::RecordDraft draft{.type = type, .session = {}, .members = members, .bodies = {}, .is_urgent = true};
    const auto size = packed_size(draft);
    assert(size);
    std::string packed(*size, '\0');
    pack(draft, *size, std::chrono::system_clock::now(), reinterpret_cast<std::byte*>(packed.data()));
    note_added(as_bytes(packed));
}

bool Writer::must_flush(Moment now) const {
    return !store_.has_room() || (store_.has_pending() && (has_urgent_ || now >= oldest_unsynced_ + options_.unsynced));
}

void Writer::flush(Moment now) {
    const auto flushed = store_.flush();
    if (!flushed) {
        failed(flushed.error(), now);
        return;
    }
    has_urgent_ = false;
    publish();
    store_.forget_cached();  // nobody waits for it
    if (is_failing_) recovered();
}

void Writer::check(Moment now) {
    if (store_.has_pending()) return;  // the log's own records came in between; they are urgent, so soon again
    if (const auto checked = store_.make_checkpoint(now); !checked) {
        failed(checked.error(), now);
        return;
    }
    update_status();
}

void Writer::publish() {
    update_status();
    for (Lane* lane : known_lanes_) {
        if (lane->publish()) lane->moved();
    }
}

void Writer::update_status() {
    const std::lock_guard lock(mutex_);
    status_.size_bytes = store_.size_bytes();
    status_.segments = store_.segment_count();
    status_.records = store_.records();
    status_.last_checkpoint = store_.checkpoint_size();
    status_.why = is_failing_ ? failure_
                  : is_low_   ? "less disk space is free than the settings reserve (records.reserve)"
                              : "";
    if (is_failing_ || taken_.empty()) return;
    for (const auto& waiting : taken_) waiting->is_durable = true;
    taken_.clear();
    settled_.notify_all();
}

void Writer::failed(const Error& error, Moment now) {
    retry_at_ = now + retry_interval;
    if (!is_failing_) failing_since_ = std::chrono::system_clock::now();
    is_failing_ = true;
    failure_ = error.message;
    update_status();
    set_available();
}

void Writer::recovered() {
    is_failing_ = false;
    std::string members;
    JsonWriter(members).member("what", "records").member("why", failure_).member("since", to_rfc3339(failing_since_));
    members += fmt::format(R"(,"until":"{}")", to_rfc3339(std::chrono::system_clock::now()));
    add_own(model::record_type::degraded, members);
    update_status();
    set_available();
}

void Writer::watch_space(Moment now) {
    if (now < look_at_space_) return;
    look_at_space_ = now + retry_interval;
    const std::uint64_t free = store_.free_bytes();
    // A little more has to be free before it is enough again, so that it does not flicker.
    const bool is_low = free < options_.reserve_bytes + (is_low_ ? options_.reserve_bytes / 16 : 0);
    if (is_low == is_low_) return;
    is_low_ = is_low;
    std::string members;
    JsonWriter(members)
        .member("what", "records")
        .member("why", is_low ? "less disk space is free than is reserved" : "enough disk space is free again")
        .member("free_bytes", free)
        .member("reserve_bytes", options_.reserve_bytes);
    add_own(model::record_type::degraded, members);
    update_status();
    set_available();
}

// The record that says what goes is durable before it goes.
void Writer::prune(Moment now) {
    const bool has_new_segment = store_.segment_count() != pruned_at_count_;
    if (!has_new_segment && now < look_at_age_) return;
    look_at_age_ = now + age_interval;
    const std::size_t count = store_.prunable(std::chrono::system_clock::now());
    if (count != 0) {
        add_own(model::record_type::administered, store_.describe_prune(count));
        flush(now);
        if (is_failing_) return;
        if (const auto pruned = store_.prune(count); !pruned) failed(pruned.error(), now);
    }
    pruned_at_count_ = store_.segment_count();
}

void Writer::set_available() {
    const bool is_available = !is_failing_ && !is_low_;
    if (doorbell_.is_available.exchange(is_available) == is_available) return;
    for (Lane* lane : known_lanes_) lane->moved();
}

void Writer::sleep(Moment now) {
    Moment until = std::min({now + longest_sleep, look_at_age_, is_low_ ? look_at_space_ : Moment::max(),
                             store_.has_unchecked() ? store_.checkpoint_due() : Moment::max()});
    if (is_failing_)
        until = retry_at_;
    else if (store_.has_pending())
        until = has_urgent_ ? now : std::min(until, oldest_unsynced_ + options_.unsynced);
    if (until <= now) return;
    doorbell_.announce(is_failing_ || store_.has_pending() ? Doorbell::Sleep::until_deadline
                                                           : Doorbell::Sleep::until_anything);
    // A draft that came before the announcement was seen rang no bell. While the disk fails nothing is taken anyway.
    if (doorbell_.is_closed.load() || (!is_failing_ && is_anything_queued())) {
        doorbell_.announce(Doorbell::Sleep::awake);
        return;
    }
    doorbell_.wait(until - now);
}

}  // namespace assent::record
