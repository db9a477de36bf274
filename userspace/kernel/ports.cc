#include "kernel/ports.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include <fmt/format.h>

#include "abi.h"
#include "base/fd.h"
#include "kernel/pins.h"
#include "model/address.h"

namespace assent::kernel {
namespace {

// Below the range from which the C library takes source ports of root's programs (600 and up).
constexpr std::uint16_t first_choice = 599;
constexpr std::uint16_t last_choice = 300;

bool is_known_service(std::uint16_t port) {
    std::array<char, 2048> buffer{};
    servent entry{};
    servent* found = nullptr;
    return ::getservbyport_r(htons(port), "tcp", &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
}

bool is_free_at(std::string_view address, std::uint16_t port, int type) {
    const model::Endpoint endpoint{*model::IpAddress::parse(address), port};
    sockaddr_storage storage{};
    const auto size = endpoint.to(storage);
    const Fd socket(::socket(storage.ss_family, type | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return errno == EAFNOSUPPORT;
    const int on = 1;
    const bool is_tcp = type == SOCK_STREAM;
    if (is_tcp && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) return false;
    if (storage.ss_family == AF_INET6 && ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
        return false;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) return errno == EADDRNOTAVAIL;
    return !is_tcp || ::listen(socket.get(), 1) == 0;
}

// Of TCP for flows, of UDP for lookups.
bool is_free(std::uint16_t port) {
    const auto is_free_of = [&](int type) { return is_free_at("127.0.0.1", port, type) && is_free_at("::1", port, type); };
    return is_free_of(SOCK_STREAM) && is_free_of(SOCK_DGRAM);
}

}  // namespace

int unprivileged_port_start() {
    std::ifstream file("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    int start = ASSENT_PORT_LIMIT;
    file >> start;
    return start;
}

Result<std::vector<std::uint16_t>> choose_ports(std::size_t count, const std::filesystem::path& bpffs) {
    const int limit = std::min(unprivileged_port_start(), ASSENT_PORT_LIMIT);
    if (count == 0 || count > ASSENT_PORTS_MAXIMUM)
        return fail(Errc::invalid, fmt::format("the proxy takes 1 to {} ports, not {}", ASSENT_PORTS_MAXIMUM, count));
    std::vector<std::uint16_t> out;
    for (const auto port : pinned_ports(bpffs))
        if (out.size() < count && port < limit && is_free(port)) out.push_back(port);
    for (std::uint16_t port = first_choice; port >= last_choice && out.size() < count; --port) {
        const bool is_new = std::ranges::find(out, port) == out.end();
        if (is_new && port < limit && !is_known_service(port) && is_free(port)) out.push_back(port);
    }
    if (out.size() == count) return out;
    return fail(
        Errc::unavailable,
        fmt::format(
            "only {} of {} privileged ports are free between {} and {}, below net.ipv4.ip_unprivileged_port_start={}",
            out.size(), count, last_choice, first_choice, limit));
}

}  // namespace assent::kernel
