// What units and container runtimes ask before their first process runs: govern.
#pragma once

#include <functional>

#include "app/hold_requests.h"
#include "control/server.h"
#include "kernel/redirect.h"

namespace assent::app {

struct GovernSource {
    kernel::Redirect& redirect;                   // lives longer than the server
    std::function<Result<>(pid_t)> listen_where;  // in the network namespace of that process
    DurableRecord record;
};

// Before server.start(). The verb:
//   govern {unit?, cgroup?, pid?}  root: that unit's cgroups, that one (a path from the mount), or that process's; none of
//   them: the peer's own. They are governed when the answer comes, {cgroups: [paths]}, and the daemon listens in the
//   process's (or the peer's) network namespace; recorded (administered). A governed peer may only hear that its own already
//   is.
void add_govern_requests(control::Server& server, GovernSource source);

}  // namespace assent::app
