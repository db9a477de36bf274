// What people ask about widened approvals and broken glass by the control socket: approvals, revoke, review.
#pragma once

#include <functional>
#include <string>

#include "app/hold_requests.h"

namespace assent::app {

struct GrantRequests {
    approve::Desk& desk;  // lives longer than the server
    std::function<DecideLists()> decide;
    DurableRecord record;
    const Clock& clock;
    // Ends the sessions that run what this grant let through.
    std::function<void(const std::string& grant, const std::string& by, const std::string& reason)> end_under;
};

// Before server.start(). For root and the people in `decide`; never for agents. The verbs:
//   approvals {all?}          each as {"approval": …}; the answer is {"count": n}
//   revoke    {id, reason?}   the grant after it; recorded (grant.revoked) before it takes effect
//   review    {id, reason}    of broken glass; recorded (glass.reviewed) before it takes effect
void add_grant_requests(control::Server& server, GrantRequests deps);

}  // namespace assent::app
