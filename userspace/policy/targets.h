// Private to policy/: which target an address belongs to.
#pragma once

#include "policy/rules.h"

namespace assent::policy {

[[nodiscard]] const Target* find_target(const std::vector<Target>& targets, const model::Endpoint& endpoint,
                                        const NameLookup& names);

// Which agent sets the agent is in, sorted.
[[nodiscard]] std::vector<std::string> find_agents(const PolicyContent& content, const model::Agent& agent);

[[nodiscard]] bool may_claim(const PolicyContent& content, std::string_view run_name, std::string_view runner);

}  // namespace assent::policy
