// From what the BPF programs saw of a process to a model::Agent. Thread: any. Private to kernel/.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <tuple>
#include <unordered_map>

#include "abi.h"
#include "kernel/cgroup.h"
#include "model/agent.h"

namespace assent::kernel {

struct CgroupNames {
    std::string path;  // empty: the cgroup is gone
    std::string unit;
    std::string slice;
};

class Identities {
public:
    explicit Identities(CgroupPaths paths) : paths_(std::move(paths)) {}

    [[nodiscard]] model::Agent agent_of(const assent_identity& who) const;
    // Cached; a cgroup never changes its path.
    [[nodiscard]] CgroupNames names_of(std::uint64_t cgroup_id) const;
    [[nodiscard]] const CgroupPaths& paths() const noexcept { return paths_; }

private:
    using ExeKey = std::tuple<std::uint32_t, std::uint64_t, std::uint64_t, std::uint32_t>;  // pid, start, inode, device
    [[nodiscard]] std::string exe_of(const assent_identity& who) const;

    CgroupPaths paths_;
    mutable std::shared_mutex mutex_;  // guards both caches; each is emptied when it is full
    mutable std::unordered_map<std::uint64_t, CgroupNames> cgroups_;
    mutable std::map<ExeKey, std::string> exes_;
};

// The path of the program that `who` was running when it connected. Empty when it cannot be proved: the process has ended,
// has since executed something else, or its path means another file here (a mount namespace of its own).
[[nodiscard]] std::string read_exe(const assent_identity& who);

// When a process started, in clock ticks since boot (field 22 of /proc/PID/stat); 0: there is none.
[[nodiscard]] std::uint64_t start_ticks_of(pid_t pid);

}  // namespace assent::kernel
