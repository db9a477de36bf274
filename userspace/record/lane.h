// The way of records from one producer thread to the writer: a ring of bytes, mapped twice in a row so that every draft is
// contiguous. The producer copies a draft once; no lock, no allocation, no system call unless the writer sleeps.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/time.h"
#include "model/record.h"

namespace assent::record {

// What the writer tells its producers, and how they wake it.
class Doorbell {
public:
    enum class Sleep : std::uint32_t { awake, until_deadline, until_anything };

    [[nodiscard]] Result<> open();
    // Producers, after their draft can be seen. Rings only when the writer sleeps and this should end its sleep.
    void appended(bool is_pressing) noexcept;
    void ring() noexcept;
    // The writer: announces its sleep, then must look at its lanes once more before it calls wait().
    void announce(Sleep sleep) noexcept { sleep_.store(sleep); }
    void wait(Duration longest) noexcept;

    std::atomic<bool> is_available{true};
    std::atomic<bool> is_closed{false};

private:
    std::atomic<Sleep> sleep_{Sleep::awake};
    Fd event_;
};

// A draft with its time, as it lies in a lane. The head is followed by type, session, members, then the bodies.
struct DraftHead {
    std::uint32_t size = 0;  // all of it
    std::uint32_t members = 0;
    std::uint16_t type = 0;
    std::uint16_t session = 0;
    std::uint16_t bodies = 0;
    std::uint16_t is_urgent = 0;
    std::int64_t time_us = 0;
};

struct BodyHead {
    std::uint64_t full_size = 0;
    std::uint32_t stored_size = 0;
    std::uint32_t name = 0;
};

// How many bytes of this body are kept.
[[nodiscard]] std::size_t body_limit(std::string_view name) noexcept;
// Errc::invalid when it breaks a limit that no waiting mends.
[[nodiscard]] Result<std::size_t> packed_size(const model::RecordDraft& draft);
void pack(const model::RecordDraft& draft, std::size_t size, WallTime now, std::byte* out) noexcept;

class Lane final : public model::RecordSink {
public:
    [[nodiscard]] static Result<std::unique_ptr<Lane>> make(Doorbell& doorbell, std::function<void()> moved);
    ~Lane() override;
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    [[nodiscard]] Result<model::RecordTicket> append(const model::RecordDraft& draft) override;
    [[nodiscard]] model::RecordTicket durable() const noexcept override { return durable_.load(std::memory_order_acquire); }
    [[nodiscard]] bool is_available() const noexcept override;

    // The writer's side.
    [[nodiscard]] bool has_draft() const noexcept { return head_.load() != tail_.load(std::memory_order_relaxed); }
    // The oldest draft; valid until taken(). Empty when there is none.
    [[nodiscard]] Bytes front() const noexcept;
    void taken(std::size_t size) noexcept;
    // What was taken so far is durable: true when that is news to the producer.
    [[nodiscard]] bool publish() noexcept;
    void moved() const { moved_(); }

private:
    Lane(Doorbell& doorbell, std::function<void()> moved, std::byte* ring);

    Doorbell& doorbell_;
    std::function<void()> moved_;
    std::byte* ring_;
    model::RecordTicket appended_ = 0;                // producer
    std::uint64_t known_tail_ = 0;                    // producer: an old value of tail_, asked anew when the ring looks full
    model::RecordTicket taken_count_ = 0;             // writer
    alignas(64) std::atomic<std::uint64_t> head_{0};  // bytes ever appended; the producer moves it
    alignas(64) std::atomic<std::uint64_t> tail_{
        0};  // bytes ever taken; invariant: tail_ <= head_ <= tail_ + the ring's size
    std::atomic<model::RecordTicket> durable_{0};
};

}  // namespace assent::record
