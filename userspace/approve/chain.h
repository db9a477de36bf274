// How far the approvals of a hold are: pure, from its answers and escalations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "approve/desk.h"

namespace assent::approve {

// The answers that count towards a stage's quorum, oldest first.
[[nodiscard]] std::vector<const Act*> given_to(const Hold& hold, const model::HoldApproval& approval, std::size_t stage);
// The stage that waits; as many as there are stages when all have their quorum.
[[nodiscard]] std::size_t current_stage(const Hold& hold, const model::HoldApproval& approval);
[[nodiscard]] bool is_given(const Hold& hold, const model::HoldApproval& approval);
// Names of the approvals that are given, in their order.
[[nodiscard]] std::vector<std::string> given_names(const Hold& hold);
[[nodiscard]] bool is_all_given(const Hold& hold);

// When the stage's turn came.
[[nodiscard]] WallTime began(const Hold& hold, const model::HoldApproval& approval, std::size_t stage);
[[nodiscard]] bool is_escalated(const Hold& hold, const model::HoldApproval& approval, std::size_t stage);
// Of the stage that waits, where that has not happened yet.
[[nodiscard]] std::optional<WallTime> escalates_at(const Hold& hold, const model::HoldApproval& approval);
// The soonest of all its approvals.
[[nodiscard]] std::optional<WallTime> next_escalation(const Hold& hold);

// What happened to a hold last, for those who watch.
enum class HoldEvent : std::uint8_t { opened, decided, escalated, ended };
[[nodiscard]] std::string_view name_of(HoldEvent event) noexcept;
[[nodiscard]] HoldEvent last_event(const Hold& hold);

// What it still waits for, for people: "dba", "dba (stage 2 of 3, 1 of 2)".
[[nodiscard]] std::vector<std::string> outstanding(const Hold& hold);

// The narrowest of the answers that gave the hold; nothing unless every one of them was widened.
struct Widest {
    WallTime until;
    std::uint32_t times = 0;
};
[[nodiscard]] std::optional<Widest> widened(const Hold& hold);

}  // namespace assent::approve
