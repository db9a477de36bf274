#include "policy/reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/shown_text.h"
#include "policy/spelling.h"

namespace assent::policy {
namespace {

constexpr std::size_t longest_name = 100;

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

// "15m" by a table of units; nothing when it is not of that form or too large.
std::optional<std::uint64_t> number_with_unit(std::string_view text, std::initializer_list<Unit> units) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    for (const Unit& known : units) {
        if (known.name != unit) continue;
        if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / known.factor)
            return std::nullopt;
        return number * known.factor;
    }
    return std::nullopt;
}

}  // namespace

std::string_view kind_name(YamlNode::Kind kind) noexcept {
    switch (kind) {
        case YamlNode::Kind::empty:
            return "nothing";
        case YamlNode::Kind::null:
            return "null";
        case YamlNode::Kind::text:
            return "a single value";
        case YamlNode::Kind::list:
            return "a list";
        case YamlNode::Kind::map:
            return "a map";
    }
    return "nothing";
}

MapReader::MapReader(const YamlNode& node, std::string what, Reporter& report)
    : node_(node), what_(std::move(what)), report_(report) {
    if (!is_map())
        report_.mistake(node_.at, fmt::format("{} has to be a map (key: value), and is {}", what_, kind_name(node_.kind)));
}

const YamlNode* MapReader::optional(std::string_view key) {
    known_.emplace_back(key);
    const auto found =
        std::find_if(node_.members.begin(), node_.members.end(), [&](const auto& member) { return member.key == key; });
    return found == node_.members.end() ? nullptr : &found->value;
}

const YamlNode* MapReader::required(std::string_view key) {
    const YamlNode* found = optional(key);
    if (found == nullptr && is_map()) report_.mistake(node_.at, fmt::format("{} needs '{}'", what_, key));
    return found;
}

void MapReader::unsupported(std::string_view key, std::string_view what) {
    const auto found =
        std::find_if(node_.members.begin(), node_.members.end(), [&](const auto& member) { return member.key == key; });
    known_.emplace_back(key);
    if (found != node_.members.end()) report_.mistake(found->key_at, fmt::format("{} is not yet supported", what));
}

void MapReader::finish() {
    for (const auto& member : node_.members) {
        if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
        report_.mistake(member.key_at,
                        fmt::format("unknown key '{}'{}", shown_text(member.key), suggestion(member.key, known_)));
    }
}

std::optional<std::string> read_text(const YamlNode& node, std::string_view what, Reporter& report) {
    if (node.kind != YamlNode::Kind::text) {
        report.mistake(node.at, fmt::format("{} has to be a single value, and is {}", what, kind_name(node.kind)));
        return std::nullopt;
    }
    if (node.text.empty()) {
        report.mistake(node.at, fmt::format("{} is empty", what));
        return std::nullopt;
    }
    return node.text;
}

std::vector<PlacedText> read_texts(const YamlNode& node, std::string_view what, Reporter& report) {
    if (node.kind != YamlNode::Kind::list) {
        report.mistake(node.at, fmt::format("{} has to be a list ([a, b]), and is {}", what, kind_name(node.kind)));
        return {};
    }
    if (node.items.empty()) report.mistake(node.at, fmt::format("{} is an empty list, which can never match", what));
    std::vector<PlacedText> out;
    for (const auto& item : node.items) {
        auto text = read_text(item, fmt::format("an item of {}", what), report);
        if (text) out.push_back({std::move(*text), item.at});
    }
    return out;
}

std::vector<std::string> plain_texts(const std::vector<PlacedText>& texts) {
    std::vector<std::string> out;
    for (const auto& placed : texts) out.push_back(placed.text);
    return out;
}

std::optional<std::size_t> read_choice(const YamlNode& node, std::string_view what,
                                       std::initializer_list<std::string_view> words, Reporter& report) {
    // `null` is a word of the language (a mask's method), and YAML has no text for it.
    const std::string word = node.kind == YamlNode::Kind::null ? "null" : node.text;
    if (node.kind == YamlNode::Kind::text || node.kind == YamlNode::Kind::null) {
        const auto found = std::find(words.begin(), words.end(), word);
        if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
        const std::vector<std::string> known(words.begin(), words.end());
        const auto near = nearest(word, known);
        report.mistake(node.at, fmt::format("{} is one of {}, not '{}'{}", what, fmt::join(known, ", "), shown_text(word),
                                            near ? fmt::format("; did you mean '{}'?", *near) : ""));
        return std::nullopt;
    }
    report.mistake(node.at,
                   fmt::format("{} has to be one of {}, and is {}", what, fmt::join(words, ", "), kind_name(node.kind)));
    return std::nullopt;
}

std::optional<std::uint64_t> read_number(const YamlNode& node, std::string_view what, std::uint64_t least,
                                         std::uint64_t most, Reporter& report) {
    const auto text = read_text(node, what, report);
    if (!text) return std::nullopt;
    const auto number = number_with_unit(*text, {{"", 1}});
    if (number && *number >= least && *number <= most) return number;
    report.mistake(node.at, fmt::format("{} is a number from {} to {}, not '{}'", what, least, most, shown_text(*text)));
    return std::nullopt;
}

std::optional<std::chrono::milliseconds> read_duration(const YamlNode& node, std::string_view what, Reporter& report) {
    const auto text = read_text(node, what, report);
    if (!text) return std::nullopt;
    constexpr std::uint64_t longest_ms = 100ULL * 366 * 24 * 3600 * 1000;
    const auto number =
        number_with_unit(*text, {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}});
    if (number && *number <= longest_ms) return std::chrono::milliseconds(*number);
    report.mistake(node.at,
                   fmt::format("{} is a time with a unit (100ms, 60s, 15m, 12h, 400d), not '{}'", what, shown_text(*text)));
    return std::nullopt;
}

std::optional<std::uint64_t> read_size(const YamlNode& node, std::string_view what, Reporter& report) {
    const auto text = read_text(node, what, report);
    if (!text) return std::nullopt;
    const auto number =
        number_with_unit(*text, {{"KiB", 1ULL << 10U}, {"MiB", 1ULL << 20U}, {"GiB", 1ULL << 30U}, {"TiB", 1ULL << 40U}});
    if (number && *number > 0) return number;
    report.mistake(node.at, fmt::format("{} is a size with a unit (512MiB, 50GiB), not '{}'", what, shown_text(*text)));
    return std::nullopt;
}

std::optional<std::string> read_path(const YamlNode& node, std::string_view what, Reporter& report) {
    auto text = read_text(node, what, report);
    if (!text) return std::nullopt;
    if (text->starts_with('/')) return text;
    report.mistake(node.at, fmt::format("{} is a full path that starts with '/', not '{}'", what, shown_text(*text)));
    return std::nullopt;
}

bool check_name(std::string_view name, Position at, std::string_view what, Reporter& report) {
    if (name == "any") {
        report.mistake(at, fmt::format("{} cannot be called 'any', which means everything", what));
        return false;
    }
    const bool is_good = !name.empty() && name.size() <= longest_name && name.front() != '-' && name.front() != '.' &&
                         std::all_of(name.begin(), name.end(), is_name_character);
    if (!is_good) {
        report.mistake(at, fmt::format("the name of {} is made of letters, digits, '.', '_' and '-', at most {}, not '{}'",
                                       what, longest_name, shown_text(name)));
    }
    return is_good;
}

}  // namespace assent::policy
