#include "policy/spelling.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace assent::policy {
namespace {

constexpr std::size_t longest_word = 128;  // longer ones are nobody's slip of the pen, and the table below is quadratic
constexpr std::size_t listed_candidates = 12;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::size_t edit_distance(std::string_view left, std::string_view right) {
    const std::size_t width = right.size() + 1;
    std::vector<std::size_t> table((left.size() + 1) * width);
    const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& { return table[i * width + j]; };
    for (std::size_t i = 0; i <= left.size(); ++i) at(i, 0) = i;
    for (std::size_t j = 0; j <= right.size(); ++j) at(0, j) = j;
    for (std::size_t i = 1; i <= left.size(); ++i) {
        for (std::size_t j = 1; j <= right.size(); ++j) {
            const bool is_same = lower(left[i - 1]) == lower(right[j - 1]);
            at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (is_same ? 0U : 1U)});
            const bool is_swap =
                i > 1 && j > 1 && lower(left[i - 1]) == lower(right[j - 2]) && lower(left[i - 2]) == lower(right[j - 1]);
            if (is_swap) at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
        }
    }
    return at(left.size(), right.size());
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
    if (word.empty() || word.size() > longest_word) return std::nullopt;
    const std::string* best = nullptr;
    std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const auto& candidate : candidates) {
        if (candidate.size() > longest_word) continue;
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best = &candidate;
            best_distance = distance;
        }
    }
    if (best != nullptr) return *best;
    // A word that somebody did not finish.
    constexpr std::size_t shortest_beginning = 3;
    const auto begun = std::find_if(candidates.begin(), candidates.end(),
                                    [&](const auto& candidate) { return candidate.starts_with(word); });
    return word.size() < shortest_beginning || begun == candidates.end() ? std::nullopt : std::optional(*begun);
}

std::string suggestion(std::string_view word, std::span<const std::string> candidates) {
    if (const auto near = nearest(word, candidates)) return fmt::format("; did you mean '{}'?", *near);
    if (candidates.empty()) return "";
    const auto shown = candidates.first(std::min(candidates.size(), listed_candidates));
    return fmt::format("; known here: {}{}", fmt::join(shown, ", "), shown.size() < candidates.size() ? ", …" : "");
}

}  // namespace assent::policy
