// assent govern: for units and container runtimes, which wait for it before their first process runs.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/verb.h"

namespace assent::cli {
namespace {

using nlohmann::json;

struct GovernOptions {
    std::string unit;
    std::string cgroup;
    long long pid = 0;
    bool is_hook = false;
};

constexpr std::size_t state_size = 1024 * 1024;

// A runtime writes what it knows of the container to its hooks.
Result<long long> pid_of_container() {
    std::string text;
    for (std::istreambuf_iterator<char> at(std::cin), end; at != end && text.size() <= state_size; ++at) text.push_back(*at);
    const auto state = json::parse(text, nullptr, false);
    const auto pid = number_of(state, "pid");
    if (pid <= 0)
        return fail(Errc::invalid,
                    "the standard input has no state of a container with a pid: let a runtime call this as its hook");
    return pid;
}

void govern(Context& context, GovernOptions options) {
    if (options.is_hook) {
        const auto pid = pid_of_container();
        if (!pid) return context.print_error(pid.error());
        options.pid = *pid;
    }
    json request{{"verb", "govern"}};
    if (!options.unit.empty()) request["unit"] = options.unit;
    if (!options.cgroup.empty()) request["cgroup"] = options.cgroup;
    if (options.pid != 0) request["pid"] = options.pid;
    const auto answer = ask_daemon(context, request);
    if (!answer) return;
    if (context.is_json) return print_json(*answer);
    for (const auto& path : texts_of(*answer, "cgroups")) std::printf("governed: %s\n", shown_text(path).c_str());
}

}  // namespace

void add_verb_govern(CLI::App& app, Context& context) {
    const auto options = std::make_shared<GovernOptions>();
    CLI::App* verb = app.add_subcommand("govern", "Have a cgroup governed now, before its first process runs (root)");
    auto* unit = verb->add_option("--unit", options->unit, "The unit that runs under this name")->type_name("NAME");
    auto* cgroup =
        verb->add_option("--cgroup", options->cgroup, "A cgroup, by its path from the cgroup 2 mount")->type_name("PATH");
    auto* pid =
        verb->add_option("--pid", options->pid, "The cgroup of this process")->type_name("PID")->check(CLI::PositiveNumber);
    auto* hook = verb->add_flag("--oci-hook", options->is_hook,
                                "The cgroup of the container whose state a runtime writes to the standard input");
    for (auto* each : {unit, cgroup, pid, hook})
        for (auto* other : {unit, cgroup, pid, hook})
            if (each != other) each->excludes(other);
    verb->footer(R"(
Without an option: the cgroup that it is called in. When it returns 0 the cgroup is governed, for as long as it is there; with the
daemon dead it fails, and so does what waits for it. In a unit:

  [Service]
  ExecStartPre=+assent govern

As a hook of OCI runtimes (createRuntime): packaging has the file for /etc/containers/oci/hooks.d.

Exit codes: 0 it is governed, 1 it is not, 3 no daemon answers, 4 you may not.)");
    verb->callback([&context, options] { govern(context, *options); });
}

}  // namespace assent::cli
