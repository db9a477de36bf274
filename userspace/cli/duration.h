// "90s", "10m", "12h", "7d": times as people write them.
#pragma once

#include <optional>
#include <string_view>

namespace assent::cli {

// In seconds; nothing for what is no time of at least one second, with a unit.
[[nodiscard]] std::optional<long long> seconds_of(std::string_view text);

}  // namespace assent::cli
