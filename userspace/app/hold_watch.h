// Changes of holds for those who watch: one bounded queue a watcher. Thread: any.
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "approve/chain.h"

namespace assent::app {

// What happened; the hold itself is asked of the desk by whoever shows it, so that queues stay small.
struct HoldChange {
    std::string id;
    approve::HoldEvent event = approve::HoldEvent::opened;
};

class HoldWatch {
public:
    // One watcher's end. Ended when it falls too far behind (limits::watch_queue).
    class Watcher {
    public:
        explicit Watcher(HoldWatch& watch);
        ~Watcher();
        Watcher(const Watcher&) = delete;
        Watcher& operator=(const Watcher&) = delete;
        // The next change; nothing after the wait without one.
        [[nodiscard]] std::optional<HoldChange> next(std::chrono::milliseconds wait);
        [[nodiscard]] bool is_behind() const;

    private:
        friend class HoldWatch;
        HoldWatch& watch_;
        std::deque<HoldChange> queue_;  // under the watch's mutex, and so is what follows
        bool is_behind_ = false;
        std::condition_variable changed_;
    };

    void put(const approve::Hold& hold);

private:
    mutable std::mutex mutex_;
    std::list<Watcher*> watchers_;
};

}  // namespace assent::app
