// The desk where holds wait: SQLite under it, so that they survive a restart. Every change is one transaction; a hold is
// decided once. Thread: any (a mutex inside; every call may wait for the disk, so never call it from a flow's thread).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/hold.h"

namespace assent::approve {

// Who answers: a person known by the control socket (SO_PEERCRED and login uid).
struct Person {
    std::uint32_t uid = 0;         // of the socket's peer
    std::uint32_t login_uid = 0;   // whom the kernel knows to have logged in; equals uid when there is none
    std::string name;              // unix user of login_uid
    std::vector<std::string> groups;
    bool is_governed = false;      // the peer is inside a governed cgroup: may never decide
};

struct Hold {
    model::HoldRequest request;
    model::HoldStatus status;
    WallTime opened;
    WallTime decided;
    std::vector<std::string> approved;  // names of approvals given so far
    bool is_agent_connected = false;
};

class Desk {
public:
    virtual ~Desk() = default;
    [[nodiscard]] static Result<std::unique_ptr<Desk>> open(const std::filesystem::path& file, const Clock& clock);

    // The same digest again: joins the hold that waits, gives the one that is approved and unused (to be used with use()),
    // or tells that it was denied within its deadline; otherwise opens a new one. Errc::limit when too many are open.
    [[nodiscard]] virtual Result<model::HoldStatus> request(const model::HoldRequest& request) = 0;
    // approved → used, once. False: it was not free.
    [[nodiscard]] virtual Result<bool> use(std::string_view id) = 0;
    [[nodiscard]] virtual Result<model::HoldStatus> decide(std::string_view id, const Person& person, bool approves, std::string_view reason) = 0;
    [[nodiscard]] virtual Result<> cancel(std::string_view id) = 0;       // the agent took the command back
    virtual void set_connected(std::string_view id, bool is_connected) = 0;
    // Moves what is past its deadline to expired, and gives it. Call about once a second.
    [[nodiscard]] virtual std::vector<Hold> expire() = 0;

    [[nodiscard]] virtual Result<Hold> find(std::string_view id_or_prefix) const = 0;
    [[nodiscard]] virtual std::vector<Hold> list(bool only_waiting, std::size_t limit) const = 0;
    [[nodiscard]] virtual std::size_t waiting_count() const = 0;
    // Called after each change, outside the lock, on the thread that made it.
    virtual void on_change(std::function<void(const Hold&)> callback) = 0;
};

// May this person answer this hold, and if not, why (a sentence for them). `decide_*` are of the settings.
[[nodiscard]] Result<> may_decide(const Hold& hold, const Person& person, const std::vector<std::string>& decide_users, const std::vector<std::string>& decide_groups);

}  // namespace assent::approve
