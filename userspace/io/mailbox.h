// Tasks from other threads, with an eventfd that wakes the ring.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "base/fd.h"
#include "io/ring.h"

namespace assent::io {

class Mailbox {
public:
    [[nodiscard]] Result<> open(Ring& ring);
    void arm();
    // Thread: any.
    void post(std::function<void()> task);
    // Runs the tasks that were there when it was called, in order.
    void run();

private:
    void completed(int result, std::uint32_t flags);

    Ring* ring_ = nullptr;
    Fd event_;
    std::uint64_t value_ = 0;
    bool is_pending_ = false;
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_;
    std::vector<std::function<void()>> running_;
    BoundOperation<Mailbox, &Mailbox::completed> operation_{*this};
};

}  // namespace assent::io
