// The io_uring of one thread: set up with the best flags that the kernel has, submission entries, and completions drained
// in batches. Thread: the one that calls enable(), except that a ring may be made by another before.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace assent::io {

// Something the kernel was asked to do; its address is the request's name, so it stays in place until it completed.
class Operation {
public:
    virtual void completed(int result, std::uint32_t flags) = 0;

protected:
    ~Operation() = default;
};

// An operation that is a member of its owner.
template <typename Owner, void (Owner::*method)(int, std::uint32_t)>
class BoundOperation final : public Operation {
public:
    explicit BoundOperation(Owner& owner) : owner_(owner) {}
    void completed(int result, std::uint32_t flags) override { (owner_.*method)(result, flags); }

private:
    Owner& owner_;
};

// Newer abilities of the kernel, so that tests can try the ways for older ones too.
struct RingOptions {
    bool may_defer_taskrun = true;     // 6.1
    bool may_provide_buffers = true;   // 5.19
    bool may_accept_multishot = true;  // 5.19
};

class Ring {
public:
    Ring() = default;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring();

    [[nodiscard]] Result<> open(const RingOptions& options);
    // Makes the calling thread the ring's.
    void enable();

    // An empty entry whose completion goes to `operation`; nullptr: the completion is ignored. Submits when the queue is
    // full.
    [[nodiscard]] io_uring_sqe* entry(Operation* operation);
    // Room for `count` entries that shall be submitted together.
    void reserve(unsigned count);
    // Submits, waits for one completion or until `timeout`, and drains all that are there; then runs them.
    void turn(std::optional<Duration> timeout);

    [[nodiscard]] bool has_poll_first() const noexcept { return has_poll_first_; }
    [[nodiscard]] io_uring* get() noexcept { return &ring_; }
    // Requests that have not completed for the last time.
    [[nodiscard]] std::size_t pending() const noexcept { return pending_; }

private:
    struct Completion {
        Operation* operation;
        int result;
        std::uint32_t flags;
    };
    void submit();

    io_uring ring_{};
    bool is_open_ = false;
    bool is_enabled_ = false;
    bool has_poll_first_ = false;
    std::size_t pending_ = 0;
    std::vector<Completion> completions_;
};

}  // namespace assent::io
