#include "kernel/probe_trials.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "around/around.h"
#include "base/fd.h"
#include "model/address.h"

namespace assent::kernel {
namespace {

std::string error_text(int error) {
    return ::strerrorname_np(error) != nullptr ? ::strerrorname_np(error) : fmt::format("error {}", error);
}

Trial refused(Trial trial, int error) {
    trial.reach = Reach::refused;
    trial.detail = error_text(error);
    return trial;
}

Trial open(Trial trial, std::string detail = {}) {
    trial.reach = Reach::open;
    trial.detail = std::move(detail);
    return trial;
}

// Where a TCP connection really ended: the answer of the listener that took it is one letter.
Trial try_tcp(Trial trial, int family, const char* ip, std::uint16_t port) {
    sockaddr_storage address{};
    socklen_t size = 0;
    if (family == AF_INET6) {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
        *v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_flowinfo = 0, .sin6_addr = {}, .sin6_scope_id = 0};
        ::inet_pton(AF_INET6, ip, &v6->sin6_addr);
        size = sizeof(*v6);
    } else {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
        *v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
        ::inet_pton(AF_INET, ip, &v4->sin_addr);
        size = sizeof(*v4);
    }
    const Fd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return refused(std::move(trial), errno);
    const timeval patience{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return refused(std::move(trial), errno);
    char answer = 0;
    if (::read(socket.get(), &answer, 1) != 1) return open(std::move(trial), "connected, to whom is not known");
    if (answer != 'p')
        return open(std::move(trial),
                    answer == 'e' ? "it reached its target" : "the proxy did not learn where it was going");
    trial.reach = Reach::redirected;
    sockaddr_storage peer{};
    socklen_t peer_size = sizeof(peer);
    const auto wanted = model::Endpoint::from(address);
    const bool is_shown = ::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&peer), &peer_size) == 0 &&
                          model::Endpoint::from(peer) == wanted;
    if (!is_shown) trial.detail = "getpeername() shows the proxy";
    return trial;
}

Trial try_udp(Trial trial, std::uint16_t port, bool is_connected) {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return refused(std::move(trial), errno);
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    const auto* address = reinterpret_cast<const sockaddr*>(&to);
    if (is_connected && ::connect(socket.get(), address, sizeof(to)) != 0) return refused(std::move(trial), errno);
    const auto sent =
        is_connected ? ::send(socket.get(), "x", 1, 0) : ::sendto(socket.get(), "x", 1, 0, address, sizeof(to));
    return sent == 1 ? open(std::move(trial)) : refused(std::move(trial), errno);
}

Trial try_socket(Trial trial, int family, int type, int protocol) {
    const Fd socket(::socket(family, type | SOCK_CLOEXEC, protocol));
    return socket.is_open() ? open(std::move(trial)) : refused(std::move(trial), errno);
}

Trial try_bind(Trial trial, std::uint16_t port) {
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in at{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(0x7f000002)}, .sin_zero = {}};
    if (!socket.is_open() || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)) != 0)
        return refused(std::move(trial), errno);
    return open(std::move(trial));
}

Trial try_handed_in(Trial trial, int socket) {
    return ::send(socket, "x", 1, 0) == 1 ? open(std::move(trial)) : refused(std::move(trial), errno);
}

Trial try_io_uring(Trial trial) {
    std::array<std::byte, 256> parameters{};
    const Fd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 4, parameters.data())));
    if (!ring.is_open()) return refused(std::move(trial), errno);
    return open(std::move(trial), "its connections are governed; it makes sockets past seccomp and RestrictAddressFamilies");
}

Trial try_bpf(Trial trial) {
    bpf_attr attributes{};
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = attributes.value_size = 4;
    attributes.max_entries = 1;
    const Fd map(static_cast<int>(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes))));
    return map.is_open() ? open(std::move(trial)) : refused(std::move(trial), errno);
}

Trial trial(std::string_view name, std::string_view what, bool is_promised = true) {
    return {.name = std::string(name),
            .what = std::string(what),
            .detail = {},
            .reach = Reach::unknown,
            .is_promised = is_promised};
}

}  // namespace

std::vector<Trial> run_trials(const TrialGround& ground, bool is_run, bool is_root, bool has_guard) {
    std::vector<Trial> out;
    out.push_back(try_tcp(trial("tcp-ipv4", "TCP over IPv4"), AF_INET, "127.0.0.1", ground.elsewhere_tcp4));
    out.push_back(try_tcp(trial("tcp-ipv6", "TCP over IPv6"), AF_INET6, "::1", ground.elsewhere_tcp6));
    out.push_back(
        try_tcp(trial("tcp-mapped", "TCP to a v4-mapped address"), AF_INET6, "::ffff:127.0.0.1", ground.elsewhere_tcp4));
    out.push_back(try_tcp(trial("proxy-port", "TCP straight to the proxy's port"), AF_INET, "127.0.0.1", ground.proxy_port));
    out.push_back(try_bind(trial("bind-proxy-port", "taking the proxy's port"), ground.proxy_port));
    out.push_back(try_udp(trial("udp", "UDP"), ground.elsewhere_udp, false));
    out.push_back(try_udp(trial("udp-connected", "UDP, connected"), ground.elsewhere_udp, true));
    // These the hooks refuse, for every kind of agent.
    for (const auto* kind = around_inet_kinds; kind->name != nullptr; ++kind)
        out.push_back(try_socket(trial(kind->name, kind->what), kind->domain == 0 ? AF_INET : kind->domain, kind->type,
                                 kind->protocol));
    out.push_back(try_socket(trial("icmp", "ping socket"), AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
    out.push_back(try_socket(trial("icmp6", "ping socket, IPv6"), AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6));
    // These cgroup hooks do not see: `assent run` refuses them by seccomp, BPF LSM where it is; else a unit
    // needs RestrictAddressFamilies.
    for (const auto* kind = around_other_kinds; kind->name != nullptr; ++kind)
        out.push_back(
            try_socket(trial(kind->name, kind->what, is_run || has_guard), kind->domain, kind->type, kind->protocol));
    out.push_back(try_io_uring(trial("io_uring", "io_uring", is_run)));
    out.push_back(try_bpf(trial("bpf", "bpf()", !is_root || has_guard)));
    out.push_back(
        try_handed_in(trial("handed-in", "a network socket made outside and handed in", has_guard), ground.outside_socket));
    out.push_back(try_socket(trial("unix", "unix sockets (databases, Docker, ssh-agent)", false), AF_UNIX, SOCK_STREAM, 0));
    return out;
}

}  // namespace assent::kernel
