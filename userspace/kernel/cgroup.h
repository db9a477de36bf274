// Cgroups of version 2: where they are mounted, their numbers and paths. Thread: any.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace assent::kernel {

// The number by which the kernel and the BPF programs know a cgroup folder.
[[nodiscard]] Result<std::uint64_t> cgroup_id_of(const std::filesystem::path& folder);
// The cgroup of a process as a path from the mount, "/assent.slice/agent.service". Errc::not_found: there is no such
// process.
[[nodiscard]] Result<std::string> cgroup_path_of_process(pid_t pid);
// The folder below the mount of a path such as cgroup_path_of_process gives.
[[nodiscard]] std::filesystem::path cgroup_folder(const std::filesystem::path& root, std::string_view path);

// Finds paths by number, in a few microseconds.
class CgroupPaths {
public:
    [[nodiscard]] static Result<CgroupPaths> open(const std::filesystem::path& root);
    // Errc::not_found: the cgroup has been removed.
    [[nodiscard]] Result<std::string> path_of(std::uint64_t cgroup_id) const;
    [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }

private:
    std::filesystem::path root_;
    Fd mount_;
};

// The unit and slice that systemd made for a cgroup path: the first unit from the top, and the slice it is in. What an agent
// makes below its own unit, where that is delegated to it, does not change its name.
struct UnitNames {
    std::string unit;
    std::string slice;
};
[[nodiscard]] UnitNames unit_names(std::string_view cgroup_path);

// `path` is `ancestor` or below it; both as from the mount.
[[nodiscard]] bool is_within(std::string_view path, std::string_view ancestor) noexcept;

// Where the daemon's programs can be attached: the process's own cgroup, or, when that is the root, a new one named `name`
// into which the whole process moves.
[[nodiscard]] Result<std::filesystem::path> prepare_daemon_cgroup(std::string_view name = "assentd");

}  // namespace assent::kernel
