// The desk where holds wait: SQLite under it, so that they survive a restart. Every change is one transaction; a hold is
// decided once. Thread: any (a mutex inside; every call may wait for the disk, so never call it from a flow's thread).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "approve/grant.h"
#include "approve/person.h"
#include "approve/suspension.h"
#include "base/result.h"
#include "base/time.h"
#include "model/hold.h"

namespace assent::approve {

// An approval that is to be good for more than the one command: for its shape.
struct Widening {
    std::chrono::seconds lasts{0};
    std::uint32_t times = 0;  // 0: as often as it likes
    bool operator==(const Widening&) const = default;
};

// One answer of one person to one stage of one approval.
struct Act {
    std::string approval;
    std::size_t stage = 0;
    bool approves = false;
    std::string person;
    std::uint32_t uid = 0;
    std::uint32_t login_uid = 0;
    std::string issuer;
    std::string subject;
    bool is_runner = false;  // they started the agent themselves
    std::optional<Widening> widening;
    std::string reason;
    WallTime when;
};

// A stage whose time for its first reviewers is over: others may answer it too.
struct Escalated {
    std::string approval;
    std::size_t stage = 0;
    WallTime when;
};

struct Hold {
    model::HoldRequest request;
    model::HoldStatus status;
    WallTime opened;
    WallTime decided;
    std::vector<std::string> approved;  // names of approvals all of whose stages have their quorum
    std::vector<Act> acts;              // oldest first
    std::vector<Escalated> escalated;   // oldest first
    bool is_agent_connected = false;
};

struct Answer {
    bool approves = false;
    std::string reason;
    std::optional<Widening> widening;
    // How many other holds the person was told that this releases; when there are more it is refused.
    std::optional<std::size_t> most_released;
};

// What an answer does.
struct Decision {
    Hold hold;                          // as it will be
    std::size_t first_act = 0;          // of hold.acts: those from here on are this answer
    std::optional<Grant> grant;         // that it makes
    std::vector<std::string> released;  // other holds that the grant lets through at once
};

// Told of an answer before it takes effect; an error keeps the answer from taking effect.
using Witness = std::function<Result<>(const Decision&)>;

struct DeskOptions {
    Reviewing reviewing;
};

// The live holds of one shape.
struct HoldGroup {
    Digest shape{};
    std::vector<std::string> ids;  // oldest first
};

// Deadlines: a hold ends when the wall clock has passed opened + deadline, or when the daemon has counted that time on the
// monotonic clock since it opened the hold (or since it started), whichever is first. So a wall clock that is set back
// prolongs nothing while the daemon runs; set forward, it ends holds early, which denies. Escalations and grants likewise.
class Desk {
public:
    virtual ~Desk() = default;
    [[nodiscard]] static Result<std::unique_ptr<Desk>> open(const std::filesystem::path& file, const Clock& clock,
                                                            DeskOptions options = {});

    // What a grant lets through is approved by it: the status has its id, for use(). The same digest again: joins the hold
    // that waits, gives the one that is approved and unused (to be used with use()), or tells that it was denied within its
    // deadline; otherwise opens a new one. A hold whose approvals no longer cover what is asked for now is revoked, and a
    // new one opened. Errc::limit when too many are open, or when the command is too large to be shown whole.
    [[nodiscard]] virtual Result<model::HoldStatus> request(const model::HoldRequest& request) = 0;
    // approved → used, once; of a grant, once more. False: it was not free.
    [[nodiscard]] virtual Result<bool> use(std::string_view id) = 0;
    // Gives the stage that waits of every approval that the person is a reviewer of, or refuses the hold. Errc::denied: they
    // may not, or not now. Errc::not_found: there is no such hold, or it does not wait any more (the message says who
    // decided). Does not know `decide` of the settings: call may_decide() first.
    [[nodiscard]] virtual Result<Decision> answer(std::string_view id, const Person& person, const Answer& answer,
                                                  const Witness& witness = {}) = 0;
    [[nodiscard]] Result<model::HoldStatus> decide(std::string_view id, const Person& person, bool approves,
                                                   std::string_view reason, const Witness& witness = {}) {
        auto decided = answer(id, person, {approves, std::string(reason), {}, {}}, witness);
        if (!decided) return std::unexpected(std::move(decided.error()));
        return std::move(decided->hold.status);
    }
    // The other holds that wait and that a widened approval of this one would let through, oldest first.
    [[nodiscard]] virtual Result<std::vector<std::string>> would_release(std::string_view id) const = 0;
    // The agent took the command back; call set_connected(id, false) first. Nothing happens while another session is
    // connected to the hold, or when it has ended.
    [[nodiscard]] virtual Result<> cancel(std::string_view id) = 0;
    // A session waits for the hold on its connection, or no longer does; counted.
    virtual void set_connected(std::string_view id, bool is_connected) = 0;
    // Moves what is past its deadline to expired, and gives all that has expired since the last call (another call may have
    // found it first). Call about once a second.
    [[nodiscard]] virtual std::vector<Hold> expire() = 0;
    // Escalates what is due, and gives the holds that were escalated since the last call, each with its new escalation last.
    // Call about once a second.
    [[nodiscard]] virtual std::vector<Hold> escalate() = 0;

    // Grants: those in force, or all that are kept, newest first.
    [[nodiscard]] virtual std::vector<Grant> grants(bool only_live) const = 0;
    // The whole id, or a beginning that fits one only.
    [[nodiscard]] virtual Result<Grant> find_grant(std::string_view id_or_prefix) const = 0;
    // Ends it; what it released and has not run is revoked. Errc::not_found: it is over. The witness is told before.
    [[nodiscard]] virtual Result<Grant> revoke(std::string_view id, const std::string& by, const std::string& reason,
                                               const GrantWitness& witness = {}) = 0;
    // What was found when somebody looked at what was done behind broken glass. Errc::denied: it was their own.
    [[nodiscard]] virtual Result<Grant> review(std::string_view id, const Person& person, const std::string& text,
                                               const GrantWitness& witness = {}) = 0;

    // Agents that may do nothing until somebody resumes them; by name.
    [[nodiscard]] virtual std::vector<Suspension> suspensions() const = 0;
    [[nodiscard]] virtual Result<> suspend(const Suspension& suspension) = 0;
    // Errc::not_found: no agent of that name is suspended.
    [[nodiscard]] virtual Result<> resume(const std::string& agent) = 0;
    // What counters of limits have counted, for the next start.
    [[nodiscard]] virtual Result<std::vector<LimitCount>> limit_counts() const = 0;
    [[nodiscard]] virtual Result<> save_limit_counts(const std::vector<LimitCount>& counts) = 0;

    // Those that have ended (used, denied, expired, cancelled, revoked) and were never given to ends_recorded(), oldest
    // first.
    [[nodiscard]] virtual Result<std::vector<Hold>> unrecorded_ends() const = 0;
    [[nodiscard]] virtual Result<> ends_recorded(const std::vector<std::string>& ids) = 0;

    // The whole id, or a beginning of it that fits one hold only (three characters after "h-" at least).
    [[nodiscard]] virtual Result<Hold> find(std::string_view id_or_prefix) const = 0;
    // Those that wait, oldest first; or all, newest first. Holds may be large: list() is for few of them.
    [[nodiscard]] virtual std::vector<std::string> ids(bool only_waiting, std::size_t limit) const = 0;
    [[nodiscard]] virtual std::vector<Hold> list(bool only_waiting, std::size_t limit) const = 0;
    [[nodiscard]] virtual std::size_t waiting_count() const = 0;
    // Called after each change, outside the lock, in the order of the changes; mostly on the thread that made it (when
    // threads change at once, one of them calls for all). Several callbacks may be added; they live as long as the desk.
    virtual void on_change(std::function<void(const Hold&)> callback) = 0;
};

// May this person answer this hold, now or later, and if not, why (a sentence for them).
[[nodiscard]] Result<> may_decide(const Hold& hold, const Person& person, const Deciders& deciders);

}  // namespace assent::approve
