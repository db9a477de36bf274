// Which agents this host can contain. The hooks of cgroups alone hold an ordinary user who can gain nothing; root,
// capabilities and setuid programs take more. It finds units that are not set up to be held: the process that connects is
// judged, and what a process says of itself it can change, so an agent that means harm is not found out by it. Thread: any.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/agent.h"

namespace assent::kernel {

// What the settings accept by name (`kernel: {accept: [...]}`); nothing by default.
struct Accepted {
    bool no_lsm = false;          // agents that are not held where cgroups have no hooks, on a kernel without BPF LSM
    bool root_agents = false;     // uid 0, and capabilities that can undo the governing
    bool new_privileges = false;  // agents that setuid programs could make root
};

// Why an agent is refused; empty `why`: it is contained, or accepted. `settings`: those of its systemd unit that would do.
struct Containment {
    std::string why;
    std::vector<std::string> settings;
    [[nodiscard]] bool is_contained() const noexcept { return why.empty(); }
};

// `has_guard`: the kernel runs the programs of BPF LSM. Reads /proc of an agent that is root.
[[nodiscard]] Containment judge_containment(const model::Agent& agent, bool has_guard, const Accepted& accepted);

// What an agent as root would use to get free is closed to this process: all file systems are read-only
// (ProtectSystem=strict), /proc/sys (ProtectKernelTunables) and cgroups (ProtectControlGroups) as well, and disks are not in
// its /dev (PrivateDevices). `mounts` as in /proc/PID/mountinfo.
[[nodiscard]] bool is_host_read_only(std::string_view mounts);

// uid, capabilities and the like of a running process, as far as judge_containment needs them. Errc::not_found.
[[nodiscard]] Result<model::Agent> powers_of_process(pid_t pid);

// A governed unit that runs, and what it lacks to be contained.
struct UnitContainment {
    std::string unit;  // its name, or the path of a cgroup that is no unit's
    Containment containment;
};
// Of every process in `folders` (cgroups) and below: one line a unit, the worst of its processes.
[[nodiscard]] std::vector<UnitContainment> judge_units(const std::vector<std::string>& cgroup_paths, bool has_guard,
                                                       const Accepted& accepted);

}  // namespace assent::kernel
