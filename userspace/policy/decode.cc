#include "policy/decode.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/spelling.h"

namespace assent::policy {
namespace {

std::vector<std::string> operation_words() {
    std::vector<std::string> words = {"any", "writes", "ddl"};
    for (std::size_t i = 0; i < model::operation_count; ++i)
        words.emplace_back(model::name_of(static_cast<model::Operation>(i)));
    return words;
}

std::optional<model::OperationSet> decode_operations(const YamlNode& node, Reporter& report) {
    model::OperationSet set;
    for (const auto& placed : read_texts(node, "'operations'", report)) {
        const auto named = model::operations_named(placed.text);
        if (named) {
            set |= *named;
        } else {
            const std::string meant =
                placed.text == "select" ? "; did you mean 'read'?" : suggestion(placed.text, operation_words());
            report.mistake(placed.at, fmt::format("unknown operation '{}'{}", shown_text(placed.text), meant));
        }
    }
    return set.none() ? std::nullopt : std::optional(set);
}

bool check_object(const PlacedText& placed, Reporter& report) {
    const auto parts = split_pattern(placed.text);
    const bool is_broken = std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); });
    if (is_broken) {
        report.mistake(placed.at,
                       fmt::format("'{}' has an empty part; an object is written schema.relation", shown_text(placed.text)));
    } else if (placed.text == "*") {
        report.mistake(placed.at, "'*' is no object; everything is written 'any'");
        return false;
    } else if (parts.size() > 2 && parts[0] != "setting") {
        report.mistake(placed.at,
                       fmt::format("'{}' has {} parts, which can never match; an object is written schema.relation",
                                   shown_text(placed.text), parts.size()));
        return false;
    }
    return !is_broken;
}

void decode_objects(const YamlNode& node, Selection& selection, Reporter& report) {
    static const std::vector<std::string> words = {"any", "@catalog"};
    selection.objects.emplace();
    for (const auto& placed : read_texts(node, "'objects'", report)) {
        auto pattern = ObjectPattern::parse(placed.text);
        if (!pattern) {
            report.mistake(placed.at, fmt::format("unknown set of objects '{}'{}", shown_text(placed.text),
                                                  suggestion(placed.text, words)));
        } else if (pattern->name() == nullptr || check_object(placed, report)) {
            selection.objects->push_back(std::move(*pattern));
            selection.object_places.push_back(placed);
        }
    }
}

void decode_version(MapReader& map, Reporter& report) {
    const YamlNode* node = map.optional("version");
    if (node == nullptr) return;
    const auto version = read_text(*node, "'version'", report);
    if (version && *version != "1") report.mistake(node->at, fmt::format("'version' is 1, not '{}'", shown_text(*version)));
}

void decode_builtin(MapReader& map, Decoding& decoding) {
    const YamlNode* node = map.optional("builtin");
    if (node == nullptr) return;
    const auto choice = read_choice(*node, "'builtin'", {"on", "off"}, decoding.report);
    if (choice == 1) decoding.content.has_builtin = false;
}

}  // namespace

bool Names::has(std::string_view name) const { return is_any || std::find(names.begin(), names.end(), name) != names.end(); }

bool Names::has_one_of(const std::vector<std::string>& some) const {
    return is_any || std::any_of(some.begin(), some.end(), [&](const auto& name) { return has(name); });
}

bool Decoding::define(std::string_view kind, const std::string& name, Position at) {
    const auto [found, is_new] = content.defined.try_emplace(fmt::format("{} {}", kind, name), place(at));
    if (!is_new) {
        report.mistake(at, fmt::format("{} '{}' is defined twice; the other is at {}:{}", kind, shown_text(name),
                                       found->second.file, found->second.at.line));
    }
    return is_new;
}

std::optional<Names> decode_names(const YamlNode& node, Reference::Kind kind, Decoding& decoding) {
    const std::string_view what = kind == Reference::Kind::agent ? "'agents'" : "'targets'";
    Names out;
    for (const auto& placed : read_texts(node, what, decoding.report)) {
        if (placed.text == "any") {
            out.is_any = true;
        } else {
            out.names.push_back(placed.text);
            decoding.content.references.push_back({kind, placed.text, decoding.place(placed.at)});
        }
    }
    if (!out.is_any && out.names.empty()) return std::nullopt;
    return out;
}

Selection decode_selection(MapReader& map, Decoding& decoding) {
    Selection out;
    // A list that is wrong gives a selection of nothing rather than of everything: the file is not used anyway.
    if (const YamlNode* node = map.optional("agents"))
        out.agents = decode_names(*node, Reference::Kind::agent, decoding).value_or(Names{});
    if (const YamlNode* node = map.optional("targets"))
        out.targets = decode_names(*node, Reference::Kind::target, decoding).value_or(Names{});
    if (const YamlNode* node = map.optional("operations")) {
        out.operations = decode_operations(*node, decoding.report).value_or(model::OperationSet{});
    }
    if (const YamlNode* node = map.optional("objects")) decode_objects(*node, out, decoding.report);
    return out;
}

void decode_file(const YamlNode& root, PolicyContent& content, Reporter& report, bool is_builtin) {
    Decoding decoding{content, report, {}, is_builtin};
    MapReader map(root, "a policy file", report);
    decode_version(map, report);
    if (const YamlNode* node = map.optional("for")) {
        MapReader about(*node, "'for'", report);
        decoding.about = decode_selection(about, decoding);
        about.finish();
    }
    decode_builtin(map, decoding);
    using Section = void (*)(const YamlNode&, Decoding&);
    constexpr std::pair<std::string_view, Section> sections[] = {
        {"agents", decode_agents},        {"targets", decode_targets},
        {"rules", decode_rules},          {"approvals", decode_approvals},
        {"masks", decode_masks},          {"harmless_functions", decode_harmless_functions},
        {"observe", decode_observations}, {"credentials", decode_credentials}};
    for (const auto& [key, decode] : sections) {
        if (const YamlNode* node = map.optional(key)) decode(*node, decoding);
    }
    map.finish();
}

}  // namespace assent::policy
