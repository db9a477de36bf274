// "h-7k2mq4": short enough to be said aloud, of letters and digits that nobody confuses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace assent::approve {

// A random one; whoever takes it checks that it is free. `letter`: h of a hold, w of a widened approval, g of broken glass.
[[nodiscard]] std::string make_hold_id(char letter = 'h');

// What a person typed, as it would be stored: lower case, with "h-" in front, or what else it begins with. Nothing when it
// cannot be an id or a beginning of one long enough to be looked for.
[[nodiscard]] std::optional<std::string> normal_hold_id(std::string_view typed);

inline constexpr std::size_t hold_id_size = 8;

}  // namespace assent::approve
