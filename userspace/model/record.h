// One entry of the log before it has a number: what happened, with the bodies that belong to it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace assent::model {

// The types that exist; their members are documented in userspace/record/FORMAT.md.
namespace record_type {
inline constexpr std::string_view daemon_started = "daemon.started";
inline constexpr std::string_view daemon_stopped = "daemon.stopped";
inline constexpr std::string_view degraded = "daemon.degraded";
inline constexpr std::string_view detached = "daemon.detached";
inline constexpr std::string_view policy_loaded = "policy.loaded";
inline constexpr std::string_view policy_rejected = "policy.rejected";
inline constexpr std::string_view flow_opened = "flow.opened";
inline constexpr std::string_view flow_refused = "flow.refused";
inline constexpr std::string_view flow_closed = "flow.closed";
inline constexpr std::string_view flow_event = "flow.event";        // authenticated, cancelled, a protocol violation
inline constexpr std::string_view attempt = "attempt";              // something the kernel hooks refused
inline constexpr std::string_view socket_before = "socket.before";  // a socket from before its unit was governed
inline constexpr std::string_view lookup = "lookup";                // a DNS answer that an agent got
inline constexpr std::string_view command = "command";              // judged; durable before it is forwarded
inline constexpr std::string_view outcome = "outcome";              // how it ended
inline constexpr std::string_view hold_opened = "hold.opened";
inline constexpr std::string_view hold_decided = "hold.decided";
inline constexpr std::string_view hold_ended = "hold.ended";          // used, expired, cancelled, revoked
inline constexpr std::string_view hold_escalated = "hold.escalated";  // a stage may be answered by others too
inline constexpr std::string_view glass_broken = "glass.broken";      // a person let an agent through at once
inline constexpr std::string_view grant_revoked = "grant.revoked";    // of a widened approval, or of broken glass
inline constexpr std::string_view glass_reviewed = "glass.reviewed";
inline constexpr std::string_view agent_suspended = "agent.suspended";
inline constexpr std::string_view agent_resumed = "agent.resumed";
inline constexpr std::string_view run_started = "run.started";
inline constexpr std::string_view run_refused = "run.refused";
inline constexpr std::string_view agent_token = "agent.token";    // bound to a cgroup, changed, failed, expired
inline constexpr std::string_view looked = "looked";              // a person searched, replayed, listed
inline constexpr std::string_view administered = "administered";  // a person ended a session, reloaded policies
}  // namespace record_type

struct RecordBody {
    std::string_view name;  // "text", "parameters", "result", "policy"
    Bytes bytes;
};

struct RecordDraft {
    std::string_view type;
    std::string_view session;  // empty when it belongs to none
    std::string_view members;  // JSON members without braces; must not use seq, time, type, session, bodies
    std::span<const RecordBody> bodies;
    bool is_urgent = false;  // somebody waits for it to be durable: sync as soon as possible
    WallTime when{};         // of what happened earlier; absent: now
};

// Counts the drafts that one producer has appended, from 1.
using RecordTicket = std::uint64_t;

// Where a thread puts its records. One producer thread each; nothing here blocks.
class RecordSink {
public:
    virtual ~RecordSink() = default;
    // Copies the draft. Errors: Errc::limit (the lane is full: stop reading and try again when durable() moved),
    // Errc::unavailable (records cannot be written: deny).
    [[nodiscard]] virtual Result<RecordTicket> append(const RecordDraft& draft) = 0;
    // Every draft up to this ticket is on disk.
    [[nodiscard]] virtual RecordTicket durable() const noexcept = 0;
    // False while the disk is full or failing: commands are denied with cause=records.
    [[nodiscard]] virtual bool is_available() const noexcept = 0;
};

}  // namespace assent::model
