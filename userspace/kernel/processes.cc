#include "kernel/processes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/limits.h"

namespace assent::kernel {
namespace {

constexpr std::string_view socket_prefix = "socket:[";

template <typename Number>
bool read_number(std::string_view text, Number& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

// Calls each(path, name) for what is in a folder; one that goes meanwhile has no more.
template <typename Each>
void for_entries(const std::filesystem::path& folder, const Each& each) {
    std::error_code error;
    for (auto it = std::filesystem::directory_iterator(folder, error); !error && it != std::filesystem::directory_iterator();
         it.increment(error))
        each(it->path(), it->path().filename().string());
}

void add_cgroups(const std::filesystem::path& folder, std::vector<std::filesystem::path>& out) {
    out.push_back(folder);
    for_entries(folder, [&](const std::filesystem::path& path, const std::string&) {
        std::error_code gone;
        if (out.size() < limits::watched_cgroups && std::filesystem::is_directory(path, gone)) add_cgroups(path, out);
    });
}

// In a threaded cgroup only its threads can be listed.
void add_members(const std::filesystem::path& cgroup, std::vector<pid_t>& out) {
    for (const auto* name : {"cgroup.procs", "cgroup.threads"}) {
        std::ifstream members(cgroup / name);
        bool has_read = false;
        for (pid_t pid = 0; out.size() < limits::processes_searched && members >> pid; has_read = true) out.push_back(pid);
        if (has_read) return;
    }
}

void add_table(pid_t process, pid_t thread, std::vector<HeldSocket>& out) {
    const std::filesystem::path table = fmt::format("/proc/{}/task/{}/fd", process, thread);
    for_entries(table, [&](const std::filesystem::path& path, const std::string& name) {
        std::array<char, 64> link{};
        const auto size = ::readlink(path.c_str(), link.data(), link.size());
        if (size <= 0 || out.size() >= limits::sockets_searched) return;
        std::string_view text(link.data(), static_cast<std::size_t>(size));
        HeldSocket held{.process = process, .thread = thread, .descriptor = -1, .inode = 0};
        if (!text.starts_with(socket_prefix) || !text.ends_with(']')) return;
        text.remove_prefix(socket_prefix.size());
        text.remove_suffix(1);
        if (read_number(text, held.inode) && read_number(name, held.descriptor)) out.push_back(held);
    });
}

}  // namespace

std::vector<pid_t> processes_below(const std::filesystem::path& cgroup) {
    std::vector<std::filesystem::path> folders;
    add_cgroups(cgroup, folders);
    std::vector<pid_t> out;
    for (const auto& folder : folders) add_members(folder, out);
    return out;
}

std::set<std::uint64_t> cgroups_below(const std::filesystem::path& cgroup) {
    std::vector<std::filesystem::path> folders;
    add_cgroups(cgroup, folders);
    std::set<std::uint64_t> out;
    for (const auto& folder : folders) {
        struct stat status {};
        if (::stat(folder.c_str(), &status) == 0) out.insert(status.st_ino);
    }
    return out;
}

std::vector<HeldSocket> sockets_of(pid_t process) {
    std::vector<HeldSocket> out;
    for_entries(fmt::format("/proc/{}/task", process), [&](const std::filesystem::path&, const std::string& name) {
        pid_t thread = 0;
        if (read_number(name, thread)) add_table(process, thread, out);
    });
    return out;
}

std::vector<pid_t> all_processes() {
    std::vector<pid_t> out;
    for_entries("/proc", [&](const std::filesystem::path&, const std::string& name) {
        pid_t pid = 0;
        if (read_number(name, pid) && out.size() < limits::processes_searched) out.push_back(pid);
    });
    return out;
}

}  // namespace assent::kernel
