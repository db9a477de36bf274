#include "app/listening.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/limits.h"
#include "model/address.h"

namespace assent::app {

model::Endpoint loopback(std::uint16_t port, bool is_v6) {
    return {*model::IpAddress::parse(is_v6 ? "::1" : "127.0.0.1"), port};
}

Result<Fd> bind_loopback(std::uint16_t port, bool is_v6, Transport transport) {
    const bool is_tcp = transport == Transport::tcp;
    Fd socket(::socket(is_v6 ? AF_INET6 : AF_INET, (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
    if (!socket.is_open() && is_v6 && errno == EAFNOSUPPORT) return fail(Errc::unsupported, "this kernel has no IPv6");
    if (!socket.is_open()) return fail_errno("socket", errno);
    const int one = 1;
    // Nobody shares a UDP port: datagrams would go to either.
    if (is_tcp) (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const int room = limits::dns_receive_buffer;
    if (!is_tcp) (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    if (is_tcp && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0)
        return fail_errno("SO_REUSEPORT", errno);
    if (is_v6 && ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0)
        return fail_errno("IPV6_V6ONLY", errno);
    const auto endpoint = loopback(port, is_v6);
    sockaddr_storage address{};
    const socklen_t size = endpoint.to(address);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
        if (is_v6 && errno == EADDRNOTAVAIL) return fail(Errc::unsupported, "::1 is not configured on this host");
        return fail_errno(fmt::format("binding the proxy's port {}", endpoint.to_text()), errno);
    }
    return socket;
}

}  // namespace assent::app
