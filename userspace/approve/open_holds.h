// What is kept in memory of holds that wait or are approved, with their bounds: how many, and how large, in all and of an
// agent. Thread: one at a time (the desk's mutex).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "approve/desk.h"

namespace assent::approve {

struct OpenHold {
    model::HoldState state = model::HoldState::waiting;
    std::string agent;
    Digest shape{};
    std::size_t size = 0;  // bytes of its request as it is stored
    WallTime deadline;
    Moment until;  // the deadline on the monotonic clock
    std::optional<WallTime> escalates;
    Moment escalates_until = Moment::max();
    std::size_t connected = 0;
};

// Has the time come, by either clock.
[[nodiscard]] inline bool is_past(const Clock& clock, WallTime when, Moment until) {
    return clock.wall() >= when || clock.now() >= until;
}

class OpenHolds {
public:
    explicit OpenHolds(const Clock& clock) : clock_(clock) {}

    // One that has been stored, or whose answers have changed. `size`: of its stored request; nothing: as it was.
    void keep(const Hold& hold, std::optional<std::size_t> size);
    void remove(std::string_view id);
    // Null when it is not open.
    [[nodiscard]] OpenHold* find(std::string_view id);
    [[nodiscard]] const OpenHold* find(std::string_view id) const;
    // Errc::limit when a hold of this size has no room.
    [[nodiscard]] Result<> has_room(const std::string& agent, std::size_t size) const;

    [[nodiscard]] std::vector<std::string> past_deadline() const;
    [[nodiscard]] std::vector<std::string> due_to_escalate() const;
    [[nodiscard]] bool is_past_deadline(const OpenHold& open) const { return is_past(clock_, open.deadline, open.until); }
    // Ids of those that wait and have this shape, or are of this agent, in no order.
    [[nodiscard]] std::vector<std::string> waiting_of(const Digest& shape) const;
    [[nodiscard]] std::vector<std::string> waiting_of_agent(std::string_view agent) const;
    [[nodiscard]] std::vector<std::string> approved_ids() const;
    [[nodiscard]] std::size_t waiting_count() const noexcept { return waiting_; }

private:
    struct Load {
        std::size_t count = 0;
        std::size_t size = 0;
    };
    void count(const OpenHold& open, bool is_added);
    void set_escalation(OpenHold& open, const Hold& hold) const;

    const Clock& clock_;
    std::map<std::string, OpenHold, std::less<>> open_;
    std::map<std::string, Load, std::less<>> of_agent_;
    Load all_;
    std::size_t waiting_ = 0;
};

}  // namespace assent::approve
