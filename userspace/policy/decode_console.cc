#include "policy/decode_console.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "model/address.h"
#include "policy/reader.h"

namespace assent::policy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t longest_url = 256;

bool is_host_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
}

// "https://assent.example.com:7443": what a browser sends as the origin, so nothing but scheme, host and port.
bool is_origin(std::string_view text) {
    constexpr std::string_view scheme = "https://";
    if (!text.starts_with(scheme) || text.size() > longest_url) return false;
    text.remove_prefix(scheme.size());
    return !text.empty() && text.front() != ':' && text.back() != ':' && std::ranges::all_of(text, is_host_character) &&
           !text.ends_with(":443");
}

void decode_listen(const YamlNode& node, ConsoleSettings& console, Reporter& report) {
    const auto text = read_text(node, "'listen'", report);
    if (!text) return;
    const auto colon = text->rfind(':');
    std::string_view host = std::string_view(*text).substr(0, colon == std::string::npos ? 0 : colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    std::uint16_t port = 0;
    if (colon != std::string::npos) (void)std::from_chars(text->data() + colon + 1, text->data() + text->size(), port);
    const bool is_whole = colon != std::string::npos && std::to_string(port) == text->substr(colon + 1);
    if (!is_whole || port == 0 || !model::IpAddress::parse(host)) {
        report.mistake(node.at, fmt::format("'{}' is not an address and port (127.0.0.1:7443)", shown_text(*text)));
        return;
    }
    console.address = host;
    console.port = port;
}

void decode_certificate(const YamlNode& node, ConsoleSettings& console, Reporter& report) {
    MapReader map(node, "'tls'", report);
    if (const YamlNode* certificate = map.required("certificate"))
        console.certificate = read_path(*certificate, "'certificate'", report).value_or("");
    if (const YamlNode* key = map.required("key")) console.key = read_path(*key, "'key'", report).value_or("");
    map.finish();
}

void decode_sessions(const YamlNode& node, ConsoleSettings& console, Reporter& report) {
    MapReader map(node, "'sessions'", report);
    const auto time = [&](std::string_view key, seconds& out, seconds most) {
        const YamlNode* value = map.optional(key);
        if (value == nullptr) return;
        const auto read = read_duration(*value, fmt::format("'{}'", key), report);
        if (!read) return;
        out = std::chrono::floor<seconds>(*read);
        if (out < minutes(1) || out > most)
            report.mistake(value->at, fmt::format("'{}' is from 1m to {}h", key, std::chrono::floor<hours>(most).count()));
    };
    time("idle", console.idle, hours(12));
    time("longest", console.longest, hours(24 * 7));
    map.finish();
}

}  // namespace

void decode_console(const YamlNode& node, ConsoleSettings& console, Reporter& report) {
    MapReader map(node, "'console'", report);
    console.is_wanted = true;
    if (const YamlNode* listen = map.optional("listen")) decode_listen(*listen, console, report);
    if (const YamlNode* url = map.required("public_url")) {
        auto text = read_text(*url, "'public_url'", report).value_or("");
        if (text.ends_with('/')) text.pop_back();
        if (!text.empty() && !is_origin(text)) {
            report.mistake(url->at,
                           fmt::format("'{}' is not where browsers find the console: https://HOST or https://HOST:PORT, in "
                                       "lower case and with nothing behind it",
                                       shown_text(text)));
        }
        console.public_url = std::move(text);
    }
    if (const YamlNode* tls = map.optional("tls")) decode_certificate(*tls, console, report);
    if (const YamlNode* user = map.optional("user")) console.user = read_text(*user, "'user'", report).value_or("");
    if (const YamlNode* sessions = map.optional("sessions")) decode_sessions(*sessions, console, report);
    map.finish();
}

void decode_view(const YamlNode& node, Settings& settings, Reporter& report) {
    MapReader map(node, "'view'", report);
    if (const YamlNode* users = map.optional("users"))
        settings.view_users = plain_texts(read_texts(*users, "'users'", report));
    if (const YamlNode* groups = map.optional("groups"))
        settings.view_groups = plain_texts(read_texts(*groups, "'groups'", report));
    map.finish();
}

}  // namespace assent::policy
