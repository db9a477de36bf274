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

// Who answers: a person known by the control socket (SO_PEERCRED, and for root the login uid), and where they showed a token
// of an identity provider by that. Name and groups are then the token's alone; the uids still say whose process it was.
struct Person {
    std::uint32_t uid = 0;        // of the socket's peer
    std::uint32_t login_uid = 0;  // who logged in, as their process says; equals uid when there is none
    std::string name;             // unix user of the uid; for root by sudo, of login_uid
    std::vector<std::string> groups;
    bool is_governed = false;         // the peer is inside a governed cgroup: may never decide
    std::string issuer;               // whose token; empty: known by this host only
    std::string subject;              // `sub` of the token: with the issuer it names the person for ever
    std::vector<std::string> scopes;  // of a token for automation, which may do only what they say; empty: no such token
};

// One answer of one person to one approval.
struct Act {
    std::string approval;
    bool approves = false;
    std::string person;
    std::uint32_t uid = 0;
    std::uint32_t login_uid = 0;
    bool is_runner = false;  // they started the agent themselves
    std::string reason;
    WallTime when;
};

struct Hold {
    model::HoldRequest request;
    model::HoldStatus status;
    WallTime opened;
    WallTime decided;
    std::vector<std::string> approved;  // names of approvals given so far
    std::vector<Act> acts;              // oldest first
    bool is_agent_connected = false;
};

// Told of an answer before it takes effect, with the hold as it will be; an error keeps the answer from taking effect.
using Witness = std::function<Result<>(const Hold& after)>;

// Deadlines: a hold ends when the wall clock has passed opened + deadline, or when the daemon has counted that time on the
// monotonic clock since it opened the hold (or since it started), whichever is first. So a wall clock that is set back
// prolongs nothing while the daemon runs; set forward, it ends holds early, which denies.
class Desk {
public:
    virtual ~Desk() = default;
    [[nodiscard]] static Result<std::unique_ptr<Desk>> open(const std::filesystem::path& file, const Clock& clock);

    // The same digest again: joins the hold that waits, gives the one that is approved and unused (to be used with use()),
    // or tells that it was denied within its deadline; otherwise opens a new one. A hold whose approvals no longer cover
    // what is asked for now is revoked, and a new one opened. Errc::limit when too many are open, or when the command is too
    // large to be shown whole.
    [[nodiscard]] virtual Result<model::HoldStatus> request(const model::HoldRequest& request) = 0;
    // approved → used, once. False: it was not free.
    [[nodiscard]] virtual Result<bool> use(std::string_view id) = 0;
    // Gives or refuses every approval that the person is a reviewer of. Errc::denied: they may not. Errc::not_found: there
    // is no such hold, or it does not wait any more (the message says who decided). Does not know the settings: call
    // may_decide() first.
    [[nodiscard]] virtual Result<model::HoldStatus> decide(std::string_view id, const Person& person, bool approves,
                                                           std::string_view reason, const Witness& witness = {}) = 0;
    // The agent took the command back; call set_connected(id, false) first. Nothing happens while another session is
    // connected to the hold, or when it has ended.
    [[nodiscard]] virtual Result<> cancel(std::string_view id) = 0;
    // A session waits for the hold on its connection, or no longer does; counted.
    virtual void set_connected(std::string_view id, bool is_connected) = 0;
    // Moves what is past its deadline to expired, and gives all that has expired since the last call (another call may have
    // found it first). Call about once a second.
    [[nodiscard]] virtual std::vector<Hold> expire() = 0;

    // Those that have ended (used, denied, expired, cancelled, revoked) and were never given to ends_recorded(), oldest
    // first.
    [[nodiscard]] virtual Result<std::vector<Hold>> unrecorded_ends() const = 0;
    [[nodiscard]] virtual Result<> ends_recorded(const std::vector<std::string>& ids) = 0;

    // The whole id, or a beginning of it that fits one hold only (three characters after "h-" at least).
    [[nodiscard]] virtual Result<Hold> find(std::string_view id_or_prefix) const = 0;
    // Those that wait, oldest first; or all, newest first.
    [[nodiscard]] virtual std::vector<Hold> list(bool only_waiting, std::size_t limit) const = 0;
    [[nodiscard]] virtual std::size_t waiting_count() const = 0;
    // Called after each change, outside the lock, in the order of the changes; mostly on the thread that made it (when
    // threads change at once, one of them calls for all). Several callbacks may be added; they live as long as the desk.
    virtual void on_change(std::function<void(const Hold&)> callback) = 0;
};

// May this person answer this hold, and if not, why (a sentence for them). `decide_*` are of the settings.
[[nodiscard]] Result<> may_decide(const Hold& hold, const Person& person, const std::vector<std::string>& decide_users,
                                  const std::vector<std::string>& decide_groups);

// Is the person in the settings' `decide` lists, by name or group.
[[nodiscard]] bool is_decider(const Person& person, const std::vector<std::string>& decide_users,
                              const std::vector<std::string>& decide_groups);

}  // namespace assent::approve
