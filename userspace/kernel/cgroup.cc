#include "kernel/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "kernel/redirect.h"

namespace assent::kernel {
namespace {

constexpr int kernfs_handle_type = 0xfe;
constexpr std::string_view mount_type = " - cgroup2 ";

// Mount points are written with octal escapes for blanks and backslashes.
std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\\' && at + 3 < text.size()) {
            out.push_back(static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 + (text[at + 3] - '0')));
            at += 3;
        } else {
            out.push_back(text[at]);
        }
    }
    return out;
}

bool is_unit(std::string_view name) { return name.ends_with(".service") || name.ends_with(".scope"); }

}  // namespace

Result<std::filesystem::path> cgroup_root() {
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        if (line.find(mount_type) == std::string::npos) continue;
        std::istringstream fields(line);
        std::string skipped;
        std::string root;
        std::string point;
        fields >> skipped >> skipped >> skipped >> root >> point;
        if (root == "/") return std::filesystem::path(unescaped(point));
    }
    return fail(Errc::unsupported, "no cgroup 2 file system is mounted (see /proc/self/mountinfo)");
}

Result<std::uint64_t> cgroup_id_of(const std::filesystem::path& folder) {
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) return fail_errno(fmt::format("cgroup {}", folder.string()), errno);
    return static_cast<std::uint64_t>(status.st_ino);
}

Result<std::string> cgroup_path_of_process(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/cgroup", pid));
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("0::")) return line.substr(3);
    return fail(Errc::not_found, fmt::format("process {} has no cgroup: it has ended", pid));
}

std::filesystem::path cgroup_folder(const std::filesystem::path& root, std::string_view path) {
    while (path.starts_with('/')) path.remove_prefix(1);
    return path.empty() ? root : root / path;
}

Result<CgroupPaths> CgroupPaths::open(const std::filesystem::path& root) {
    CgroupPaths out;
    out.root_ = root;
    out.mount_ = Fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!out.mount_.is_open()) return fail_errno(fmt::format("cgroup mount {}", root.string()), errno);
    return out;
}

Result<std::string> CgroupPaths::path_of(std::uint64_t cgroup_id) const {
    alignas(file_handle) std::array<std::byte, sizeof(file_handle) + sizeof(cgroup_id)> storage{};
    auto* handle = reinterpret_cast<file_handle*>(storage.data());
    handle->handle_bytes = sizeof(cgroup_id);
    handle->handle_type = kernfs_handle_type;
    std::memcpy(storage.data() + offsetof(file_handle, f_handle), &cgroup_id, sizeof(cgroup_id));
    const Fd found(::open_by_handle_at(mount_.get(), handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!found.is_open()) {
        if (errno == ESTALE) return fail(Errc::not_found, fmt::format("cgroup {} has been removed", cgroup_id));
        return fail_errno(fmt::format("cgroup {}", cgroup_id), errno);
    }
    std::array<char, 4096> buffer{};
    const auto size = ::readlink(fmt::format("/proc/self/fd/{}", found.get()).c_str(), buffer.data(), buffer.size());
    if (size <= 0) return fail_errno(fmt::format("path of cgroup {}", cgroup_id), errno);
    std::string_view path(buffer.data(), static_cast<std::size_t>(size));
    if (!path.starts_with(root_.native()))
        return fail(Errc::not_found, fmt::format("cgroup {} is outside the mount", cgroup_id));
    path.remove_prefix(root_.native().size());
    return path.empty() ? std::string("/") : std::string(path);
}

UnitNames unit_names(std::string_view cgroup_path) {
    UnitNames out;
    while (!cgroup_path.empty()) {
        const auto end = std::min(cgroup_path.find('/'), cgroup_path.size());
        const auto name = cgroup_path.substr(0, end);
        cgroup_path.remove_prefix(std::min(end + 1, cgroup_path.size()));
        if (name.ends_with(".slice")) out.slice = name;
        if (!is_unit(name)) continue;
        out.unit = name;
        break;
    }
    return out;
}

bool is_within(std::string_view path, std::string_view ancestor) noexcept {
    while (ancestor.ends_with('/')) ancestor.remove_suffix(1);
    return path.starts_with(ancestor) && (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

Result<std::filesystem::path> prepare_daemon_cgroup(std::string_view name) {
    const auto root = cgroup_root();
    if (!root) return std::unexpected(root.error());
    const auto own = cgroup_path_of_process(::getpid());
    if (!own) return std::unexpected(own.error());
    if (*own != "/") return cgroup_folder(*root, *own);
    auto folder = *root / name;
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", folder.string()), errno);
    const Fd members(::open((folder / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    const auto pid = fmt::format("{}", ::getpid());
    if (!members.is_open() || ::write(members.get(), pid.data(), pid.size()) != static_cast<ssize_t>(pid.size()))
        return fail_errno(fmt::format("moving into {}", folder.string()), errno);
    return folder;
}

}  // namespace assent::kernel
