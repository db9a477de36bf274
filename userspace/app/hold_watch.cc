#include "app/hold_watch.h"

#include "base/limits.h"

namespace assent::app {

HoldWatch::Watcher::Watcher(HoldWatch& watch) : watch_(watch) {
    const std::scoped_lock lock(watch_.mutex_);
    watch_.watchers_.push_back(this);
}

HoldWatch::Watcher::~Watcher() {
    const std::scoped_lock lock(watch_.mutex_);
    watch_.watchers_.remove(this);
}

std::optional<HoldChange> HoldWatch::Watcher::next(std::chrono::milliseconds wait) {
    std::unique_lock lock(watch_.mutex_);
    changed_.wait_for(lock, wait, [&] { return !queue_.empty() || is_behind_; });
    if (queue_.empty()) return std::nullopt;
    HoldChange change = std::move(queue_.front());
    queue_.pop_front();
    return change;
}

bool HoldWatch::Watcher::is_behind() const {
    const std::scoped_lock lock(watch_.mutex_);
    return is_behind_;
}

void HoldWatch::put(const approve::Hold& hold) {
    const std::scoped_lock lock(mutex_);
    for (Watcher* watcher : watchers_) {
        if (watcher->queue_.size() >= limits::watch_queue) {
            watcher->is_behind_ = true;
            watcher->queue_.clear();
        }
        if (!watcher->is_behind_) watcher->queue_.push_back({hold.status.id, approve::last_event(hold)});
        watcher->changed_.notify_one();
    }
}

}  // namespace assent::app
