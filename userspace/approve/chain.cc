#include "approve/chain.h"

#include <algorithm>

#include <fmt/format.h>

namespace assent::approve {

std::vector<const Act*> given_to(const Hold& hold, const model::HoldApproval& approval, std::size_t stage) {
    std::vector<const Act*> out;
    for (const Act& act : hold.acts) {
        if (act.approves && act.stage == stage && act.approval == approval.name) out.push_back(&act);
    }
    return out;
}

std::size_t current_stage(const Hold& hold, const model::HoldApproval& approval) {
    std::size_t stage = 0;
    while (stage < approval.stages.size() && given_to(hold, approval, stage).size() >= approval.stages[stage].quorum)
        ++stage;
    return stage;
}

bool is_given(const Hold& hold, const model::HoldApproval& approval) {
    return !approval.stages.empty() && current_stage(hold, approval) == approval.stages.size();
}

std::vector<std::string> given_names(const Hold& hold) {
    std::vector<std::string> names;
    for (const auto& approval : hold.request.approvals) {
        if (is_given(hold, approval)) names.push_back(approval.name);
    }
    return names;
}

bool is_all_given(const Hold& hold) {
    return !hold.request.approvals.empty() &&
           std::ranges::all_of(hold.request.approvals, [&](const auto& approval) { return is_given(hold, approval); });
}

WallTime began(const Hold& hold, const model::HoldApproval& approval, std::size_t stage) {
    if (stage == 0) return hold.opened;
    const auto before = given_to(hold, approval, stage - 1);
    return before.empty() ? hold.opened : before.back()->when;
}

bool is_escalated(const Hold& hold, const model::HoldApproval& approval, std::size_t stage) {
    return std::ranges::any_of(hold.escalated,
                               [&](const Escalated& one) { return one.stage == stage && one.approval == approval.name; });
}

std::optional<WallTime> escalates_at(const Hold& hold, const model::HoldApproval& approval) {
    const std::size_t stage = current_stage(hold, approval);
    if (stage == approval.stages.size() || !approval.stages[stage].escalate_after) return std::nullopt;
    if (is_escalated(hold, approval, stage)) return std::nullopt;
    return began(hold, approval, stage) + *approval.stages[stage].escalate_after;
}

std::optional<WallTime> next_escalation(const Hold& hold) {
    std::optional<WallTime> next;
    for (const auto& approval : hold.request.approvals) {
        const auto at = escalates_at(hold, approval);
        if (at && (!next || *at < *next)) next = at;
    }
    return next;
}

std::string_view name_of(HoldEvent event) noexcept {
    switch (event) {
        case HoldEvent::opened:
            return "opened";
        case HoldEvent::decided:
            return "decided";
        case HoldEvent::escalated:
            return "escalated";
        case HoldEvent::ended:
            return "ended";
    }
    return "ended";
}

HoldEvent last_event(const Hold& hold) {
    using enum model::HoldState;
    switch (hold.status.state) {
        case waiting:
            break;
        case approved:
        case denied:
            return HoldEvent::decided;
        default:
            return HoldEvent::ended;
    }
    const bool is_answered = !hold.acts.empty();
    // An answer comes after the escalations of its moment.
    const bool is_escalated_last =
        !hold.escalated.empty() && (!is_answered || hold.acts.back().when < hold.escalated.back().when);
    if (is_escalated_last) return HoldEvent::escalated;
    return is_answered ? HoldEvent::decided : HoldEvent::opened;
}

std::vector<std::string> outstanding(const Hold& hold) {
    std::vector<std::string> out;
    for (const auto& approval : hold.request.approvals) {
        const std::size_t stage = current_stage(hold, approval);
        if (stage == approval.stages.size()) continue;
        const bool is_plain = approval.stages.size() == 1 && approval.stages[0].quorum == 1;
        if (is_plain) {
            out.push_back(approval.name);
            continue;
        }
        out.push_back(fmt::format("{} (stage {} of {}, {} of {})", approval.name, stage + 1, approval.stages.size(),
                                  given_to(hold, approval, stage).size(), approval.stages[stage].quorum));
    }
    return out;
}

std::optional<Widest> widened(const Hold& hold) {
    std::optional<Widest> out;
    for (const Act& act : hold.acts) {
        if (!act.approves) continue;
        if (!act.widening) return std::nullopt;
        const WallTime until = act.when + act.widening->lasts;
        if (!out) {
            out = Widest{until, act.widening->times};
            continue;
        }
        out->until = std::min(out->until, until);
        if (act.widening->times != 0)
            out->times = out->times == 0 ? act.widening->times : std::min(out->times, act.widening->times);
    }
    return out;
}

}  // namespace assent::approve
