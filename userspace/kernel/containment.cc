#include "kernel/containment.h"

#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include <cap-ng.h>
#include <fmt/format.h>

#include "base/limits.h"
#include "kernel/cgroup.h"
#include "kernel/identity.h"
#include "kernel/redirect.h"

namespace assent::kernel {
namespace {

// With any other one an agent undoes what holds it: the hooks, the programs, the files they stand on, the kernel, or
// another process. One that is not known is no better.
constexpr std::uint64_t harmless = 1ULL << CAP_NET_BIND_SERVICE | 1ULL << CAP_NET_BROADCAST | 1ULL << CAP_IPC_LOCK |
                                   1ULL << CAP_LEASE | 1ULL << CAP_WAKE_ALARM | 1ULL << CAP_BLOCK_SUSPEND;

std::string name_of(unsigned capability) {
    const char* known = ::capng_capability_to_name(capability);
    std::string out = known != nullptr ? known : fmt::format("{}", capability);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return "CAP_" + out;
}

// Those that undo; empty: none.
std::string undoing(std::uint64_t capabilities) {
    constexpr int most_shown = 5;
    std::string out;
    const auto found = capabilities & ~harmless;
    int shown = 0;
    for (unsigned number = 0; number < 64 && shown < most_shown; ++number) {
        if ((found >> number & 1U) == 0) continue;
        out += (out.empty() ? "" : " ") + name_of(number);
        ++shown;
    }
    if (const int more = std::popcount(found) - shown; more > 0) out += fmt::format(" and {} more", more);
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
    if (const auto held = undoing(agent.capabilities); !held.empty())
        findings.add("the agent has capabilities that can undo its governing: " + held, "CapabilityBoundingSet=");
    if (agent.uid != 0) return;
    if (!has_guard)
        return findings.add("the agent runs as root, and this kernel has no BPF LSM that could hold it", "User= (not root)");
    if (!is_read_only_for(agent)) {
        findings.add("the agent runs as root and can write to the host's own files and settings", "ProtectSystem=strict");
        for (const char* setting : {"ProtectKernelTunables=yes", "ProtectControlGroups=yes", "PrivateDevices=yes"})
            findings.add({}, setting);
    }
}

}  // namespace

bool is_host_read_only(std::string_view mounts) {
    std::map<std::string, bool> is_read_only;  // by mount point; the last one on it counts
    bool has_own_devices = true;               // the host's /dev has its disks
    std::map<std::string, bool> cgroups;       // where processes are moved from one to another; read-only or not
    std::istringstream lines{std::string(mounts)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string skipped;
        std::string point;
        std::string options;
        fields >> skipped >> skipped >> skipped >> skipped >> point >> options;
        is_read_only[point] = (options + ",").starts_with("ro,");
        cgroups.erase(point);
        std::string type;
        while (fields >> type && type != "-") {
        }
        fields >> type;
        if (type == "cgroup2") cgroups[point] = is_read_only[point];
        if (point == "/dev") has_own_devices = type != "devtmpfs";
    }
    const auto has = [&](const char* point) {
        const auto found = is_read_only.find(point);
        return found != is_read_only.end() && found->second;
    };
    const bool are_cgroups_held = std::ranges::all_of(cgroups, [](const auto& mount) { return mount.second; });
    return has("/") && (has("/proc/sys") || has("/proc")) && are_cgroups_held && has_own_devices;
}

Containment judge_containment(const model::Agent& agent, bool has_guard, const Accepted& accepted) {
    Findings findings;
    if (!accepted.root_agents) judge_root(agent, has_guard, findings);
    // With an empty bounding set as well: root without capabilities owns the files of cgroups.
    if (!accepted.new_privileges && !agent.has_no_new_privileges)
        findings.add("setuid programs could make the agent root: it has no no_new_privs", "NoNewPrivileges=yes");
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
