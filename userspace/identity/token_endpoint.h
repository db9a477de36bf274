// What a provider gives for a code or a refresh token. Every call asks it. Thread: any.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "identity/provider.h"

namespace assent::identity {

// Secrets, all of them; empty where the provider gave none.
struct Tokens {
    std::string access_token;
    std::string id_token;
    std::string refresh_token;
};

// What a browser came back with: `fields` are its code and what goes with it (RFC 6749, 4.1.3). Errc::denied: the provider
// takes them not.
[[nodiscard]] Result<Tokens> redeem_code(Provider& provider, const ClientLogin& client, FormFields fields);
// Errc::denied: the token is not good any more, and the person has to log in anew.
[[nodiscard]] Result<Tokens> refresh_tokens(Provider& provider, const ClientLogin& client, const std::string& refresh_token);

// The tokens of an answer. Errc::malformed: it has none; Errc::limit.
[[nodiscard]] Result<Tokens> tokens_of(const nlohmann::json& body);
// "access_denied: the person said no", of an answer that is an error: Errc::denied.
[[nodiscard]] std::unexpected<Error> refused(const Provider& provider, const nlohmann::json& body);

}  // namespace assent::identity
