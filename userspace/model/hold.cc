#include "model/hold.h"

#include <algorithm>
#include <array>

namespace assent::model {
namespace {

constexpr std::array<std::string_view, 7> names = {"waiting", "approved",  "used",   "denied",
                                                   "expired", "cancelled", "revoked"};

}  // namespace

std::string_view name_of(HoldState state) noexcept { return names.at(static_cast<std::size_t>(state)); }

std::optional<HoldState> hold_state_named(std::string_view name) noexcept {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names.at(i) == name) return static_cast<HoldState>(i);
    }
    return std::nullopt;
}

bool covers(const std::vector<HoldApproval>& given, const std::vector<HoldApproval>& wanted) {
    return std::ranges::all_of(wanted,
                               [&](const auto& approval) { return std::ranges::find(given, approval) != given.end(); });
}

}  // namespace assent::model
