// assent logs in with a credential of its own, so that the agent needs none and sees none.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/postgres/scram.h"

namespace assent::wire::postgres {

class Login {
public:
    Login(std::string user, std::string password, bool may_send_clear_password)
        : user_(std::move(user)), password_(std::move(password)), may_send_clear_password_(may_send_clear_password) {}

    ~Login();
    Login(const Login&) = delete;
    Login& operator=(const Login&) = delete;

    // Takes an authentication request (code, and what follows it in the message); gives the message for the server, empty
    // where none is due. An error ends the session: Errc::denied when the server could not be trusted,
    // Errc::unsupported for a method that is not known or not allowed here.
    [[nodiscard]] Result<ByteVector> answer(std::uint32_t code, Bytes body);
    [[nodiscard]] const std::string& method() const { return method_; }

private:
    Result<ByteVector> begin_scram(Bytes mechanisms);
    Result<ByteVector> finish();

    std::string user_;
    std::string password_;
    bool may_send_clear_password_;
    std::string method_ = "trust";
    std::optional<ScramClient> scram_;
    bool is_server_verified_ = false;
};

}  // namespace assent::wire::postgres
