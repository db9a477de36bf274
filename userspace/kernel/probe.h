// What this kernel can do and what a governed process can still open, each proved by trying: in throw-away cgroups, with
// programs that are pinned nowhere and end with the process. All traffic of the trials is loopback's. Needs root; the
// calling process moves between cgroups meanwhile, and must have one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/containment.h"

namespace assent::kernel {

enum class Reach : std::uint8_t {
    open = 0,    // it works and assent does not see it
    refused,     // it fails: by assent, or since this kernel does not have it
    redirected,  // it ends at the proxy, with its origin known
    unknown,     // the trial itself failed
};

struct Trial {
    std::string name;    // "raw-ipv4"
    std::string what;    // for people
    std::string detail;  // the error's name, or what was wrong
    Reach reach = Reach::unknown;
    bool is_promised = true;  // assent says that this is closed for this kind of agent: open is a failure
};

// One kind of agent and what it could do.
struct Trials {
    std::string agent;  // "run", "unit", "root-unit"
    std::string what;
    std::vector<Trial> trials;
};

struct Fact {
    std::string name;
    std::string value;
    bool is_good = true;
    std::string advice;  // when it is not
};

struct Report {
    std::vector<Fact> facts;
    std::vector<Trials> agents;
    // Everything promised was kept, and no fact is bad.
    [[nodiscard]] bool is_good() const;
};

// `bpffs`: where a daemon's links are looked for. `accepted`: what the settings accept of governed units. Errc::denied: not
// root. Other errors: the programs cannot be loaded or attached at all.
[[nodiscard]] Result<Report> probe_host(const std::filesystem::path& bpffs, const Accepted& accepted = {});

[[nodiscard]] const char* to_text(Reach reach) noexcept;

}  // namespace assent::kernel
