#include "session/refusals.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace assent::session {
namespace {

constexpr std::string_view ask_hint = "Run 'assent whoami' to see what this agent may do.";

std::string rules_word(const model::Verdict& verdict) {
    return verdict.rules.empty() ? std::string("rule=none") : fmt::format("rule={}", fmt::join(verdict.rules, ","));
}

std::string minutes_of(WallTime time) { return to_rfc3339(time).substr(0, 19) + "Z"; }

std::string hold_words(const model::HoldStatus& status) {
    return fmt::format("hold={} deadline={}", status.id, minutes_of(status.deadline));
}

}  // namespace

wire::Refusal denied_by_policy(const model::Verdict& verdict) {
    wire::Refusal out;
    out.message = "assent denied this command: " + verdict.message;
    out.detail = fmt::format("cause=rule {} retry=never", rules_word(verdict));
    out.hint = fmt::format("Sending it again will not help. {}", ask_hint);
    return out;
}

wire::Refusal denied_in_transaction(const model::Verdict& verdict) {
    wire::Refusal out;
    out.message =
        "assent denied this command: it needs approval, and this transaction has already written, so it cannot wait";
    out.detail = fmt::format("cause=rule {} retry=later", rules_word(verdict));
    out.hint = "Roll back, and send this command first in its transaction or on its own; it will then be held for approval.";
    return out;
}

wire::Refusal denied_by_hold(const model::HoldStatus& status, const model::Verdict& verdict) {
    wire::Refusal out;
    if (status.state == model::HoldState::denied) {
        out.message = fmt::format("assent denied this command: {} said no to hold {}", status.decided_by, status.id);
        if (!status.reason.empty()) out.message += ": " + status.reason;
        out.detail = fmt::format("cause=reviewer {} hold={} retry=never", rules_word(verdict), status.id);
        out.hint = "A person looked at this command and refused it; do something else, or ask them.";
        return out;
    }
    out.message = fmt::format("assent denied this command: nobody answered hold {} before its deadline", status.id);
    out.detail = fmt::format("cause=expired {} {} retry=later", rules_word(verdict), hold_words(status));
    out.hint = "Sending it again opens a new hold.";
    return out;
}

wire::Refusal still_waiting(const model::HoldStatus& status, const model::Verdict& verdict) {
    wire::Refusal out;
    out.message = fmt::format("assent holds this command for approval as {}; it has not run", status.id);
    out.detail = fmt::format("cause=rule {} {} retry=after-approval", rules_word(verdict), hold_words(status));
    out.hint = fmt::format(
        "Do something else that does not need it, or run 'assent holds wait {0}', which ends with 0 when {0} has been "
        "approved (4 denied, 5 expired). Then send exactly the same command again, with the same values: it runs once. "
        "Do not change it: another command is another hold.",
        status.id);
    return out;
}

wire::Refusal denied_by_limit(const model::Verdict& verdict) {
    wire::Refusal out;
    out.message = "assent denied this command: " + verdict.message;
    out.detail = fmt::format("cause=limit {} retry=later", rules_word(verdict));
    out.hint = fmt::format("Send fewer of these, or wait until earlier ones are long enough ago. {}", ask_hint);
    return out;
}

wire::Refusal suspended(std::string_view why) {
    wire::Refusal out;
    out.message = fmt::format("assent denied this: the agent is suspended: {}", why);
    out.detail = "cause=suspended rule=none retry=later";
    out.hint = "Stop and tell a person: nothing runs until somebody resumes this agent (`assent resume`).";
    return out;
}

wire::Refusal cannot_hold(std::string_view why, const model::Verdict& verdict) {
    wire::Refusal out;
    out.message = fmt::format("assent denied this command: it needs approval, and it could not be held: {}", why);
    out.detail = fmt::format("cause=rule {} retry=later", rules_word(verdict));
    out.hint = "Wait for open holds to be answered, then send it again.";
    return out;
}

wire::Refusal denied_by_token(std::string_view why, std::string_view renewal) {
    wire::Refusal out;
    out.message = fmt::format("assent denied this command: {}", why);
    out.detail = "cause=token rule=none retry=after-login";
    out.hint = fmt::format("{} Then send it again. 'assent whoami' shows the token that assent knows of.", renewal);
    return out;
}

wire::Refusal denied_by_changed_names() {
    wire::Refusal out;
    out.message =
        "assent denied this command: other sessions are changing the database's tables, views or functions, and what "
        "its names mean cannot be told";
    out.detail = "cause=names rule=none retry=later";
    out.hint =
        "Send it again; in a transaction that is not READ COMMITTED end that first, since it sees how they were before.";
    return out;
}

wire::Refusal denied_late() {
    wire::Refusal out;
    out.message = "assent denied this command: it changes what names mean, and other commands came after its Bind";
    out.detail = "cause=names rule=none retry=later";
    out.hint = "Send Bind and Execute of such a command one after the other.";
    return out;
}

wire::Refusal denied_by_records() {
    wire::Refusal out;
    out.message = "assent denied this command: it cannot be recorded at the moment";
    out.detail = "cause=records rule=none retry=later";
    out.hint = "The host's administrator sees why in 'assent status'.";
    return out;
}

wire::Refusal not_a_target(std::string_view address) {
    wire::Refusal out;
    out.message = fmt::format("assent denied this connection: no target of this host's policy is at {}", address);
    out.detail = "cause=rule rule=none retry=never";
    out.hint = "Ask whoever runs assent here to add the address to `targets`. 'assent whoami' lists what can be reached.";
    return out;
}

wire::Refusal no_credential(std::string_view target, std::string_view credential) {
    wire::Refusal out;
    out.code = "28000";
    out.message =
        fmt::format("assent could not log in to target '{}': its credential '{}' cannot be read", target, credential);
    out.detail = "cause=credential rule=none retry=later";
    out.hint = "Nothing that you send mends this. The host's administrator sees why in 'assent status'.";
    return out;
}

wire::Refusal cannot_connect(std::string_view target, std::string_view address, std::string_view why) {
    wire::Refusal out;
    out.code = "08001";
    out.message = fmt::format("assent could not connect to target '{}' at {}: {}", target, address, why);
    out.detail = "cause=target rule=none retry=later";
    out.hint = "The way to the target is broken, or it does not run: try again when it does.";
    return out;
}

wire::Refusal cannot_trust(std::string_view target, std::string_view why) {
    wire::Refusal out;
    out.code = "08001";
    out.message = fmt::format("assent could not trust target '{}': {}", target, why);
    out.detail = "cause=target rule=none retry=never";
    out.hint = "Ask whoever runs assent here to compare the server's certificate with the target's 'tls' in the policy.";
    return out;
}

wire::Refusal cancelled() {
    wire::Refusal out;
    out.code = "57014";
    out.message = "assent: the held command was cancelled by the agent; it has not run";
    return out;
}

wire::Refusal ended(std::string_view by, std::string_view reason) {
    wire::Refusal out;
    out.code = "57P01";
    out.message = fmt::format("assent ended this session ({})", by);
    if (!reason.empty()) out.message += fmt::format(": {}", reason);
    return out;
}

wire::Refusal held_note(const model::HoldStatus& status, const model::Verdict& verdict, Duration wait) {
    wire::Refusal out;
    out.code = "01000";
    out.message = fmt::format("assent holds this command for approval as {}", status.id);
    out.detail = fmt::format("{} {} wait={}s", rules_word(verdict), hold_words(status),
                             std::chrono::duration_cast<std::chrono::seconds>(wait).count());
    out.hint = "The connection waits; when the wait ends first, the command fails with an error that names the hold.";
    return out;
}

}  // namespace assent::session
