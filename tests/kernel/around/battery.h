// Runs the battery (assent_around) against a playground, and reads what it says.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kernel/playground.h"
#include "kernel/redirect.h"

namespace assent::kernel_tests {

struct Attempt {
    std::string way;
    std::string agent;
    int family = 0;
    std::string result;
    std::string error;  // "" when the agent saw none
    std::string stage;
    int signal = 0;
    std::uint64_t cgroup_id = 0;
    std::vector<kernel::Event> events;  // that the kernel side told of it
};

// `only` empty: every way that does not break what holds the agents. `agents` like "outside,root,user,run".
[[nodiscard]] std::vector<Attempt> run_battery(const Playground& place, kernel::Redirect& redirect, const std::string& only,
                                               const std::string& agents);

// The ways that are to be tried alone, each in a new playground.
[[nodiscard]] std::vector<std::string> breaking_ways();

}  // namespace assent::kernel_tests
