// The network namespaces of agents that are not the daemon's own: it listens in each in which an agent's process is, so that
// what connects there finds the proxy, and nobody else in its place. Namespaces are found by looking at the processes of
// governed cgroups once a second, at once when the programs tell that somebody connects, and on request. Thread: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/redirect.h"

namespace assent::kernel {

class Networks {
public:
    // On the proxy's ports, IPv4 and IPv6 where the host has it. Those of TCP listen already.
    struct Sockets {
        std::vector<Fd> tcp;  // shut down when the namespace is left: accepting from them ends then
        std::vector<Fd> udp;
    };
    struct Parts {
        Redirect& redirect;  // lives longer
        std::vector<std::uint16_t> ports;
        // Called under this class's lock. `opened` serves the sockets from now on; `closed` ends that.
        std::function<Result<>(std::uint64_t cookie, Sockets)> opened;
        std::function<void(std::uint64_t cookie)> closed;
    };
    explicit Networks(Parts parts);
    ~Networks();
    Networks(const Networks&) = delete;
    Networks& operator=(const Networks&) = delete;

    // Of Event::Kind::asks_for_network.
    void asked(const Event& event);
    // Listens where this process is, before it connects; nothing to do in the daemon's own namespace.
    [[nodiscard]] Result<> prepare(pid_t process);
    // Listens where agents have come to be, leaves where none is any more, and says that the daemon lives. Once a second.
    void look_around();
    // What could not be done since the last call, in sentences, each namespace once.
    [[nodiscard]] std::vector<std::string> take_failures();
    [[nodiscard]] std::size_t count() const;

private:
    using Clock = std::chrono::steady_clock;
    struct Network {
        std::uint64_t cookie = 0;
        std::string agent;
        std::vector<Fd> tcp;  // the same sockets as those that are served
        Clock::time_point last_used;
    };
    struct Refused {
        Clock::time_point until;
        bool is_told = false;
    };
    struct Found {
        pid_t thread = 0;
        std::string agent;
    };
    struct Look {
        std::map<std::uint64_t, Found> networks;  // by inode
        std::size_t threads = 0;
        [[nodiscard]] bool is_complete() const;
    };

    void look_into(const std::filesystem::path& cgroup, const std::string& agent, int depth, Look& look) const;
    void open_new(const Look& look);
    [[nodiscard]] Result<> open(std::uint64_t inode, const Found& found);
    [[nodiscard]] Result<Sockets> make_sockets(const Fd& network, std::uint64_t& cookie, bool& is_up) const;
    void refuse(std::uint64_t inode, const Found& found, const Error& why);
    void leave_unused(const Look& look);
    [[nodiscard]] bool is_served(std::uint64_t cookie) const;
    void fail_with(std::string sentence);

    Parts parts_;
    std::uint64_t own_inode_;
    std::filesystem::path cgroups_;

    mutable std::mutex mutex_;                   // guards what follows
    std::map<std::uint64_t, Network> networks_;  // by inode: ours keep it in use
    std::map<std::uint64_t, Refused> refused_;   // by inode, which may be another namespace's by now: tried again
    std::set<std::string> over_limit_;           // agents of whom that was told, until there is room again
    std::vector<std::string> failures_;
    Clock::time_point second_;
    std::size_t opened_this_second_ = 0;
};

}  // namespace assent::kernel
