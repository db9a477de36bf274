#include "kernel/attack.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>
#include <string_view>

#include <nlohmann/json.hpp>

#include "around/around.h"
#include "base/fd.h"
#include "kernel/confine.h"
#include "kernel/ports.h"
#include "kernel/programs.h"
#include "kernel/redirect.h"
#include "kernel/throw_away.h"

namespace assent::kernel {
namespace {

// What cgroup hooks do not close: for anybody, since somebody outside has to help; and for an ordinary user without more.
constexpr std::array<std::string_view, 3> open_to_all = {"handed-in", "unix-path", "unix-abstract"};
constexpr std::array<std::string_view, 9> open_to_users = {"inherited",       "inherited-tcp",    "inherited-raw",
                                                           "made-before",     "made-before-tcp",  "taken",
                                                           "trace-neighbour", "memory-neighbour", "write-neighbour"};

bool is_promised(std::string_view way, around_agent agent) {
    if (agent == AROUND_ROOT || std::ranges::find(open_to_all, way) != open_to_all.end()) return false;
    if (agent == AROUND_RUN) return true;
    for (const auto* kind = around_other_kinds; kind->name != nullptr; ++kind)
        if (way == kind->name) return false;
    return std::ranges::find(open_to_users, way) == open_to_users.end();
}

int confine_run(void* /*context*/) {
    if (!separate_from_others()) return EPERM;
    return filter_system_calls() ? 0 : EPERM;
}

void send_row(const around_row* row, void* context) {
    const auto* error = row->error == 0 ? "" : ::strerrorname_np(row->error);
    const nlohmann::json line{row->way,
                              row->what,
                              around_agent_name(row->agent),
                              row->family,
                              around_result(row),
                              error == nullptr ? "unknown" : error,
                              is_promised(row->way, row->agent)};
    const auto text = line.dump() + "\n";
    static_cast<void>(!::write(*static_cast<const int*>(context), text.data(), text.size()));
}

[[noreturn]] void be_battery(const std::filesystem::path& governed, const std::vector<std::uint16_t>& ports, int config,
                             int output) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::array<char, 256> why{"mount namespace"};
    const auto root = cgroup_root();
    // Mounts that a way makes stay here.
    const bool is_apart = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    int error = is_apart && root ? 0 : EPERM;
    if (error == 0) {
        around_options options{};
        options.cgroup = governed.c_str();
        options.cgroup_root = root->c_str();
        options.ports = ports.data();
        options.port_count = ports.size();
        options.config = config;
        options.agents = (1U << AROUND_ROOT) | (1U << AROUND_USER) | (1U << AROUND_RUN);
        options.is_users_host = true;
        options.confine = confine_run;
        options.seen = send_row;
        options.context = &output;
        error = around_run(&options, why.data(), why.size());
    }
    const auto text = nlohmann::json{std::string(error == 0 ? "" : why.data())}.dump() + "\n";
    static_cast<void>(!::write(output, text.data(), text.size()));
    ::_exit(0);
}

Result<std::vector<Attack>> read_rows(int input) {
    std::string text;
    std::array<char, 4096> buffer{};
    for (ssize_t size = 0; (size = ::read(input, buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(size));
    std::vector<Attack> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto read = nlohmann::json::parse(line, nullptr, false);
        if (read.is_array() && read.size() == 7)
            out.push_back({read[0], read[1], read[2], read[3], read[4], read[5], read[6]});
        if (!read.is_array() || read.size() != 1) continue;
        if (const auto why = read[0].get<std::string>(); !why.empty()) return fail(Errc::io, "the attack failed: " + why);
        return out;
    }
    return fail(Errc::internal, "the attack did not come to its end");
}

}  // namespace

Result<std::vector<Attack>> attack_host(const std::filesystem::path& bpffs) {
    if (::geteuid() != 0) return fail(Errc::denied, "the attack loads programs into the kernel: run it as root");
    const auto programs = Programs::load(nullptr);
    if (!programs) return std::unexpected(programs.error());
    const auto place = ThrowAway::make();
    if (!place) return std::unexpected(place.error());
    const auto ports = choose_ports(1, bpffs);
    if (!ports) return std::unexpected(ports.error());
    const auto settings = make_configuration(*ports);
    if (!settings) return std::unexpected(settings.error());
    if (auto done = programs->configure(*settings); !done) return std::unexpected(done.error());
    const auto accepting = attach({programs->accept()}, (*place)->daemon());
    if (!accepting) return std::unexpected(accepting.error());
    const auto governing = attach(programs->governing(), (*place)->governed());
    if (!governing) return std::unexpected(governing.error());

    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe", errno);
    const Fd input(ends[0]);
    Fd output(ends[1]);
    const pid_t battery = ::fork();
    if (battery < 0) return fail_errno("fork", errno);
    if (battery == 0) be_battery((*place)->governed(), *ports, programs->map("config"), output.get());
    output.reset();
    auto out = read_rows(input.get());
    ::kill(battery, SIGKILL);
    ::waitpid(battery, nullptr, 0);
    return out;
}

}  // namespace assent::kernel
