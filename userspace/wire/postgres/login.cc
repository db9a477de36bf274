#include "wire/postgres/login.h"

#include <openssl/crypto.h>

#include "base/cursor.h"
#include "wire/postgres/protocol.h"

namespace assent::wire::postgres {
namespace {

std::unexpected<Error> malformed() { return fail(Errc::malformed, "the server's authentication request is malformed"); }

ByteVector password_message(std::string_view password) {
    ByteVector out;
    MessageWriter(out).begin('p').text(password).end();
    return out;
}

}  // namespace

Login::~Login() { OPENSSL_cleanse(password_.data(), password_.size()); }

Result<ByteVector> Login::answer(std::uint32_t code, Bytes body) {
    if (scram_ && code != authentication::sasl_continue && code != authentication::sasl_final &&
        code != authentication::ok) {
        return malformed();
    }
    switch (code) {
        case authentication::ok:
            return finish();
        case authentication::clear_password:
            if (!may_send_clear_password_) {
                return fail(Errc::unsupported,
                            "the server asks for the password in clear, and the way to it is neither TLS nor loopback");
            }
            method_ = "cleartext";
            return password_message(password_);
        case authentication::md5_password:
            if (body.size() != 4) return malformed();
            method_ = "md5";
            return password_message(md5_password(user_, password_, body));
        case authentication::sasl:
            return begin_scram(body);
        case authentication::sasl_continue: {
            if (!scram_) return malformed();
            const auto answer = scram_->final_message(as_text(body));
            if (!answer) return std::unexpected(answer.error());
            ByteVector out;
            MessageWriter(out).begin('p').bytes(as_bytes(*answer)).end();
            return out;
        }
        case authentication::sasl_final: {
            if (!scram_) return malformed();
            is_server_verified_ = scram_->verify(as_text(body));
            if (!is_server_verified_) return fail(Errc::denied, "the server could not prove that it knows the password");
            return ByteVector();
        }
        default:
            return fail(Errc::unsupported, "the server asks for a method that a credential cannot answer");
    }
}

Result<ByteVector> Login::begin_scram(Bytes mechanisms) {
    Cursor cursor(mechanisms);
    bool is_offered = false;
    for (auto name = cursor.c_string(); cursor.ok() && !name.empty(); name = cursor.c_string()) {
        is_offered = is_offered || name == ScramClient::mechanism;
    }
    if (!cursor.finished()) return malformed();
    if (!is_offered) return fail(Errc::unsupported, "the server does not offer SCRAM-SHA-256");
    // The server takes the user of the start-up message; the one in here is ignored.
    scram_.emplace("", password_, make_nonce());
    method_ = "scram-sha-256";
    const std::string first = scram_->first_message();
    ByteVector out;
    MessageWriter(out)
        .begin('p')
        .text(ScramClient::mechanism)
        .u32(static_cast<std::uint32_t>(first.size()))
        .bytes(as_bytes(first))
        .end();
    return out;
}

Result<ByteVector> Login::finish() {
    if (scram_ && !is_server_verified_) {
        return fail(Errc::denied, "the server ended SCRAM without proving that it knows the password");
    }
    return {};
}

}  // namespace assent::wire::postgres
