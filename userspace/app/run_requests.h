// What the kernel side answers on the control socket: run, whoami, detach.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/agent_tokens.h"
#include "app/hold_requests.h"
#include "control/server.h"
#include "kernel/runs.h"
#include "model/agent.h"

namespace assent::app {

struct RunSource {
    kernel::Runs* runs = nullptr;  // lives longer than the server; null: nothing is governed, and runs are refused
    std::function<bool(std::uint64_t cgroup_id)> is_governed;
    kernel::Runs::MayRun may_run;  // by the policy in force
    // An agent with the names of its cgroup (kernel/cgroup.h), for a governed peer. Adds what it may do, by the policy in
    // force.
    std::function<void(const model::Agent& agent, nlohmann::json& answer)> add_permissions;
    // AgentTokens: what a run's token file says, read as this user; and binding it to the run's cgroup.
    std::function<Result<TokenPointer>(const std::string& file, uid_t reader)> try_token;
    std::function<Result<>(const kernel::RunStarted& run, const std::string& file, uid_t reader, TokenPointer token)>
        bind_token;
    // Sets the agent's token.
    std::function<void(model::Agent&)> add_token;
    // Networks::prepare(): the run finds the daemon in its network namespace when it first connects.
    std::function<Result<>(pid_t process)> listen_where;
    // Redirect::detach().
    std::function<Result<std::vector<std::string>>()> detach;
    DurableRecord record;
};

// A governed peer as an agent. `runs` may be null.
[[nodiscard]] model::Agent agent_of_peer(const kernel::Runs* runs, const control::Peer& peer);

// Before server.start(). The verbs:
//   run    {name, purpose?, start_ticks, runner_uid?, token_file?}  moves the peer's process into a cgroup of its own;
//   recorded (run.started,
//          run.refused). runner_uid is heard from root alone. Answer {cgroup, kept_outer, runner, name}
//   whoami {}                     who the peer is to assent. Answer {governed, user, agent?, cgroup, unit, slice, run,
//   runner, purpose} detach {reason}               root: ends all governing; recorded (daemon.detached) before it is done.
//   Answer {removed: [texts]}
void add_run_requests(control::Server& server, RunSource source);

}  // namespace assent::app
