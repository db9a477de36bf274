#include "kernel/earlier_sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/limits.h"
#include "kernel/cgroup.h"
#include "kernel/held_socket.h"
#include "kernel/identity.h"
#include "kernel/processes.h"
#include "kernel/socket_diag.h"
#include "kernel/unix_identity.h"

namespace assent::kernel {
namespace {

// A socket may be accepted, or handed over, while the others are looked at.
constexpr int most_rounds = 4;

std::string protocol_text(int protocol) {
    switch (protocol) {
        case IPPROTO_TCP:
            return "tcp";
        case IPPROTO_UDP:
            return "udp";
        case IPPROTO_RAW:
            return "raw";
        default:
            return fmt::format("{}", protocol);
    }
}

std::string state_text(std::uint8_t state) {
    switch (state) {
        case TCP_ESTABLISHED:
            return "established";
        case TCP_SYN_SENT:
            return "connecting";
        case TCP_LISTEN:
            return "listening";
        case TCP_CLOSE:
            return "unconnected";
        default:
            return "closing";
    }
}

std::string comm_of(pid_t pid) {
    std::ifstream in(fmt::format("/proc/{}/comm", pid));
    std::string comm;
    std::getline(in, comm);
    return comm;
}

class Search {
public:
    explicit Search(const EarlierSearch& search) : search_(search) {
        if (auto paths = CgroupPaths::open(search.cgroup_root)) identities_.emplace(std::move(*paths));
    }

    // False: nothing was new.
    bool look() {
        const auto count = seen_.size();
        find_holders();
        for (const auto& [inode, file] : namespaces_) look_in(file);
        for (const auto& [inode, held] : holders_)
            if (!listed_.contains(inode) && seen_.insert(inode).second) handle_unlisted(held);
        return seen_.size() != count;
    }

    EarlierSockets out;

private:
    void find_holders() {
        members_.clear();
        for (const auto pid : processes_below(search_.cgroup)) members_.insert(pid);
        cgroups_ = cgroups_below(search_.cgroup);
        holders_.clear();
        namespaces_.clear();
        listed_.clear();
        add_namespace("/proc/self/ns/net");
        for (const auto pid : members_) {
            add_namespace(fmt::format("/proc/{}/ns/net", pid));
            for (const auto& held : sockets_of(pid)) holders_.emplace(held.inode, held);
        }
        own_.clear();
        for (const auto& held : sockets_of(::getpid())) own_.insert(held.inode);
    }

    void add_namespace(const std::string& file) {
        struct stat status {};
        if (::stat(file.c_str(), &status) == 0) namespaces_.emplace(status.st_ino, file);
    }

    void lack(std::string sentence) {
        if (std::ranges::find(out.lacks, sentence) == out.lacks.end()) out.lacks.push_back(std::move(sentence));
    }

    void look_in(const std::string& file) {
        const auto diag = SocketDiag::open(file);
        if (!diag) return lack(diag.error().message);
        for (const int protocol : {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_RAW}) {
            for (const int family : {AF_INET, AF_INET6}) {
                std::vector<ListedSocket> found;
                const auto done = diag->list(family, protocol, [&](const ListedSocket& socket) {
                    if (socket.inode != 0) listed_.insert(socket.inode);
                    if (is_wanted(socket)) found.push_back(socket);
                });
                // Sockets of processes are found without, by their descriptors.
                if (!done && done.error().code != Errc::unsupported) lack(done.error().message);
                for (const auto& socket : found) handle(*diag, socket);
            }
        }
        look_at_unix(*diag);
    }

    [[nodiscard]] bool is_proxied(const ListedSocket& socket) const {
        return socket.remote.address.is_loopback() &&
               std::ranges::find(search_.ports, socket.remote.port) != search_.ports.end();
    }

    [[nodiscard]] bool is_wanted(const ListedSocket& socket) const {
        if (own_.contains(socket.inode) || is_proxied(socket)) return false;
        return cgroups_.contains(socket.cgroup_id) || holders_.contains(socket.inode);
    }

    // Of a process outside that holds the socket as well; empty: there is none.
    [[nodiscard]] std::string other_holder(std::uint64_t inode) {
        if (!are_others_read_) {
            are_others_read_ = true;
            // Ours are known, and some have just been taken to be ended.
            for (const auto pid : all_processes())
                if (pid != ::getpid() && !members_.contains(pid))
                    for (const auto& held : sockets_of(pid)) others_.emplace(held.inode, pid);
        }
        const auto found = others_.find(inode);
        if (found == others_.end()) return {};
        return fmt::format("process {} ({}), which is not governed, holds it too", found->second, comm_of(found->second));
    }

    [[nodiscard]] model::Agent holder_of(std::uint64_t inode, std::uint64_t cgroup_id) const {
        model::Agent agent;
        assent_identity who{};
        who.cgroup_id = cgroup_id;
        if (const auto held = holders_.find(inode); held != holders_.end())
            if (const auto found = identify_process(held->second.process, search_.cgroup_root)) who = *found;
        return identities_ ? identities_->agent_of(who) : agent;
    }

    void tell(EarlierSocket socket) {
        if (out.sockets.size() < limits::sockets_told)
            out.sockets.push_back(std::move(socket));
        else
            ++out.left_out;
    }

    void handle(const SocketDiag& diag, const ListedSocket& socket) {
        const std::uint64_t cookie = (std::uint64_t{socket.id.idiag_cookie[1]} << 32U) | socket.id.idiag_cookie[0];
        if (!cookies_.insert(cookie).second) return;
        seen_.insert(socket.inode != 0 ? socket.inode : ~cookie);
        EarlierSocket told{.holder = holder_of(socket.inode, socket.cgroup_id),
                           .protocol = protocol_text(socket.protocol),
                           .state = state_text(socket.state),
                           .local = socket.local,
                           .remote = socket.remote,
                           .is_ended = false,
                           .note = {}};
        const bool is_made_here = cgroups_.contains(socket.cgroup_id);
        if (!is_made_here) told.note = other_holder(socket.inode);
        if (search_.ends && told.note.empty()) end(diag, socket, is_made_here, told);
        tell(std::move(told));
    }

    void end(const SocketDiag& diag, const ListedSocket& socket, bool is_made_here, EarlierSocket& told) {
        const auto held = holders_.find(socket.inode);
        std::optional<TakenSocket> taken;
        if (held != holders_.end())
            if (auto got = TakenSocket::take(held->second)) taken.emplace(std::move(*got));
        auto done = diag.destroy(socket);
        if (!done && done.error().code != Errc::not_found) {
            if (done.error().code == Errc::unsupported)
                lack(
                    "this kernel cannot destroy sockets (CONFIG_INET_DIAG_DESTROY): those that no process holds any more "
                    "stay");
            if (taken) done = taken->disconnect();
        }
        // After its end: the reset would be blocked too. What it has begun anew in between is blocked as well.
        if (!is_made_here && taken) block(*taken, told);
        told.is_ended = done.has_value() || done.error().code == Errc::not_found;
        if (!told.is_ended) told.note = done.error().message;
    }

    void block(const TakenSocket& taken, EarlierSocket& told) {
        if (const auto blocked = taken.block(); !blocked) {
            told.note = "it was made outside, and could be used again";
            lack(blocked.error().message +
                 ": sockets that were made outside can be used again after their connection has ended");
        }
    }

    // It is bound to nothing yet, or of a protocol that the kernel does not list: where it was made is not known.
    void handle_unlisted(const HeldSocket& held) {
        if (own_.contains(held.inode)) return;
        const auto taken = TakenSocket::take(held);
        if (!taken) {
            if (taken.error().code != Errc::not_found) lack(taken.error().message);
            return;
        }
        if (taken->family() != AF_INET && taken->family() != AF_INET6) return;
        EarlierSocket told{.holder = holder_of(held.inode, 0),
                           .protocol = taken->type() == SOCK_RAW ? "raw" : protocol_text(taken->protocol()),
                           .state = taken->is_listening() ? "listening" : "unconnected",
                           .local = taken->local(),
                           .remote = taken->remote(),
                           .is_ended = false,
                           .note = other_holder(held.inode)};
        if (told.remote.port != 0) told.state = "established";
        if (search_.ends && told.note.empty()) {
            const auto done = taken->disconnect();
            block(*taken, told);
            // What was not connected has nothing to end.
            told.is_ended = done.has_value() || told.remote.port == 0;
            if (!told.is_ended) told.note = done.error().message;
        }
        tell(std::move(told));
    }

    // Those to services outside: a pair of its own, or the daemon, is nothing to tell.
    void look_at_unix(const SocketDiag& diag) {
        std::map<std::uint64_t, ListedSocket> all;
        const auto done = diag.list(AF_UNIX, 0, [&](const ListedSocket& socket) { all.emplace(socket.inode, socket); });
        if (!done) lack("the connections of unix sockets cannot be listed: " + done.error().message);
        for (const auto& [inode, socket] : all) {
            listed_.insert(inode);
            if (!holders_.contains(inode) || holders_.contains(socket.peer_inode) || own_.contains(socket.peer_inode))
                continue;
            const auto peer = all.find(socket.peer_inode);
            if (peer == all.end() || peer->second.local.unix_name.empty() || !seen_.insert(inode).second) continue;
            tell({.holder = holder_of(inode, 0),
                  .protocol = "unix",
                  .state = state_text(socket.state),
                  .local = socket.local,
                  .remote = peer->second.local,
                  .is_ended = false,
                  .note = {}});
        }
    }

    const EarlierSearch& search_;
    std::optional<Identities> identities_;
    std::set<pid_t> members_;
    std::set<std::uint64_t> cgroups_;
    std::map<std::uint64_t, HeldSocket> holders_;      // by inode, one of them
    std::map<std::uint64_t, std::string> namespaces_;  // by inode
    std::set<std::uint64_t> own_;                      // inodes of the daemon's
    std::set<std::uint64_t> listed_;                   // inodes
    std::set<std::uint64_t> seen_;                     // inodes; in all rounds, like the next
    std::set<std::uint64_t> cookies_;
    std::map<std::uint64_t, pid_t> others_;  // outside, by inode
    bool are_others_read_ = false;
};

}  // namespace

EarlierSockets handle_earlier_sockets(const EarlierSearch& search) {
    Search work(search);
    for (int round = 0; round < most_rounds && work.look(); ++round) {
    }
    return std::move(work.out);
}

}  // namespace assent::kernel
