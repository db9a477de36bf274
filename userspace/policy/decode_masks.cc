// masks, harmless_functions and observe.
#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/decode.h"
#include "policy/timestamp.h"

namespace assent::policy {
namespace {

constexpr std::uint64_t most_kept = 1000;

model::MaskMethod decode_partial(const YamlNode& node, Reporter& report) {
    model::MaskMethod method{model::MaskKind::partial, 0, 0};
    MapReader map(node, "'method'", report);
    const YamlNode* partial = map.required("partial");
    map.finish();
    if (partial == nullptr) return method;
    MapReader kept(*partial, "'partial'", report);
    const auto count = [&](std::string_view key) -> std::uint32_t {
        const YamlNode* number = kept.optional(key);
        if (number == nullptr) return 0;
        return static_cast<std::uint32_t>(read_number(*number, fmt::format("'{}'", key), 0, most_kept, report).value_or(0));
    };
    method.keep_first = count("keep_first");
    method.keep_last = count("keep_last");
    kept.finish();
    if (kept.is_map() && method.keep_first == 0 && method.keep_last == 0) {
        report.mistake(partial->at, "'partial' keeps nothing; say keep_first or keep_last, or use 'redact'");
    }
    return method;
}

model::MaskMethod decode_method(const YamlNode& node, Reporter& report) {
    if (node.kind == YamlNode::Kind::map) return decode_partial(node, report);
    const auto choice = read_choice(node, "'method'", {"null", "redact", "hash", "partial"}, report);
    if (choice == 3) report.mistake(node.at, "'partial' has to say what it keeps: {partial: {keep_last: 4}}");
    switch (choice.value_or(0)) {
        case 1:
            return {model::MaskKind::redact, 0, 0};
        case 2:
            return {model::MaskKind::hash, 0, 0};
        default:
            return {model::MaskKind::null, 0, 0};
    }
}

void decode_columns(MapReader& map, const YamlNode& node, Mask& mask, Reporter& report) {
    const YamlNode* columns = map.optional("columns");
    map.unsupported("detect", "finding values by what they look like ('detect')");
    if (columns == nullptr) {
        const bool detects = map.optional("detect") != nullptr;
        if (!detects && map.is_map()) report.mistake(node.at, "a mask needs 'columns'");
        return;
    }
    for (const auto& placed : read_texts(*columns, "'columns'", report)) {
        if (auto pattern = ColumnPattern::parse(placed.text)) {
            mask.columns.push_back(std::move(*pattern));
            mask.column_texts.push_back(placed.text);
        } else {
            report.mistake(
                placed.at,
                fmt::format("a column is written schema.relation.column or database.schema.relation.column, not '{}'",
                            shown_text(placed.text)));
        }
    }
}

void decode_mask(const YamlNode& node, Decoding& decoding) {
    Reporter& report = decoding.report;
    MapReader map(node, "a mask", report);
    Mask mask;
    mask.place = decoding.place(node.at);
    if (const YamlNode* name = map.required("name")) {
        mask.name = read_text(*name, "'name'", report).value_or("");
        if (!mask.name.empty() && check_name(mask.name, name->at, "a mask", report))
            (void)decoding.define("mask", mask.name, name->at);
    }
    if (const YamlNode* agents = map.optional("agents"))
        mask.agents = decode_names(*agents, Reference::Kind::agent, decoding).value_or(Names{});
    if (const YamlNode* targets = map.optional("targets"))
        mask.targets = decode_names(*targets, Reference::Kind::target, decoding).value_or(Names{});
    if (!mask.agents) mask.agents = decoding.about.agents;
    if (!mask.targets) mask.targets = decoding.about.targets;
    decode_columns(map, node, mask, report);
    if (const YamlNode* method = map.required("method")) mask.method = decode_method(*method, report);
    if (const YamlNode* unproven = map.optional("unproven")) {
        mask.denies_unproven = read_choice(*unproven, "'unproven'", {"mask", "deny"}, report) == 1;
    }
    map.unsupported("unless", "'unless' of a mask");
    map.finish();
    if (map.is_map()) decoding.content.masks.push_back(std::move(mask));
}

constexpr std::string_view last_day = "2200-12-31";  // read_timestamp() knows no later one

// "2026-12-31": through the end of that day, in UTC.
std::optional<WallTime> read_last_day(const YamlNode& node, Reporter& report) {
    const auto text = read_text(node, "'until'", report);
    if (!text) return std::nullopt;
    const auto start = read_timestamp(*text);
    if (start && text->size() == std::string_view("2026-12-31").size()) return *start + std::chrono::days(1);
    // Days have the same form in every year, so those beyond the clock are told from what is no day.
    const bool is_far = text->size() == last_day.size() && *text > last_day && read_timestamp("2000" + text->substr(4));
    report.mistake(node.at, is_far ? fmt::format("'until' is {} at the latest, not '{}'", last_day, shown_text(*text))
                                   : fmt::format("'until' is a day as 2026-12-31, not '{}'", shown_text(*text)));
    return std::nullopt;
}

void decode_observation(const YamlNode& node, Decoding& decoding) {
    Reporter& report = decoding.report;
    MapReader map(node, "an item of 'observe'", report);
    Observation out;
    const auto names_of = [&](std::string_view key, Reference::Kind kind, const std::optional<Names>& about) -> Names {
        if (const YamlNode* given = map.optional(key)) return decode_names(*given, kind, decoding).value_or(Names{});
        if (!about && map.is_map()) {
            report.mistake(node.at,
                           fmt::format("an item of 'observe' has to name its '{}', here or in the file's 'for'", key));
        }
        return about.value_or(Names{});
    };
    out.agents = names_of("agents", Reference::Kind::agent, decoding.about.agents);
    out.targets = names_of("targets", Reference::Kind::target, decoding.about.targets);
    if (const YamlNode* until = map.required("until")) {
        const auto end = read_last_day(*until, report);
        if (end) {
            out.until = *end;
            out.until_text = until->text;
        }
    }
    map.finish();
    decoding.content.observations.push_back(std::move(out));
}

template <typename Decode>
void each_item(const YamlNode& node, std::string_view what, Decoding& decoding, Decode decode) {
    if (node.kind != YamlNode::Kind::list) {
        decoding.report.mistake(node.at, fmt::format("{} has to be a list, and is {}", what, kind_name(node.kind)));
        return;
    }
    for (const auto& item : node.items) decode(item, decoding);
}

}  // namespace

void decode_masks(const YamlNode& node, Decoding& decoding) { each_item(node, "'masks'", decoding, decode_mask); }
void decode_observations(const YamlNode& node, Decoding& decoding) {
    each_item(node, "'observe'", decoding, decode_observation);
}

void decode_harmless_functions(const YamlNode& node, Decoding& decoding) {
    for (const auto& placed : read_texts(node, "'harmless_functions'", decoding.report)) {
        FunctionPattern pattern(placed.text);
        const bool has_schema = pattern.part_count() == 2 && !pattern.name().parts()[0].matches_everything();
        if (has_schema) {
            decoding.content.harmless_functions.push_back(std::move(pattern));
        } else {
            decoding.report.mistake(
                placed.at,
                fmt::format("a harmless function is written schema.name or schema.*, not '{}'", shown_text(placed.text)));
        }
    }
}

}  // namespace assent::policy
