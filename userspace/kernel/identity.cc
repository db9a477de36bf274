#include "kernel/identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "base/limits.h"

namespace assent::kernel {
namespace {

constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;

// The device of the file system that `path` is on, in the kernel's form. Some file systems show another one in stat().
std::uint32_t superblock_device(const std::string& path) {
    struct statx status {};
    if (::statx(AT_FDCWD, path.c_str(), 0, STATX_MNT_ID, &status) != 0 || (status.stx_mask & STATX_MNT_ID) == 0) return 0;
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream fields(line);
        std::uint64_t mount = 0;
        std::uint64_t parent = 0;
        unsigned major = 0;
        unsigned minor = 0;
        char colon = 0;
        fields >> mount >> parent >> major >> colon >> minor;
        if (mount == status.stx_mnt_id) return (major << 20U) | minor;
    }
    return 0;
}

bool is_on_device(const struct stat& status, const std::string& path, std::uint32_t device) {
    const auto shown =
        (static_cast<std::uint32_t>(major(status.st_dev)) << 20U) | static_cast<std::uint32_t>(minor(status.st_dev));
    return shown == device || superblock_device(path) == device;
}

}  // namespace

std::uint64_t start_ticks_of(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string line;
    std::getline(file, line);
    const auto end_of_name = line.rfind(')');
    if (end_of_name == std::string::npos) return 0;
    std::istringstream fields(line.substr(end_of_name + 1));
    std::string skipped;
    for (int field = 3; field < 22; ++field) fields >> skipped;
    std::uint64_t ticks = 0;
    fields >> ticks;
    return ticks;
}

std::string read_exe(const assent_identity& who) {
    const auto link = fmt::format("/proc/{}/exe", who.pid);
    std::array<char, 4096> buffer{};
    const auto size = ::readlink(link.c_str(), buffer.data(), buffer.size());
    if (size <= 0 || size == static_cast<ssize_t>(buffer.size())) return {};
    std::string path(buffer.data(), static_cast<std::size_t>(size));
    struct stat running {};
    struct stat here {};
    if (::stat(link.c_str(), &running) != 0 || ::stat(path.c_str(), &here) != 0) return {};
    if (running.st_dev != here.st_dev || running.st_ino != here.st_ino) return {};
    if (static_cast<std::uint64_t>(here.st_ino) != who.exe_inode || !is_on_device(here, path, who.exe_device)) return {};
    // Last, so that everything above was of this process and not of a later one with its number.
    const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    if (start_ticks_of(static_cast<pid_t>(who.pid)) != who.start_time_ns / (nanoseconds_per_second / per_second)) return {};
    return path;
}

std::string Identities::exe_of(const assent_identity& who) const {
    const ExeKey key{who.pid, who.start_time_ns, who.exe_inode, who.exe_device};
    {
        const std::shared_lock lock(mutex_);
        if (const auto found = exes_.find(key); found != exes_.end()) return found->second;
    }
    auto path = read_exe(who);
    if (path.empty()) return path;
    const std::unique_lock lock(mutex_);
    if (exes_.size() >= limits::identity_cache_entries) exes_.clear();
    exes_.emplace(key, path);
    return path;
}

CgroupNames Identities::names_of(std::uint64_t cgroup_id) const {
    {
        const std::shared_lock lock(mutex_);
        if (const auto found = cgroups_.find(cgroup_id); found != cgroups_.end()) return found->second;
    }
    auto path = paths_.path_of(cgroup_id);
    if (!path) return {};
    auto names = unit_names(*path);
    CgroupNames out{std::move(*path), std::move(names.unit), std::move(names.slice)};
    const std::unique_lock lock(mutex_);
    if (cgroups_.size() >= limits::identity_cache_entries) cgroups_.clear();
    cgroups_.emplace(cgroup_id, out);
    return out;
}

model::Agent Identities::agent_of(const assent_identity& who) const {
    model::Agent out;
    out.cgroup_id = who.cgroup_id;
    auto names = names_of(who.cgroup_id);
    out.cgroup_path = std::move(names.path);
    out.unit = std::move(names.unit);
    out.slice = std::move(names.slice);
    out.pid = static_cast<pid_t>(who.pid);
    out.uid = who.uid;
    if (who.login_uid != ~0U) out.login_uid = who.login_uid;
    out.comm.assign(who.comm, ::strnlen(who.comm, sizeof(who.comm)));
    out.start_time_ns = who.start_time_ns;
    out.capabilities = who.held;
    out.bounding_capabilities = who.bounding;
    out.has_no_new_privileges = (who.flags & ASSENT_NO_NEW_PRIVILEGES) != 0;
    out.has_filter = (who.flags & ASSENT_HAS_FILTER) != 0;
    if (who.pid != 0) out.exe = exe_of(who);
    return out;
}

}  // namespace assent::kernel
