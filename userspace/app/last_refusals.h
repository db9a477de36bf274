// What each agent was refused last, for its `assent whoami`: bounded, in memory only. Thread: any.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace assent::app {

struct LastRefusal {
    WallTime when;
    std::string what;  // the command, cut, or "connect to ADDRESS"
    std::string message;
    std::string detail;
    std::string hint;
};

class LastRefusals {
public:
    void add(std::uint64_t cgroup_id, std::uint32_t uid, LastRefusal refusal);
    // Newest first.
    [[nodiscard]] std::vector<LastRefusal> of(std::uint64_t cgroup_id, std::uint32_t uid) const;

private:
    using Key = std::pair<std::uint64_t, std::uint32_t>;
    mutable std::mutex mutex_;
    std::map<Key, std::deque<LastRefusal>> by_agent_;
};

}  // namespace assent::app
