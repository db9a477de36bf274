// rules: who may do what where, and what is said of it.
#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/decode.h"

namespace assent::policy {
namespace {

constexpr std::size_t longest_message = 1000;
constexpr std::uint64_t most_commands = 1'000'000;
constexpr std::chrono::hours longest_limit(30 * 24);
constexpr std::string_view builtin_prefix = "builtin-";

// What the file's `for` says of what the rule leaves out. A deny rule that leaves something out means all of it.
void complete(Rule& rule, MapReader& map, const Selection& about, Reporter& report) {
    Selection& what = rule.what;
    if (!what.agents) what.agents = about.agents;
    if (!what.targets) what.targets = about.targets;
    if (!what.operations) what.operations = about.operations;
    if (!what.objects) {
        what.objects = about.objects;
        what.object_places = about.object_places;
    }
    const bool may_leave_out = rule.verdict == model::Decision::deny;
    const auto lacks = [&](bool is_given, std::string_view key) {
        if (is_given || may_leave_out) return;
        report.mistake(
            map.at(), fmt::format("rule '{}' has to name its '{}', here or in the file's 'for'; everything is written [any]",
                                  rule.name, key));
    };
    lacks(what.agents.has_value(), "agents");
    lacks(what.targets.has_value(), "targets");
    lacks(what.operations.has_value(), "operations");
    lacks(what.objects.has_value(), "objects");
    if (!what.agents) what.agents = Names{true, {}};
    if (!what.targets) what.targets = Names{true, {}};
    if (!what.operations) what.operations = model::operations_named("any");
    if (!what.objects) what.objects = std::vector{*ObjectPattern::parse("any")};
}

std::string decode_rule_name(MapReader& map, Decoding& decoding) {
    const YamlNode* node = map.required("name");
    if (node == nullptr) return "";
    auto name = read_text(*node, "'name'", decoding.report);
    if (!name || !check_name(*name, node->at, "a rule", decoding.report)) return "";
    if (!decoding.is_builtin && name->starts_with(builtin_prefix)) {
        decoding.report.mistake(node->at,
                                fmt::format("names that begin with '{}' belong to the built-in set", builtin_prefix));
    }
    (void)decoding.define("rule", *name, node->at);
    return std::move(*name);
}

// limit: {commands: 20, per: 1h, then: hold}
std::optional<model::RuleLimit> decode_limit(const YamlNode& node, const Rule& rule, Reporter& report) {
    MapReader map(node, "'limit'", report);
    model::RuleLimit out;
    out.rule = rule.name;
    if (const YamlNode* commands = map.required("commands")) {
        out.commands =
            static_cast<std::uint32_t>(read_number(*commands, "'commands'", 1, most_commands, report).value_or(1));
    }
    if (const YamlNode* per = map.required("per")) {
        const auto time = read_duration(*per, "'per'", report);
        if (time) out.per = std::chrono::ceil<std::chrono::seconds>(*time);
        if (time && (out.per.count() == 0 || out.per > longest_limit)) report.mistake(per->at, "'per' is from 1s to 30d");
    }
    const YamlNode* then = map.required("then");
    if (then != nullptr) {
        const auto choice = read_choice(*then, "'then'", {"deny", "hold"}, report);
        out.then = choice == 1 ? model::Decision::hold : model::Decision::deny;
    }
    map.finish();
    if (rule.verdict == model::Decision::deny)
        report.mistake(node.at, "'limit' belongs to a rule that allows or holds: this one denies already");
    if (rule.verdict == model::Decision::hold && out.then == model::Decision::hold && then != nullptr)
        report.mistake(then->at, "'then: hold' changes nothing: the rule holds already");
    return out;
}

void decode_verdict(MapReader& map, Rule& rule, Decoding& decoding) {
    Reporter& report = decoding.report;
    if (const YamlNode* verdict = map.required("verdict")) {
        const auto choice = read_choice(*verdict, "'verdict'", {"deny", "hold", "allow"}, report);
        if (choice) rule.verdict = static_cast<model::Decision>(*choice);
    }
    if (const YamlNode* limit = map.optional("limit")) rule.limit = decode_limit(*limit, rule, report);
    const YamlNode* approval = map.optional("approval");
    const bool may_hold = rule.verdict == model::Decision::hold || (rule.limit && rule.limit->then == model::Decision::hold);
    if (!may_hold) {
        if (approval != nullptr) report.mistake(approval->at, "'approval' belongs to a rule with 'verdict: hold'");
        return;
    }
    if (approval == nullptr) {
        report.mistake(map.at(), fmt::format("rule '{}' holds, so it needs 'approval': who may answer", rule.name));
        return;
    }
    rule.approval = read_text(*approval, "'approval'", report).value_or("");
    if (!rule.approval.empty()) {
        decoding.content.references.push_back({Reference::Kind::approval, rule.approval, decoding.place(approval->at)});
    }
    if (rule.limit && rule.limit->then == model::Decision::hold) rule.limit->approval = rule.approval;
}

void decode_message(MapReader& map, Rule& rule, Reporter& report) {
    const YamlNode* node = map.optional("message");
    if (node == nullptr) return;
    rule.message = read_text(*node, "'message'", report).value_or("");
    if (rule.message.size() <= longest_message) return;
    report.mistake(node->at, fmt::format("'message' is longer than {} bytes", longest_message));
}

void decode_except(MapReader& map, Rule& rule, Decoding& decoding) {
    const YamlNode* node = map.optional("except");
    if (node == nullptr) return;
    MapReader except(*node, "'except'", decoding.report);
    rule.except = decode_selection(except, decoding);
    except.finish();
    const bool says_nothing =
        !rule.except->agents && !rule.except->targets && !rule.except->operations && !rule.except->objects;
    if (says_nothing) rule.except.reset();
    if (except.is_map() && node->members.empty())
        decoding.report.mistake(node->at, "'except' without keys would take away the whole rule");
}

void decode_rule(const YamlNode& node, Decoding& decoding) {
    MapReader map(node, "a rule", decoding.report);
    Rule rule;
    rule.place = decoding.place(node.at);
    rule.is_builtin = decoding.is_builtin;
    rule.name = decode_rule_name(map, decoding);
    decode_verdict(map, rule, decoding);
    rule.what = decode_selection(map, decoding);
    decode_except(map, rule, decoding);
    if (const YamlNode* when = map.optional("when")) rule.when = decode_conditions(*when, rule.verdict, decoding);
    decode_message(map, rule, decoding.report);
    map.finish();
    if (!map.is_map()) return;
    complete(rule, map, decoding.about, decoding.report);
    decoding.content.rules.push_back(std::move(rule));
}

}  // namespace

void decode_rules(const YamlNode& node, Decoding& decoding) {
    if (node.kind != YamlNode::Kind::list) {
        decoding.report.mistake(node.at,
                                fmt::format("'rules' has to be a list (- name: …), and is {}", kind_name(node.kind)));
        return;
    }
    for (const auto& item : node.items) decode_rule(item, decoding);
}

}  // namespace assent::policy
