// The kernel side: loads and pins the BPF programs, governs cgroups, and tells of an accepted connection where it wanted to
// go and who opened it. The only user of libbpf.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/earlier_sockets.h"
#include "model/address.h"
#include "model/agent.h"

namespace assent::kernel {

class NetworkMaps;

struct RedirectOptions {
    std::filesystem::path bpffs = "/sys/fs/bpf";  // links and maps are pinned in bpffs/assent
    std::vector<std::uint16_t> ports;             // of the proxy, the same on 127.0.0.1 and ::1; see choose_ports()
    // Where the daemon runs: its accepted sockets get their origin here. Not the root and not governed; see
    // prepare_daemon_cgroup(). The listeners must be made by a process in it.
    std::filesystem::path daemon_cgroup;
    // What a cgroup had open before it was governed is ended; false: it is listed only. See earlier_sockets.h.
    bool ends_earlier_sockets = true;
    // No sockets for a new cgroup that govern(), govern_units() or govern_cgroups() is about until it is governed. The names
    // of those to come are given here, so that the gate of an earlier daemon stays closed for them meanwhile.
    struct NewCgroups {
        bool are_held = false;
        std::filesystem::path top;         // where the programs are attached; empty: the cgroup 2 mount
        std::vector<std::string> slices;   // below the mount, as given to govern()
        std::vector<std::string> units;    // as given to govern_units()
        std::vector<std::string> cgroups;  // and to govern_cgroups()
    } new_cgroups;
};

// What the hooks refused; read from a ring buffer.
struct Event {
    enum class Kind : std::uint8_t {
        refused_connect,
        refused_send,
        refused_bind,
        refused_socket,
        refused_listen,
        dropped_packet,
        refused_unix,
        refused_option,
        refused_new,  // a socket, in a cgroup that is to be governed and was not yet
        // By the programs of the security module.
        refused_foreign_socket,
        refused_process,
        refused_bpf,
        refused_mount,
        refused_device,
        refused_cgroup,
        asks_for_network  // no attempt: the daemon should listen in the agent's network namespace
    } kind{};
    model::Agent agent;       // pid, uid, comm, cgroup; exe when it can still be read
    model::Endpoint address;  // where it wanted to go, when known
    int family = 0;
    int socket_type = 0;
    int protocol = 0;
    pid_t other_process = 0;  // of refused_process: towards whom, and the signal, or 0
    int signal = 0;
    std::uint64_t network_cookie = 0;  // of asks_for_network, and the thread that is in it
    pid_t thread = 0;
};

// What becomes of connects to a unix socket, and of datagrams to it.
struct UnixRule {
    enum class Action : std::uint8_t { refuse, pass, redirect };  // refuse: without an event
    std::string name;                                             // a path, as agents write it, or '@' and an abstract name
    Action action = Action::refuse;
    std::filesystem::path proxy;  // of redirect: where the daemon listens for it
};

struct Origin {
    model::Endpoint asked_for;
    model::Agent agent;
};

class Redirect {
public:
    virtual ~Redirect() = default;
    // Loads the programs, or takes over what an earlier daemon pinned (links are updated, never dropped).
    [[nodiscard]] static Result<std::unique_ptr<Redirect>> open(const RedirectOptions& options);
    // Attaches and pins to a cgroup folder, which is made if it is missing; idempotent. Everything below it is governed.
    // Connections that its processes had before are cut: their packets no longer pass. What was done with the sockets is
    // given by take_earlier_sockets().
    [[nodiscard]] virtual Result<> govern(const std::filesystem::path& cgroup) = 0;
    // Thread: any. Errc::not_found: nobody redirected this connection (it spoke to the proxy's port itself): close it.
    [[nodiscard]] virtual Result<Origin> origin_of(int accepted_descriptor) const = 0;
    // The same of a connection that came to a proxy's socket of set_unix_rules(), which stands for `asked_for`.
    // Errc::denied: its process has ended, or is not governed.
    [[nodiscard]] virtual Result<Origin> unix_origin_of(int accepted_descriptor, const std::string& asked_for) const = 0;
    // Replaces the rules; every other name is refused with an event, or passed. Where has_unix() is false the programs of
    // the security module do it, if there are any, and refuse what should be redirected. Thread: any.
    [[nodiscard]] virtual Result<> set_unix_rules(const std::vector<UnixRule>& rules, bool others_pass) = 0;
    // This kernel can redirect unix sockets (Linux 6.7).
    [[nodiscard]] virtual bool has_unix() const = 0;
    // Who sent a DNS query that came to the proxy's port `proxy_port` from `source`, in the network namespace with that
    // cookie (SO_NETNS_COOKIE), and which resolver it was for. Thread: any. Errc::not_found: no agent did, just now: do not
    // answer.
    [[nodiscard]] virtual Result<Origin> sender_of(const model::Endpoint& source, std::uint16_t proxy_port,
                                                   std::uint64_t network_cookie) const = 0;
    // What the programs know of other network namespaces than the daemon's.
    [[nodiscard]] virtual NetworkMaps& networks() = 0;
    [[nodiscard]] virtual bool is_governed(std::uint64_t cgroup_id) const = 0;
    // Reads events until `timeout_ms` has passed; for one thread.
    [[nodiscard]] virtual Result<> poll_events(int timeout_ms, const std::function<void(const Event&)>& each) = 0;
    [[nodiscard]] virtual std::vector<std::string> governed() const = 0;  // cgroup paths, for `status`
    // What this kernel or host lacks, in sentences; empty when nothing does.
    [[nodiscard]] virtual std::vector<std::string> degradations() const = 0;

    // The programs of the kernel's security module (BPF LSM) hold agents where cgroups have no hooks.
    [[nodiscard]] virtual bool has_guard() const = 0;
    // What it lacks of them, in sentences; degradations() leaves these out, since settings may accept them.
    [[nodiscard]] virtual std::vector<std::string> guard_lacks() const = 0;
    // What this kernel lacks, by name, for each session's record: "lsm", "lsm/task_kill", "getpeername4".
    [[nodiscard]] virtual std::vector<std::string> lacks() const = 0;

    // Units that come and go: "agent-*.service". Every cgroup of a matching name is governed as it appears (poll_events
    // watches), before systemd puts a process into it in practice, and in any case its earlier connections are cut.
    [[nodiscard]] virtual Result<> govern_units(const std::vector<std::string>& patterns) = 0;
    // Cgroups by their path from the mount, each part a pattern: "/docker/*".
    [[nodiscard]] virtual Result<> govern_cgroups(const std::vector<std::string>& patterns) = 0;
    // Governs a cgroup that is there, until it is removed; idempotent. `path` is as from the mount. Thread: any.
    // Errc::not_found: it is not there. Errc::invalid: it holds the daemon.
    [[nodiscard]] virtual Result<> govern_now(const std::string& path) = 0;
    // The cgroups of a unit that is there, by its whole name, as paths from the mount. Thread: any.
    [[nodiscard]] virtual std::vector<std::string> cgroups_of_unit(const std::string& unit) = 0;
    // Makes true again what govern() and govern_units() said: removed cgroups are made anew, new units are governed, lost
    // links attached. Gives what had to be repaired, in sentences. Thread: any; call it every few seconds. poll_events()
    // calls it when a cgroup appears.
    [[nodiscard]] virtual Result<std::vector<std::string>> check() = 0;
    // The names of a cgroup id as `assent run` and the control socket need them; empty path: it is gone. Thread: any.
    [[nodiscard]] virtual std::string cgroup_path(std::uint64_t cgroup_id) const = 0;
    // Sockets that were there before their cgroup was governed, once each. Thread: any.
    [[nodiscard]] virtual EarlierSockets take_earlier_sockets() = 0;
    // Events that found no room since the maps were made.
    [[nodiscard]] virtual std::uint64_t lost_events() const = 0;
    // Events that were not told because their cgroup had told too many: how many more of each since the last call. For one
    // thread.
    struct CutEvents {
        std::uint64_t cgroup_id = 0;
        std::uint64_t count = 0;
    };
    [[nodiscard]] virtual std::vector<CutEvents> take_cut_events() = 0;
    // detach_all(), after which check() repairs nothing.
    [[nodiscard]] virtual Result<std::vector<std::string>> detach() = 0;
};

// Loads the programs into the kernel, attaches them nowhere, and lets them go. Errc::unsupported: it refuses them.
[[nodiscard]] Result<> try_programs();
// The daemon's cgroup and those that it is in are never held back. Call it before the daemon has a socket: the gate of the
// one before may be there already. Does nothing when none is. Redirect::open() does it as well.
[[nodiscard]] Result<> spare_daemon(const std::filesystem::path& bpffs, const std::filesystem::path& daemon_cgroup);

// Unpins and detaches everything below bpffs/assent, also with the daemon dead; gives what was removed.
[[nodiscard]] Result<std::vector<std::string>> detach_all(const std::filesystem::path& bpffs);

// The cgroup 2 mount, from /proc/self/mountinfo.
[[nodiscard]] Result<std::filesystem::path> cgroup_root();

// The `nameserver` lines of a resolv.conf; 127.0.0.1 when it has none, as the C library does.
[[nodiscard]] std::vector<model::IpAddress> host_resolvers(const std::filesystem::path& file = "/etc/resolv.conf");

// Its `search` (or `domain`) line, the last one.
[[nodiscard]] std::vector<std::string> host_search_domains(const std::filesystem::path& file = "/etc/resolv.conf");

}  // namespace assent::kernel
