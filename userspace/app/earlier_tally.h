// Sockets that agents had before they were governed, counted for each of them: for `assent status`. Thread: any.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "kernel/earlier_sockets.h"

namespace assent::app {

class EarlierTally {
public:
    // So many agents are remembered, the latest ones; and so many of the sockets that were left to each.
    static constexpr std::size_t agents_limit = 64;
    static constexpr std::size_t left_limit = 8;

    void count(const kernel::EarlierSocket& socket, const std::string& agent, WallTime wall);
    // The latest first: [{agent, cgroup, ended, left, last (RFC 3339), left_to: [texts]}].
    [[nodiscard]] nlohmann::json describe() const;

private:
    struct Agent {
        std::string agent;
        std::string cgroup_path;
        std::uint64_t ended = 0;
        std::uint64_t left = 0;
        std::vector<std::string> left_to;
        WallTime last;
    };
    mutable std::mutex mutex_;                  // guards what follows
    std::map<std::uint64_t, Agent> by_cgroup_;  // by the cgroup's number
};

// "tcp 10.0.0.5:5432"; of one that is not connected its own address, "tcp listening at 0.0.0.0:80".
[[nodiscard]] std::string earlier_socket_text(const kernel::EarlierSocket& socket);

}  // namespace assent::app
