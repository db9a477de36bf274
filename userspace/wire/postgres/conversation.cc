#include "wire/postgres/conversation.h"

namespace assent::wire::postgres {

std::unique_ptr<Adapter> make_adapter(Options options, Host& host) {
    return std::make_unique<Conversation>(std::move(options), host);
}

Conversation::Conversation(Options options, Host& host)
    : options_(std::move(options)), host_(host), to_agent_(host, Side::agent), to_target_(host, Side::target) {}

std::size_t Conversation::received(Side side, Bytes bytes) {
    if (is_over()) return bytes.size();
    std::size_t taken = 0;
    is_working_ = true;
    if (side == Side::agent) {
        if (phase_ == Phase::startup) taken = take_startup(bytes);
        FromAgent handler{*this};
        taken += agent_inbox_.take(bytes.subspan(taken), handler);
    } else {
        if (phase_ == Phase::target_asked_tls && !bytes.empty()) taken = take_tls_answer(bytes);
        FromTarget handler{*this};
        taken += target_inbox_.take(bytes.subspan(taken), handler);
    }
    to_target_.flush();
    to_agent_.flush();
    if (requests_.empty()) to_agent_.release();
    is_working_ = false;
    if (std::exchange(must_proceed_, false)) proceed();
    return is_over() ? bytes.size() : taken;
}

bool Conversation::wants(Side side) const {
    if (side == Side::target) return phase_ == Phase::target_asked_tls || target_may_speak();
    if (phase_ == Phase::startup) return waiting_ == Waiting::nothing && !is_agent_tls_pending_;
    return agent_may_speak() && !agent_inbox_.is_held();
}

void Conversation::closed(Side side) {
    if (is_over()) return;
    if (side == Side::target) {
        has_target_left_ = true;
        if (fatal_error_ || phase_ == Phase::leaving) {
            over(fatal_error_ ? *fatal_error_ : "the agent ended the session", false);
            return;
        }
        const bool is_connecting = phase_ == Phase::connecting;
        const std::string why = options_.target_name + (is_connecting ? " could not be reached" : " closed the connection");
        end_session({.code = is_connecting ? "08001" : "08006", .message = "assent: " + why, .detail = "", .hint = ""}, why,
                    false);
        return;
    }
    if (phase_ == Phase::leaving) return;
    if (phase_ != Phase::established) {
        over(why_left_early(), false);
        return;
    }
    drop_held("not run: the agent left");
    if (is_over()) return;
    if (!agent_inbox_.is_at_boundary() || is_copying_in_ || is_ready_held_) {
        over("the agent left in the middle of something", false);
        return;
    }
    // The server finishes what it was asked, and the agent may still read that.
    ByteVector& out = scratch();
    MessageWriter(out).begin('X').end();
    to_target_.send(out);
    phase_ = Phase::leaving;
    if (is_drained()) over("the agent left", false);
}

// A client that insists on TLS says nothing after our 'N': only the record can tell what to do.
std::string Conversation::why_left_early() const {
    if (phase_ != Phase::startup || !had_tls_request_ || options_.offers_tls || !startup_bytes_.empty())
        return "the agent left before the session was open";
    const std::string left = "the agent left when TLS was not offered to it (sslmode=require or above)";
    if (options_.target_tls != TlsUse::required || options_.has_credential) return left;
    return left +
           ": its own SCRAM login cannot be passed from TLS to TLS; give the target a `credential` in the policy, or let "
           "the "
           "agent use sslmode=prefer";
}

void Conversation::proceed() {
    if (is_over()) return;
    if (is_ruling_) {
        must_rule_again_ = true;
        return;
    }
    if (is_working_) {
        must_proceed_ = true;
        return;
    }
    if (waiting_ != Waiting::ruling) return;
    waiting_ = Waiting::nothing;
    if (phase_ == Phase::startup) {
        rule_startup();
    } else {
        resume();
    }
    to_target_.flush();
    to_agent_.flush();
}

void Conversation::notice(const Refusal& note) {
    if (is_over()) return;
    write_error(notices_, 'N', "NOTICE", note);
    flush_notices();
}

void Conversation::terminate(const Refusal& why) {
    if (is_over() || ending_) return;
    if (is_mid_message_) {
        ending_ = why;
        return;
    }
    end_session(why, "ended: " + why.message, false);
}

bool Conversation::is_idle() const {
    if (phase_ == Phase::startup) return startup_bytes_.empty() && waiting_ == Waiting::nothing;
    return phase_ == Phase::established && requests_.empty() && transaction_status_ == 'I' && waiting_ == Waiting::nothing &&
           !is_ready_held_ && agent_inbox_.is_at_boundary();
}

bool Conversation::is_tls_pending(Side side) const {
    return side == Side::agent ? is_agent_tls_pending_ : is_target_tls_pending_;
}

void Conversation::agent_broke(std::string why) {
    const Refusal refusal = {.code = "08P01", .message = "assent: " + why, .detail = "", .hint = ""};
    end_session(refusal, std::move(why), true);
}

void Conversation::target_broke(std::string why) {
    why = options_.target_name + " " + why;
    const Refusal refusal = {.code = "08P01", .message = "assent: " + why, .detail = "", .hint = ""};
    end_session(refusal, std::move(why), true);
}

void Conversation::end_session(const Refusal& refusal, std::string why, bool is_violation) {
    if (is_over()) return;
    to_agent_.flush();
    if (!is_mid_message_ && !is_agent_tls_pending_) {
        ByteVector out;
        write_error(out, 'E', "FATAL", refusal);
        to_agent_.send(out);
    }
    const bool can_say_goodbye =
        phase_ == Phase::established && !has_target_left_ && agent_inbox_.is_at_boundary() && !is_copying_in_;
    if (can_say_goodbye) {
        ByteVector out;
        MessageWriter(out).begin('X').end();
        to_target_.send(out);
    }
    over(std::move(why), is_violation);
}

void Conversation::over(std::string why, bool is_violation) {
    if (is_over()) return;
    to_agent_.close();
    to_target_.close();
    const std::string unfinished = "the session ended first";
    const auto cut_short = [&](Command& command) {
        if (!command.is_finished && !command.is_error) command.message = unfinished;
        command.is_error = command.is_error || !command.is_finished;
        finish(command);
    };
    drop_held(unfinished);
    phase_ = Phase::over;
    finish_startup(true, fatal_code_, why);
    for (std::size_t i = 0; i < requests_.size(); ++i) {
        if (requests_[i].command && requests_[i].kind != RequestKind::close_portal) cut_short(*requests_[i].command);
    }
    portals_.drop_confirmed([&](const Ref<Command>& portal) { cut_short(*portal); });
    host_.close(std::move(why), is_violation);
}

ByteVector& Conversation::scratch() {
    static constexpr std::size_t kept_capacity = 4096;
    if (scratch_.capacity() > kept_capacity * 16) scratch_ = ByteVector();
    scratch_.clear();
    return scratch_;
}

}  // namespace assent::wire::postgres
