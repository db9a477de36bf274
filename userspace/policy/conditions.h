// Private to policy/: do the conditions of a rule hold for an effect.
#pragma once

#include "policy/rules.h"

namespace assent::policy {

// A command's facts, prepared once for all rules.
struct Facts {
    const Question& question;
    std::vector<std::vector<std::string>> functions;  // in parts
    mutable bool has_read_text = false;               // some rule's `matches` decided something

    explicit Facts(const Question& asked);
};

// `is_strict`: for allow rules, where a condition that cannot be evaluated fails; in deny and hold rules it holds.
[[nodiscard]] bool conditions_hold(const Conditions& conditions, const model::Effect& effect, const Facts& facts,
                                   bool is_strict);

}  // namespace assent::policy
