#include "kernel/containment.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "base/limits.h"
#include "kernel/cgroup.h"
#include "kernel/identity.h"
#include "kernel/redirect.h"

namespace assent::kernel {
namespace {

struct Capability {
    unsigned number;
    const char* name;
};
// With any of these an agent undoes what holds it: the hooks, the programs, the kernel or another process.
constexpr std::array undoing = {
    Capability{12, "CAP_NET_ADMIN"}, Capability{13, "CAP_NET_RAW"},    Capability{16, "CAP_SYS_MODULE"},
    Capability{17, "CAP_SYS_RAWIO"}, Capability{19, "CAP_SYS_PTRACE"}, Capability{21, "CAP_SYS_ADMIN"},
    Capability{22, "CAP_SYS_BOOT"},  Capability{38, "CAP_PERFMON"},    Capability{39, "CAP_BPF"},
};

std::vector<std::string> names_of(std::uint64_t capabilities) {
    std::vector<std::string> out;
    for (const auto& each : undoing)
        if ((capabilities >> each.number & 1U) != 0) out.emplace_back(each.name);
    return out;
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : " ") + word;
    return out;
}

std::string read_whole(const std::filesystem::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Also when the process is another one by now: its number may have been taken over.
bool is_read_only_for(const model::Agent& agent) {
    const auto mounts = read_whole(fmt::format("/proc/{}/mountinfo", agent.pid));
    const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    const bool is_same =
        agent.start_time_ns == 0 || start_ticks_of(agent.pid) == agent.start_time_ns / (1'000'000'000U / per_second);
    return is_same && is_host_read_only(mounts);
}

// Each thing that is missing, with the unit's setting that provides it.
class Findings {
public:
    void add(std::string why, std::string setting) {
        if (found_.why.empty()) found_.why = std::move(why);
        found_.settings.push_back(std::move(setting));
    }
    [[nodiscard]] Containment take() { return std::move(found_); }

private:
    Containment found_;
};

void judge_root(const model::Agent& agent, bool has_guard, Findings& findings) {
    const auto held = names_of(agent.capabilities);
    if (!held.empty())
        findings.add(fmt::format("the agent has capabilities that can undo its governing: {}", joined(held)),
                     "CapabilityBoundingSet=");
    if (agent.uid != 0) return;
    if (!has_guard)
        return findings.add("the agent runs as root, and this kernel has no BPF LSM that could hold it", "User= (not root)");
    if (!is_read_only_for(agent)) {
        findings.add("the agent runs as root and can write to the host's own files and settings", "ProtectSystem=strict");
        findings.add({}, "ProtectKernelTunables=yes");
    }
}

}  // namespace

bool is_host_read_only(std::string_view mounts) {
    std::map<std::string, bool> is_read_only;  // by mount point; the last one on it counts
    std::istringstream lines{std::string(mounts)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string skipped;
        std::string point;
        std::string options;
        fields >> skipped >> skipped >> skipped >> skipped >> point >> options;
        is_read_only[point] = (options + ",").starts_with("ro,");
    }
    const auto has = [&](const char* point) {
        const auto found = is_read_only.find(point);
        return found != is_read_only.end() && found->second;
    };
    return has("/") && (has("/proc/sys") || has("/proc"));
}

Containment judge_containment(const model::Agent& agent, bool has_guard, const Accepted& accepted) {
    Findings findings;
    if (!accepted.root_agents) judge_root(agent, has_guard, findings);
    const auto gained = names_of(agent.bounding_capabilities);
    if (!accepted.new_privileges && !agent.has_no_new_privileges && !gained.empty())
        findings.add(
            "setuid programs could make the agent root: it has no no_new_privs, and its bounding set has " + joined(gained),
            "NoNewPrivileges=yes");
    if (!accepted.no_lsm && !has_guard && !agent.has_filter)
        findings.add(
            "this kernel has no BPF LSM, and the agent has no filter of system calls: it can open sockets that nobody "
            "governs",
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6");
    return findings.take();
}

Result<model::Agent> powers_of_process(pid_t pid) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    model::Agent out;
    out.pid = pid;
    bool has_uid = false;
    for (std::string line; std::getline(status, line);) {
        std::istringstream fields(line);
        std::string key;
        std::string value;
        fields >> key >> value;
        const auto bits = [&] { return std::stoull("0" + value, nullptr, 16); };
        if (key == "Uid:") {
            std::string effective;
            fields >> effective;
            out.uid = static_cast<uid_t>(std::stoul("0" + effective));
            has_uid = true;
        }
        if (key == "CapPrm:" || key == "CapEff:") out.capabilities |= bits();
        if (key == "CapBnd:") out.bounding_capabilities = bits();
        if (key == "NoNewPrivs:") out.has_no_new_privileges = value == "1";
        if (key == "Seccomp:") out.has_filter = value == "2";
    }
    if (!has_uid) return fail(Errc::not_found, fmt::format("process {} has ended", pid));
    const auto path = cgroup_path_of_process(pid);
    if (!path) return std::unexpected(path.error());
    out.cgroup_path = *path;
    const auto names = unit_names(*path);
    out.unit = names.unit;
    out.slice = names.slice;
    return out;
}

std::vector<UnitContainment> judge_units(const std::vector<std::string>& cgroup_paths, bool has_guard,
                                         const Accepted& accepted) {
    std::map<std::string, Containment> worst;
    const auto root = cgroup_root();
    if (!root) return {};
    std::size_t looked_at = 0;
    const auto judge_members = [&](const std::filesystem::path& folder) {
        std::ifstream members(folder / "cgroup.procs");
        for (pid_t pid = 0; looked_at < limits::processes_judged && members >> pid; ++looked_at) {
            const auto agent = powers_of_process(pid);
            if (!agent) continue;
            auto judged = judge_containment(*agent, has_guard, accepted);
            auto& kept = worst[agent->name()];
            if (judged.settings.size() > kept.settings.size()) kept = std::move(judged);
        }
    };
    for (const auto& path : cgroup_paths) {
        const auto top = cgroup_folder(*root, path);
        judge_members(top);
        std::error_code error;
        for (auto it = std::filesystem::recursive_directory_iterator(top, error);
             !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error))
            if (it->is_directory(error)) judge_members(it->path());
    }
    std::vector<UnitContainment> out;
    for (auto& [unit, containment] : worst) out.push_back({unit, std::move(containment)});
    return out;
}

}  // namespace assent::kernel
