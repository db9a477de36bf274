// Reading times that people write.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace assent::policy {

// "2026-12-31": that day's first moment in UTC; "2026-12-31T18:00:00Z". Nothing for anything else, nor
// beyond the year 2200.
[[nodiscard]] std::optional<WallTime> read_timestamp(std::string_view text);

}  // namespace assent::policy
