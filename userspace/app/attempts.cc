#include "app/attempts.h"

#include <algorithm>

namespace assent::app {

void Attempts::make_room() {
    if (by_cgroup_.size() < agents_limit) return;
    const auto oldest = std::min_element(by_cgroup_.begin(), by_cgroup_.end(), [](const auto& left, const auto& right) {
        return left.second.last < right.second.last;
    });
    left_out_of_others_ += oldest->second.left_out;
    by_cgroup_.erase(oldest);
}

bool Attempts::count(const model::Agent& agent, std::string_view what, const std::string& address, Moment now,
                     WallTime wall) {
    const std::lock_guard lock(mutex_);
    if (!by_cgroup_.contains(agent.cgroup_id)) {
        make_room();
        auto& made = by_cgroup_[agent.cgroup_id];
        made.agent = agent.name();
        made.cgroup_path = agent.cgroup_path;
        made.window_started = now;
    }
    auto& tally = by_cgroup_[agent.cgroup_id];
    ++tally.count;
    ++tally.kinds[std::string(what)];
    tally.last = wall;
    tally.last_what = what;
    tally.last_address = address;
    if (now - tally.window_started >= window && tally.left_out == 0) {
        tally.window_started = now;
        tally.recorded_in_window = 0;
    }
    if (now - all_started_ >= window) {
        all_started_ = now;
        recorded_of_all_ = 0;
    }
    if (tally.recorded_in_window >= recorded_at_once || recorded_of_all_ >= recorded_of_all) {
        ++tally.left_out;
        return false;
    }
    ++recorded_of_all_;
    ++tally.recorded_in_window;
    ++tally.recorded;
    return true;
}

void Attempts::count_unseen(std::uint64_t cgroup_id, std::uint64_t count, Moment now) {
    const std::lock_guard lock(mutex_);
    const auto found = by_cgroup_.find(cgroup_id);
    if (found == by_cgroup_.end()) {
        left_out_of_others_ += count;
        return;
    }
    auto& tally = found->second;
    if (now - tally.window_started >= window && tally.left_out == 0) {
        tally.window_started = now;
        tally.recorded_in_window = 0;
    }
    tally.count += count;
    tally.kinds["untold"] += count;
    tally.left_out += count;
}

std::vector<Attempts::LeftOut> Attempts::take_left_out(Moment now, bool is_last) {
    const std::lock_guard lock(mutex_);
    std::vector<LeftOut> out;
    for (auto& [cgroup_id, tally] : by_cgroup_) {
        if (tally.left_out == 0 || (!is_last && now - tally.window_started < window)) continue;
        out.push_back({tally.agent, tally.cgroup_path, cgroup_id, tally.left_out});
        tally.left_out = 0;
        tally.window_started = now;
        tally.recorded_in_window = 0;
    }
    if (left_out_of_others_ > 0) out.push_back({{}, {}, 0, left_out_of_others_});
    left_out_of_others_ = 0;
    return out;
}

nlohmann::json Attempts::describe() const {
    const std::lock_guard lock(mutex_);
    std::vector<const std::pair<const std::uint64_t, Tally>*> order;
    for (const auto& each : by_cgroup_) order.push_back(&each);
    std::ranges::sort(order, [](const auto* left, const auto* right) { return left->second.last > right->second.last; });
    auto out = nlohmann::json::array();
    for (const auto* each : order) {
        const auto& tally = each->second;
        out.push_back({{"agent", tally.agent},
                       {"cgroup", tally.cgroup_path},
                       {"cgroup_id", each->first},
                       {"count", tally.count},
                       {"kinds", tally.kinds},
                       {"recorded", tally.recorded},
                       {"last", to_rfc3339(tally.last)},
                       {"last_what", tally.last_what},
                       {"last_address", tally.last_address}});
    }
    return out;
}

}  // namespace assent::app
