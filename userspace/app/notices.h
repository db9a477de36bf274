// News for those whom this host notifies: taken by the notifier (assent-notify) over the control socket, so that nothing of
// their delivery is in the daemon. Thread: any; put() never waits.
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "app/hold_requests.h"
#include "approve/desk.h"
#include "control/server.h"

namespace assent::app {

// {"event": one of the names of policy::NoticeEvent, "time", and "hold": {…} or what else it is about, "message"?}
class Notices {
public:
    class Watcher {
    public:
        explicit Watcher(Notices& notices);
        ~Watcher();
        Watcher(const Watcher&) = delete;
        Watcher& operator=(const Watcher&) = delete;
        // The next one; nothing after the wait without one.
        [[nodiscard]] std::optional<nlohmann::json> next(std::chrono::milliseconds wait);
        // How many were dropped since the last call, because they were not taken in time.
        [[nodiscard]] std::size_t take_dropped();

    private:
        friend class Notices;
        Notices& notices_;
        std::deque<nlohmann::json> queue_;  // under the mutex of the notices, and so is what follows
        std::size_t dropped_ = 0;
        std::condition_variable changed_;
    };

    void put(const nlohmann::json& notice);
    [[nodiscard]] bool is_watched() const;

    // What the notifier says of its channels; true when it is another state than before, which is worth a record.
    bool report(const std::string& channel, const nlohmann::json& state);
    // For `status`: {"is_watched", "channels": [{channel, is_failing, …}]}.
    [[nodiscard]] nlohmann::json describe() const;

private:
    mutable std::mutex mutex_;
    std::list<Watcher*> watchers_;
    std::map<std::string, nlohmann::json> channels_;
};

// {"event": "suspended", "time", "agent", "by", "message"}
[[nodiscard]] nlohmann::json notice_of(const approve::Suspension& suspension);

struct NoticeRequests {
    Notices& notices;  // live longer than the server
    approve::Desk& desk;
    std::uint32_t notifier_uid = 0;  // besides root
    DurableRecord record;
    const Clock& clock;
};

// Before server.start(). Adds one on_change() callback to the desk. For the notifier's user and root of this host. The
// verbs:
//   notices        {}   the holds that wait as {"notice": {event: "opened", hold}}, then {"listed": n}, then each notice as
//   it
//                       comes; {"dropped": n} where some were
//   notices.report {channel, is_failing, why?, dropped?, delivered?}   shown by `status`; recorded (daemon.degraded) when a
//                       channel begins to fail and when it works again
void add_notice_requests(control::Server& server, NoticeRequests deps);

}  // namespace assent::app
