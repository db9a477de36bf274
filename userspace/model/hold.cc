#include "model/hold.h"

#include <algorithm>
#include <array>

namespace assent::model {
namespace {

constexpr std::array<std::string_view, 7> state_names = {"waiting", "approved",  "used",   "denied",
                                                         "expired", "cancelled", "revoked"};

// The same people, and no fewer of them.
bool covers_stage(const HoldStage& given, const HoldStage& wanted) {
    HoldStage same = given;
    same.quorum = wanted.quorum;
    return same == wanted && given.quorum >= wanted.quorum;
}

// Every wanted stage is among those that were given, in their order.
bool covers_one(const HoldApproval& given, const HoldApproval& wanted) {
    if (given.name != wanted.name || given.break_glass != wanted.break_glass || wanted.stages.empty()) return false;
    auto at = given.stages.begin();
    return std::ranges::all_of(wanted.stages, [&](const HoldStage& stage) {
        at = std::find_if(at, given.stages.end(), [&](const HoldStage& one) { return covers_stage(one, stage); });
        if (at == given.stages.end()) return false;
        ++at;
        return true;
    });
}

}  // namespace

std::string_view name_of(HoldState state) noexcept { return state_names.at(static_cast<std::size_t>(state)); }

std::optional<HoldState> hold_state_named(std::string_view name) noexcept {
    for (std::size_t i = 0; i < state_names.size(); ++i) {
        if (state_names.at(i) == name) return static_cast<HoldState>(i);
    }
    return std::nullopt;
}

bool covers(const std::vector<HoldApproval>& given, const std::vector<HoldApproval>& wanted) {
    return std::ranges::all_of(wanted, [&](const HoldApproval& approval) {
        return std::ranges::any_of(given, [&](const HoldApproval& one) { return covers_one(one, approval); });
    });
}

}  // namespace assent::model
