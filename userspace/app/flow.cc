#include "app/flow.h"

#include <utility>

#include "base/limits.h"

namespace assent::app {

Flow::Flow(FlowStart start, FlowHost& host)
    : host_(host),
      description_(start.description),
      id_(std::move(start.description.id)),
      names_(std::move(start.names)),
      caller_(std::move(start.caller)),
      agent_socket_(std::move(start.agent)),
      agent_(*this, Side::agent),
      target_(*this, Side::target) {}

Flow::~Flow() {
    *is_alive_ = false;
    if (is_changing_names_) static_cast<void>(names_have_changed());
}

void Flow::names_are_changing() {
    if (!std::exchange(is_changing_names_, true)) names_->begin_change();
}

std::uint64_t Flow::names_have_changed() {
    return std::exchange(is_changing_names_, false) ? names_->end_change() : names_->value();
}

void Flow::open(const MakeSession& make_session) {
    agent_.stream = host_.loop().adopt(std::move(agent_socket_), agent_);
    session_ = make_session(description_, *this);
    session_->open();
    settle();
}

void Flow::abandon() {
    is_ended_told_ = true;
    agent_.stream.reset();
    target_.stream.reset();
}

// ---- what the session asks for; nothing here calls the session

void Flow::send(Side side, Bytes bytes) {
    FlowEnd& end = end_of(side);
    if (const auto result = end.send(bytes); !result) {
        later(
            [this, side, why = result.error().message] { session_call([&](auto& session) { session.failed(side, why); }); });
    }
}

void Flow::connect_target() {
    if (description_.asked_for.is_unix()) return connect_unix();
    auto done = [this, is_alive = is_alive_](Result<std::unique_ptr<io::Stream>> result) {
        if (*is_alive) connected(std::move(result));
    };
    host_.loop().connect(description_.asked_for, limits::upstream_connect_timeout, target_, std::move(done));
}

void Flow::connect_unix() {
    later([this] {
        if (!caller_) return connected(fail(Errc::internal, "nobody is known to open the socket as"));
        auto socket = kernel::connect_as(*caller_, description_.asked_for.unix_name);
        if (!socket) return connected(std::unexpected(std::move(socket.error())));
        connected(host_.loop().adopt(std::move(*socket), target_));
    });
}

void Flow::connected(Result<std::unique_ptr<io::Stream>> result) {
    if (is_closing_) return;  // the stream goes with `result`
    if (!result) return session_call([&](auto& session) { session.target_failed(result.error().message); });
    target_.stream = std::move(*result);
    session_call([](auto& session) { session.target_connected(); });
}

void Flow::start_tls(Side side) {
    FlowEnd& end = end_of(side);
    auto context = host_.tls_context(*this, side);
    Result<> result;
    if (context) {
        end.channel = tls::make_channel(*context);
        if (side == Side::target) result = end.drain_tls();  // the client speaks first
    } else {
        result = std::unexpected(context.error());
    }
    if (!result) {
        later([this, side, why = result.error().message] {
            session_call([&](auto& session) { session.tls_failed(side, why); });
        });
    }
}

void Flow::shut(Side side) { end_of(side).shut(); }

void Flow::close_all() {
    if (is_closing_) return;
    is_closing_ = true;
    timer_.reset();
    // A peer that does not close its own end keeps nothing longer than this.
    closing_timer_ = host_.loop().at(host_.clock().now() + limits::closing_timeout, [this] {
        if (!std::exchange(is_ended_told_, true)) host_.ended(*this);
    });
    if (!is_cancelling_) shut_both();
}

void Flow::shut_both() {
    agent_.shut();
    target_.shut();
}

void Flow::open_hold(const model::HoldRequest& request) {
    is_hold_open_ = true;
    host_.open_hold(*this, request);
    if (is_agent_ending_) later([this] { agent_went_away(); });
}

void Flow::leave_hold(std::string_view id, bool is_cancelled) {
    is_hold_open_ = false;
    host_.leave_hold(*this, id, is_cancelled);
}

std::uint32_t Flow::remember_cancel_key(std::uint32_t process, std::uint32_t secret) {
    cancel_secret_ = host_.remember_cancel_key(*this, process, secret);
    return cancel_secret_;
}

void Flow::cancel(std::uint32_t process, std::uint32_t secret) {
    is_cancelling_ = true;
    host_.cancel(*this, process, secret);
}

void Flow::cancel_done() {
    is_cancelling_ = false;
    if (is_closing_) shut_both();
    settle();
}

void Flow::wake_at(Moment when) {
    wake_when_ = when;
    // A timer that fires too early looks again: a session that moves its deadline with every command costs nothing.
    if (when == Moment::max() || is_closing_ || (timer_ && timer_when_ <= when)) return;
    timer_when_ = when;
    timer_ = host_.loop().at(when, [this] { timer_fired(); });
}

void Flow::timer_fired() {
    timer_.reset();
    if (wake_when_ == Moment::max()) return;
    if (host_.clock().now() < wake_when_) return wake_at(wake_when_);
    wake_when_ = Moment::max();
    session_call([](auto& session) { session.tick(); });
}

// ---- what the streams tell

std::size_t Flow::received(FlowEnd& end, Bytes bytes) {
    if (is_ended_told_) return bytes.size();
    std::size_t taken = 0;
    if (!end.channel && session_->wants(end.side)) taken = session_->received(end.side, bytes);
    // Also when TLS has just begun: what follows is its.
    if (end.channel && taken < bytes.size()) taken += take_ciphertext(end, bytes.subspan(taken));
    settle();
    return taken;
}

std::size_t Flow::take_ciphertext(FlowEnd& end, Bytes bytes) {
    if (is_closing_) return bytes.size();
    if (!end.plaintext.empty()) return 0;
    auto result = end.channel->received(bytes);
    if (result) result = end.drain_tls();
    tls_moved(end, result);
    return bytes.size();
}

void Flow::tls_moved(FlowEnd& end, const Result<>& result) {
    if (!end.is_tls_ready && end.channel->is_established()) {
        end.is_tls_ready = true;
        session_->tls_ready(end.side);
    }
    offer_plaintext(end);
    if (!result) {
        end.is_gone = true;
        if (end.is_tls_ready) return session_->failed(end.side, result.error().message);
        return session_->tls_failed(end.side, result.error().message);
    }
    if (end.channel->is_closed()) end.has_ended = true;
    tell_end(end);
}

void Flow::offer_plaintext(FlowEnd& end) {
    std::size_t taken = 0;
    while (taken < end.plaintext.size() && session_->wants(end.side)) {
        const std::size_t part = session_->received(end.side, Bytes(end.plaintext).subspan(taken));
        if (part == 0) break;
        taken += part;
    }
    if (taken == end.plaintext.size()) {
        end.plaintext = {};
    } else if (taken > 0) {
        end.plaintext.erase(end.plaintext.begin(), end.plaintext.begin() + static_cast<std::ptrdiff_t>(taken));
    }
}

void Flow::tell_end(FlowEnd& end) {
    if (!end.has_ended || end.is_end_told) return;
    if (!end.plaintext.empty()) return ending(end);
    end.is_end_told = true;
    session_->closed(end.side);
}

void Flow::ended(FlowEnd& end) {
    end.has_ended = true;
    tell_end(end);
    settle();
}

void Flow::ending(FlowEnd& end) {
    if (end.side != Side::agent) return;
    is_agent_ending_ = true;
    if (is_hold_open_) later([this] { agent_went_away(); });
}

void Flow::agent_went_away() {
    if (!is_hold_open_) return;
    session_call([](auto& session) { session.failed(Side::agent, "it went away while its command was held"); });
}

void Flow::failed(FlowEnd& end, std::string_view why) {
    end.is_gone = true;
    session_->failed(end.side, why);
    settle();
}

void Flow::drained(FlowEnd&) { settle(); }

// ---- what follows from each call of the session

void Flow::settle() {
    if (is_settling_ || is_ended_told_) return;
    is_settling_ = true;
    for (FlowEnd* end : {&agent_, &target_}) {
        if (end->plaintext.empty()) continue;
        offer_plaintext(*end);
        tell_end(*end);
    }
    update_reading(agent_, target_);
    update_reading(target_, agent_);
    host_.waits(*this, !session_->wants(Side::agent));
    is_settling_ = false;
    finish_if_over();
}

void Flow::update_reading(FlowEnd& end, const FlowEnd& other) {
    if (!end.stream || end.is_gone) return;
    // Refusals go to the side they come from: one that does not read its answers is not listened to for ever.
    const bool has_room = !other.is_congested() && end.queued_bytes() < limits::output_own_high_water;
    const bool is_handshaking = end.channel && !end.channel->is_established();
    const bool wants = is_closing_ || is_handshaking || (session_->wants(end.side) && end.plaintext.empty());
    if (wants && (has_room || is_closing_)) {
        end.stream->resume_reading();
    } else {
        end.stream->pause_reading();
    }
}

void Flow::finish_if_over() {
    if (!is_closing_ || is_cancelling_ || !agent_.is_over() || !target_.is_over()) return;
    if (!std::exchange(is_ended_told_, true)) host_.ended(*this);
}

void Flow::later(std::function<void()> task) {
    host_.loop().post([task = std::move(task), is_alive = is_alive_] {
        if (*is_alive) task();
    });
}

}  // namespace assent::app
