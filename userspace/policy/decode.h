// YAML to PolicyContent, one section a file (decode_*.cc). Everything here reports its mistakes and goes on, so that one run
// shows all of them. Private to policy/.
#pragma once

#include "policy/reader.h"
#include "policy/rules.h"

namespace assent::policy {

// One file that is being decoded into the set.
struct Decoding {
    PolicyContent& content;
    Reporter& report;
    Selection about;  // the file's `for`
    bool is_builtin = false;

    [[nodiscard]] Place place(Position at) const { return {report.file(), at}; }
    // Reports a name that was defined before; true when it is new. `kind`: "rule", "target" …
    [[nodiscard]] bool define(std::string_view kind, const std::string& name, Position at);
};

void decode_file(const YamlNode& root, PolicyContent& content, Reporter& report, bool is_builtin);

void decode_agents(const YamlNode& node, Decoding& decoding);
void decode_targets(const YamlNode& node, Decoding& decoding);
void decode_credentials(const YamlNode& node, Decoding& decoding);
void decode_rules(const YamlNode& node, Decoding& decoding);
void decode_approvals(const YamlNode& node, Decoding& decoding);
void decode_masks(const YamlNode& node, Decoding& decoding);
void decode_harmless_functions(const YamlNode& node, Decoding& decoding);
void decode_observations(const YamlNode& node, Decoding& decoding);

// Keys agents, targets, operations and objects of a map; `what` is for messages.
[[nodiscard]] Selection decode_selection(MapReader& map, Decoding& decoding);
[[nodiscard]] std::optional<Names> decode_names(const YamlNode& node, Reference::Kind kind, Decoding& decoding);
[[nodiscard]] Conditions decode_conditions(const YamlNode& node, model::Decision verdict, Decoding& decoding);
[[nodiscard]] std::optional<Hours> decode_hours(const YamlNode& node, Reporter& report);
// "10.2.0.0/16:5432", "[fd00::5]:5432", "db.internal:5432".
[[nodiscard]] std::optional<TargetAddress> read_address(const YamlNode& node, Reporter& report);

// Checks what only the whole set can tell: undefined names, ties, credentials that would travel in the clear.
void link(PolicyContent& content, std::vector<Diagnostic>& mistakes);
// Reports a rule that can never match. Called when the rule is complete.
void check_can_match(const Rule& rule, const PolicyContent& content, Reporter& report);

}  // namespace assent::policy
