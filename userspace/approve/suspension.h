// What keeps single agents from wearing people out: suspended agents, and counters of their commands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace assent::approve {

struct Suspension {
    std::string agent;  // its name, or that of a set of the policy
    std::string by;     // a person; empty: assent itself
    std::string reason;
    WallTime since;
};

// Commands of one agent under one rule's limit: how many in each part of the limit's time.
struct LimitCount {
    std::string agent;
    std::string rule;
    std::int64_t first_part = 0;        // counts the parts since the clock's epoch
    std::int64_t part_us = 0;           // how long one is
    std::vector<std::uint32_t> counts;  // from the first part on
};

}  // namespace assent::approve
