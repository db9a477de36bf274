// Where a connection goes: an IP address and a port, or a unix socket. v4-mapped IPv6 is folded to IPv4, so that one address
// has one spelling.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace assent::model {

struct IpAddress {
    bool is_v6 = false;
    std::array<std::uint8_t, 16> bytes{};  // network order; v4 in the first four

    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
    [[nodiscard]] std::string to_text() const;
    [[nodiscard]] bool is_loopback() const noexcept;
    [[nodiscard]] unsigned bit_count() const noexcept { return is_v6 ? 128 : 32; }
    auto operator<=>(const IpAddress&) const = default;
};

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;      // host order
    std::string unix_name = {};  // of a unix socket, which has neither of them: a path, or '@' and an abstract name

    [[nodiscard]] bool is_unix() const noexcept { return !unix_name.empty(); }

    [[nodiscard]] static std::optional<Endpoint> from(const sockaddr_storage& address);
    // Fills out; gives the size to hand to connect().
    [[nodiscard]] socklen_t to(sockaddr_storage& out) const;
    [[nodiscard]] std::string to_text() const;  // "10.0.0.5:5432", "[fd00::5]:5432", "unix:/run/x.sock"
    auto operator<=>(const Endpoint&) const = default;
};

}  // namespace assent::model
