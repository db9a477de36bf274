#include "kernel/glob_machine.h"

#include <fnmatch.h>

#include <vector>

namespace assent::kernel {
namespace {

constexpr std::size_t most_things = 63;

// How long the set is that begins here: "[a-z]", "[]x]", "[!a[:digit:]]". 1: it is not closed, so '[' means itself.
std::size_t set_length(std::string_view text) {
    std::size_t at = 1;
    if (at < text.size() && (text[at] == '!' || text[at] == '^')) ++at;
    if (at < text.size() && text[at] == ']') ++at;
    while (at < text.size() && text[at] != ']') {
        const bool is_class =
            text[at] == '[' && at + 1 < text.size() && (text[at + 1] == ':' || text[at + 1] == '.' || text[at + 1] == '=');
        const auto end = is_class ? text.find(std::string{text[at + 1], ']'}, at + 2) : std::string_view::npos;
        if (end != std::string_view::npos)
            at = end + 2;
        else
            at += text[at] == '\\' && at + 1 < text.size() ? 2 : 1;
    }
    return at < text.size() ? at + 1 : 1;
}

}  // namespace

std::optional<assent_glob> compile_glob(const std::string& pattern) {
    assent_glob out{};
    std::size_t things = 0;
    for (std::size_t at = 0; at < pattern.size();) {
        if (pattern[at] == '*') {
            out.stays |= std::uint64_t{1} << things;
            ++at;
            continue;
        }
        std::size_t length = 1;
        if (pattern[at] == '\\' && at + 1 < pattern.size()) length = 2;
        if (pattern[at] == '[') length = set_length(std::string_view(pattern).substr(at));
        // The library itself says what one thing accepts.
        const auto thing = pattern.substr(at, length);
        if (things == most_things) return std::nullopt;
        for (unsigned character = 1; character < 256; ++character) {
            const std::string name(1, static_cast<char>(character));
            if (::fnmatch(thing.c_str(), name.c_str(), 0) == 0) out.accepts[character] |= std::uint64_t{1} << things;
        }
        ++things;
        at += length;
    }
    out.ends = std::uint64_t{1} << things;
    return out;
}

bool fits(const assent_glob& glob, std::string_view name) noexcept {
    std::uint64_t state = 1;
    for (const char character : name)
        state = ((state & glob.accepts[static_cast<unsigned char>(character)]) << 1U) | (state & glob.stays);
    return (state & glob.ends) != 0;
}

std::string literal_glob(std::string_view name) {
    std::string out;
    for (const char character : name) {
        if (std::string_view("*?[]\\").find(character) != std::string_view::npos) out.push_back('\\');
        out.push_back(character);
    }
    return out;
}

}  // namespace assent::kernel
