// when: the conditions of a rule.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/decode.h"
#include "policy/spelling.h"

namespace assent::policy {
namespace {

constexpr std::size_t longest_regex = 4096;
constexpr std::int64_t regex_memory = 8LL << 20U;

const std::vector<std::string>& day_names() {
    static const std::vector<std::string> names = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    return names;
}

std::shared_ptr<const RE2> decode_regex(const YamlNode& node, model::Decision verdict, Reporter& report) {
    const auto text = read_text(node, "'matches'", report);
    if (!text) return nullptr;
    if (verdict != model::Decision::allow) {
        report.mistake(node.at, "'matches' is for allow rules only: a regex may narrow what is allowed, and never protects");
        return nullptr;
    }
    if (text->size() > longest_regex) {
        report.mistake(node.at, fmt::format("'matches' is longer than {} bytes", longest_regex));
        return nullptr;
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(regex_memory);
    auto regex = std::make_shared<const RE2>(*text, options);
    if (regex->ok()) return regex;
    report.mistake(node.at, fmt::format("'matches' is not a regular expression of RE2: {}", shown_text(regex->error())));
    return nullptr;
}

std::vector<FunctionPattern> decode_functions(const YamlNode& node, model::Decision verdict, Reporter& report) {
    std::vector<FunctionPattern> out;
    for (const auto& placed : read_texts(node, "'functions'", report)) {
        FunctionPattern pattern(placed.text);
        if (pattern.part_count() > 2) {
            report.mistake(placed.at,
                           fmt::format("'{}' can never match; a function is written schema.name", shown_text(placed.text)));
        } else if (pattern.part_count() == 1 && verdict == model::Decision::allow) {
            report.mistake(placed.at, fmt::format("an allow rule has to say the schema of a function: 'SCHEMA.{}'",
                                                  shown_text(placed.text)));
        } else {
            out.push_back(std::move(pattern));
        }
    }
    return out;
}

// "09:00" in minutes; 24:00 is the end of the day.
std::optional<int> read_time_of_day(const YamlNode& node, std::string_view what, Reporter& report) {
    const auto text = read_text(node, what, report);
    if (!text) return std::nullopt;
    const auto digit = [&](std::size_t i) { return (*text)[i] >= '0' && (*text)[i] <= '9' ? (*text)[i] - '0' : 100'000; };
    if (text->size() == 5 && (*text)[2] == ':') {
        const int hour = digit(0) * 10 + digit(1);
        const int minute = digit(3) * 10 + digit(4);
        if ((hour < 24 && minute < 60) || (hour == 24 && minute == 0)) return hour * 60 + minute;
    }
    report.mistake(node.at, fmt::format("{} is a time of day as \"09:00\", not '{}'", what, shown_text(*text)));
    return std::nullopt;
}

std::optional<unsigned> read_day(const PlacedText& placed, Reporter& report) {
    const auto& names = day_names();
    const auto found = std::find(names.begin(), names.end(), placed.text);
    if (found != names.end()) return static_cast<unsigned>(found - names.begin());
    report.mistake(placed.at,
                   fmt::format("'{}' is no day; write mon, tue, wed, thu, fri, sat, sun or a range (mon-fri){}",
                               shown_text(placed.text), nearest(placed.text, names) ? suggestion(placed.text, names) : ""));
    return std::nullopt;
}

// "mon-fri", "sat", "mon-fri,sun", or a list of those.
unsigned read_days(const YamlNode& node, Reporter& report) {
    std::vector<PlacedText> words;
    if (node.kind == YamlNode::Kind::list) {
        words = read_texts(node, "'days'", report);
    } else if (const auto text = read_text(node, "'days'", report)) {
        std::size_t start = 0;
        while (start <= text->size()) {
            const std::size_t comma = std::min(text->find(',', start), text->size());
            words.push_back({text->substr(start, comma - start), node.at});
            start = comma + 1;
        }
    }
    unsigned days = 0;
    for (const auto& word : words) {
        const auto dash = std::min(word.text.find('-'), word.text.size());
        const auto first = read_day({word.text.substr(0, dash), word.at}, report);
        const auto last = dash == word.text.size() ? first : read_day({word.text.substr(dash + 1), word.at}, report);
        if (!first || !last) continue;
        for (unsigned day = *first;; day = (day + 1) % 7) {
            days |= 1U << day;
            if (day == *last) break;
        }
    }
    return days;
}

}  // namespace

std::optional<Hours> decode_hours(const YamlNode& node, Reporter& report) {
    MapReader map(node, "'hours'", report);
    Hours hours;
    if (const YamlNode* days = map.optional("days")) hours.days = read_days(*days, report);
    const YamlNode* from = map.optional("from");
    const YamlNode* to = map.optional("to");
    if (from != nullptr) hours.from_minute = read_time_of_day(*from, "'from'", report).value_or(0);
    if (to != nullptr) hours.to_minute = read_time_of_day(*to, "'to'", report).value_or(24 * 60);
    std::string zone = "UTC";
    const YamlNode* zone_node = map.optional("zone");
    if (zone_node != nullptr) zone = read_text(*zone_node, "'zone'", report).value_or("UTC");
    auto loaded = TimeZone::load(zone);
    if (loaded) {
        hours.zone = std::move(*loaded);
    } else {
        report.mistake(zone_node == nullptr ? node.at : zone_node->at, loaded.error().message);
    }
    map.finish();
    if (!map.is_map()) return std::nullopt;
    if (node.members.empty()) report.mistake(node.at, "'hours' says no days and no times");
    if (from != nullptr && to != nullptr && hours.from_minute == hours.to_minute) {
        report.mistake(to->at, "'from' and 'to' are the same, so the hours can never match");
    }
    return hours.zone == nullptr ? std::nullopt : std::optional(std::move(hours));
}

Conditions decode_conditions(const YamlNode& node, model::Decision verdict, Decoding& decoding) {
    Reporter& report = decoding.report;
    Conditions out;
    MapReader map(node, "'when'", report);
    if (const YamlNode* where = map.optional("where_clause")) {
        const auto choice = read_choice(*where, "'where_clause'", {"absent", "present"}, report);
        if (choice) out.where_clause = *choice == 0 ? model::WhereClause::absent : model::WhereClause::present;
    }
    if (const YamlNode* functions = map.optional("functions")) out.functions = decode_functions(*functions, verdict, report);
    if (const YamlNode* matches = map.optional("matches")) out.matches = decode_regex(*matches, verdict, report);
    if (const YamlNode* hours = map.optional("hours")) out.hours = decode_hours(*hours, report);
    map.unsupported("rows", "the condition 'rows'");
    map.finish();
    if (map.is_map() && node.members.empty()) report.mistake(node.at, "'when' has no conditions");
    return out;
}

}  // namespace assent::policy
