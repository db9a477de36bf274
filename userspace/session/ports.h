// What a session needs of the shell around it. The shell (app/) implements it over io/, tls/, record/ and approve/; the
// simulator over a seed. All calls are made on the flow's thread and return at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "model/hold.h"
#include "model/record.h"
#include "model/verdict.h"
#include "wire/adapter.h"

namespace assent::session {

using wire::Side;

class Ports {
public:
    virtual ~Ports() = default;

    // Copies the bytes to the side's output queue, behind TLS when it runs there.
    virtual void send(Side side, Bytes bytes) = 0;
    // Answered by Session::target_connected() or Session::target_failed().
    virtual void connect_target() = 0;
    // Everything sent before goes out in the clear; answered by Session::tls_ready() or closed().
    virtual void start_tls(Side side) = 0;
    // Sends what is queued, then FIN. close_all() does it for both sides, then the flow ends (Session is destroyed later).
    virtual void shut(Side side) = 0;
    virtual void close_all() = 0;

    virtual model::RecordSink& records() = 0;

    // Answered by Session::hold_changed(), at once when an approval waits to be used or has been denied, and again whenever
    // the hold changes. One at a time a session.
    virtual void open_hold(const model::HoldRequest& request) = 0;
    // The approved command is about to be forwarded: answered by Session::hold_used(bool). False: somebody else used it.
    virtual void use_hold(std::string_view id) = 0;
    // The session no longer waits for it. is_cancelled: the agent took the command back; otherwise the hold lives on.
    virtual void leave_hold(std::string_view id, bool is_cancelled) = 0;

    // Why the session's agent is suspended, whose name in policies are `sets` and its own; empty: it is not.
    [[nodiscard]] virtual std::string why_suspended(const std::vector<std::string>& /*sets*/) const { return {}; }
    // Counts one command of the agent under each of these; gives those that it is over. What is over is not counted.
    [[nodiscard]] virtual std::vector<model::RuleLimit> count(const std::vector<model::RuleLimit>& /*limits*/) { return {}; }
    // The agent was refused: for its `whoami`, and who is denied too often is suspended. `command` is what it sent.
    enum class RefusedBy : std::uint8_t { other = 0, rule, reviewer };
    virtual void refused(RefusedBy /*by*/, const wire::Refusal& /*refusal*/, std::string_view /*command*/) {}

    // The target's key for this session; gives the secret that the agent is told.
    virtual std::uint32_t remember_cancel_key(std::uint32_t process, std::uint32_t secret) = 0;
    // An agent asks to cancel a session's command; the shell checks that it is the same agent's, and does it.
    virtual void cancel(std::uint32_t process, std::uint32_t secret) = 0;

    // Commands that may change what names of this target mean (DDL) are on their way: until they have ended the other
    // sessions ask the catalog before each command of theirs, and once more after it. Gives the generation that begins.
    virtual void names_are_changing() = 0;
    virtual std::uint64_t names_have_changed() = 0;
    [[nodiscard]] virtual bool others_change_names() const = 0;
    [[nodiscard]] virtual std::uint64_t names_generation() const = 0;

    [[nodiscard]] virtual const Clock& clock() const = 0;
    // Session::tick() shall be called at this moment; replaces the one before. Moment::max(): never.
    virtual void wake_at(Moment when) = 0;
};

}  // namespace assent::session
