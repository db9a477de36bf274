// A signed token in its compact form (RFC 7515, RFC 7519), taken apart. Nothing in it is believed yet.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "identity/algorithm.h"

namespace assent::identity {

struct Jws {
    Algorithm algorithm = Algorithm::rs256;
    std::optional<std::string> key_id;
    std::string type;              // `typ` in lower case, without "application/"; empty when it has none
    std::string_view signed_part;  // of the token that was given
    std::string signature;
    nlohmann::json payload;  // an object
};

// Strictly: three parts, one header without `crit` (so without `b64`) and `cty`, an algorithm of the list, a payload that is
// a JSON object. Keys that the header carries or points to (jwk, jku, x5c, x5u) are not looked at. Errors: Errc::limit,
// Errc::malformed; no message holds anything of the token but its algorithm's and type's name. Thread: any.
[[nodiscard]] Result<Jws> parse_jws(std::string_view token);

}  // namespace assent::identity
