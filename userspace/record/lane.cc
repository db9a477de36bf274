#include "record/lane.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/limits.h"

namespace assent::record {
namespace {

constexpr std::size_t ring_size = limits::record_lane_bytes;
static_assert((ring_size & (ring_size - 1)) == 0);

// These tell what has already happened, or is ending. They are taken for as long as there is room, so that the story of a
// command that was let through can be finished when the disk is back.
bool tells_the_past(std::string_view type) noexcept {
    using namespace model::record_type;
    return type == outcome || type == flow_closed || type == flow_event || type == hold_decided || type == hold_ended ||
           type == daemon_stopped || type == degraded;
}

// Types and session ids stand in every leaf without escapes, so that they are found without a JSON parser.
bool is_plain(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7F && c != '"' && c != '\\'; });
}

}  // namespace

Result<> Doorbell::open() {
    event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event_.is_open()) return fail_errno("cannot make the log's eventfd", errno);
    return {};
}

void Doorbell::appended(bool is_pressing) noexcept {
    // Sequentially consistent with the writer's announce(): either it sees the draft when it looks again, or we see its
    // sleep.
    const Sleep sleep = sleep_.load();
    if (sleep == Sleep::until_anything || (sleep == Sleep::until_deadline && is_pressing)) ring();
}

void Doorbell::ring() noexcept {
    if (sleep_.exchange(Sleep::awake) == Sleep::awake) return;
    const std::uint64_t one = 1;
    // Only EAGAIN is possible, and then the writer wakes anyway.
    (void)!::write(event_.get(), &one, sizeof one);
}

void Doorbell::wait(Duration longest) noexcept {
    pollfd item{.fd = event_.get(), .events = POLLIN, .revents = 0};
    const auto seconds = std::chrono::floor<std::chrono::seconds>(longest);
    const timespec time{.tv_sec = seconds.count(), .tv_nsec = (longest - seconds).count()};
    if (::ppoll(&item, 1, &time, nullptr) > 0) {
        std::uint64_t count = 0;
        (void)!::read(event_.get(), &count, sizeof count);
    }
    sleep_.store(Sleep::awake);
}

std::size_t body_limit(std::string_view name) noexcept {
    if (name == "result") return limits::record_body_result;
    if (name.starts_with("policy")) return limits::record_body_policy;
    return limits::record_body_text;
}

Result<std::size_t> packed_size(const model::RecordDraft& draft) {
    constexpr std::size_t longest_name = 1000;
    std::size_t size = sizeof(DraftHead) + draft.type.size() + draft.session.size() + draft.members.size();
    if (draft.type.empty() || draft.type.size() > longest_name || draft.session.size() > longest_name ||
        draft.members.size() > limits::record_members || draft.bodies.size() > limits::record_bodies) {
        return fail(Errc::invalid,
                    fmt::format("a record of type '{}' breaks a limit of the log: {} bytes of members, {} bodies",
                                draft.type.substr(0, longest_name), draft.members.size(), draft.bodies.size()));
    }
    if (!is_plain(draft.type) || !is_plain(draft.session)) {
        return fail(Errc::invalid, "a record's type or session has characters that would need escapes");
    }
    for (const auto& body : draft.bodies) {
        if (body.name.empty() || body.name.size() > longest_name)
            return fail(Errc::invalid, "a record's body has no proper name");
        size += sizeof(BodyHead) + body.name.size() + std::min(body.bytes.size(), body_limit(body.name));
    }
    // In debug builds only: what is not JSON would make a leaf that no reader understands.
    assert(nlohmann::json::accept("{" + std::string(draft.members) + "}"));
    return size;
}

void pack(const model::RecordDraft& draft, std::size_t size, WallTime now, std::byte* out) noexcept {
    const auto put = [&out](const void* data, std::size_t count) {
        if (count != 0) std::memcpy(out, data, count);
        out += count;
    };
    const DraftHead head{.size = static_cast<std::uint32_t>(size),
                         .members = static_cast<std::uint32_t>(draft.members.size()),
                         .type = static_cast<std::uint16_t>(draft.type.size()),
                         .session = static_cast<std::uint16_t>(draft.session.size()),
                         .bodies = static_cast<std::uint16_t>(draft.bodies.size()),
                         .is_urgent = draft.is_urgent,
                         .time_us = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count()};
    put(&head, sizeof head);
    put(draft.type.data(), draft.type.size());
    put(draft.session.data(), draft.session.size());
    put(draft.members.data(), draft.members.size());
    for (const auto& body : draft.bodies) {
        const std::size_t stored = std::min(body.bytes.size(), body_limit(body.name));
        const BodyHead body_head{.full_size = body.bytes.size(),
                                 .stored_size = static_cast<std::uint32_t>(stored),
                                 .name = static_cast<std::uint32_t>(body.name.size())};
        put(&body_head, sizeof body_head);
        put(body.name.data(), body.name.size());
        put(body.bytes.data(), stored);
    }
}

Result<std::unique_ptr<Lane>> Lane::make(Doorbell& doorbell, std::function<void()> moved) {
    const Fd memory(::memfd_create("assent-lane", MFD_CLOEXEC));
    if (!memory.is_open() || ::ftruncate(memory.get(), ring_size) != 0)
        return fail_errno("cannot make a lane of the log", errno);
    void* const both = ::mmap(nullptr, 2 * ring_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (both == MAP_FAILED) return fail_errno("cannot map a lane of the log", errno);
    auto* const ring = static_cast<std::byte*>(both);
    for (std::byte* half : {ring, ring + ring_size}) {
        if (::mmap(half, ring_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory.get(), 0) == MAP_FAILED) {
            const int number = errno;
            ::munmap(both, 2 * ring_size);
            return fail_errno("cannot map a lane of the log", number);
        }
    }
    return std::unique_ptr<Lane>(new Lane(doorbell, std::move(moved), ring));
}

Lane::Lane(Doorbell& doorbell, std::function<void()> moved, std::byte* ring)
    : doorbell_(doorbell), moved_(moved ? std::move(moved) : [] {}), ring_(ring) {}

Lane::~Lane() { ::munmap(ring_, 2 * ring_size); }

bool Lane::is_available() const noexcept {
    return doorbell_.is_available.load(std::memory_order_acquire) && !doorbell_.is_closed.load(std::memory_order_acquire);
}

Result<model::RecordTicket> Lane::append(const model::RecordDraft& draft) {
    const bool is_up = is_available();
    if (!is_up && (doorbell_.is_closed.load(std::memory_order_acquire) || !tells_the_past(draft.type))) {
        return fail(Errc::unavailable, "records cannot be written now; `assent status` says why");
    }
    const auto size = packed_size(draft);
    if (!size) return std::unexpected(size.error());
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (*size > ring_size) return fail(Errc::invalid, fmt::format("a record of {} bytes does not fit into its lane", *size));
    if (head + *size - known_tail_ > ring_size) known_tail_ = tail_.load(std::memory_order_acquire);
    if (head + *size - known_tail_ > ring_size) {
        if (!is_up) return fail(Errc::unavailable, "records cannot be written now, and their lane is full");
        doorbell_.ring();
        return fail(Errc::limit, "the lane to the log is full");
    }
    const WallTime when = draft.when == WallTime{} ? std::chrono::system_clock::now() : draft.when;
    pack(draft, *size, when, ring_ + (head & (ring_size - 1)));
    head_.store(head + *size);
    ++appended_;
    bool is_pressing = draft.is_urgent;
    if (!is_pressing && head + *size - known_tail_ > ring_size / 2) {
        known_tail_ = tail_.load(std::memory_order_acquire);
        is_pressing = head + *size - known_tail_ > ring_size / 2;
    }
    doorbell_.appended(is_pressing);
    return appended_;
}

Bytes Lane::front() const noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (head_.load() == tail) return {};
    const std::byte* const begin = ring_ + (tail & (ring_size - 1));
    DraftHead head;
    std::memcpy(&head, begin, sizeof head);
    return {begin, head.size};
}

void Lane::taken(std::size_t size) noexcept {
    tail_.store(tail_.load(std::memory_order_relaxed) + size, std::memory_order_release);
    ++taken_count_;
}

bool Lane::publish() noexcept {
    if (durable_.load(std::memory_order_relaxed) == taken_count_) return false;
    durable_.store(taken_count_, std::memory_order_release);
    return true;
}

}  // namespace assent::record
