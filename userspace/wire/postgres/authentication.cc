// From the StartupMessage to the first ReadyForQuery. Passwords and SASL messages pass and are never shown to the host.
#include <openssl/crypto.h>

#include "base/cursor.h"
#include "wire/postgres/conversation.h"

namespace assent::wire::postgres {
namespace {

constexpr std::size_t key_message_size = header_size + 8;
constexpr std::size_t ready_message_size = header_size + 1;

const char* name_of_method(std::uint32_t code) {
    switch (code) {
        case authentication::clear_password:
            return "cleartext";
        case authentication::md5_password:
            return "md5";
        case authentication::gss:
            return "gss";
        case authentication::sspi:
            return "sspi";
        case authentication::sasl:
            return "sasl";
        default:
            return "";
    }
}

bool wants_an_answer(std::uint32_t code) {
    switch (code) {
        case authentication::clear_password:
        case authentication::md5_password:
        case authentication::gss:
        case authentication::gss_continue:
        case authentication::sspi:
        case authentication::sasl:
        case authentication::sasl_continue:
            return true;
        default:
            return false;
    }
}

// The SASL methods that an agent can use whose way to the target is not its own TLS: those without channel binding.
// Empty: the list is malformed.
ByteVector without_channel_binding(Bytes message) {
    Cursor cursor(message);
    cursor.bytes(header_size + 4);
    ByteVector out;
    MessageWriter writer(out);
    writer.begin('R').u32(authentication::sasl);
    while (cursor.ok()) {
        const std::string_view method = cursor.c_string();
        if (method.empty()) break;
        if (!method.ends_with("-PLUS")) writer.text(method);
    }
    writer.text("").end();
    if (!cursor.finished()) out.clear();
    return out;
}

}  // namespace

Treatment Conversation::authentication_begins(char type, std::size_t length) {
    static constexpr std::string_view known = "RSKNEZ";
    if (known.find(type) == std::string_view::npos || length < 4 || length > password_message_size) {
        target_broke("sent something else than its protocol's start-up messages");
        return Treatment::malformed;
    }
    return Treatment::whole;
}

void Conversation::authentication_reply(char type, Bytes message) {
    switch (type) {
        case 'R':
            on_authentication(message);
            return;
        case 'K':
            on_backend_key(message);
            return;
        case 'S':
            on_setting(message);
            return;
        case 'N':
            on_notice(message);
            return;
        case 'Z':
            on_first_ready(message);
            return;
        default:
            break;
    }
    const ErrorFields fields = read_error(message);
    if (!fields.is_valid) {
        target_broke("sent a malformed error");
        return;
    }
    on_authentication_failed(fields, message);
}

void Conversation::on_authentication(Bytes message) {
    Cursor cursor(message);
    cursor.bytes(header_size);
    const std::uint32_t code = cursor.u32();
    const Bytes body = cursor.take_rest();
    if (!cursor.ok() || is_authenticated_ || expects_password_) {
        target_broke("sent an authentication request out of turn");
        return;
    }
    tell_protocol_version();
    if (login_) {
        on_own_authentication(code, body, message);
        return;
    }
    if (code == authentication::ok) {
        is_authenticated_ = true;
        pass_to_agent(message);
        host_.authenticated(method_.empty() ? "trust" : method_);
        return;
    }
    if (const char* name = name_of_method(code); *name != '\0') method_ = name;
    if (!wants_an_answer(code) && code != authentication::sasl_final) {
        target_broke("asks for a method of authentication that is not known");
        return;
    }
    expects_password_ = wants_an_answer(code);
    if (code != authentication::sasl) {
        pass_to_agent(message);
        return;
    }
    const ByteVector methods = without_channel_binding(message);
    if (methods.empty())
        target_broke("sent a malformed list of SASL methods");
    else
        to_agent_.send(methods);
}

void Conversation::on_own_authentication(std::uint32_t code, Bytes body, Bytes message) {
    const auto result = login_->answer(code, body);
    if (!result) {
        const std::string why =
            "logging in at " + options_.target_name + " with its credential failed: " + result.error().message;
        end_session({.code = "08001", .message = "assent: " + why, .detail = "", .hint = ""}, why,
                    result.error().code != Errc::unsupported);
        return;
    }
    to_target_.send(*result);
    if (code != authentication::ok) return;
    is_authenticated_ = true;
    const std::string method = login_->method();
    login_.reset();
    OPENSSL_cleanse(options_.password.data(), options_.password.size());
    options_.password = std::string();
    pass_to_agent(message);
    host_.authenticated(method);
}

// The agent asked for a newer protocol or for extensions: it gets 3.0 without any.
void Conversation::tell_protocol_version() {
    if (has_told_version_ || (startup_->version == protocol_3_0 && startup_->extensions.empty())) return;
    has_told_version_ = true;
    ByteVector out;
    MessageWriter writer(out);
    writer.begin('v').u32(protocol_3_0).u32(static_cast<std::uint32_t>(startup_->extensions.size()));
    for (const auto& name : startup_->extensions) writer.text(name);
    writer.end();
    to_agent_.send(out);
}

void Conversation::on_password(Bytes message) {
    if (!expects_password_) {
        agent_broke("the agent sent a password that nobody asked for");
        return;
    }
    expects_password_ = false;
    to_target_.pass(message);
}

void Conversation::on_backend_key(Bytes message) {
    if (message.size() != key_message_size || !is_authenticated_) {
        target_broke("sent a malformed cancel key");
        return;
    }
    Cursor cursor(message);
    cursor.bytes(header_size);
    const std::uint32_t process = cursor.u32();
    const std::uint32_t secret = host_.backend_key(process, cursor.u32());
    ByteVector& out = scratch();
    MessageWriter writer(out);
    writer.begin('K').u32(process).u32(secret).end();
    to_agent_.send(out);
}

void Conversation::on_authentication_failed(const ErrorFields& fields, Bytes message) {
    const std::string why = options_.target_name + " refused the session: " + std::string(fields.code);
    // The server's words may name the user that assent logs in as.
    static constexpr std::string_view unknown_database = "3D000";
    if (options_.has_credential && fields.code != unknown_database) {
        ByteVector& out = scratch();
        const std::string text = "assent: " + options_.target_name + " refused the session that assent asked for";
        write_error(out, 'E', fields.severity,
                    {.code = std::string(fields.code), .message = text, .detail = "", .hint = ""});
        to_agent_.send(out);
    } else {
        pass_to_agent(message);
    }
    fatal_error_ = why;
    fatal_code_ = fields.code;
    if (fields.ends_session()) over(why, false);
}

void Conversation::on_first_ready(Bytes message) {
    if (!is_authenticated_ || message.size() != ready_message_size) {
        target_broke("is ready before it let anybody in");
        return;
    }
    phase_ = Phase::established;
    finish_startup(false, "", "");
    if (is_over()) return;
    if (!is_replication_) {
        if (auto question = host_.ready(); question && !is_over()) {
            is_ready_held_ = true;
            begin_question(std::move(*question));
            return;
        }
    }
    if (is_over()) return;
    on_ready(message);
}

}  // namespace assent::wire::postgres
