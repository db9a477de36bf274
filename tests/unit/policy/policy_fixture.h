// Short ways to load a policy from a text and to ask it about effects.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "policy/loading.h"
#include "policy/policy.h"

namespace assent::policy {

inline std::string all_mistakes(const std::vector<Diagnostic>& mistakes) {
    std::string out;
    for (const auto& mistake : mistakes) out += mistake.to_text() + "\n";
    return out;
}

inline std::shared_ptr<const Policy> policy_of(std::map<std::string, std::string> files) {
    auto loaded = load_texts(std::move(files), 7);
    if (!loaded) {
        ADD_FAILURE() << all_mistakes(loaded.error());
        return *load_texts({}, 7);
    }
    return *loaded;
}

inline std::shared_ptr<const Policy> policy_of(const std::string& text) {
    return policy_of(std::map<std::string, std::string>{{"a.yaml", text}});
}

// The mistakes of one file "p.yaml", a line each.
inline std::string mistakes_of(const std::string& text) {
    const auto loaded = load_texts({{"p.yaml", text}}, 1);
    return loaded ? "" : all_mistakes(loaded.error());
}

inline model::Effect effect(model::Operation operation, const std::vector<std::string>& objects = {},
                            model::WhereClause where = model::WhereClause::not_applicable) {
    model::Effect out;
    out.operation = operation;
    for (const auto& name : objects) out.objects.push_back({name, true});
    out.where_clause = where;
    return out;
}

inline model::Effect unresolved(model::Operation operation, const std::string& name) {
    model::Effect out = effect(operation, {name});
    out.objects[0].is_resolved = false;
    return out;
}

// What a test asks: everything of a Question, owned.
struct Asked {
    std::vector<model::Effect> effects;
    std::vector<std::string> functions = {};
    std::string text = "SELECT 1";
    WallTime when = std::chrono::sys_days(std::chrono::year(2026) / 6 / 15) + std::chrono::hours(12);
};

inline model::Verdict judge(const Policy& policy, const Asked& asked, std::vector<std::string> agents = {"bot"},
                            std::string_view target = "db", std::string_view database = "shop") {
    return policy.scope(std::move(agents), target, database)
        ->judge({asked.effects, asked.functions, asked.text, asked.when});
}

// "hold: writes-need-a-dba"
inline std::string verdict_text(const model::Verdict& verdict) {
    std::string out(model::name_of(verdict.decision));
    for (std::size_t i = 0; i < verdict.rules.size(); ++i) out += (i == 0 ? ": " : ", ") + verdict.rules[i];
    return out;
}

// Agents `bot` and `other`, targets `db` and `log`, approval `dba`: the head of most tests' files.
inline const std::string world = R"(version: 1
agents:
  bot: [{unit: "bot@*.service"}]
  other: [{unit: other.service}]
targets:
  db: {protocol: postgres, addresses: ["127.0.0.1:5432"]}
  second: {protocol: postgres, addresses: ["127.0.0.1:5433"]}
  model-api: {protocol: tcp, addresses: ["api.example.com:443"]}
approvals:
  dba: {stages: [{reviewers: {groups: [dba]}}]}
  security: {stages: [{reviewers: {groups: [security]}}]}
)";

}  // namespace assent::policy
