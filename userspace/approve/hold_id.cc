#include "approve/hold_id.h"

#include <algorithm>
#include <array>

#include "base/digest.h"

namespace assent::approve {
namespace {

constexpr std::string_view alphabet = "23456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t least_typed = 3;
static_assert(alphabet.size() == 30);

}  // namespace

std::string make_hold_id(char letter) {
    std::string id{letter, '-'};
    while (id.size() < hold_id_size) {
        std::array<std::byte, 16> random{};
        fill_random(random);
        for (const std::byte byte : random) {
            const auto index =
                std::to_integer<std::size_t>(byte) & 31U;  // 30 and 31 are drawn again: every letter as likely
            if (index < alphabet.size() && id.size() < hold_id_size) id.push_back(alphabet.at(index));
        }
    }
    return id;
}

std::optional<std::string> normal_hold_id(std::string_view typed) {
    std::string lower;
    for (const char c : typed) lower.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    std::string prefix = "h-";
    for (const std::string_view known : {"h-", "w-", "g-"}) {
        if (!lower.starts_with(known)) continue;
        prefix = known;
        lower.erase(0, known.size());
        break;
    }
    const bool is_possible = std::ranges::all_of(lower, [](char c) { return alphabet.find(c) != std::string_view::npos; });
    if (!is_possible || lower.size() < least_typed || lower.size() > hold_id_size - prefix.size()) return std::nullopt;
    return prefix + lower;
}

}  // namespace assent::approve
