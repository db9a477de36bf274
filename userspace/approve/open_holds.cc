#include "approve/open_holds.h"

#include <algorithm>

#include "approve/chain.h"
#include "base/limits.h"

namespace assent::approve {

using model::HoldState;

void OpenHolds::count(const OpenHold& open, bool is_added) {
    Load& agent = of_agent_[open.agent];
    if (is_added) {
        ++agent.count;
        agent.size += open.size;
        ++all_.count;
        all_.size += open.size;
        if (open.state == HoldState::waiting) ++waiting_;
        return;
    }
    --agent.count;
    agent.size -= open.size;
    --all_.count;
    all_.size -= open.size;
    if (open.state == HoldState::waiting) --waiting_;
    if (agent.count == 0) of_agent_.erase(open.agent);
}

void OpenHolds::keep(const Hold& hold, std::optional<std::size_t> size) {
    const auto found = open_.find(hold.status.id);
    if (found != open_.end()) count(found->second, false);
    OpenHold& open = open_[hold.status.id];
    if (found == open_.end()) {
        open.agent = hold.request.agent;
        open.shape = hold.request.shape;
        open.deadline = hold.status.deadline;
        // No more than the whole deadline from now, whatever the wall clock was when the hold was opened.
        const auto left = std::chrono::duration_cast<Duration>(hold.status.deadline - clock_.wall());
        open.until = clock_.now() + std::clamp<Duration>(left, Duration::zero(), hold.request.deadline);
    }
    open.state = hold.status.state;
    if (size) open.size = *size;
    set_escalation(open, hold);
    count(open, true);
}

void OpenHolds::set_escalation(OpenHold& open, const Hold& hold) const {
    const auto next = hold.status.state == HoldState::waiting ? next_escalation(hold) : std::nullopt;
    if (next == open.escalates) return;
    open.escalates = next;
    open.escalates_until = Moment::max();
    if (!next) return;
    const auto left = std::chrono::duration_cast<Duration>(*next - clock_.wall());
    open.escalates_until = clock_.now() + std::clamp<Duration>(left, Duration::zero(), hold.request.deadline);
}

void OpenHolds::remove(std::string_view id) {
    const auto found = open_.find(id);
    if (found == open_.end()) return;
    count(found->second, false);
    open_.erase(found);
}

OpenHold* OpenHolds::find(std::string_view id) {
    const auto found = open_.find(id);
    return found == open_.end() ? nullptr : &found->second;
}

const OpenHold* OpenHolds::find(std::string_view id) const {
    const auto found = open_.find(id);
    return found == open_.end() ? nullptr : &found->second;
}

Result<> OpenHolds::has_room(const std::string& agent, std::size_t size) const {
    if (all_.count >= limits::open_holds || all_.size + size > limits::open_holds_size)
        return fail(Errc::limit, "too many holds are open on this host; try again when some are decided");
    const auto found = of_agent_.find(agent);
    if (found == of_agent_.end()) return {};
    if (found->second.count >= limits::open_holds_per_agent)
        return fail(Errc::limit, "this agent has too many open holds (" + std::to_string(limits::open_holds_per_agent) +
                                     "); try again when some are decided");
    if (found->second.size + size > limits::open_holds_size_per_agent)
        return fail(Errc::limit, "the open holds of this agent are too large in all; try again when some are decided");
    return {};
}

std::vector<std::string> OpenHolds::past_deadline() const {
    std::vector<std::string> due;
    for (const auto& [id, open] : open_) {
        if (is_past_deadline(open)) due.push_back(id);
    }
    return due;
}

std::vector<std::string> OpenHolds::due_to_escalate() const {
    std::vector<std::string> due;
    for (const auto& [id, open] : open_) {
        if (open.escalates && is_past(clock_, *open.escalates, open.escalates_until)) due.push_back(id);
    }
    return due;
}

std::vector<std::string> OpenHolds::waiting_of_agent(std::string_view agent) const {
    std::vector<std::string> ids;
    for (const auto& [id, open] : open_) {
        if (open.state == HoldState::waiting && open.agent == agent) ids.push_back(id);
    }
    return ids;
}

std::vector<std::string> OpenHolds::approved_ids() const {
    std::vector<std::string> ids;
    for (const auto& [id, open] : open_) {
        if (open.state == HoldState::approved) ids.push_back(id);
    }
    return ids;
}

std::vector<std::string> OpenHolds::waiting_of(const Digest& shape) const {
    std::vector<std::string> ids;
    if (shape == Digest{}) return ids;
    for (const auto& [id, open] : open_) {
        if (open.state == HoldState::waiting && open.shape == shape) ids.push_back(id);
    }
    return ids;
}

}  // namespace assent::approve
