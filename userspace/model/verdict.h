// What the policy says of a command. A default-constructed Verdict denies.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/effect.h"

namespace assent::model {

enum class Decision : std::uint8_t { deny = 0, hold, allow };

[[nodiscard]] constexpr std::string_view name_of(Decision decision) noexcept {
    return decision == Decision::allow ? "allow" : decision == Decision::hold ? "hold" : "deny";
}

struct EffectVerdict {
    Effect effect;
    Decision decision = Decision::deny;
    std::vector<std::string> rules;  // empty for a denial: no rule covers the effect
};

// The `limit` of a rule: an agent's commands beyond so many in so long a time are denied, or held for an approval.
struct RuleLimit {
    std::string rule;
    std::uint32_t commands = 0;
    std::chrono::seconds per{0};
    Decision then = Decision::deny;
    std::string approval;  // where `then` holds
};

struct Verdict {
    Decision decision = Decision::deny;
    std::vector<std::string> rules;  // those that said so; empty: no rule covers the command
    std::string message;             // for the agent: the rule's, or what is not covered
    std::vector<EffectVerdict> effects;
    std::vector<std::string> approvals;  // names of the approvals a hold needs, all of them
    std::vector<std::string> masks;      // names of masks that the result would take
    std::vector<RuleLimit> limits;       // of the rules that said so, unless they deny: whoever forwards it counts
    std::uint64_t policy_revision = 0;
    // Set when an `observe` entry covers agent and target: the decision above is what would have been; pass unchanged.
    bool is_observed = false;
    // False: depends on the time of day, so it must be judged anew each time.
    bool is_cacheable = false;
    // A rule looked at the text itself (`matches`), so the verdict holds for this text only.
    bool depends_on_text = false;

    [[nodiscard]] Decision enforced() const noexcept { return is_observed ? Decision::allow : decision; }
};

}  // namespace assent::model
