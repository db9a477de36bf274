#include "kernel/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <thread>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "kernel/cgroup.h"
#include "kernel/confine.h"
#include "kernel/containment.h"
#include "kernel/guard.h"
#include "kernel/identity.h"
#include "kernel/pins.h"
#include "kernel/ports.h"
#include "kernel/probe_trials.h"
#include "kernel/programs.h"
#include "kernel/redirect.h"
#include "kernel/throw_away.h"

namespace assent::kernel {
namespace {

constexpr uid_t nobody = 65534;

std::string first_line(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

Fd loopback_socket(int family, int type, std::uint16_t& port) {
    Fd socket(::socket(family, type | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_storage storage{};
    const model::Endpoint endpoint{*model::IpAddress::parse(family == AF_INET6 ? "::1" : "127.0.0.1"), port};
    socklen_t size = endpoint.to(storage);
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    if (!socket.is_open() || ::bind(socket.get(), address, size) != 0) return {};
    if (type == SOCK_STREAM && ::listen(socket.get(), 16) != 0) return {};
    if (::getsockname(socket.get(), address, &size) == 0)
        if (const auto bound = model::Endpoint::from(storage)) port = bound->port;
    return socket;
}

// The ungoverned side: the proxy's listeners answer 'p' to a connection whose origin is known and '?' to others, elsewhere's
// answer 'e'.
class Listeners {
public:
    Listeners(int accepted_map, std::uint16_t proxy_port) : accepted_map_(accepted_map) {
        ground.proxy_port = proxy_port;
        proxy_[0] = loopback_socket(AF_INET, SOCK_STREAM, ground.proxy_port);
        proxy_[1] = loopback_socket(AF_INET6, SOCK_STREAM, ground.proxy_port);
        elsewhere_[0] = loopback_socket(AF_INET, SOCK_STREAM, ground.elsewhere_tcp4);
        elsewhere_[1] = loopback_socket(AF_INET6, SOCK_STREAM, ground.elsewhere_tcp6);
        udp_ = loopback_socket(AF_INET, SOCK_DGRAM, ground.elsewhere_udp);
        outside_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const sockaddr_in to{.sin_family = AF_INET,
                             .sin_port = htons(ground.elsewhere_udp),
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_zero = {}};
        if (::connect(outside_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0)
            ground.outside_socket = outside_.get();
    }

    // Answers until `until` is readable or closed by its other end.
    void serve(int until) const {
        std::array<pollfd, 5> waited{pollfd{until, POLLIN, 0}, pollfd{proxy_[0].get(), POLLIN, 0},
                                     pollfd{proxy_[1].get(), POLLIN, 0}, pollfd{elsewhere_[0].get(), POLLIN, 0},
                                     pollfd{elsewhere_[1].get(), POLLIN, 0}};
        while (::poll(waited.data(), waited.size(), 30'000) > 0 && waited[0].revents == 0)
            for (std::size_t at = 1; at < waited.size(); ++at)
                if ((waited[at].revents & POLLIN) != 0) answer(waited[at].fd, at <= 2);
    }

    TrialGround ground;

private:
    void answer(int listener, bool is_proxy) const {
        const Fd accepted(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        if (!accepted.is_open()) return;
        assent_origin origin{};
        const int key = accepted.get();
        const bool is_known =
            is_proxy && bpf_map_lookup_elem(accepted_map_, &key, &origin) == 0 && origin.is_redirected != 0;
        const char letter = !is_proxy ? 'e' : is_known ? 'p' : '?';
        static_cast<void>(::send(accepted.get(), &letter, 1, MSG_NOSIGNAL));
    }

    int accepted_map_;
    std::array<Fd, 2> proxy_;
    std::array<Fd, 2> elsewhere_;
    Fd udp_;
    Fd outside_;
};

std::string as_line(const Trial& trial) {
    return nlohmann::json{trial.name, trial.what, trial.detail, static_cast<int>(trial.reach), trial.is_promised}.dump() +
           "\n";
}

struct Kind {
    const char* agent;
    const char* what;
    bool is_run;
    bool is_root;
};
constexpr std::array kinds = {
    Kind{"run", "a command started by `assent run`", true, false},
    Kind{"unit", "a governed unit of an ordinary user, with nothing else restricted", false, false},
    Kind{"root-unit", "a governed unit that runs as root", false, true},
};

[[noreturn]] void be_agent(const Kind& kind, const TrialGround& ground, bool has_guard, const std::filesystem::path& cgroup,
                           int output) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool is_ready = enter_cgroup(cgroup).has_value();
    if (!kind.is_root)
        is_ready &= ::setgroups(0, nullptr) == 0 && ::setresgid(nobody, nobody, nobody) == 0 &&
                    ::setresuid(nobody, nobody, nobody) == 0;
    if (kind.is_run)
        is_ready &= ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && separate_from_others().has_value() &&
                    filter_system_calls().has_value();
    std::string text;
    if (is_ready)
        for (const auto& trial : run_trials(ground, kind.is_run, kind.is_root, has_guard)) text += as_line(trial);
    static_cast<void>(!::write(output, text.data(), text.size()));
    ::_exit(0);
}

Result<Trials> try_as(const Kind& kind, const Listeners& listeners, bool has_guard, const std::filesystem::path& cgroup) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe", errno);
    Fd input(ends[0]);
    Fd output(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return fail_errno("fork", errno);
    if (child == 0) be_agent(kind, listeners.ground, has_guard, cgroup, output.get());
    output.reset();
    listeners.serve(input.get());
    Trials out{.agent = kind.agent, .what = kind.what, .trials = {}};
    std::string text;
    std::array<char, 4096> buffer{};
    pollfd waited{input.get(), POLLIN, 0};
    for (ssize_t size = 0; ::poll(&waited, 1, 1000) > 0 && (size = ::read(input.get(), buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(size));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto read = nlohmann::json::parse(line, nullptr, false);
        if (!read.is_array() || read.size() != 5) continue;
        out.trials.push_back({read[0], read[1], read[2], static_cast<Reach>(read[3].get<int>()), read[4]});
    }
    if (out.trials.empty()) return fail(Errc::internal, fmt::format("the trials as '{}' did not come back", kind.agent));
    return out;
}

void add_governed(const Pins& pins, const CgroupPaths& paths, std::vector<Fact>& facts) {
    std::string governed;
    for (const auto id : pinned_cgroups(pins))
        if (const auto path = paths.path_of(id)) governed += (governed.empty() ? "" : " ") + *path;
    facts.push_back({"governed", governed.empty() ? "nothing" : governed, !governed.empty(),
                     "start assentd; it attaches what `govern` names"});
    std::string ports;
    for (const auto port : pinned_ports(pins.folder.parent_path()))
        ports += fmt::format("{}{}", ports.empty() ? "" : " ", port);
    facts.push_back({"proxy ports", ports.empty() ? "none" : ports, true, {}});
}

// Units that run and are not contained as they are.
void add_units(const Pins& pins, const CgroupPaths& paths, bool has_guard, const Accepted& accepted,
               std::vector<Fact>& facts) {
    std::vector<std::string> governed;
    for (const auto id : pinned_cgroups(pins))
        if (const auto path = paths.path_of(id)) governed.push_back(*path);
    for (const auto& [unit, containment] : judge_units(governed, has_guard, accepted)) {
        std::string missing;
        for (const auto& setting : containment.settings) missing += (missing.empty() ? "" : ", ") + setting;
        facts.push_back({fmt::format("unit {}", unit),
                         containment.is_contained() ? "contained" : "refused: " + containment.why,
                         containment.is_contained(), fmt::format("missing: {}", missing)});
    }
}

std::vector<Fact> facts_of(const std::filesystem::path& bpffs, const CgroupPaths& paths, const Programs& programs,
                           const Guard& guard) {
    std::vector<Fact> out;
    utsname name{};
    ::uname(&name);
    out.push_back({"kernel", name.release, true, {}});
    out.push_back({"cgroup 2", paths.root().string(), true, {}});
    out.push_back({"getpeername hooks", programs.has("assent_getpeername4") ? "yes" : "no", true, {}});
    std::string lacks;
    for (const auto& sentence : guard.lacks()) lacks += (lacks.empty() ? "" : "; ") + sentence;
    out.push_back({"BPF LSM", !guard.is_active() ? "no" : lacks.empty() ? "active" : "active, in part", true, {}});
    if (!lacks.empty()) out.back().value += ": " + lacks;
    const int start = unprivileged_port_start();
    out.push_back({"first unprivileged port", fmt::format("{}", start), start >= 600,
                   "with a lower net.ipv4.ip_unprivileged_port_start others can take the proxy's place; set it to 1024"});
    const auto scope = first_line("/proc/sys/kernel/yama/ptrace_scope");
    const bool is_traceable = scope.empty() || scope == "0";
    out.push_back(
        {"ptrace of one's own processes", is_traceable ? "allowed" : fmt::format("restricted ({})", scope), true, {}});
    std::string resolvers;
    for (const auto& address : host_resolvers()) resolvers += (resolvers.empty() ? "" : " ") + address.to_text();
    out.push_back({"resolvers", resolvers, true, {}});
    add_governed(Pins(bpffs), paths, out);
    return out;
}

// The programs of BPF LSM, for the trials alone.
Result<Guard> hold(const std::filesystem::path& daemon, const std::filesystem::path& governed,
                   const std::filesystem::path& root, const Programs& programs) {
    const auto daemon_id = cgroup_id_of(daemon);
    const auto governed_id = cgroup_id_of(governed);
    if (!daemon_id || !governed_id) return fail(Errc::internal, "the cgroups of the trials have gone");
    auto guard = Guard::open(nullptr, programs, *daemon_id);
    if (!guard) return guard;
    const auto relative = governed.lexically_relative(root);
    if (auto held = guard->govern(*governed_id, static_cast<std::size_t>(std::distance(relative.begin(), relative.end())));
        !held)
        return std::unexpected(held.error());
    return guard;
}

}  // namespace

bool Report::is_good() const {
    const auto is_kept = [](const Trial& trial) {
        return !trial.is_promised || trial.reach == Reach::refused || trial.reach == Reach::redirected;
    };
    return std::ranges::all_of(facts, &Fact::is_good) &&
           std::ranges::all_of(agents, [&](const Trials& kind) { return std::ranges::all_of(kind.trials, is_kept); });
}

const char* to_text(Reach reach) noexcept {
    switch (reach) {
        case Reach::open:
            return "open";
        case Reach::refused:
            return "refused";
        case Reach::redirected:
            return "redirected";
        default:
            return "unknown";
    }
}

Result<Report> probe_host(const std::filesystem::path& bpffs, const Accepted& accepted) {
    if (::geteuid() != 0) return fail(Errc::denied, "the probes load programs into the kernel: run it as root");
    const auto root = cgroup_root();
    if (!root) return std::unexpected(root.error());
    const auto paths = CgroupPaths::open(*root);
    if (!paths) return std::unexpected(paths.error());
    const auto programs = Programs::load(nullptr);
    if (!programs) return std::unexpected(programs.error());
    const auto place = ThrowAway::make();
    if (!place) return std::unexpected(place.error());
    auto guard = hold((*place)->daemon(), (*place)->governed(), *root, *programs);
    if (!guard) return std::unexpected(guard.error());
    Report out;
    out.facts = facts_of(bpffs, *paths, *programs, *guard);
    add_units(Pins(bpffs), *paths, guard->is_active(), accepted, out.facts);

    const auto ports = choose_ports(1, bpffs);
    if (!ports) return std::unexpected(ports.error());
    const auto settings = make_configuration(*ports);
    if (!settings) return std::unexpected(settings.error());
    if (auto done = programs->configure(*settings); !done) return std::unexpected(done.error());
    const auto accepting = attach({programs->accept()}, (*place)->daemon());
    if (!accepting) return std::unexpected(accepting.error());
    const auto governing = attach(programs->governing(), (*place)->governed());
    if (!governing) return std::unexpected(governing.error());
    const Listeners listeners(programs->map("accepted"), ports->front());
    for (const auto& kind : kinds) {
        auto tried = try_as(kind, listeners, guard->is_active(), (*place)->governed());
        if (!tried) return std::unexpected(tried.error());
        out.agents.push_back(std::move(*tried));
    }
    return out;
}

}  // namespace assent::kernel
