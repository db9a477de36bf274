// SQL as the log keeps it: without passwords, and without values that stand in for masked columns. What is hidden becomes a
// keyed hash, so that equal values can still be seen to be equal.
#pragma once

#include <string>
#include <string_view>

#include "base/digest.h"
#include "sql/analyse.h"

namespace assent::sql {

// Does any statement reach a masked relation: its values are not for the log.
[[nodiscard]] bool touches_masked(const Analysis& analysis);

// "masked:" and 16 hexadecimal digits.
[[nodiscard]] std::string hidden_value(std::string_view value, const Digest& key);

// Does recorded_text() change it.
[[nodiscard]] bool has_secrets(std::string_view text, bool hides_values);

// The text with its constants hidden where hides_values is set, and with its string constants hidden where it speaks of a
// password. Comments stay.
[[nodiscard]] std::string recorded_text(std::string_view text, bool hides_values, const Digest& key);

}  // namespace assent::sql
