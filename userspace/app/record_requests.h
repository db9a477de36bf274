// What people ask of the log by the control socket: sessions, replay, search. Every look is recorded, with its person,
// before anything is shown.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/hold_requests.h"
#include "control/server.h"

namespace assent::app {

struct RecordRequests {
    std::filesystem::path folder;  // of the log
    // The sessions that are open, as Session::describe() tells of them. Thread: any.
    std::function<std::vector<nlohmann::json>()> live;
    std::function<DecideLists()> decide;
    DurableRecord record;
    const Clock& clock;
};

// Before server.start(). For root and the people in `decide` and `view`; never for agents. The verbs:
//   sessions {live?, …}         each as {"session": …}; the answer is {"count", "warnings"}
//   replay   {session, follow?} each record as {"event": …}; the answer is {"session": whole id}. With `follow` it comes
//   when
//                               the session has closed; until then nulls ask whether the client is still there.
//   search   {text, …}          each as {"match": …}; the answer is {"count", "is_cut", "warnings"}
// What narrows them is in record/filters.h.
void add_record_requests(control::Server& server, RecordRequests deps);

}  // namespace assent::app
