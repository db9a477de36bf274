// Does a value that an agent writes look like what a mask gave it.
#pragma once

#include <optional>
#include <string_view>

#include "sql/flow.h"

namespace assent::sql {

// Nothing: NULL.
[[nodiscard]] bool looks_masked(std::optional<std::string_view> value, const Flow& masks);

}  // namespace assent::sql
