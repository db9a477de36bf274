// `token:` of an agent's item: whose token, and what it has to say. Private to policy/.
#pragma once

#include <string>
#include <vector>

#include "model/agent.h"
#include "policy/reader.h"

namespace assent::policy {

struct TokenPattern {
    std::string issuer;
    std::vector<model::TokenClaim> claims;  // all must hold: the token's claim is or contains each of the values

    // The agent has a token that is good, from this issuer, and all claims hold. Nobody looks at the clock here: whoever
    // asks takes the token away from an agent when it has expired.
    [[nodiscard]] bool matches(const model::Agent& agent) const;
};

[[nodiscard]] TokenPattern decode_token(const YamlNode& node, Reporter& report);

}  // namespace assent::policy
