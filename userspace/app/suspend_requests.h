// What people ask about agents by the control socket: suspend, resume.
#pragma once

#include <functional>

#include "app/hold_requests.h"
#include "app/suspensions.h"

namespace assent::app {

struct SuspendRequests {
    Suspensions& suspensions;  // lives longer than the server
    std::function<DecideLists()> decide;
    DurableRecord record;
    std::function<void(const approve::Suspension&)> tell;  // of one that a person made
    const Clock& clock;
};

// Before server.start(). For root and the people in `decide`; never for agents. Recorded (agent.suspended, agent.resumed)
// before it is done. The verbs:
//   suspend {agent, reason?}   answers {"agent"}
//   resume  {agent, reason?}   answers {"agent"}
void add_suspend_requests(control::Server& server, SuspendRequests deps);

}  // namespace assent::app
