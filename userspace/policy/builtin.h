// The built-in rules, as YAML: what `assent policy builtin` prints is what is in force.
#pragma once

#include <string_view>

namespace assent::policy {

[[nodiscard]] std::string_view builtin_source() noexcept;

}  // namespace assent::policy
