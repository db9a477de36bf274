// Who is calling, as the kernel saw it when the agent connected. Plain data; nothing here was said by the agent itself
// except `purpose`; what `token` says, an identity provider has signed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model/agent_token.h"

namespace assent::model {

struct Agent {
    std::uint64_t cgroup_id = 0;
    std::string cgroup_path;  // "/assent.slice/run-nightly-1.scope", from the cgroup 2 mount
    std::string unit;         // "agent-1.service": the last component that is a unit; empty when there is none
    std::string slice;        // the innermost slice, "assent.slice"
    std::string run_name;     // of `assent run --name`; empty for units
    std::string runner;       // the unix user who started the run
    std::optional<uid_t> runner_uid;
    std::string purpose;  // what the run said of itself (`--purpose`): shown, recorded, never judged
    pid_t pid = 0;
    uid_t uid = static_cast<uid_t>(-1);
    std::optional<uid_t> login_uid;
    std::string exe;                          // path as the daemon sees it; empty when it could not be read
    std::string comm;                         // 15 bytes at most, chosen by the agent
    std::uint64_t network = 0;                // inode of its network namespace; 0: the daemon's own, or not known
    std::uint64_t capabilities = 0;           // permitted or effective on the host, one bit each
    std::uint64_t bounding_capabilities = 0;  // what setuid programs could give it, unless:
    bool has_no_new_privileges = false;
    bool has_filter = false;                       // of system calls (seccomp)
    std::uint64_t start_time_ns = 0;               // since boot; with pid it names the process for ever
    std::shared_ptr<const AgentToken> token = {};  // bound to its cgroup; null: it has none, and needs none

    // What people call it: the run name, else the unit, else the cgroup path.
    [[nodiscard]] const std::string& name() const {
        return !run_name.empty() ? run_name : !unit.empty() ? unit : cgroup_path;
    }
};

}  // namespace assent::model
