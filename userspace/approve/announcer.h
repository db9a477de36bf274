// Tells of changes in their order, with no lock held while it does.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "approve/desk.h"

namespace assent::approve {

class Announcer {
public:
    void add(std::function<void(const Hold&)> callback) {
        const std::scoped_lock lock(mutex_);
        callbacks_.push_back(std::move(callback));
    }
    // Under the desk's lock, so that the order is that of the changes.
    void put(Hold hold) {
        const std::scoped_lock lock(mutex_);
        queue_.push_back(std::move(hold));
    }
    // Outside of it. One thread at a time tells; the others leave theirs to it.
    void tell() {
        std::unique_lock lock(mutex_);
        if (is_telling_) return;
        is_telling_ = true;
        while (!queue_.empty()) {
            const Hold hold = std::move(queue_.front());
            queue_.pop_front();
            const auto callbacks = callbacks_;
            lock.unlock();
            for (const auto& callback : callbacks) callback(hold);
            lock.lock();
        }
        is_telling_ = false;
    }

private:
    std::mutex mutex_;
    std::deque<Hold> queue_;
    std::vector<std::function<void(const Hold&)>> callbacks_;
    bool is_telling_ = false;
};

}  // namespace assent::approve
