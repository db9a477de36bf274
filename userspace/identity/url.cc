#include "identity/url.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/shown_text.h"

namespace assent::identity {
namespace {

constexpr std::size_t longest_url = 2048;
constexpr std::uint16_t https_port = 443;
constexpr std::uint16_t http_port = 80;

std::unexpected<Error> refuse(std::string_view text, std::string_view why) {
    return fail(Errc::invalid, fmt::format("'{}' {}", shown_text(text.substr(0, 200)), why));
}

bool is_host_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':';
}

// "host", "host:8443", "[::1]:8443"
bool read_authority(std::string_view text, Url& out) {
    std::string_view port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return false;
        out.host = text.substr(1, end - 1);
        port = text.substr(end + 1);
        if (out.host.find(':') == std::string::npos) return false;
    } else {
        const auto end = text.find(':');
        out.host = text.substr(0, end);
        if (end != std::string_view::npos) port = text.substr(end);
    }
    std::ranges::transform(out.host, out.host.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (out.host.empty() || out.host.size() > 253 || !std::ranges::all_of(out.host, is_host_character)) return false;
    out.port = out.is_https ? https_port : http_port;
    if (port.empty()) return true;
    port.remove_prefix(1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    return error == std::errc() && end == port.data() + port.size() && out.port != 0;
}

}  // namespace

bool Url::is_loopback() const {
    if (host == "localhost" || host == "::1") return true;
    const bool is_ipv4 = std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.'; }) &&
                         std::ranges::count(host, '.') == 3;
    return is_ipv4 && host.starts_with("127.");
}

std::string Url::origin() const {
    const bool is_v6 = host.find(':') != std::string::npos;
    return fmt::format("{}://{}{}{}:{}", is_https ? "https" : "http", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);
}

Result<Url> parse_url(std::string_view text) {
    if (text.size() > longest_url) return refuse(text, "is too long for a URL");
    const bool is_plain = std::ranges::all_of(text, [](char c) {
        return c > ' ' && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' && c != '`' && c != '{' &&
               c != '|' && c != '}' && c != '#';
    });
    if (!is_plain) return refuse(text, "is not a URL without a fragment");
    Url out;
    constexpr std::string_view https = "https://";
    constexpr std::string_view http = "http://";
    out.is_https = text.starts_with(https);
    if (!out.is_https && !text.starts_with(http)) return refuse(text, "is not an https URL");
    std::string_view rest = text.substr(out.is_https ? https.size() : http.size());
    const auto end = std::min(rest.find('/'), rest.find('?'));
    if (!read_authority(rest.substr(0, end), out)) return refuse(text, "names no host and port that can be asked");
    out.path = end == std::string_view::npos ? "/" : rest.substr(end);
    if (!out.path.starts_with('/')) out.path.insert(0, 1, '/');
    return out;
}

Result<Url> parse_issuer(std::string_view text) {
    auto url = parse_url(text);
    if (!url) return url;
    if (text.find('?') != std::string_view::npos) return refuse(text, "has a query, which no issuer has");
    if (!url->is_https && !url->is_loopback())
        return refuse(text, "is plain http: an issuer that is not on this host's loopback needs https");
    return url;
}

}  // namespace assent::identity
