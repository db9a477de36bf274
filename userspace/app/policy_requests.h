// What people ask of the policy by the control socket: what is in force, and what it would say of a text.
#pragma once

#include <functional>
#include <memory>

#include <nlohmann/json.hpp>

#include "app/hold_requests.h"
#include "policy/policy.h"

namespace assent::app {

struct PolicyRequests {
    std::function<std::shared_ptr<const policy::Policy>()> current;
    std::function<nlohmann::json()> describe;  // PolicyKeeper::describe()
    std::function<DecideLists()> decide;
    DurableRecord record;
};

// The addresses of a target as people write them.
[[nodiscard]] nlohmann::json target_to_json(const policy::Target& target);

// Before server.start(). For those who may view (view_rights.h); each look is recorded. The verbs:
//   me          {}                               {name, issuer?, subject?, groups, scopes?, may: {view, decide}}: of anybody
//                                                but an agent; not recorded
//   policy.show {}                               {revision, digest, loaded, not_loaded, agents: [names], targets, texts:
//                                                {file: text}, builtin}
//   explain     {agent, target, database?, sql}  as `assent policy explain --json`, by the policy in force; one at a time
void add_policy_requests(control::Server& server, PolicyRequests deps);

}  // namespace assent::app
