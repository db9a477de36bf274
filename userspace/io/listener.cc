#include "io/listener.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace assent::io {

Listener::Listener(Ring& ring, Fd socket, std::function<void(Fd)> accepted, std::function<void(Listener&)> failed,
                   bool is_multishot)
    : ring_(ring),
      socket_(std::move(socket)),
      accepted_(std::move(accepted)),
      failed_(std::move(failed)),
      is_multishot_(is_multishot) {}

void Listener::arm() {
    if (is_pending_ || is_stopped_) return;
    io_uring_sqe* entry = ring_.entry(&operation_);
    if (is_multishot_) {
        io_uring_prep_multishot_accept(entry, socket_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    } else {
        io_uring_prep_accept(entry, socket_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    }
    is_pending_ = true;
}

void Listener::stop() {
    if (std::exchange(is_stopped_, true)) return;
    // Wakes the accept that is under way, and nobody can connect from now on.
    ::shutdown(socket_.get(), SHUT_RDWR);
    if (is_pending_) io_uring_prep_cancel(ring_.entry(nullptr), static_cast<Operation*>(&operation_), 0);
}

void Listener::release() {
    if (std::exchange(is_stopped_, true)) return;
    is_released_ = true;
    if (is_pending_) io_uring_prep_cancel(ring_.entry(nullptr), static_cast<Operation*>(&operation_), 0);
}

void Listener::completed(int result, std::uint32_t flags) {
    is_pending_ = (flags & IORING_CQE_F_MORE) != 0;
    if (result >= 0) {
        Fd accepted(result);
        if (!is_stopped_ || is_released_) accepted_(std::move(accepted));
        return arm();
    }
    if (is_stopped_) return;
    if (result == -EINVAL && is_multishot_) {
        is_multishot_ = false;  // a kernel before 5.19
        return arm();
    }
    if (result == -EINVAL) {
        is_stopped_ = true;  // whoever else has this socket has shut it down
        return;
    }
    const bool is_of_the_peer = result == -ECONNABORTED || result == -EINTR || result == -EAGAIN || result == -EPROTO;
    if (is_of_the_peer) return arm();
    failed_(*this);
}

}  // namespace assent::io
