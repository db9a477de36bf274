#include "model/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace assent::model {
namespace {

IpAddress from_v6(const in6_addr& raw) {
    IpAddress out;
    if (IN6_IS_ADDR_V4MAPPED(&raw)) {
        std::copy_n(&raw.s6_addr[12], 4, out.bytes.begin());
        return out;
    }
    out.is_v6 = true;
    std::copy_n(&raw.s6_addr[0], 16, out.bytes.begin());
    return out;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    const std::string zero_terminated(text);
    IpAddress out;
    if (inet_pton(AF_INET, zero_terminated.c_str(), out.bytes.data()) == 1) return out;
    in6_addr raw{};
    if (inet_pton(AF_INET6, zero_terminated.c_str(), &raw) == 1) return from_v6(raw);
    return std::nullopt;
}

std::string IpAddress::to_text() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes.data(), text.data(), text.size());
    return text.data();
}

bool IpAddress::is_loopback() const noexcept {
    if (!is_v6) return bytes[0] == 127;
    return std::all_of(bytes.begin(), bytes.begin() + 15, [](std::uint8_t b) { return b == 0; }) && bytes[15] == 1;
}

std::optional<Endpoint> Endpoint::from(const sockaddr_storage& address) {
    Endpoint out;
    if (address.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        std::memcpy(out.address.bytes.data(), &v4.sin_addr, 4);
        out.port = ntohs(v4.sin_port);
        return out;
    }
    if (address.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &address, sizeof v6);
        out.address = from_v6(v6.sin6_addr);
        out.port = ntohs(v6.sin6_port);
        return out;
    }
    return std::nullopt;
}

socklen_t Endpoint::to(sockaddr_storage& out) const {
    out = {};
    if (is_unix()) {
        sockaddr_un local{};
        local.sun_family = AF_UNIX;
        const std::size_t length = std::min(unix_name.size(), sizeof local.sun_path);
        std::memcpy(local.sun_path, unix_name.data(), length);
        const bool is_abstract = unix_name.front() == '@';
        if (is_abstract) local.sun_path[0] = '\0';
        std::memcpy(&out, &local, sizeof local);
        return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    }
    if (!address.is_v6) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, address.bytes.data(), 4);
        std::memcpy(&out, &v4, sizeof v4);
        return sizeof v4;
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, address.bytes.data(), 16);
    std::memcpy(&out, &v6, sizeof v6);
    return sizeof v6;
}

std::string Endpoint::to_text() const {
    if (is_unix()) return "unix:" + unix_name;
    const std::string port_text = ":" + std::to_string(port);
    return address.is_v6 ? "[" + address.to_text() + "]" + port_text : address.to_text() + port_text;
}

}  // namespace assent::model
