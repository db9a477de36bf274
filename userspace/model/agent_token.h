// Whom an agent acts for, as an identity provider has signed it: what was verified of a token, never the token itself.
// Plain data, immutable once it is shared.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace assent::model {

// One who acts in another's name (`act`, RFC 8693).
struct TokenActor {
    std::string issuer;  // empty: the token's own
    std::string subject;
    bool operator==(const TokenActor&) const = default;
};

// A value of the token that rules may ask for: {"realm": {"roles": ["dba"]}} is {realm, roles} with dba.
struct TokenClaim {
    std::vector<std::string> path;
    std::vector<std::string> values;  // texts as they are; numbers and booleans as JSON writes them
    bool operator==(const TokenClaim&) const = default;
};

struct AgentToken {
    std::string issuer;
    std::string subject;
    std::vector<TokenActor> actors;  // the one who acts now first, then for whom that one acts
    std::vector<TokenClaim> claims;
    WallTime expires;     // from then on nothing new runs, the clocks' skew included
    std::string failure;  // why there is no good token, and what to do; empty: there is one. Commands are denied otherwise.
    std::string renewal;  // how its agent gets a new one, for refusals
    bool is_pending = false;             // it is being verified, which takes seconds at most: wait
    bool finishes_transactions = false;  // what is open at `expires` may end

    [[nodiscard]] bool is_good(WallTime now) const noexcept { return failure.empty() && !is_pending && now < expires; }
    bool operator==(const AgentToken&) const = default;
};

// "ana@example.com, by build-bot, by https://other.example runner": for people.
[[nodiscard]] std::string acting_text(const AgentToken& token);

}  // namespace assent::model
