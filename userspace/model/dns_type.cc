#include "model/dns_type.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace assent::model::dns_type {
namespace {

using Entry = std::pair<std::uint16_t, std::string_view>;
constexpr std::array known = {
    Entry{1, "A"},       Entry{2, "NS"},          Entry{5, "CNAME"},  Entry{6, "SOA"},         Entry{10, "NULL"},
    Entry{12, "PTR"},    Entry{13, "HINFO"},      Entry{15, "MX"},    Entry{16, "TXT"},        Entry{17, "RP"},
    Entry{28, "AAAA"},   Entry{29, "LOC"},        Entry{33, "SRV"},   Entry{35, "NAPTR"},      Entry{37, "CERT"},
    Entry{39, "DNAME"},  Entry{41, "OPT"},        Entry{43, "DS"},    Entry{44, "SSHFP"},      Entry{46, "RRSIG"},
    Entry{47, "NSEC"},   Entry{48, "DNSKEY"},     Entry{50, "NSEC3"}, Entry{51, "NSEC3PARAM"}, Entry{52, "TLSA"},
    Entry{53, "SMIMEA"}, Entry{61, "OPENPGPKEY"}, Entry{64, "SVCB"},  Entry{65, "HTTPS"},      Entry{99, "SPF"},
    Entry{249, "TKEY"},  Entry{250, "TSIG"},      Entry{251, "IXFR"}, Entry{252, "AXFR"},      Entry{255, "ANY"},
    Entry{256, "URI"},   Entry{257, "CAA"},
};
constexpr std::string_view numbered = "TYPE";

}  // namespace

std::string name_of(std::uint16_t type) {
    const auto found = std::ranges::find(known, type, &Entry::first);
    return found != known.end() ? std::string(found->second) : fmt::format("{}{}", numbered, type);
}

std::optional<std::uint16_t> of_name(std::string_view name) {
    if (const auto found = std::ranges::find(known, name, &Entry::second); found != known.end()) return found->first;
    if (!name.starts_with(numbered)) return std::nullopt;
    const auto digits = name.substr(numbered.size());
    std::uint16_t type = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), type);
    if (error != std::errc() || end != digits.data() + digits.size() || type == 0) return std::nullopt;
    return type;
}

std::vector<std::string> known_names() {
    std::vector<std::string> out;
    for (const auto& [type, name] : known) out.emplace_back(name);
    return out;
}

}  // namespace assent::model::dns_type
