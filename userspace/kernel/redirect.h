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
#include "model/address.h"
#include "model/agent.h"

namespace assent::kernel {

struct RedirectOptions {
    std::filesystem::path bpffs = "/sys/fs/bpf";   // links and maps are pinned in bpffs/assent
    std::vector<std::uint16_t> ports;              // of the proxy, the same on 127.0.0.1 and ::1
    std::vector<model::IpAddress> resolvers;       // UDP 53 to these passes
    std::filesystem::path daemon_cgroup;           // where the daemon runs: its accepted sockets get their origin here
};

// What the hooks refused, or an agent looked up; read from a ring buffer.
struct Event {
    enum class Kind : std::uint8_t { refused_connect, refused_send, refused_bind, refused_socket, refused_listen, dropped_packet, dns_answer } kind{};
    model::Agent agent;       // pid, uid, comm, cgroup; exe when it can still be read
    model::Endpoint address;  // where it wanted to go, when known
    int family = 0;
    int socket_type = 0;
    int protocol = 0;
    std::vector<std::byte> dns;  // the answer's bytes
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
    // Attaches and pins to a cgroup folder; idempotent. Everything below it is governed.
    [[nodiscard]] virtual Result<> govern(const std::filesystem::path& cgroup) = 0;
    // Thread: any. Errc::not_found: nobody redirected this connection (it spoke to the proxy's port itself): close it.
    [[nodiscard]] virtual Result<Origin> origin_of(int accepted_descriptor) const = 0;
    [[nodiscard]] virtual bool is_governed(std::uint64_t cgroup_id) const = 0;
    // Reads events until `timeout_ms` has passed; for one thread.
    [[nodiscard]] virtual Result<> poll_events(int timeout_ms, const std::function<void(const Event&)>& each) = 0;
    [[nodiscard]] virtual std::vector<std::string> governed() const = 0;  // cgroup paths, for `status`
    // What this kernel or host lacks, in sentences; empty when nothing does.
    [[nodiscard]] virtual std::vector<std::string> degradations() const = 0;
};

// Unpins and detaches everything below bpffs/assent, also with the daemon dead; gives what was removed.
[[nodiscard]] Result<std::vector<std::string>> detach_all(const std::filesystem::path& bpffs);

// The cgroup 2 mount, from /proc/self/mountinfo.
[[nodiscard]] Result<std::filesystem::path> cgroup_root();

}  // namespace assent::kernel
