// Messages of the PostgreSQL protocol as texts, for scripts: what agents say, what servers answer, and how to read both.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cursor.h"
#include "base/shown_text.h"

namespace assent::test {

inline std::string u16(unsigned value) { return {static_cast<char>(value >> 8U), static_cast<char>(value)}; }
inline std::string u32(std::uint32_t value) { return u16(value >> 16U) + u16(value & 0xffffU); }
inline std::string z(std::string_view text) { return std::string(text) + '\0'; }
inline std::string untyped(std::string_view body) {
    return u32(static_cast<std::uint32_t>(body.size() + 4)) + std::string(body);
}
inline std::string message(char type, std::string_view body = "") { return type + untyped(body); }

using Field = std::optional<std::string_view>;
inline std::string fields(const std::vector<Field>& values) {
    std::string out = u16(static_cast<unsigned>(values.size()));
    for (const auto& value : values) {
        out += u32(value ? static_cast<std::uint32_t>(value->size()) : 0xffff'ffffU) + std::string(value.value_or(""));
    }
    return out;
}

// What an agent says.
inline std::string startup(std::vector<std::string_view> words = {"user", "ana", "database", "shop"},
                           std::uint32_t version = 3U << 16U) {
    std::string body = u32(version);
    for (const auto word : words) body += z(word);
    return untyped(body + '\0');
}
inline std::string ssl_request() { return untyped(u32(80877103)); }
inline std::string gss_request() { return untyped(u32(80877104)); }
inline std::string cancel_request(std::uint32_t process, std::uint32_t secret) {
    return untyped(u32(80877102) + u32(process) + u32(secret));
}
inline std::string query(std::string_view text) { return message('Q', z(text)); }
inline std::string parse(std::string_view name, std::string_view text) { return message('P', z(name) + z(text) + u16(0)); }
inline std::string bind(std::string_view portal, std::string_view statement, const std::vector<Field>& values = {}) {
    return message('B', z(portal) + z(statement) + u16(0) + fields(values) + u16(0));
}
inline std::string execute(std::string_view portal = "", std::uint32_t rows = 0) {
    return message('E', z(portal) + u32(rows));
}
inline std::string describe(char what, std::string_view name = "") { return message('D', what + z(name)); }
inline std::string close(char what, std::string_view name) { return message('C', what + z(name)); }
inline std::string sync() { return message('S'); }

// What a server answers.
inline std::string auth(std::uint32_t code, std::string_view body = "") {
    return message('R', u32(code) + std::string(body));
}
inline std::string setting(std::string_view name, std::string_view value) { return message('S', z(name) + z(value)); }
inline std::string key(std::uint32_t process, std::uint32_t secret) { return message('K', u32(process) + u32(secret)); }
inline std::string ready(char status = 'I') { return message('Z', std::string(1, status)); }
inline std::string complete(std::string_view tag) { return message('C', z(tag)); }
inline std::string row(const std::vector<Field>& values) { return message('D', fields(values)); }
inline std::string description(const std::vector<std::pair<std::string_view, std::uint32_t>>& columns) {
    std::string body = u16(static_cast<unsigned>(columns.size()));
    for (const auto& [name, type] : columns) body += z(name) + u32(0) + u16(0) + u32(type) + u16(0) + u32(0) + u16(0);
    return message('T', body);
}
inline std::string error(std::string_view code, std::string_view text, std::string_view severity = "ERROR",
                         std::string_view detail = "") {
    std::string body = "S" + z(severity) + "V" + z(severity) + "C" + z(code) + "M" + z(text);
    if (!detail.empty()) body += "D" + z(detail);
    return message('E', body + '\0');
}

inline std::string notice(std::string_view text) {
    return message('N', "S" + z("NOTICE") + "V" + z("NOTICE") + "C" + z("00000") + "M" + z(text) + '\0');
}

// Runs of dots are two dots.
inline std::string without_runs_of_dots(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c != '.' || !out.ends_with("..")) out += c;
    }
    return out;
}

// "Q(SELECT 1)" for each message; zeros and other bytes that cannot be read are dots. What is no whole message: "?(…)".
inline std::string shown(std::string_view bytes) {
    std::string out;
    const auto readable = [](std::string_view text) {
        std::string result;
        for (const char c : text) result += c >= ' ' && c <= '~' ? c : '.';
        return result;
    };
    while (!bytes.empty()) {
        if (!out.empty()) out += ' ';
        const std::size_t length = bytes.size() < 5 ? 0 : Cursor(as_bytes(bytes.substr(1))).u32();
        if (length < 4 || length + 1 > bytes.size()) return out + "?(" + readable(bytes) + ")";
        out += bytes[0];
        if (length > 4) out += "(" + readable(bytes.substr(5, length - 4)) + ")";
        bytes.remove_prefix(length + 1);
    }
    return out;
}

}  // namespace assent::test
