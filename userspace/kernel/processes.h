// The processes of a cgroup and the sockets that they hold, read from /proc. Private to kernel/. Thread: any.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <vector>

namespace assent::kernel {

// A descriptor of a process, or of one of its threads that has a table of its own.
struct HeldSocket {
    pid_t process = 0;
    pid_t thread = 0;
    int descriptor = -1;
    std::uint64_t inode = 0;  // of the socket: the same for all who hold it
};

// Of the cgroup and all that is below it; at most limits::processes_searched.
[[nodiscard]] std::vector<pid_t> processes_below(const std::filesystem::path& cgroup);
// The numbers of the cgroup and all that is below it.
[[nodiscard]] std::set<std::uint64_t> cgroups_below(const std::filesystem::path& cgroup);
// One entry for each descriptor; nothing of a process that has ended. At most limits::sockets_searched.
[[nodiscard]] std::vector<HeldSocket> sockets_of(pid_t process);
// Every process of the host.
[[nodiscard]] std::vector<pid_t> all_processes();

}  // namespace assent::kernel
