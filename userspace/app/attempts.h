// What agents have tried and the kernel refused: counted for each of them, and how much of it the log gets. A flood fills
// neither the log nor memory. Thread: any.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "model/agent.h"

namespace assent::app {

class Attempts {
public:
    // Of each agent so many are recorded in so much time; what is over is counted, and told when that time has passed.
    static constexpr std::uint64_t recorded_at_once = 20;
    static constexpr std::chrono::seconds window{10};
    // And so many of all agents: one that may make cgroups could be many.
    static constexpr std::uint64_t recorded_of_all = 200;
    // So many agents are remembered; the one that was quiet for longest makes room.
    static constexpr std::size_t agents_limit = 512;

    struct LeftOut {
        std::string agent;  // all empty: of agents that are not remembered any more
        std::string cgroup_path;
        std::uint64_t cgroup_id = 0;
        std::uint64_t count = 0;
    };

    // One more. True: it is to be recorded.
    [[nodiscard]] bool count(const model::Agent& agent, std::string_view what, const std::string& address, Moment now,
                             WallTime wall);
    // More of an agent's, which the kernel only counted (the kind "untold"). Told with what is left out.
    void count_unseen(std::uint64_t cgroup_id, std::uint64_t count, Moment now);
    // How many were not recorded, of each agent whose time has passed. `is_last`: of all of them.
    [[nodiscard]] std::vector<LeftOut> take_left_out(Moment now, bool is_last = false);
    // For `assent status`, the latest first: [{agent, cgroup, cgroup_id, count, kinds: {what: count}, recorded, last (RFC
    // 3339), last_what, last_address}].
    [[nodiscard]] nlohmann::json describe() const;

private:
    struct Tally {
        std::string agent;
        std::string cgroup_path;
        std::map<std::string, std::uint64_t, std::less<>> kinds;
        std::uint64_t count = 0;
        std::uint64_t recorded = 0;
        std::uint64_t recorded_in_window = 0;
        std::uint64_t left_out = 0;
        Moment window_started;
        WallTime last;
        std::string last_what;
        std::string last_address;
    };
    void make_room();

    mutable std::mutex mutex_;                  // guards what follows
    std::map<std::uint64_t, Tally> by_cgroup_;  // by the cgroup's number; at most agents_limit
    std::uint64_t left_out_of_others_ = 0;
    std::uint64_t recorded_of_all_ = 0;  // since
    Moment all_started_;
};

}  // namespace assent::app
