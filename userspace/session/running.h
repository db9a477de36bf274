// Commands of a flow that were forwarded or refused and whose end has not been seen yet, in the order of their ids.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "session/judge.h"
#include "wire/adapter.h"

namespace assent::session {

struct Running {
    wire::CommandId id = 0;
    wire::CommandKind kind = wire::CommandKind::query;
    std::shared_ptr<const sql::Parsed> parsed;  // null: not SQL
    std::shared_ptr<const Judged> judged;       // null: could not be judged (records were not available)
    Moment started{};
    bool is_recorded = false;
    bool is_refused = false;
    bool may_change_shared_names = false;
    std::string grant;   // that let it through; empty: none
    std::string result;  // masked rows for the record
};

class RunningCommands {
public:
    Running& add(Running command) {
        commands_.push_back(std::move(command));
        return commands_.back();
    }
    [[nodiscard]] Running* find(wire::CommandId id) {
        const auto found = position(id);
        return found == commands_.end() || found->id != id ? nullptr : &*found;
    }
    void remove(wire::CommandId id) {
        const auto found = position(id);
        if (found == commands_.end() || found->id != id) return;
        // The oldest usually ends first: leave a gap and close it only now and then.
        if (found == begin()) {
            *found = Running{};
            ++first_;
        } else {
            commands_.erase(found);
        }
        if (first_ == commands_.size()) {
            commands_.clear();
            first_ = 0;
        } else if (first_ > 64 && first_ * 2 > commands_.size()) {
            commands_.erase(commands_.begin(), begin());
            first_ = 0;
        }
    }
    template <typename Predicate>
    [[nodiscard]] bool any(Predicate predicate) const {
        return std::any_of(commands_.begin() + static_cast<std::ptrdiff_t>(first_), commands_.end(), predicate);
    }
    template <typename Change>
    void each(Change change) {
        std::for_each(begin(), commands_.end(), change);
    }
    [[nodiscard]] std::size_t size() const { return commands_.size() - first_; }
    [[nodiscard]] Running* oldest() { return size() == 0 ? nullptr : &*begin(); }

private:
    [[nodiscard]] std::vector<Running>::iterator begin() { return commands_.begin() + static_cast<std::ptrdiff_t>(first_); }
    [[nodiscard]] std::vector<Running>::iterator position(wire::CommandId id) {
        return std::lower_bound(begin(), commands_.end(), id,
                                [](const Running& one, wire::CommandId wanted) { return one.id < wanted; });
    }

    std::vector<Running> commands_;  // sorted by id; those before first_ have ended
    std::size_t first_ = 0;
};

}  // namespace assent::session
