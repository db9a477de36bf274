#include "base/shown_text.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include <fmt/format.h>

#include "base/utf8.h"

namespace assent {
namespace {

// Controls, format characters, separators that break lines, private use, and fillers that show nothing.
bool hides(char32_t c) {
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0xAD || c == 0x034F || c == 0x061C || c == 0x115F || c == 0x1160 ||
           c == 0x17B4 || c == 0x17B5 || (c >= 0x180B && c <= 0x180F) || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0x3164 || (c >= 0xE000 && c <= 0xF8FF) ||
           (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || c == 0xFFA0 || (c >= 0xFFF0 && c <= 0xFFFB) ||
           (c >= 0x13430 && c <= 0x1345F) || (c >= 0x1BCA0 && c <= 0x1BCA3) || (c >= 0x1D173 && c <= 0x1D17A) ||
           c >= 0xE0000;
}

// Stands for itself in a JSON string.
bool is_plain(char c) { return c >= ' ' && static_cast<unsigned char>(c) < 0x80 && c != '"' && c != '\\'; }

}  // namespace

std::string shown_text(std::string_view text, Lines lines) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Utf8Character decoded = decode_utf8(text);
        if (decoded.size == 0) {
            fmt::format_to(std::back_inserter(out), "\\x{:02X}", static_cast<unsigned char>(text[0]));
            text.remove_prefix(1);
            continue;
        }
        const bool is_layout = decoded.code == '\n' || decoded.code == '\t';
        if (hides(decoded.code) && !(is_layout && lines == Lines::many)) {
            fmt::format_to(std::back_inserter(out), "\\u{{{:04X}}}", static_cast<std::uint32_t>(decoded.code));
        } else {
            out += text.substr(0, decoded.size);
        }
        text.remove_prefix(decoded.size);
    }
    return out;
}

void append_json_string(std::string& out, std::string_view text) {
    out.push_back('"');
    while (!text.empty()) {
        const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(text, is_plain) - text.begin());
        out += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty()) break;
        const char c = text[0];
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
            text.remove_prefix(1);
        } else if (static_cast<unsigned char>(c) < 0x20) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
            text.remove_prefix(1);
        } else if (const Utf8Character decoded = decode_utf8(text); decoded.size == 0) {
            out += "\xEF\xBF\xBD";
            text.remove_prefix(1);
        } else {
            out += text.substr(0, decoded.size);
            text.remove_prefix(decoded.size);
        }
    }
    out.push_back('"');
}

}  // namespace assent
