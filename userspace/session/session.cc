#include "session/session.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/limits.h"
#include "session/refusals.h"
#include "session/session_impl.h"
#include "wire/detect/detect.h"
#include "wire/postgres/postgres.h"
#include "wire/tcp/tcp.h"

namespace assent::session {
namespace {

// Refused whatever it says, but in its own protocol: its first bytes tell which.
bool is_turned_away(const Flow& flow) {
    return !flow.target.has_value() && flow.unlisted == policy::Settings::Unlisted::deny;
}

bool is_relayed(const Flow& flow) {
    return !is_turned_away(flow) && (!flow.target.has_value() || flow.target->protocol == policy::Protocol::tcp);
}

std::unique_ptr<wire::Adapter> adapter_for(const Flow& flow, wire::Host& host) {
    if (is_turned_away(flow)) return wire::detect::make_adapter(host);
    if (is_relayed(flow)) return wire::tcp::make_adapter(host);
    wire::postgres::Options options;
    options.offers_tls = flow.offers_tls;
    options.target_tls = flow.target->tls == policy::UpstreamTls::disable ? wire::TlsUse::none : wire::TlsUse::required;
    options.may_send_clear_password = options.target_tls == wire::TlsUse::required || flow.asked_for.address.is_loopback();
    options.mask_key = flow.mask_key;
    if (flow.credential.has_value()) {
        options.has_credential = true;
        options.user = flow.credential->user;
        options.password = flow.credential->password;
    }
    return wire::postgres::make_adapter(std::move(options), host);
}

}  // namespace

std::unique_ptr<Session> make_session(Flow flow, std::shared_ptr<const policy::Policy> policy, std::shared_ptr<Cache> cache,
                                      Ports& ports) {
    return std::make_unique<SessionImpl>(std::move(flow), std::move(policy), std::move(cache), ports);
}

SessionImpl::SessionImpl(Flow flow, std::shared_ptr<const policy::Policy> policy, std::shared_ptr<Cache> cache, Ports& ports)
    : flow_(std::move(flow)),
      ports_(ports),
      policy_(std::move(policy)),
      recorder_(ports.records(), flow_.id, ports.clock()),
      judge_(cache, ports.clock()),
      scratch_(std::move(cache)),
      opened_(ports.clock().now()) {
    agent_sets_ = sets_of_agent();
}

void SessionImpl::open() {
    std::string members;
    JsonWriter writer(members);
    writer.raw("agent", agent_json(flow_.agent, agent_sets_)).member("asked_for", flow_.asked_for.to_text());
    writer.member("target", flow_.target.has_value() ? flow_.target->name : std::string());
    writer.member("policy_revision", policy_->revision()).member("policy_digest", to_hex(policy_->digest()));
    if (!flow_.kernel_lacks.empty()) writer.strings("kernel_lacks", flow_.kernel_lacks);
    recorder_.tell(model::record_type::flow_opened, members);
    if (!flow_.credential_failure.empty()) tell_event("credential_failed", flow_.credential_failure);
    adapter_ = adapter_for(flow_, *this);
    is_detecting_ = is_turned_away(flow_);
    names_generation_ = ports_.names_generation();
    set_wake();
    if (is_detecting_ || (flow_.target.has_value() && flow_.target->protocol == policy::Protocol::postgres)) return;
    // A relayed flow says nothing first: its connect is judged now, by proceed().
    adapter_->proceed();
}

std::size_t SessionImpl::received(Side side, Bytes bytes) {
    if (is_over_) return bytes.size();
    const std::size_t taken = adapter_->received(side, bytes);
    (side == Side::agent ? bytes_from_agent_ : bytes_from_target_) += taken;
    return taken;
}

bool SessionImpl::wants(Side side) const {
    if (is_over_) return true;  // read and dropped until the stream has ended
    if (side == Side::agent && !recorder_.has_room()) return false;
    return adapter_->wants(side);
}

void SessionImpl::closed(Side side) {
    if (is_over_) return;
    if (side == Side::agent) leave_hold(false);
    adapter_->closed(side);
}

void SessionImpl::failed(Side side, std::string_view why) {
    if (is_over_) return;
    if (side == Side::agent) leave_hold(false);
    finish(fmt::format("{}: {}", side == Side::agent ? "agent" : "target", why), false);
}

void SessionImpl::target_connected() {
    if (is_over_) return;
    // Nobody logs in to what is only relayed: it has started, and may last.
    if (is_relayed(flow_)) is_authenticated_ = true;
    adapter_->target_connected();
}

void SessionImpl::target_failed(std::string_view why) {
    if (is_over_) return;
    tell_event("target_failed", why);
    adapter_->terminate(cannot_connect(target_name(), flow_.asked_for.to_text(), why));
}

void SessionImpl::tls_ready(Side side) {
    if (!is_over_) adapter_->tls_ready(side);
}

void SessionImpl::tls_failed(Side side, std::string_view why) {
    if (is_over_) return;
    tell_event("tls_failed", fmt::format("{}: {}", side == Side::agent ? "agent" : "target", why));
    if (side == Side::agent) {
        finish(fmt::format("TLS with the agent failed: {}", why), false);
        return;
    }
    adapter_->terminate(cannot_trust(target_name(), why));
}

void SessionImpl::records_moved() {
    recorder_.retry();
    if (!is_over_ && pending_.has_value() && pending_->stage != Pending::Stage::holding) adapter_->proceed();
}

void SessionImpl::hold_changed(const model::HoldStatus& status) {
    if (is_over_ || !pending_.has_value() || pending_->stage != Pending::Stage::holding) return;
    const bool is_first = !pending_->hold.has_value();
    pending_->hold = status;
    if (status.state != model::HoldState::waiting) {
        adapter_->proceed();
    } else if (is_first && pending_->judged != nullptr) {
        adapter_->notice(held_note(status, pending_->judged->verdict, pending_->wait_until - ports_.clock().now()));
    }
}

void SessionImpl::hold_failed(std::string_view why) {
    if (is_over_ || !pending_.has_value()) return;
    pending_->hold_error = why;
    adapter_->proceed();
}

void SessionImpl::hold_used(bool was_free) {
    if (is_over_ || !pending_.has_value() || pending_->stage != Pending::Stage::using_hold) return;
    pending_->hold_was_free = was_free;
    adapter_->proceed();
}

void SessionImpl::grant_revoked(std::string_view grant, std::string_view by, std::string_view reason) {
    if (is_over_) return;
    const bool is_pending = pending_.has_value() && pending_->hold.has_value() && pending_->hold->grant == grant;
    const bool is_running = running_.any([&](const Running& one) { return one.grant == grant; });
    if (!is_pending && !is_running && std::ranges::find(grants_in_transaction_, grant) == grants_in_transaction_.end())
        return;
    end(by, fmt::format("approval {} was revoked{}{}", grant, reason.empty() ? "" : ": ", reason));
}

void SessionImpl::policy_changed(std::shared_ptr<const policy::Policy> policy) {
    policy_ = std::move(policy);
    agent_sets_ = sets_of_agent();
    if (judge_.is_ready()) make_scope(database_);
}

bool SessionImpl::cancel_requested() {
    if (is_over_ || !pending_.has_value()) return false;
    const bool is_estimating = pending_->stage == Pending::Stage::estimating;
    if (pending_->stage != Pending::Stage::holding && !is_estimating) return false;
    pending_->is_cancelled = true;
    if (is_estimating) return false;  // what the server runs now is the planning, or a command before it
    adapter_->proceed();
    return true;
}

void SessionImpl::tick() {
    if (is_over_) return;
    if (is_draining_ && is_idle()) {
        end("assent", "the service is stopping");
        return;
    }
    const Moment now = ports_.clock().now();
    if (is_detecting_ && now - opened_ >= limits::first_bytes_timeout) {
        is_detecting_ = false;
        adapter_->proceed();
        if (is_over_) return;
    }
    if (!is_authenticated_ && !pending_.has_value() && now - opened_ >= limits::startup_timeout) {
        tell_event("startup_timeout", "");
        adapter_->terminate(ended("assent", "the session did not start in time"));
        return;
    }
    if (pending_.has_value() && pending_->stage == Pending::Stage::holding && now >= pending_->wait_until)
        adapter_->proceed();
    if (!is_over_ && is_relayed(flow_)) end_relay_without_token();
    if (!is_over_) set_wake();
}

void SessionImpl::end(std::string_view by, std::string_view reason) {
    if (is_over_) return;
    tell_event("ended", fmt::format("{}: {}", by, reason));
    leave_hold(false);
    adapter_->terminate(ended(by, reason));
}

void SessionImpl::drain() {
    is_draining_ = true;
    if (!is_over_ && is_idle()) end("assent", "the service is stopping");
}

bool SessionImpl::is_idle() const {
    // An agent that has just connected is about to say something.
    if (!is_authenticated_ && ports_.clock().now() - opened_ < limits::first_bytes_timeout) return false;
    return adapter_->is_idle();
}

std::string SessionImpl::describe() const {
    std::string out;
    JsonWriter writer(out);
    writer.member("session", flow_.id).member("agent", flow_.agent.name()).member("pid", flow_.agent.pid);
    writer.member("target", flow_.target.has_value() ? flow_.target->name : std::string());
    writer.member("address", flow_.asked_for.to_text()).member("database", database_).member("user", user_);
    writer.member("commands", command_count_).member("bytes_in", bytes_from_agent_).member("bytes_out", bytes_from_target_);
    const bool is_held = pending_.has_value() && pending_->stage == Pending::Stage::holding;
    writer.member("state", is_over_              ? "closing"
                           : is_held             ? "held"
                           : !is_authenticated_  ? "starting"
                           : running_.size() > 0 ? "running"
                                                 : "idle");
    if (is_held && pending_->hold.has_value()) writer.member("hold", pending_->hold->id);
    return out;
}

void SessionImpl::set_wake() {
    Moment next = Moment::max();
    if (!is_authenticated_) next = opened_ + limits::startup_timeout;
    if (is_detecting_) next = opened_ + limits::first_bytes_timeout;
    if (is_relayed(flow_)) next = std::min(next, token_expiry());
    const bool is_waiting_for_people =
        pending_.has_value() && pending_->stage == Pending::Stage::holding && pending_->asked_again == 0;
    if (is_waiting_for_people) next = std::min(next, pending_->wait_until);
    ports_.wake_at(next);
}

void SessionImpl::leave_hold(bool is_cancelled) {
    if (!pending_.has_value() || pending_->stage != Pending::Stage::holding) return;
    if (pending_->hold.has_value()) ports_.leave_hold(pending_->hold->id, is_cancelled);
}

void SessionImpl::tell_event(std::string_view event, std::string_view detail) {
    std::string members;
    JsonWriter(members).member("event", event).member("detail", detail);
    recorder_.tell(model::record_type::flow_event, members);
}

void SessionImpl::finish(std::string_view why, bool is_violation) {
    if (is_over_) return;
    is_over_ = true;
    leave_hold(false);
    pending_.reset();
    while (Running* running = running_.oldest()) {
        wire::Outcome outcome;
        outcome.id = running->id;
        outcome.is_error = true;
        outcome.message = "the session ended before the command did";
        if (running->is_recorded) record_outcome(*running, outcome);
        running_.remove(running->id);
    }
    std::string members;
    JsonWriter writer(members);
    writer.member("why", why).member("violation", is_violation).member("commands", command_count_);
    writer.member("bytes_in", bytes_from_agent_).member("bytes_out", bytes_from_target_);
    writer.member("duration_us",
                  std::chrono::duration_cast<std::chrono::microseconds>(ports_.clock().now() - opened_).count());
    recorder_.tell(model::record_type::flow_closed, members);
    ports_.wake_at(Moment::max());
    ports_.close_all();
}

// What the adapter needs of the shell.

void SessionImpl::send(Side side, Bytes bytes) { ports_.send(side, bytes); }
void SessionImpl::connect_target() { ports_.connect_target(); }
void SessionImpl::start_tls(Side side) { ports_.start_tls(side); }
void SessionImpl::close(std::string why, bool is_violation) { finish(why, is_violation); }

std::uint32_t SessionImpl::backend_key(std::uint32_t process, std::uint32_t secret) {
    return ports_.remember_cancel_key(process, secret);
}

void SessionImpl::cancel_requested(std::uint32_t process, std::uint32_t secret) {
    is_authenticated_ = true;  // a cancel has no start-up
    tell_event("cancel_requested", "");
    ports_.cancel(process, secret);
}

void SessionImpl::authenticated(std::string_view method) { tell_event("authenticated", method); }

}  // namespace assent::session
