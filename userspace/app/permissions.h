// What an agent may know of itself: `assent whoami`.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/last_refusals.h"
#include "policy/policy.h"

namespace assent::app {

// Members agents, targets, rules, masks and how_to_ask, by this policy.
void add_policy_permissions(const policy::Policy& policy, const std::vector<std::string>& sets, nlohmann::json& answer);
[[nodiscard]] nlohmann::json refusals_to_json(const std::vector<LastRefusal>& refusals);

}  // namespace assent::app
