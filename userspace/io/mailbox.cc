#include "io/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace assent::io {

Result<> Mailbox::open(Ring& ring) {
    ring_ = &ring;
    event_ = Fd(::eventfd(0, EFD_CLOEXEC));
    if (!event_.is_open()) return fail_errno("eventfd", errno);
    return {};
}

void Mailbox::arm() {
    if (is_pending_) return;
    io_uring_prep_read(ring_->entry(&operation_), event_.get(), &value_, sizeof value_, 0);
    is_pending_ = true;
}

void Mailbox::completed(int, std::uint32_t) { is_pending_ = false; }

void Mailbox::post(std::function<void()> task) {
    bool was_empty = false;
    {
        const std::lock_guard lock(mutex_);
        was_empty = tasks_.empty();
        tasks_.push_back(std::move(task));
    }
    if (!was_empty) return;  // whoever came first has rung
    const std::uint64_t one = 1;
    (void)!::write(event_.get(), &one, sizeof one);
}

void Mailbox::run() {
    {
        const std::lock_guard lock(mutex_);
        running_.swap(tasks_);
    }
    for (auto& task : running_) task();
    running_.clear();
}

}  // namespace assent::io
