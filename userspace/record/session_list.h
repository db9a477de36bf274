// The sessions that the log tells of, newest last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/time.h"

namespace assent::record {

struct SessionFilter {
    std::optional<WallTime> since;  // opened then or later
    std::optional<WallTime> until;  // opened before then
    std::string agent;              // name; empty: any
    std::string target;             // empty: any
    std::string verdict;            // with a command that was judged so, "allow", "hold" or "deny"; empty: any
    std::size_t limit = 100;        // the newest
};

struct SessionList {
    // {session, opened, agent, uid, exe, purpose, target, asked_for, database, user, commands, denied, held, errors,
    // closed?, why?, violation?, cut?, cut_after?}; absent members are not known. A session that ended with its daemon has
    // `cut` in place of `closed`, a time at which it was over, and `cut_after`, one at which its daemon still ran.
    std::vector<nlohmann::json> sessions;
    std::vector<std::string> warnings;  // of damaged segments that were passed over
};

[[nodiscard]] Result<SessionList> list_sessions(const std::filesystem::path& folder, const SessionFilter& filter);

// The one session whose id begins so. Errc::not_found; Errc::invalid when there are several, naming some.
[[nodiscard]] Result<std::string> find_session(const std::filesystem::path& folder, std::string_view prefix);

}  // namespace assent::record
