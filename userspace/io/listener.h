// Accepting, on a ring: multishot where the kernel has it.
#pragma once

#include <functional>

#include "base/fd.h"
#include "io/ring.h"

namespace assent::io {

class Listener {
public:
    // `failed` is told when accepting failed for want of descriptors or memory: arm() again a little later.
    Listener(Ring& ring, Fd socket, std::function<void(Fd)> accepted, std::function<void(Listener&)> failed,
             bool is_multishot);

    void arm();
    // No more are accepted; the listener may be destroyed when is_idle().
    void stop();
    // No more are accepted, but nobody is turned away: whoever else holds the socket finds them waiting. What the kernel has
    // accepted already is still given.
    void release();
    [[nodiscard]] bool is_idle() const noexcept { return !is_pending_; }
    [[nodiscard]] bool is_stopped() const noexcept { return is_stopped_; }

private:
    void completed(int result, std::uint32_t flags);

    Ring& ring_;
    Fd socket_;
    std::function<void(Fd)> accepted_;
    std::function<void(Listener&)> failed_;
    bool is_multishot_;
    bool is_pending_ = false;
    bool is_stopped_ = false;
    bool is_released_ = false;
    BoundOperation<Listener, &Listener::completed> operation_{*this};
};

}  // namespace assent::io
