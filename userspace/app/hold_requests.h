// What people ask of the desk by the control socket: holds, hold, approve, deny, wait.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "approve/desk.h"
#include "base/result.h"
#include "control/server.h"
#include "model/record.h"

namespace assent::app {

// `decide` and `view` of the settings in force, and how reviewers are known.
struct DecideLists : approve::Deciders {
    std::vector<std::string> view_users;
    std::vector<std::string> view_groups;
};

// Writes a record and returns when it is durable; Errc::unavailable while records cannot be written. Thread: any.
using DurableRecord = std::function<Result<>(const model::RecordDraft&)>;

struct HoldRequests {
    approve::Desk& desk;  // lives longer than the server
    std::function<DecideLists()> decide;
    DurableRecord record;
    const Clock& clock;
    // Why an agent of this name, in these sets of the policy, is suspended; empty: it is not.
    std::function<std::string(const std::string&, const std::vector<std::string>&)> why_suspended;
};

// Before server.start(). Adds one on_change() callback to the desk. The verbs:
//   holds  {all?, watch?, brief?}  each hold as {"hold": …}; with watch then each change as {"event": "opened" | "decided" |
//                                  "escalated" | "ended", "hold": …} until the peer leaves; the answer is {"count": n,
//                                  "groups": [{shape, agent, target, text, count, ids}]}, those that wait by shape. brief:
//                                  texts are cut.
//   hold   {id}                    one hold, whole
//   wait   {id, timeout_s?}        answers with the hold when it no longer waits, or when that time is over
//   approve, deny {id, reason?}    the hold after it; recorded (hold.decided) before it takes effect. approve takes also:
//     shape {for_s, times?}        widen it to the statement's shape; the answer has "released": [ids] and, when the last
//                                  answer was given, "grant"
//     most_released                how many other holds it may release; more is Errc::unavailable
//     is_trial                     nothing is done: the answer says what it would release
// People in `decide` and `view`, and root, see every hold; reviewers those that they may answer; an agent those of its own
// cgroup and uid; others see none. People are told with each that waits what they may: "may": {approve, deny, why?,
// break_glass_s?}, and whether its agent is suspended: "agent_suspended": why.
void add_hold_requests(control::Server& server, HoldRequests deps);

}  // namespace assent::app
