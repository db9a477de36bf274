// Types of DNS records by their names (RFC 1035 and later, IANA's registry).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assent::model::dns_type {

inline constexpr std::uint16_t a = 1;
inline constexpr std::uint16_t cname = 5;
inline constexpr std::uint16_t aaaa = 28;
inline constexpr std::uint16_t opt = 41;
inline constexpr std::uint16_t rrsig = 46;
inline constexpr std::uint16_t svcb = 64;
inline constexpr std::uint16_t https = 65;
inline constexpr std::uint16_t ixfr = 251;
inline constexpr std::uint16_t axfr = 252;
inline constexpr std::uint16_t any = 255;

// "AAAA"; "TYPE4711" for one that has no name here (RFC 3597).
[[nodiscard]] std::string name_of(std::uint16_t type);
// The other way round; names in upper case.
[[nodiscard]] std::optional<std::uint16_t> of_name(std::string_view name);
// Those that have names here, for messages.
[[nodiscard]] std::vector<std::string> known_names();

}  // namespace assent::model::dns_type
