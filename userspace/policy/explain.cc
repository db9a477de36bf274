#include "policy/explain.h"

#include <algorithm>
#include <exception>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/big_stack.h"
#include "base/limits.h"
#include "base/shown_text.h"
#include "policy/spelling.h"
#include "sql/analyse.h"
#include "sql/parse.h"

namespace assent::policy {
namespace {

std::unexpected<Error> undefined(std::string_view kind, const std::string& name, const std::vector<std::string>& known) {
    return fail(Errc::invalid, fmt::format("undefined {} '{}'{}", kind, shown_text(name), suggestion(name, known)));
}

Result<std::unique_ptr<const Scope>> scope_of(const Policy& policy, const ExplainRequest& request) {
    const auto sets = policy.agent_sets();
    std::vector<std::string> agents;
    if (request.agent != "any") {
        if (std::find(sets.begin(), sets.end(), request.agent) == sets.end()) return undefined("agent", request.agent, sets);
        agents.push_back(request.agent);
    }
    std::string database = request.database;
    if (request.target == "any") return policy.scope(std::move(agents), "", database);
    std::vector<std::string> names;
    for (const Target& target : policy.targets()) {
        names.push_back(target.name);
        if (target.name != request.target) continue;
        if (database.empty() && !target.databases.empty()) database = target.databases.front();
        return policy.scope(std::move(agents), target.name, database);
    }
    return undefined("target", request.target, names);
}

// Parses and analyses; needs the stack that the parser needs.
Explanation judge_text(const Scope& scope, const sql::Catalog& catalog, const ExplainRequest& request) {
    const auto parsed = sql::parse(request.sql);
    sql::Environment environment;
    environment.catalog = &catalog;
    environment.masks = scope.has_masks() ? &scope : nullptr;
    environment.is_harmless = [&](std::string_view schema, std::string_view function) {
        return scope.is_harmless(schema, function);
    };
    const sql::Analysis analysis = sql::analyse(*parsed, environment);
    Explanation out;
    out.statements = parsed->statement_count;
    out.failure = parsed->failure;
    out.functions = analysis.functions;
    out.verdict = scope.judge({analysis.effects, analysis.functions, request.sql, request.when});
    const bool is_empty_query = out.statements == 0 && out.failure.empty() && analysis.effects.empty();
    if (is_empty_query) {
        out.verdict.decision = model::Decision::allow;
        out.verdict.message.clear();
    }
    out.verdict.masks = analysis.masks;
    out.mask_denial = analysis.mask_denial;
    if (!analysis.mask_denial.empty() && out.verdict.decision != model::Decision::deny) {
        out.verdict.decision = model::Decision::deny;
        out.verdict.rules = analysis.mask_denial_masks;
        out.verdict.message = analysis.mask_denial;
        out.verdict.approvals.clear();
    }
    return out;
}

std::vector<std::string> object_names(const model::Effect& effect) {
    std::vector<std::string> out;
    for (const auto& object : effect.objects) out.push_back(object.name);
    return out;
}

}  // namespace

Result<Explanation> explain(const Policy& policy, const ExplainRequest& request) {
    auto scope = scope_of(policy, request);
    if (!scope) return std::unexpected(std::move(scope.error()));
    sql::Catalog catalog = sql::Catalog::assumed_public();
    if (request.catalog) {
        auto read = sql::Catalog::from_yaml(*request.catalog);
        if (!read) return fail(Errc::invalid, fmt::format("the catalog: {}", read.error().message));
        catalog = std::move(*read);
    }
    Result<Explanation> out;
    const auto ran = run_with_big_stack(limits::parser_stack_size, [&] {
        try {
            out = judge_text(**scope, catalog, request);
        } catch (const std::exception& error) {
            out = fail(Errc::internal, fmt::format("the text could not be judged: {}", error.what()));
        }
    });
    if (!ran) return std::unexpected(ran.error());
    return out;
}

nlohmann::json Explanation::to_json() const {
    nlohmann::json effects = nlohmann::json::array();
    for (const auto& one : verdict.effects) {
        nlohmann::json effect = {{"operation", model::name_of(one.effect.operation)},
                                 {"objects", object_names(one.effect)},
                                 {"verdict", model::name_of(one.decision)},
                                 {"rules", one.rules},
                                 {"statement", one.effect.statement}};
        if (one.effect.where_clause != model::WhereClause::not_applicable) {
            effect["where_clause"] = one.effect.where_clause == model::WhereClause::absent ? "absent" : "present";
        }
        for (const auto& object : one.effect.objects) {
            if (!object.is_resolved) effect["unresolved"].push_back(object.name);
        }
        effects.push_back(std::move(effect));
    }
    nlohmann::json out = {{"verdict", model::name_of(verdict.decision)},
                          {"rules", verdict.rules},
                          {"message", verdict.message},
                          {"effects", std::move(effects)},
                          {"masks", verdict.masks},
                          {"statements", statements},
                          {"approvals", verdict.approvals},
                          {"functions", functions}};
    for (const auto& limit : verdict.limits) {
        out["limits"].push_back({{"rule", limit.rule},
                                 {"commands", limit.commands},
                                 {"per_s", limit.per.count()},
                                 {"then", model::name_of(limit.then)}});
    }
    if (verdict.is_observed) out["observed"] = true;
    if (!mask_denial.empty()) out["mask_denial"] = mask_denial;
    if (!failure.empty()) out["parse_failure"] = failure;
    return out;
}

std::string Explanation::to_text() const {
    std::string out{model::name_of(verdict.decision)};
    if (!verdict.rules.empty()) out += fmt::format(" by {}", fmt::join(verdict.rules, ", "));
    if (verdict.is_observed) out += " (observed only: passed unchanged)";
    out += '\n';
    if (!verdict.message.empty()) out += "  " + shown_text(verdict.message) + "\n";
    if (!failure.empty()) out += "  not parsed: " + shown_text(failure) + "\n";
    if (!verdict.approvals.empty()) out += fmt::format("  needs: {}\n", fmt::join(verdict.approvals, ", "));
    for (const auto& limit : verdict.limits)
        out += fmt::format("  at most {} commands in {} s by {}, then {}\n", limit.commands, limit.per.count(), limit.rule,
                           model::name_of(limit.then));
    for (const auto& one : verdict.effects) {
        std::string objects;
        for (const auto& object : one.effect.objects) {
            objects +=
                (objects.empty() ? "" : ", ") + shown_text(object.name) + (object.is_resolved ? "" : " (not resolved)");
        }
        const std::string by = one.rules.empty() ? (one.decision == model::Decision::deny ? "no rule covers it" : "")
                                                 : fmt::format("{}", fmt::join(one.rules, ", "));
        out += fmt::format("  {:<5}  {:<11} {}{}{}\n", model::name_of(one.decision), model::name_of(one.effect.operation),
                           objects, objects.empty() ? "" : "  ", by.empty() ? "" : "[" + by + "]");
    }
    if (!verdict.masks.empty()) out += fmt::format("  masked by: {}\n", fmt::join(verdict.masks, ", "));
    return out;
}

}  // namespace assent::policy
