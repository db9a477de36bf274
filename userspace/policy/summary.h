// What agents may know of the rules and masks that concern them. Private to policy/.
#pragma once

#include <string>
#include <vector>

#include "policy/rules.h"

namespace assent::policy {

[[nodiscard]] std::vector<RuleSummary> summarize_rules(const PolicyContent& content, const std::vector<std::string>& agents);
[[nodiscard]] std::vector<MaskSummary> summarize_masks(const PolicyContent& content, const std::vector<std::string>& agents);

}  // namespace assent::policy
