// The gate: programs at the top of all cgroups that give no sockets to a new cgroup whose name says that it is to be
// governed, until it is. So nothing gets out between its making and its governing, nor while the daemon is dead. Private to
// kernel/. Thread: guarded by its owner's lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/pins.h"
#include "kernel/programs.h"

struct assent_gate_programs;

namespace assent::kernel {

// Which names new cgroups are known by.
struct GatePatterns {
    std::vector<std::string> units;  // globs of names, below slices only
    std::vector<std::string> paths;  // from the top, "/docker/*": each part a glob

    auto operator<=>(const GatePatterns&) const = default;
};

class Gate {
public:
    // Loads them over the maps of `programs`. A kernel that takes none is no error: see lacks(). Without `is_wanted` it
    // knows the maps only: the kernel needs a second to check the programs.
    [[nodiscard]] static Gate open(const Programs& programs, bool is_wanted);

    // Attaches and pins them to this cgroup; those of an earlier daemon are updated. Nothing is refused before refuse().
    [[nodiscard]] Result<> attach(const Pins& pins, const std::filesystem::path& top);
    // New cgroups that these fit are refused from now on. Errc::limit: there are too many, or one is too long; those of
    // before stay.
    [[nodiscard]] Result<> refuse(const GatePatterns& patterns);
    // Attaches again what somebody has unpinned. True: that was needed.
    [[nodiscard]] Result<bool> repair(const Pins& pins);
    // What this kernel lacks, in sentences.
    [[nodiscard]] const std::vector<std::string>& lacks() const noexcept { return lacks_; }

    // The links of all programs are there for this cgroup, so it passes; or not any more.
    void pass(std::uint64_t cgroup_id) const;
    void forget(std::uint64_t cgroup_id) const;

private:
    struct Close {
        void operator()(assent_gate_programs* skeleton) const;
    };
    [[nodiscard]] int load(const Programs& programs, bool has_unix);

    std::unique_ptr<assent_gate_programs, Close> skeleton_;
    std::vector<Program> loaded_;
    std::vector<std::string> lacks_;
    std::filesystem::path top_;
    std::uint64_t top_id_ = 0;
    int gate_map_ = -1;
    int globs_map_ = -1;
    int attached_map_ = -1;
};

// Ends the gate of a daemon that had one, for settings that want none.
void drop_gate(const Pins& pins);

}  // namespace assent::kernel
