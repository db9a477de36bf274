#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/decode.h"

namespace assent::policy {
namespace {

std::optional<unsigned> number(std::string_view text, unsigned most) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > most) return std::nullopt;
    return value;
}

// The address with the bits behind the prefix cleared.
model::IpAddress network_of(model::IpAddress address, unsigned prefix_bits) {
    for (unsigned bit = prefix_bits; bit < address.bit_count(); ++bit) {
        address.bytes[bit / 8] = static_cast<std::uint8_t>(address.bytes[bit / 8] & ~(0x80U >> (bit % 8)));
    }
    return address;
}

bool is_host_name(std::string_view host) {
    if (host.empty() || host.size() > 253 || host.front() == '-' || host.front() == '.') return false;
    const bool has_letter = std::any_of(host.begin(), host.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    return has_letter && host.find("..") == std::string_view::npos && std::all_of(host.begin(), host.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
           });
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    while (out.ends_with('.')) out.pop_back();
    return out;
}

constexpr std::string_view unix_address_prefix = "unix:";
constexpr std::size_t unix_name_size = 107;  // the kernel's limit, less the zero byte that most programs write

std::optional<TargetAddress> read_unix_address(std::string_view name, const YamlNode& node, Reporter& report) {
    const bool is_path = name.starts_with('/') && !name.ends_with('/') && name.find("//") == std::string_view::npos &&
                         name.find("/./") == std::string_view::npos && name.find("/../") == std::string_view::npos;
    const bool is_abstract = name.size() > 1 && name.starts_with('@');
    if ((!is_path && !is_abstract) || name.size() > unix_name_size) {
        report.mistake(node.at,
                       fmt::format("a unix socket is 'unix:/PATH' or 'unix:@ABSTRACT-NAME', at most {} bytes and spelled as "
                                   "agents spell it, not '{}'",
                                   unix_name_size, shown_text(name)));
        return std::nullopt;
    }
    TargetAddress out;
    out.unix_name = name;
    return out;
}

}  // namespace

std::optional<TargetAddress> read_address(const YamlNode& node, Reporter& report) {
    const auto text = read_text(node, "an address", report);
    if (!text) return std::nullopt;
    const auto mistake = [&](std::string message) {
        report.mistake(node.at, std::move(message));
        return std::nullopt;
    };
    const std::string shown = shown_text(*text);
    if (text->starts_with(unix_address_prefix))
        return read_unix_address(std::string_view(*text).substr(unix_address_prefix.size()), node, report);
    const auto colon = text->rfind(':');
    const auto port = colon == std::string::npos ? std::nullopt : number(std::string_view(*text).substr(colon + 1), 65535);
    if (!port || *port == 0)
        return mistake(fmt::format("an address is HOST:PORT with a port from 1 to 65535, or unix:/PATH, not '{}'", shown));
    std::string host = text->substr(0, colon);
    const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (has_brackets) host = host.substr(1, host.size() - 2);
    if (!has_brackets && host.find(':') != std::string::npos)
        return mistake(fmt::format("an IPv6 address needs brackets: '[fd00::5]:5432', not '{}'", shown));
    TargetAddress out;
    out.port = static_cast<std::uint16_t>(*port);
    const auto slash = host.find('/');
    const auto address = model::IpAddress::parse(host.substr(0, slash));
    if (!address) {
        out.host = lower(host);
        if (has_brackets || slash != std::string::npos || !is_host_name(out.host)) {
            return mistake(
                fmt::format("'{}' is neither an address, a network (10.2.0.0/16:5432) nor the name of a host", shown));
        }
        return out;
    }
    const auto bits = slash == std::string::npos ? std::optional(address->bit_count())
                                                 : number(std::string_view(host).substr(slash + 1), address->bit_count());
    if (!bits) return mistake(fmt::format("the prefix of '{}' is from 0 to {}", shown, address->bit_count()));
    out.network = network_of(*address, *bits);
    out.prefix_bits = *bits;
    if (*out.network != *address) {
        return mistake(fmt::format("'{}' has bits set behind its prefix; did you mean '{}/{}:{}'?", shown,
                                   out.network->to_text(), *bits, *port));
    }
    return out;
}

}  // namespace assent::policy
