// Private to policy/: makes the Scope of one agent, target and database.
#pragma once

#include "policy/rules.h"

namespace assent::policy {

[[nodiscard]] std::unique_ptr<const Scope> make_scope(std::shared_ptr<const PolicyContent> content,
                                                      std::vector<std::string> agents, std::string_view target,
                                                      std::string_view database, std::uint64_t revision);

}  // namespace assent::policy
