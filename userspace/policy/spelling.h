// The nearest right spelling of a word that a user wrote.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assent::policy {

// Insertions, deletions, replacements and swaps of neighbours that make one word of the other; upper and lower case are the
// same.
[[nodiscard]] std::size_t edit_distance(std::string_view left, std::string_view right);

// The candidate that is near enough to be meant; nothing when none is.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

// "; did you mean 'right'?", or "; known here: a, b, c" when nothing is near, or "" when there are no candidates.
[[nodiscard]] std::string suggestion(std::string_view word, std::span<const std::string> candidates);

}  // namespace assent::policy
