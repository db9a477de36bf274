// Private to policy/: what of a policy set only the settings can tell.
#pragma once

#include "policy/rules.h"

namespace assent::policy {

[[nodiscard]] std::vector<Diagnostic> check_content(const PolicyContent& content, const Settings& settings);

}  // namespace assent::policy
