// The client's half of SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677).
#pragma once

#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace assent::wire::postgres {

class ScramClient {
public:
    static constexpr const char* mechanism = "SCRAM-SHA-256";

    // The nonce must be new for each login; printable without commas. The password is used as its bytes: SASLprep changes
    // nothing of ASCII, and a server falls back to the bytes for what is not UTF-8.
    ScramClient(std::string user, std::string password, std::string nonce);

    ~ScramClient();
    ScramClient(const ScramClient&) = delete;
    ScramClient& operator=(const ScramClient&) = delete;

    [[nodiscard]] std::string first_message() const;
    // Takes the server's first message, gives the client's final one.
    [[nodiscard]] Result<std::string> final_message(std::string_view server_first);
    // Takes the server's final message: only who knows the password can have made it.
    [[nodiscard]] bool verify(std::string_view server_final) const;

private:
    std::string user_;
    std::string password_;
    std::string nonce_;
    std::string server_signature_;  // base64; empty until final_message()
};

[[nodiscard]] std::string make_nonce();

// "md5" and 32 digits, as PostgreSQL's md5 method wants it.
[[nodiscard]] std::string md5_password(std::string_view user, std::string_view password, Bytes salt);

}  // namespace assent::wire::postgres
