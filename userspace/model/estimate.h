// How many rows a server's planner expects a command to touch: a guess from its statistics, not a promise.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace assent::model {

struct RowEstimate {
    std::string operation;  // "update", "delete", "insert", "merge"; "read" for the rows that come back
    std::string relation;   // as the server names it, without its schema; empty for "read"
    std::uint64_t rows = 0;
    bool operator==(const RowEstimate&) const = default;
};

// What a held command would do, by the planner. No rows: nobody was asked, or not with success, and `why_not` says why.
struct Estimate {
    std::vector<RowEstimate> rows;
    std::string why_not;
    bool operator==(const Estimate&) const = default;
};

}  // namespace assent::model
