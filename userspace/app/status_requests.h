// What people ask of the daemon itself by the control socket: status, end.
#pragma once

#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "app/hold_requests.h"

namespace assent::app {

struct StatusSource {
    // What `assent status` shows. Thread: any, several at once. Members, all of them optional:
    //   pid, version, since (RFC 3339), observe: [texts], policy: {revision, digest, files, not_loaded: [texts], loaded (RFC
    //   3339)}, governed: [cgroup paths], flows, sessions, holds_waiting, records: {is_available, why, records, size_bytes,
    //   segments, last_checkpoint}, degradations: [sentences], accepted: [sentences],
    //   attempts: [{agent, cgroup, cgroup_id, count, kinds, recorded, last, last_what, last_address}],
    //   sockets_before: [{agent, cgroup, ended, left, last, left_to: [texts]}]
    std::function<nlohmann::json()> describe;
    // Ends a session by its id (or a beginning of it that fits one only); gives the whole id. `by` and `reason` are told to
    // the agent and recorded with the session.
    std::function<Result<std::string>(const std::string& session, const std::string& by, const std::string& reason)>
        end_session;
    std::function<DecideLists()> decide;
    DurableRecord record;
};

// Before server.start(). The verbs:
//   status {}                   anybody but agents (they ask `whoami`)
//   end    {session, reason?}   root and people in `decide`; recorded (administered) before it is done
void add_status_requests(control::Server& server, StatusSource source);

}  // namespace assent::app
