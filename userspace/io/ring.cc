#include "io/ring.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace assent::io {
namespace {

constexpr unsigned submission_entries = 2048;
constexpr unsigned completion_entries = 16 * 1024;

}  // namespace

Ring::~Ring() {
    if (is_open_) io_uring_queue_exit(&ring_);
}

Result<> Ring::open(const RingOptions& options) {
    // The best first; EINVAL means that the kernel does not know a flag.
    const std::array<unsigned, 3> flags = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_R_DISABLED,
        IORING_SETUP_R_DISABLED,
    };
    int result = -EINVAL;
    for (std::size_t i = options.may_defer_taskrun ? 0 : 1; i < flags.size() && result == -EINVAL; ++i) {
        io_uring_params parameters{};
        parameters.flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        parameters.cq_entries = completion_entries;
        result = io_uring_queue_init_params(submission_entries, &ring_, &parameters);
        has_poll_first_ = result == 0 && i < 2;  // the same release brought COOP_TASKRUN
    }
    if (result < 0) return fail_errno("io_uring_setup (is kernel.io_uring_disabled set?)", -result);
    is_open_ = true;
    return {};
}

void Ring::enable() {
    if (is_enabled_) return;
    is_enabled_ = true;
    // The call itself: liburing 2.3 declares io_uring_enable_rings() and does not export it.
    const auto result = ::syscall(SYS_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    if (result < 0) std::abort();  // only a ring that was not disabled says no
    ring_.flags &= ~static_cast<unsigned>(IORING_SETUP_R_DISABLED);
}

io_uring_sqe* Ring::entry(Operation* operation) {
    reserve(1);
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) std::abort();  // reserve() has made room
    *entry = {};
    entry->user_data = reinterpret_cast<std::uintptr_t>(operation);
    if (operation != nullptr) ++pending_;
    return entry;
}

void Ring::reserve(unsigned count) {
    while (io_uring_sq_space_left(&ring_) < count) submit();
}

void Ring::submit() {
    const int result = io_uring_submit(&ring_);
    if (result < 0 && result != -EINTR && result != -EAGAIN && result != -EBUSY) std::abort();
}

void Ring::turn(std::optional<Duration> timeout) {
    io_uring_cqe* first = nullptr;
    if (timeout) {
        __kernel_timespec wait{};
        wait.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(*timeout).count();
        wait.tv_nsec = (*timeout % std::chrono::seconds(1)).count();
        io_uring_submit_and_wait_timeout(&ring_, &first, 1, &wait, nullptr);
    } else {
        io_uring_submit_and_wait(&ring_, 1);
    }
    // Drained first, run afterwards: a callback may submit, and must find room in the completion queue.
    completions_.clear();
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
        ++count;
        auto* operation = reinterpret_cast<Operation*>(static_cast<std::uintptr_t>(completion->user_data));
        // A wait with a timeout on an old kernel completes a request of liburing's own.
        if (operation == nullptr || completion->user_data == LIBURING_UDATA_TIMEOUT) continue;
        completions_.push_back({operation, completion->res, completion->flags});
        if ((completion->flags & IORING_CQE_F_MORE) == 0) --pending_;
    }
    io_uring_cq_advance(&ring_, count);
    for (const auto& each : completions_) each.operation->completed(each.result, each.flags);
}

}  // namespace assent::io
