// The daemon's side of `assent run`: a cgroup for each run below a governed slice, and who started it. Thread: any.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/agent.h"

namespace assent::kernel {

struct RunRequest {
    std::string name;     // letters, digits, '.', '_', '-'; at most 64
    std::string purpose;  // free text, at most 1,000 bytes
    // The process that asks and is to be moved, as SO_PEERCRED says, and its start as it says itself (field 22 of
    // /proc/PID/stat): so a later process with its number is not mistaken for it.
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;
    uid_t uid = 0;
    // Who started it. For a peer that is root: its login uid, or whom it says it acts for (sudo); otherwise the peer itself.
    uid_t runner_uid = 0;
};

struct Run {
    std::string path;  // of its cgroup, from the mount
    std::uint64_t cgroup_id = 0;
    std::string name;
    std::string purpose;
    std::string runner;  // unix user
    uid_t runner_uid = 0;
};

struct RunStarted {
    std::string cgroup_path;
    std::uint64_t cgroup_id = 0;
    bool kept_outer = false;  // it was inside a governed cgroup already: nothing has changed
    std::string runner;
};

class Runs {
public:
    // May this unix user start a run of this name: the policy's answer. False is told as Errc::denied.
    using MayRun = std::function<bool(std::string_view name, std::string_view runner)>;

    // `slice` is a governed cgroup folder; `file` remembers the runs, for a daemon that is started again.
    [[nodiscard]] static Result<std::unique_ptr<Runs>> open(std::filesystem::path slice, std::filesystem::path file);

    // Makes a cgroup below the slice and moves the process there, or leaves it where it is when it is governed already.
    // Errors: Errc::invalid (name, purpose), Errc::denied (may_run), Errc::not_found (the process has ended), Errc::limit,
    // Errc::io.
    [[nodiscard]] Result<RunStarted> start(const RunRequest& request,
                                           const std::function<bool(std::uint64_t cgroup_id)>& is_governed,
                                           const MayRun& may_run);

    // Fills in run_name, runner, runner_uid and purpose when the agent's cgroup is a run's or below one.
    void describe(model::Agent& agent) const;
    [[nodiscard]] std::optional<Run> find(std::string_view cgroup_path) const;

    // Removes the cgroups of runs that have ended, and gives those runs. Call it every few seconds.
    [[nodiscard]] std::vector<Run> collect();

private:
    Runs(std::filesystem::path root, std::filesystem::path slice, std::filesystem::path file)
        : root_(std::move(root)), slice_(std::move(slice)), file_(std::move(file)) {}
    [[nodiscard]] Result<> load();
    [[nodiscard]] Result<> save() const;  // with mutex_
    [[nodiscard]] Result<Run> make_cgroup(const RunRequest& request, std::string runner);

    std::filesystem::path root_;
    std::filesystem::path slice_;
    std::filesystem::path file_;
    mutable std::mutex mutex_;                      // guards what follows
    std::map<std::string, Run, std::less<>> runs_;  // by path
    std::uint64_t last_number_ = 0;
};

[[nodiscard]] bool is_run_name(std::string_view name) noexcept;
// The unix user's name, or its number as text.
[[nodiscard]] std::string user_name(uid_t uid);

}  // namespace assent::kernel
