// From the agent's first byte until the target is asked to open a session.
#include <cctype>

#include "base/cursor.h"
#include "wire/postgres/conversation.h"

namespace assent::wire::postgres {
namespace {

constexpr std::byte tls_handshake{0x16};  // the first byte of a TLS record; no start-up message is that long
constexpr std::size_t request_size = 8;
constexpr std::size_t cancel_request_size = 16;

}  // namespace

std::size_t Conversation::take_startup(Bytes bytes) {
    std::size_t position = 0;
    while (phase_ == Phase::startup && waiting_ == Waiting::nothing && !is_agent_tls_pending_ && position < bytes.size()) {
        if (startup_bytes_.empty() && bytes[position] == tls_handshake) {
            if (!options_.offers_tls || had_tls_request_) {
                agent_broke("the agent speaks TLS, which is not offered here: use sslmode=disable or prefer");
                return bytes.size();
            }
            had_tls_request_ = is_agent_tls_pending_ = true;
            host_.start_tls(Side::agent);
            return position;
        }
        const bool has_length = startup_bytes_.size() >= 4;
        const std::size_t wanted = has_length ? Cursor(startup_bytes_).u32() : 4;
        const std::size_t size = std::min(wanted - startup_bytes_.size(), bytes.size() - position);
        append(startup_bytes_, bytes.subspan(position, size));
        position += size;
        if (startup_bytes_.size() < wanted) return position;
        if (!has_length) {
            const std::size_t length = Cursor(startup_bytes_).u32();
            if (length < request_size || length > limits::startup_message_size) {
                agent_broke("the agent's first message is not one of PostgreSQL's: its length is wrong");
                return bytes.size();
            }
            continue;
        }
        on_startup_message(position < bytes.size());
        if (is_over()) return bytes.size();
    }
    return position;
}

void Conversation::on_startup_message(bool has_more) {
    Cursor cursor(startup_bytes_);
    cursor.u32();
    const std::uint32_t code = cursor.u32();
    switch (code) {
        case ssl_request_code:
            on_tls_request(has_more);
            break;
        case gss_request_code:
            on_gss_request();
            break;
        case cancel_request_code:
            on_cancel_request();
            break;
        default:
            if (code >> 16U != protocol_3_0 >> 16U) {
                end_session({.code = "0A000",
                             .message = "assent: only version 3 of the protocol is understood",
                             .detail = "",
                             .hint = ""},
                            "the agent asked for an unknown version of the protocol", true);
                return;
            }
            on_session_request();
            break;
    }
    startup_bytes_ = ByteVector();
}

void Conversation::on_tls_request(bool has_more) {
    if (startup_bytes_.size() != request_size || had_tls_request_) {
        agent_broke("the agent asked for TLS twice or with bytes too many");
        return;
    }
    had_tls_request_ = true;
    if (!options_.offers_tls) {
        to_agent_.send(as_bytes("N"));
        return;
    }
    if (has_more) {
        // What came in clear behind the request would be taken for something that came under TLS.
        agent_broke("the agent sent bytes in clear behind its request for TLS");
        return;
    }
    to_agent_.send(as_bytes("S"));
    is_agent_tls_pending_ = true;
    host_.start_tls(Side::agent);
}

void Conversation::on_gss_request() {
    if (startup_bytes_.size() != request_size || had_gss_request_) {
        agent_broke("the agent asked for GSS encryption twice or with bytes too many");
        return;
    }
    had_gss_request_ = true;
    to_agent_.send(as_bytes("N"));
}

void Conversation::on_cancel_request() {
    if (startup_bytes_.size() != cancel_request_size) {
        agent_broke("the agent's cancel request has a wrong length");
        return;
    }
    Cursor cursor(startup_bytes_);
    cursor.bytes(request_size);
    const std::uint32_t process = cursor.u32();
    host_.cancel_requested(process, cursor.u32());
    over("a cancel request", false);
}

void Conversation::on_session_request() {
    auto request = read_startup(startup_bytes_);
    if (!request) {
        agent_broke(request.error().message);
        return;
    }
    startup_ = std::move(*request);
    is_replication_ = startup_->is_replication();
    held_id_ = ++last_id_;
    rule_startup();
}

void Conversation::rule_startup() {
    CommandSeen seen = command_of(CommandKind::startup);
    seen.id = held_id_;
    seen.user = startup_->user;
    seen.database = startup_->database;
    seen.replication = startup_->replication;
    seen.options = startup_->settings;
    seen.can_ask = false;
    const auto ruling = judge(seen);
    if (is_over() || !ruling) return;
    if (ruling->action == Ruling::Action::forward) {
        phase_ = Phase::connecting;
        startup_id_ = seen.id;
        host_.connect_target();
        return;
    }
    Outcome outcome;
    outcome.id = seen.id;
    outcome.is_error = outcome.was_refused = true;
    outcome.code = ruling->refusal.code;
    outcome.message = ruling->refusal.message;
    host_.finished(outcome);
    end_session(ruling->refusal, "the session was refused", false);
}

void Conversation::target_connected() {
    if (phase_ != Phase::connecting) return;
    if (options_.target_tls == TlsUse::required) {
        ByteVector& out = scratch();
        MessageWriter writer(out);
        writer.begin_untyped().u32(ssl_request_code).end();
        phase_ = Phase::target_asked_tls;
        to_target_.send(out);
        return;
    }
    send_startup();
}

std::size_t Conversation::take_tls_answer(Bytes bytes) {
    const char answer = static_cast<char>(bytes.front());
    if (answer == 'S' && bytes.size() > 1) {
        target_broke("sent bytes in clear behind its consent to TLS");
    } else if (answer == 'S') {
        phase_ = Phase::target_tls;
        is_target_tls_pending_ = true;
        host_.start_tls(Side::target);
    } else if (answer == 'N' || answer == 'E') {
        const std::string why = options_.target_name + " does not speak TLS, and its `tls: {upstream}` setting requires it";
        end_session({.code = "08001", .message = "assent: " + why, .detail = "", .hint = ""}, why, false);
    } else {
        target_broke("answered a request for TLS with something else");
    }
    return is_over() ? bytes.size() : 1;
}

void Conversation::tls_ready(Side side) {
    if (side == Side::agent) {
        is_agent_tls_pending_ = false;
        return;
    }
    if (!is_target_tls_pending_) return;
    is_target_tls_pending_ = false;
    send_startup();
}

void Conversation::send_startup() {
    ByteVector& out = scratch();
    MessageWriter writer(out);
    // Always 3.0: what is newer (longer cancel keys, `_pq_.` options) is negotiated away towards the agent.
    writer.begin_untyped().u32(protocol_3_0);
    for (const auto& [name, value] : startup_->parameters) {
        if (name.starts_with("_pq_.")) continue;
        if (options_.has_credential && (name == "user" || name == "database")) continue;
        writer.text(name).text(value);
    }
    if (options_.has_credential) {
        writer.text("user").text(options_.user).text("database").text(startup_->database);
        login_.emplace(options_.user, options_.password, options_.may_send_clear_password);
    }
    writer.u8(0).end();
    phase_ = Phase::authenticating;
    to_target_.send(out);
}

void Conversation::finish_startup(bool is_error, std::string_view code, std::string_view why) {
    if (startup_id_ == 0) return;
    Outcome outcome;
    outcome.id = std::exchange(startup_id_, 0);
    outcome.is_error = is_error;
    outcome.code = code;
    outcome.message = why;
    host_.finished(outcome);
}

}  // namespace assent::wire::postgres
