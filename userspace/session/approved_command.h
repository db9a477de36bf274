// What is approved is what runs: the digest that binds an approval to a command, and the request that reviewers see.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "model/agent.h"
#include "model/hold.h"
#include "session/judge.h"
#include "wire/adapter.h"

namespace assent::session {

// How the server reads values, in its own words: DateStyle, TimeZone and others, by name.
using Reading = std::map<std::string, std::string, std::less<>>;

// Where a command is sent from and to; never a pid, a port or a connection.
struct Place {
    const model::Agent* agent = nullptr;
    std::string_view target;
    std::string_view database;
    std::string_view database_user;
    const sql::Catalog* catalog = nullptr;
    const Reading* reading = nullptr;
    // Of the one command that waits now, whose meaning is not in what the digest holds: the row of a cursor, or settings
    // that are on their way to the server. Its approval is good here, and never again. Empty: of any.
    std::string moment;
};

// The command, what its names stand for and would do, and how its values are read.
[[nodiscard]] Digest command_digest(const Place& place, const wire::CommandSeen& command, std::string_view text,
                                    const Judged& judged);

// A bound value for people: NULL, 'text' with its quotes doubled, and of binary what it stands for with its type, 5 (int4)
// or 'a' (text), or where that is not known its bytes, \x6162 (binary, type 600). No two different values look the same.
[[nodiscard]] std::string shown_parameter(const wire::Parameter& parameter);

// What a widened approval is for: the same statement but for plain constants (sql/shape.h) and bound values, with the same
// effects on the same objects, from the same agent, to the same place. The same over restarts. `parsed`: of the text; null:
// the whole text counts.
[[nodiscard]] Digest command_shape(const Place& place, const wire::CommandSeen& command, std::string_view text,
                                   const sql::Parsed* parsed, const Judged& judged);

// The request for reviewers; the shortest wait and deadline of the approvals that the verdict needs.
[[nodiscard]] Result<model::HoldRequest> hold_request(const Place& place, const wire::CommandSeen& command,
                                                      std::string_view text, const Judged& judged,
                                                      const policy::Policy& policy, const sql::Parsed* parsed = nullptr);

// May the command wait although its transaction has written: every approval says so.
[[nodiscard]] bool may_wait_in_transaction(const Judged& judged, const policy::Policy& policy);

}  // namespace assent::session
