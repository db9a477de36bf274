// Cgroups that are there for trials alone, and what attaches programs to them for as long as this process lives. Private to
// kernel/.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/programs.h"

namespace assent::kernel {

// Moves the calling process.
[[nodiscard]] Result<> enter_cgroup(const std::filesystem::path& folder);

// Two cgroups, and the calling process in the first of them; it goes home with the end, and they are removed.
class ThrowAway {
public:
    [[nodiscard]] static Result<std::unique_ptr<ThrowAway>> make();
    ~ThrowAway();
    ThrowAway(const ThrowAway&) = delete;
    ThrowAway& operator=(const ThrowAway&) = delete;
    [[nodiscard]] std::filesystem::path daemon() const { return top_ / "daemon"; }
    [[nodiscard]] std::filesystem::path governed() const { return top_ / "governed"; }

private:
    ThrowAway(std::filesystem::path top, std::filesystem::path home) : top_(std::move(top)), home_(std::move(home)) {}
    std::filesystem::path top_;
    std::filesystem::path home_;
};

// The links: closing them detaches.
[[nodiscard]] Result<std::vector<Fd>> attach(const std::vector<Program>& programs, const std::filesystem::path& cgroup);

}  // namespace assent::kernel
