#include "policy/decode_dns.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "model/dns_type.h"
#include "policy/reader.h"
#include "policy/spelling.h"

namespace assent::policy {
namespace {

constexpr std::uint16_t dns_port = 53;

// "10.0.0.53", "10.0.0.53:5353", "fd00::53", "[fd00::53]:5353"
std::optional<model::Endpoint> parse_resolver(std::string_view text) {
    if (const auto address = model::IpAddress::parse(text)) return model::Endpoint{*address, dns_port};
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const bool is_bracketed = host.starts_with('[') && host.ends_with(']');
    if (is_bracketed) host = host.substr(1, host.size() - 2);
    const auto address = model::IpAddress::parse(host);
    if (!address || is_bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
    model::Endpoint out{*address, 0};
    const auto digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return out;
}

void decode_resolvers(const YamlNode& node, DnsSettings& dns, Reporter& report) {
    for (const auto& placed : read_texts(node, "'resolvers'", report)) {
        const auto endpoint = parse_resolver(placed.text);
        if (!endpoint || endpoint->port == 0) {
            report.mistake(placed.at, fmt::format("'{}' is not the address of a resolver (10.0.0.53, 127.0.0.1:5353)",
                                                  shown_text(placed.text)));
            continue;
        }
        dns.resolvers.push_back(*endpoint);
    }
    if (dns.resolvers.size() > limits::dns_resolvers)
        report.mistake(node.at, fmt::format("'resolvers' may name {} at most", limits::dns_resolvers));
}

void decode_types(const YamlNode& node, DnsSettings& dns, Reporter& report) {
    dns.types.clear();
    for (const auto& placed : read_texts(node, "'types'", report)) {
        const auto type = model::dns_type::of_name(placed.text);
        if (!type) {
            report.mistake(placed.at, fmt::format("'{}' is not a type of DNS records{}", shown_text(placed.text),
                                                  suggestion(placed.text, model::dns_type::known_names())));
            continue;
        }
        if (*type == model::dns_type::axfr || *type == model::dns_type::ixfr || *type == model::dns_type::opt)
            report.mistake(placed.at, fmt::format("{} is never passed on", placed.text));
        dns.types.push_back(*type);
    }
}

}  // namespace

std::vector<std::uint16_t> usual_dns_types() {
    std::vector<std::uint16_t> out;
    for (const auto* name : {"A", "AAAA", "CNAME", "PTR", "SRV", "MX", "NS", "SOA", "SVCB", "HTTPS"})
        if (const auto type = model::dns_type::of_name(name)) out.push_back(*type);
    return out;
}

void decode_dns(const YamlNode& node, DnsSettings& dns, Reporter& report) {
    constexpr std::uint64_t most = 1'000'000;
    MapReader map(node, "'dns'", report);
    const auto count = [&](MapReader& from, std::string_view key, std::uint32_t& out, std::uint64_t limit) {
        if (const YamlNode* number = from.optional(key))
            out = static_cast<std::uint32_t>(read_number(*number, fmt::format("'{}'", key), 1, limit, report).value_or(out));
    };
    if (const YamlNode* resolvers = map.optional("resolvers")) decode_resolvers(*resolvers, dns, report);
    if (const YamlNode* unlisted = map.optional("unlisted"))
        dns.refuses_unlisted = read_choice(*unlisted, "'unlisted'", {"forward", "refuse"}, report).value_or(1) == 1;
    if (const YamlNode* types = map.optional("types")) decode_types(*types, dns, report);
    if (const YamlNode* queries = map.optional("queries")) {
        MapReader inner(*queries, "'queries'", report);
        count(inner, "per_minute", dns.queries_per_minute, most);
        inner.finish();
    }
    if (const YamlNode* names = map.optional("names")) {
        MapReader inner(*names, "'names'", report);
        count(inner, "per_hour", dns.names_per_hour, limits::dns_names_per_agent);
        count(inner, "per_domain", dns.names_per_domain, limits::dns_names_per_agent);
        count(inner, "longest", dns.longest_name, 253);
        count(inner, "random", dns.random_characters, 253);
        inner.finish();
    }
    if (const YamlNode* ech = map.optional("ech"))
        dns.keeps_ech = read_choice(*ech, "'ech'", {"strip", "keep"}, report).value_or(0) == 1;
    map.finish();
}

}  // namespace assent::policy
