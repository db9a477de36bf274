// What a token says, once its signature is good (RFC 7519, OpenID Connect Core, RFC 8693, RFC 9068).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/time.h"
#include "model/agent_token.h"

namespace assent::identity {

inline constexpr double latest_token_time = 9e9;  // seconds since 1970, in 2255: later ones do not fit the clock

// What a token has to be for. All of it is checked, always.
struct Expected {
    std::string audience = {};  // must be in `aud`; of an ID token the client's id
    bool is_id_token =
        false;               // says who logged in: never at+jwt, has `iat`, and `azp` is the audience; else: says who calls
    std::string nonce = {};  // of the login that the ID token answers; empty: none was asked for
    std::chrono::seconds clock_skew{60};  // between the provider's clock and ours, either way
};

struct Claims {
    std::string issuer;
    std::string subject;
    std::vector<std::string> audience;
    std::string authorized_party;  // `azp`, or `client_id` of an access token
    WallTime expires;              // `exp`; a token is good until then and the skew
    std::optional<WallTime> issued;
    std::vector<model::TokenActor> actors;  // `act`: the one who acts now first
    nlohmann::json all;                     // every claim, for groups and names; an object

    // The texts at `path` ({"realm_access", "roles"}): one or a list. Empty: there are none. Numbers and booleans as JSON.
    [[nodiscard]] std::vector<std::string> texts(const std::vector<std::string>& path) const;
    // All that rules may ask for, at most limits::token_claims values; more are left out, and rules then do not match.
    [[nodiscard]] std::vector<model::TokenClaim> flat() const;
};

// Errors: Errc::denied with what is wrong (expired, another audience …), Errc::malformed. No message holds a value of the
// token's but those that say where it came from: issuer, audience, times. Thread: any.
[[nodiscard]] Result<Claims> check_claims(nlohmann::json payload, std::string_view type, std::string_view issuer,
                                          const Expected& expected, WallTime now);

}  // namespace assent::identity
