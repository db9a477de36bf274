// One flow from open to close: judges what its adapter sees, holds, records before forwarding, and masks what comes back.
// Sans-I/O: calls in, calls on Ports out. Thread: the flow's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "model/address.h"
#include "model/agent.h"
#include "model/kept_records.h"
#include "policy/policy.h"
#include "session/ports.h"

namespace assent::session {

// Tables that the sessions of one thread share: analyses by text. Not thread-safe: one a thread.
class Cache;
[[nodiscard]] std::shared_ptr<Cache> make_cache();

struct Credential {
    std::string user;
    std::string password;
};

struct Flow {
    std::string id;  // of the session
    model::Agent agent;
    model::Endpoint asked_for;
    std::vector<std::string> kernel_lacks;  // what the host's kernel cannot hold agents with; recorded
    std::optional<policy::Target> target;   // absent: unlisted, and the settings say what to do
    policy::Settings::Unlisted unlisted = policy::Settings::Unlisted::deny;
    std::optional<Credential> credential;
    std::string credential_failure;  // why the target's credential cannot be had: the session is recorded and refused
    bool offers_tls = false;         // assent has a certificate for the agent
    Digest mask_key{};               // for `hash` and for the hashes of masked values in records
    bool waits_for_reads = false;    // records.durability.reads: strict
};

class Session {
public:
    virtual ~Session() = default;
    // Records the flow and begins; call once, first.
    virtual void open() = 0;
    [[nodiscard]] virtual std::size_t received(Side side, Bytes bytes) = 0;  // how much was taken
    [[nodiscard]] virtual bool wants(Side side) const = 0;
    virtual void closed(Side side) = 0;                        // FIN from that side
    virtual void failed(Side side, std::string_view why) = 0;  // reset, timeout: it is gone
    virtual void target_connected() = 0;
    virtual void target_failed(std::string_view why) = 0;
    virtual void tls_ready(Side side) = 0;
    virtual void tls_failed(Side side, std::string_view why) = 0;
    virtual void records_moved() = 0;  // durable() or is_available() of the sink has changed
    virtual void hold_changed(const model::HoldStatus& status) = 0;
    virtual void hold_failed(std::string_view why) = 0;
    virtual void hold_used(bool was_free) = 0;
    // A widened approval was revoked: ends the session when it runs something that was let through by it, or has run it in a
    // transaction that is still open.
    virtual void grant_revoked(std::string_view grant, std::string_view by, std::string_view reason) = 0;
    virtual void policy_changed(std::shared_ptr<const policy::Policy> policy) = 0;
    // Another token is bound to the agent's cgroup, or what was known of it has changed.
    virtual void token_changed(std::shared_ptr<const model::AgentToken> token) = 0;
    // The agent cancels what this session runs. True: that was a held command, which is taken back.
    [[nodiscard]] virtual bool cancel_requested() = 0;
    virtual void tick() = 0;
    // Ends it: an administrator (`assent end`), or shutdown. A draining session ends when it is idle.
    virtual void end(std::string_view by, std::string_view reason) = 0;
    virtual void drain() = 0;
    [[nodiscard]] virtual bool is_over() const = 0;
    // For `assent sessions`: JSON members (user, database, state, commands, holds).
    [[nodiscard]] virtual std::string describe() const = 0;
    // What the log has not taken yet. Call it last, before the session is destroyed, and keep it until the log does.
    [[nodiscard]] virtual model::KeptRecords leave_records() = 0;
};

[[nodiscard]] std::unique_ptr<Session> make_session(Flow flow, std::shared_ptr<const policy::Policy> policy,
                                                    std::shared_ptr<Cache> cache, Ports& ports);

}  // namespace assent::session
