// The programs of the kernel's security module (BPF LSM): they hold what the hooks of cgroups do not see. Private to
// kernel/. A kernel without them loads the rest all the same. Thread: guarded by its owner's lock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "abi.h"
#include "base/fd.h"
#include "base/result.h"
#include "kernel/pins.h"
#include "kernel/programs.h"

struct assent_lsm;

namespace assent::kernel {

struct GuardedCgroup {
    std::uint64_t id = 0;
    std::size_t depth = 0;  // folders below the mount
};

class Guard {
public:
    // Loads them over the maps of `programs` and attaches what this kernel takes; proved by a call that they must see.
    // daemon_cgroup: signals of agents to processes in it are refused, and the caller is in it. `governed` are known to them
    // before those of an earlier daemon go. With `pins` the links are
    // pinned in bpffs/assent/lsm, and those of an earlier daemon go when ours are there; without, they end with this object.
    // A kernel that takes none is no error: see is_active(). Errors: the maps or pins cannot be written.
    [[nodiscard]] static Result<Guard> open(const Pins* pins, const Programs& programs, std::uint64_t daemon_cgroup,
                                            const std::vector<GuardedCgroup>& governed = {});

    [[nodiscard]] bool is_active() const noexcept { return is_active_; }
    // Hooks that this kernel does not have.
    [[nodiscard]] std::vector<std::string> missing() const;
    // What this kernel lacks, in sentences.
    [[nodiscard]] const std::vector<std::string>& lacks() const noexcept { return lacks_; }

    // The processes of this cgroup, `depth` folders below the mount, and below it are held from now on. Errc::limit.
    [[nodiscard]] Result<> govern(std::uint64_t cgroup_id, std::size_t depth);
    void forget(std::uint64_t cgroup_id);
    // Agents connect only to unix sockets of the map `unix_sockets`, and to each other's; or to all.
    [[nodiscard]] Result<> close_unix(bool is_closed) const;
    // Attaches them anew when somebody has unpinned some. True: that was needed.
    [[nodiscard]] Result<bool> repair(const Pins& pins, const Programs& programs);

private:
    struct Close {
        void operator()(assent_lsm* skeleton) const;
    };
    [[nodiscard]] int load(const Programs& programs, std::string_view only);
    [[nodiscard]] Result<> attach();
    [[nodiscard]] Result<> pin(const Pins& pins);
    [[nodiscard]] bool is_called() const;
    [[nodiscard]] Result<assent_guard> read() const;
    [[nodiscard]] Result<> write(const assent_guard& settings) const;
    void find_missing(const Programs& programs);

    struct Link {
        std::string name;
        Fd descriptor;
    };
    std::unique_ptr<assent_lsm, Close> skeleton_;
    std::vector<std::string> missing_;  // programs that this kernel does not take
    std::vector<std::string> lacks_;
    std::vector<Link> links_;         // while they are not pinned
    std::vector<std::string> names_;  // of all that are attached
    int settings_map_ = -1;
    int governed_map_ = -1;
    bool is_active_ = false;
};

}  // namespace assent::kernel
