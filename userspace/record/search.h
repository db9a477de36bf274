// Finds text in what was recorded: in the members of records and in their bodies. Letters match in either case (ASCII).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/time.h"

namespace assent::record {

struct SearchFilter {
    std::string text;               // not empty
    std::optional<WallTime> since;  // recorded then or later
    std::optional<WallTime> until;  // recorded before then
    std::string session;            // the beginning of its id; empty: any
    std::string agent;              // name; empty: any. Records that belong to no session then do not match.
    std::string target;             // the same
    std::string verdict;            // of commands, "allow", "hold", "deny"; empty: any record
    std::size_t limit = 1'000;      // matches
};

struct SearchResult {
    std::uint64_t matches = 0;
    bool is_cut = false;  // the limit ended it
    std::vector<std::string> warnings;
};

// Gives each record that matches, once: {seq, time, type, session, agent, target, where, excerpt}, where `where` names the
// member
// ("error", "agent.purpose") or the body and `excerpt` is its text around the match. False from `each` stops.
[[nodiscard]] Result<SearchResult> search_records(const std::filesystem::path& folder, const SearchFilter& filter,
                                                  const std::function<bool(const nlohmann::json&)>& each);

}  // namespace assent::record
