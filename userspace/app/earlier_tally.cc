#include "app/earlier_tally.h"

#include <algorithm>

#include <fmt/format.h>

namespace assent::app {

std::string earlier_socket_text(const kernel::EarlierSocket& socket) {
    const bool is_connected = socket.remote.is_unix() || socket.remote.port != 0;
    if (is_connected) return fmt::format("{} {}", socket.protocol, socket.remote.to_text());
    return fmt::format("{} {} at {}", socket.protocol, socket.state, socket.local.to_text());
}

void EarlierTally::count(const kernel::EarlierSocket& socket, const std::string& agent, WallTime wall) {
    const std::lock_guard lock(mutex_);
    const auto cgroup = socket.holder.cgroup_id;
    if (!by_cgroup_.contains(cgroup) && by_cgroup_.size() >= agents_limit)
        by_cgroup_.erase(std::ranges::min_element(by_cgroup_, {}, [](const auto& each) { return each.second.last; }));
    auto& tally = by_cgroup_[cgroup];
    tally.agent = agent;
    tally.cgroup_path = socket.holder.cgroup_path;
    tally.last = wall;
    ++(socket.is_ended ? tally.ended : tally.left);
    if (socket.is_ended || tally.left_to.size() >= left_limit) return;
    tally.left_to.push_back(earlier_socket_text(socket) + (socket.note.empty() ? "" : ": " + socket.note));
}

nlohmann::json EarlierTally::describe() const {
    const std::lock_guard lock(mutex_);
    std::vector<const Agent*> order;
    for (const auto& [cgroup, tally] : by_cgroup_) order.push_back(&tally);
    std::ranges::sort(order, std::ranges::greater{}, [](const Agent* each) { return each->last; });
    auto out = nlohmann::json::array();
    for (const auto* each : order)
        out.push_back({{"agent", each->agent},
                       {"cgroup", each->cgroup_path},
                       {"ended", each->ended},
                       {"left", each->left},
                       {"last", to_rfc3339(each->last)},
                       {"left_to", each->left_to}});
    return out;
}

}  // namespace assent::app
