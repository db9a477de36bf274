// Every way around assent that can be tried without harm to the host, tried: kernel/around in throw-away cgroups and network
// namespaces, with programs that are pinned nowhere. Nothing leaves the host, and nothing is left on it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace assent::kernel {

// One way, as one kind of agent; over IPv4 and IPv6 where both were tried and ended differently.
struct Attack {
    std::string way;    // a row of kernel/around/README.md
    std::string what;   // for people
    std::string agent;  // "run", "user", "root"
    int family = 0;     // 4, 6; 0: none
    // "redirected", "refused", "dropped" (no error, and nothing left), "opens" (something that may lead outside), "leaks"
    std::string result;
    std::string error;        // that the agent saw, by name
    bool is_promised = true;  // assent says that it is closed for this kind of agent
    [[nodiscard]] bool is_kept() const { return !is_promised || (result != "leaks" && result != "opens"); }
};

// `bpffs`: where a daemon's ports are looked for, so that others are taken. Errc::denied: not root. The calling process
// moves between cgroups meanwhile, and must have one thread.
[[nodiscard]] Result<std::vector<Attack>> attack_host(const std::filesystem::path& bpffs);

}  // namespace assent::kernel
