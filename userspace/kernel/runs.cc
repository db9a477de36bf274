#include "kernel/runs.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/limits.h"
#include "kernel/cgroup.h"
#include "kernel/identity.h"
#include "kernel/redirect.h"

namespace assent::kernel {
namespace {

constexpr std::size_t name_size = 64;
constexpr std::size_t purpose_size = 1000;

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

Result<> check_request(const RunRequest& request) {
    if (!is_run_name(request.name))
        return fail(
            Errc::invalid,
            fmt::format(
                "'{}' is no run name: use 1 to {} letters, digits, '.', '_' or '-', and begin with a letter or digit",
                request.name, name_size));
    if (request.purpose.size() > purpose_size)
        return fail(Errc::invalid, fmt::format("the purpose is longer than {} bytes", purpose_size));
    return {};
}

uid_t uid_of_process(pid_t pid) {
    struct stat status {};
    return ::stat(fmt::format("/proc/{}", pid).c_str(), &status) == 0 ? status.st_uid : static_cast<uid_t>(-1);
}

bool is_alive(const Fd& process) {
    pollfd waited{process.get(), POLLIN, 0};
    return ::poll(&waited, 1, 0) == 0;
}

// Holds on to the process that asked, and to no other with its number. An unreadable process (one that may not be traced
// belongs to root in /proc) is judged by its start alone.
Result<Fd> hold(const RunRequest& request) {
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, request.pid, 0)));
    if (!process.is_open()) return fail(Errc::not_found, fmt::format("process {} has ended", request.pid));
    const auto owner = uid_of_process(request.pid);
    const bool is_same = start_ticks_of(request.pid) == request.start_ticks && (owner == request.uid || owner == 0);
    if (request.start_ticks == 0 || !is_same || !is_alive(process))
        return fail(Errc::not_found, fmt::format("process {} is not the one that asked", request.pid));
    return process;
}

Result<> move_into(const std::filesystem::path& folder, pid_t pid) {
    const Fd members(::open((folder / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    const auto text = fmt::format("{}", pid);
    if (!members.is_open() || ::write(members.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail_errno(fmt::format("moving process {} into {}", pid, folder.string()), errno);
    return {};
}

bool is_populated(const std::filesystem::path& folder) {
    std::ifstream events(folder / "cgroup.events");
    for (std::string line; std::getline(events, line);)
        if (line.starts_with("populated ")) return line != "populated 0";
    return false;
}

// An agent may have made cgroups of its own inside.
void remove_tree(const std::filesystem::path& folder) {
    std::error_code error;
    for (auto it = std::filesystem::directory_iterator(folder, error); !error && it != std::filesystem::directory_iterator();
         it.increment(error)) {
        std::error_code gone;
        if (it->is_directory(gone)) remove_tree(it->path());
    }
    ::rmdir(folder.c_str());
}

}  // namespace

bool is_run_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > name_size || !std::ranges::all_of(name, is_name_character)) return false;
    return name.front() != '.' && name.front() != '-' && name.front() != '_';
}

std::string user_name(uid_t uid) {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 4096> buffer{};
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) return entry.pw_name;
    return fmt::format("{}", uid);
}

Result<std::unique_ptr<Runs>> Runs::open(std::filesystem::path slice, std::filesystem::path file) {
    auto root = cgroup_root();
    if (!root) return std::unexpected(root.error());
    std::unique_ptr<Runs> out(new Runs(std::move(*root), std::move(slice), std::move(file)));
    if (auto loaded = out->load(); !loaded) return std::unexpected(loaded.error());
    return out;
}

Result<> Runs::load() {
    std::ifstream in(file_);
    if (!in) return {};
    std::stringstream text;
    text << in.rdbuf();
    const auto document = nlohmann::json::parse(text.str(), nullptr, false);
    const auto broken = [&] {
        return fail(Errc::malformed,
                    fmt::format("{} is broken: remove it; runs that go on lose their names", file_.string()));
    };
    if (!document.is_object() || !document.contains("runs") || !document["runs"].is_array()) return broken();
    last_number_ = document.value("last_number", std::uint64_t{0});
    for (const auto& each : document["runs"]) {
        if (!each.is_object()) return broken();
        try {
            Run run{each.at("path"),    each.at("cgroup_id"), each.at("name"),
                    each.at("purpose"), each.at("runner"),    each.at("runner_uid")};
            const auto id = cgroup_id_of(cgroup_folder(root_, run.path));
            // A cgroup of the same path that was made later is another one.
            if (id && *id == run.cgroup_id) runs_.emplace(run.path, std::move(run));
        } catch (const nlohmann::json::exception&) {
            return broken();
        }
    }
    return {};
}

Result<> Runs::save() const {
    auto list = nlohmann::json::array();
    for (const auto& [path, run] : runs_)
        list.push_back({{"path", path},
                        {"cgroup_id", run.cgroup_id},
                        {"name", run.name},
                        {"purpose", run.purpose},
                        {"runner", run.runner},
                        {"runner_uid", run.runner_uid}});
    const nlohmann::json document{{"last_number", last_number_}, {"runs", std::move(list)}};
    const auto text = document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    const auto fresh = file_.string() + ".new";
    {
        const Fd out(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!out.is_open() || ::write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
            return fail_errno(fmt::format("writing {}", fresh), errno);
    }
    if (::rename(fresh.c_str(), file_.c_str()) != 0) return fail_errno(fmt::format("writing {}", file_.string()), errno);
    return {};
}

Result<Run> Runs::make_cgroup(const RunRequest& request, std::string runner) {
    if (runs_.size() >= limits::runs) return fail(Errc::limit, fmt::format("{} runs go on already", limits::runs));
    for (int tries = 0; tries < 100; ++tries) {
        const auto folder = slice_ / fmt::format("run-{}-{}.scope", request.name, ++last_number_);
        if (::mkdir(folder.c_str(), 0755) != 0) {
            if (errno == EEXIST) continue;
            return fail_errno(fmt::format("making {}", folder.string()), errno);
        }
        const auto id = cgroup_id_of(folder);
        if (!id) return std::unexpected(id.error());
        return Run{"/" + folder.lexically_relative(root_).string(),
                   *id,
                   request.name,
                   request.purpose,
                   std::move(runner),
                   request.runner_uid};
    }
    return fail(Errc::unavailable, fmt::format("no free name for a run of '{}' in {}", request.name, slice_.string()));
}

Result<RunStarted> Runs::start(const RunRequest& request, const std::function<bool(std::uint64_t)>& is_governed,
                               const MayRun& may_run) {
    if (auto checked = check_request(request); !checked) return std::unexpected(checked.error());
    const auto process = hold(request);
    if (!process) return std::unexpected(process.error());
    const auto now_in = cgroup_path_of_process(request.pid);
    if (!now_in) return std::unexpected(now_in.error());
    const auto now_id = cgroup_id_of(cgroup_folder(root_, *now_in));
    if (!now_id) return std::unexpected(now_id.error());
    auto runner = user_name(request.runner_uid);
    if (is_governed(*now_id)) return RunStarted{*now_in, *now_id, true, std::move(runner)};
    if (!may_run(request.name, runner))
        return fail(Errc::denied,
                    fmt::format("{} may not start a run named '{}': no agent of the policy has it with {} among its runners",
                                runner, request.name, runner));
    const std::lock_guard lock(mutex_);
    auto run = make_cgroup(request, runner);
    if (!run) return std::unexpected(run.error());
    const auto folder = cgroup_folder(root_, run->path);
    // Remembered before anything runs in it: what it opens must never be nameless.
    runs_.emplace(run->path, *run);
    auto done = save();
    if (done) done = move_into(folder, request.pid);
    // After `assent detach` nothing is, and a run would be an ordinary process with an agent's name.
    if (done && !is_governed(run->cgroup_id))
        done = fail(Errc::unavailable,
                    fmt::format("{} is not governed (assent status says why), so no run is started", slice_.string()));
    if (done && !is_alive(*process)) done = fail(Errc::not_found, fmt::format("process {} has ended", request.pid));
    if (!done) {
        runs_.erase(run->path);
        remove_tree(folder);
        return std::unexpected(done.error());
    }
    return RunStarted{run->path, run->cgroup_id, false, std::move(runner)};
}

std::optional<Run> Runs::find(std::string_view cgroup_path) const {
    const std::lock_guard lock(mutex_);
    for (auto path = cgroup_path; !path.empty(); path = path.substr(0, path.rfind('/'))) {
        if (const auto found = runs_.find(path); found != runs_.end()) return found->second;
        if (path.rfind('/') == std::string_view::npos) break;
    }
    return std::nullopt;
}

void Runs::describe(model::Agent& agent) const {
    const auto run = find(agent.cgroup_path);
    if (!run) return;
    agent.run_name = run->name;
    agent.runner = run->runner;
    agent.runner_uid = run->runner_uid;
    agent.purpose = run->purpose;
}

std::vector<Run> Runs::collect() {
    const std::lock_guard lock(mutex_);
    std::vector<Run> ended;
    for (auto it = runs_.begin(); it != runs_.end();) {
        const auto folder = cgroup_folder(root_, it->first);
        if (is_populated(folder)) {
            ++it;
            continue;
        }
        remove_tree(folder);
        ended.push_back(std::move(it->second));
        it = runs_.erase(it);
    }
    // What cannot be written now is written with the next change; gone cgroups are left out when it is read.
    if (!ended.empty()) static_cast<void>(save());
    return ended;
}

}  // namespace assent::kernel
