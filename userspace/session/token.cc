// The token that is bound to the agent's cgroup: whom the agent acts for, and until when it may.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/shown_text.h"
#include "session/refusals.h"
#include "session/session_impl.h"

namespace assent::session {

std::string SessionImpl::why_no_token() const {
    const model::AgentToken* token = flow_.agent.token.get();
    if (token == nullptr || token->is_good(ports_.clock().wall())) return {};
    if (token->is_pending) return "the token of this agent is being verified";
    if (!token->failure.empty()) return "this agent has no good token: " + token->failure;
    return fmt::format("the token of this agent, for {}, expired at {}", shown_text(model::acting_text(*token)),
                       to_rfc3339(token->expires));
}

std::optional<wire::Refusal> SessionImpl::token_refusal(const wire::CommandSeen& command) const {
    const std::string why = why_no_token();
    if (why.empty()) return std::nullopt;
    const model::AgentToken& token = *flow_.agent.token;
    const bool has_expired = token.failure.empty() && !token.is_pending;
    // What may still come is what ends the transaction: what is on its way could have ended it already.
    const bool is_in_transaction = command.transaction_status != 'I' && !has_stepped_;
    const bool may_finish = has_expired && token.finishes_transactions && is_in_transaction &&
                            ports_.clock().wall() < token.expires + limits::transaction_after_expiry;
    if (may_finish) return std::nullopt;
    return denied_by_token(why, token.renewal);
}

std::vector<std::string> SessionImpl::sets_of_agent() const {
    if (why_no_token().empty()) return policy_->agents_matching(flow_.agent);
    model::Agent without = flow_.agent;
    without.token = nullptr;
    return policy_->agents_matching(without);
}

void SessionImpl::token_changed(std::shared_ptr<const model::AgentToken> token) {
    if (is_over_) return;
    flow_.agent.token = std::move(token);
    std::string members;
    JsonWriter writer(members);
    writer.member("event", "token");
    if (flow_.agent.token != nullptr) writer.raw("token", token_json(*flow_.agent.token));
    agent_sets_ = sets_of_agent();
    writer.strings("sets", agent_sets_);
    recorder_.tell(model::record_type::flow_event, members);
    if (judge_.is_ready()) make_scope(database_);
    if (std::exchange(is_waiting_for_token_, false)) adapter_->proceed();
    if (!is_over_) tick();
}

// What is only relayed has no commands that could be denied.
void SessionImpl::end_relay_without_token() {
    if (!is_authenticated_) return;
    if (const std::string why = why_no_token(); !why.empty()) end("assent", why);
}

Moment SessionImpl::token_expiry() const {
    const model::AgentToken* token = flow_.agent.token.get();
    if (token == nullptr || !token->is_good(ports_.clock().wall())) return Moment::max();
    // A far time would not fit the other clock.
    const auto left = std::min<WallTime::duration>(token->expires - ports_.clock().wall(), std::chrono::hours(24));
    return ports_.clock().now() + left;
}

}  // namespace assent::session
