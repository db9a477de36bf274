#include "session/judge.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/json_writer.h"
#include "base/limits.h"

namespace assent::session {
namespace {

constexpr std::size_t judged_entries = 256;  // a session; when full all are judged again

// Nothing may come between BEGIN and SET TRANSACTION, and neither they nor their like need a name. It only spares a
// question.
bool steps_or_sets(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    static constexpr std::array<std::string_view, 9> words = {"begin",     "start",   "set",   "commit",  "end",
                                                              "savepoint", "release", "abort", "rollback"};
    return std::ranges::any_of(words, [&](std::string_view word) {
        return text.size() >= word.size() && std::ranges::equal(text.substr(0, word.size()), word, [](char a, char b) {
                   return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
               });
    });
}

void append_effects(std::string& out, const model::Verdict& verdict) {
    out.push_back('[');
    for (const model::EffectVerdict& one : verdict.effects) {
        if (out.back() == '}') out.push_back(',');
        out.push_back('{');
        JsonWriter writer(out);
        writer.member("operation", model::name_of(one.effect.operation));
        std::vector<std::string_view> names;
        std::vector<std::string_view> unresolved;
        for (const model::Object& object : one.effect.objects) {
            names.emplace_back(object.name);
            if (!object.is_resolved) unresolved.emplace_back(object.name);
        }
        writer.strings("objects", names);
        if (!unresolved.empty()) writer.strings("unresolved", unresolved);
        if (one.effect.where_clause != model::WhereClause::not_applicable) {
            writer.member("where", one.effect.where_clause == model::WhereClause::present ? "present" : "absent");
        }
        writer.member("statement", one.effect.statement);
        writer.member("decision", model::name_of(one.decision)).strings("rules", one.rules);
        out.push_back('}');
    }
    out.push_back(']');
}

// Writes that a ROLLBACK undoes, and nothing that a function or the outside could make lasting.
bool is_undone_by_rollback(const sql::Analysis& analysis) {
    using enum model::Operation;
    return std::ranges::all_of(analysis.effects, [](const model::Effect& effect) {
        return effect.operation == read || effect.operation == insert || effect.operation == update ||
               effect.operation == remove || effect.operation == import_rows || effect.operation == lock;
    });
}

// May names mean something else to other sessions, too, once it has been committed. What functions do is not looked into.
bool changes_shared_names(const sql::Analysis& analysis) {
    using enum model::Operation;
    if (analysis.commits_prepared) return true;
    // Temporary relations, and the role, are the session's own.
    const auto is_shared = [](const model::Object& object) {
        return !object.is_resolved || (!object.name.starts_with("pg_temp.") && !object.name.starts_with("role."));
    };
    return std::ranges::any_of(analysis.effects, [&](const model::Effect& effect) {
        const bool may_define =
            effect.operation == create || effect.operation == alter || effect.operation == drop || effect.operation == grant;
        if (effect.operation == unknown || effect.operation == external) return true;
        return may_define && (effect.objects.empty() || std::ranges::any_of(effect.objects, is_shared));
    });
}

// Texts of one shape share their tree.
const void* key_of(const sql::Parsed& parsed) {
    return parsed.tree != nullptr ? static_cast<const void*>(parsed.tree.get()) : &parsed;
}

std::vector<std::optional<std::string>> text_values(std::span<const wire::Parameter> parameters) {
    std::vector<std::optional<std::string>> values;
    values.reserve(parameters.size());
    for (const wire::Parameter& parameter : parameters) {
        if (parameter.is_null)
            values.emplace_back(std::nullopt);
        else
            values.emplace_back(std::string(as_text(parameter.value)));
    }
    return values;
}

}  // namespace

Judge::Judge(std::shared_ptr<Cache> cache, const Clock& clock) : cache_(std::move(cache)), clock_(clock) {}

void Judge::use(std::shared_ptr<const policy::Policy> policy, std::unique_ptr<const policy::Scope> scope) {
    if (scope_ != nullptr && !scope->analyses_like(*scope_)) ++analysis_generation_;
    transaction_saw_reload_ = scope_ != nullptr;
    ++scope_count_;
    policy_ = std::move(policy);
    scope_ = std::move(scope);
    judged_.clear();
}

void Judge::forget_names() {
    catalog_.forget();
    judged_.clear();
}

void Judge::forget_old_names() {
    const bool is_old = catalog_.knows_session() && clock_.now() - learned_at_ > limits::catalog_max_age;
    if (is_old || catalog_.size() > limits::catalog_relations) forget_names();
}

void Judge::transaction_changed_names(bool has_changed) {
    if (has_changed == transaction_changed_names_) return;
    transaction_changed_names_ = has_changed;
    judged_.clear();
}

void Judge::transaction_ended() {
    transaction_changed_names(false);
    transaction_saw_reload_ = false;
}

std::string Judge::stricter_now(const Judged& opened, std::string_view text) const {
    if (opened.scope_count == scope_count_ && opened.verdict.is_cacheable) return {};
    if (opened.analysis_generation != analysis_generation_)
        return "the policy has changed what is masked since it was opened; open it again";
    const model::Verdict again = scope_->judge({opened.analysis.effects, opened.analysis.functions, text, clock_.wall()});
    const bool was_masked =
        !opened.verdict.is_observed || (opened.analysis.masks.empty() && opened.analysis.mask_denial.empty());
    const bool may_go_on = again.enforced() == model::Decision::allow ||
                           (opened.verdict.enforced() == model::Decision::hold &&
                            again.enforced() == model::Decision::hold && again.approvals == opened.verdict.approvals);
    if (may_go_on && (again.is_observed || was_masked)) return {};
    if (may_go_on) return "the policy masks what was only observed when it was opened; open it again";
    return "the policy, or whom the agent acts for, has changed since it was opened: " + again.message;
}

std::string Judge::stricter_now(std::string_view name) const {
    const Cursor* cursor = statements_.cursor(name);
    if (cursor != nullptr && cursor->opened_by != nullptr) {
        // What opens a cursor has a tree of its own, so this is its text.
        const sql::Parsed* const opened = cursor->opened_by->first.get();
        return stricter_now(*cursor->opened_by, opened != nullptr ? std::string_view(opened->text) : std::string_view());
    }
    // One that a function opened, say. Those end with their transaction.
    return transaction_saw_reload_ ? "the policy has changed, and what this cursor runs is not known; open it again" : "";
}

std::optional<sql::Question> Judge::question(const sql::Parsed& parsed) {
    const bool has_names = !parsed.relations.empty() || !parsed.functions.empty();
    if (!has_names && (catalog_.knows_session() || steps_or_sets(parsed.text))) return std::nullopt;
    return catalog_.question(parsed.relations, parsed.functions);
}

Result<> Judge::learn(const std::vector<sql::Row>& rows) {
    if (!catalog_.knows_session()) learned_at_ = clock_.now();
    judged_.clear();
    return catalog_.learn(rows);
}

std::shared_ptr<const Judged> Judge::judge(const std::shared_ptr<const sql::Parsed>& parsed,
                                           std::span<const wire::Parameter> parameters, bool has_known_lexing) {
    const auto found = judged_.find(key_of(*parsed));
    if (found != judged_.end() && has_known_lexing) {
        const Judged& known = *found->second;
        // Bound values matter only where a mask's own output might be written back.
        const bool needs_values = !parameters.empty() && known.analysis.writes && scope_->has_masks();
        const bool is_shared =
            parsed->has_lent_tree && !known.analysis.depends_on_constants && !known.verdict.depends_on_text;
        const bool is_of_this_text = known.first == parsed || is_shared;
        if (known.verdict.is_cacheable && !needs_values && is_of_this_text) return found->second;
    }
    auto judged = make(parsed, parameters, has_known_lexing);
    if (!has_known_lexing || judged->uses_cursors) return judged;
    if (judged_.size() >= judged_entries) judged_.clear();
    judged_.insert_or_assign(key_of(*parsed), judged);
    return judged;
}

std::shared_ptr<const Judged> Judge::make(const std::shared_ptr<const sql::Parsed>& parsed,
                                          std::span<const wire::Parameter> parameters, bool has_known_lexing) const {
    auto judged = std::make_shared<Judged>();
    judged->first = parsed;
    sql::Environment environment;
    environment.catalog = &catalog_;
    environment.masks = scope_->has_masks() ? scope_.get() : nullptr;
    environment.is_harmless = [this](std::string_view schema, std::string_view function) {
        return scope_->is_harmless(schema, function);
    };
    environment.prepared = [this](std::string_view name) { return statements_.find(name); };
    environment.cursor = [this](std::string_view name) {
        const Cursor* cursor = statements_.cursor(name);
        return cursor == nullptr ? std::nullopt : std::optional(cursor->masks);
    };
    environment.cursor_may_change_names = [this](std::string_view name) {
        const Cursor* cursor = statements_.cursor(name);
        return cursor == nullptr || cursor->opened_by == nullptr || cursor->opened_by->analysis.may_change_names;
    };
    environment.has_conforming_strings = has_known_lexing;
    environment.transaction_changed_names = transaction_changed_names_;
    if (environment.masks != nullptr) environment.parameters = text_values(parameters);
    judged->analysis = sql::analyse(*parsed, environment);
    finish(*judged, parsed->text);
    return judged;
}

std::shared_ptr<const Judged> Judge::judge_effects(std::vector<model::Effect> effects, std::string_view text,
                                                   bool may_change_names) {
    auto judged = std::make_shared<Judged>();
    judged->analysis.may_change_names = may_change_names;
    judged->analysis.effects = std::move(effects);
    finish(*judged, text);
    return judged;
}

void Judge::finish(Judged& judged, std::string_view text) const {
    sql::Analysis& analysis = judged.analysis;
    judged.scope_count = scope_count_;
    judged.analysis_generation = analysis_generation_;
    judged.verdict = scope_->judge({analysis.effects, analysis.functions, text, clock_.wall()});
    if (!analysis.mask_denial.empty() && judged.verdict.decision != model::Decision::deny) {
        judged.verdict.decision = model::Decision::deny;
        judged.verdict.rules = analysis.mask_denial_masks;
        judged.verdict.message = analysis.mask_denial;
    }
    const bool is_unread = judged.first != nullptr && !judged.first->failure.empty();
    if (is_unread && judged.verdict.decision == model::Decision::deny) {
        judged.verdict.message += fmt::format(" It could not be read: {}.", judged.first->failure);
    }
    for (const sql::StatementFacts& facts : analysis.statements) {
        if (facts.fetches.empty()) continue;
        judged.uses_cursors = true;
        const std::string why = stricter_now(facts.fetches);
        if (why.empty() || judged.verdict.decision == model::Decision::deny) continue;
        judged.verdict.decision = model::Decision::deny;
        judged.verdict.rules.clear();
        judged.verdict.message = why;
    }
    if (judged.first != nullptr && judged.first->failure.empty() && judged.first->statement_count == 0) {
        judged.verdict.decision = model::Decision::allow;  // an empty query runs nothing
        judged.verdict.is_cacheable = true;
    }
    judged.verdict.masks = analysis.masks;
    if (!judged.verdict.is_observed) {
        std::vector<model::ResultMasks> masks;
        bool is_plain = true;
        for (const sql::StatementFacts& facts : analysis.statements) {
            masks.push_back(facts.masks);
            is_plain = is_plain && facts.masks.is_plain();
        }
        const bool has_copy = std::ranges::any_of(analysis.statements, [](const sql::StatementFacts& facts) {
            return facts.copy.format != model::CopyFormat::none;
        });
        if (!is_plain && has_copy) {
            std::vector<model::CopyLayout> copies;
            for (const sql::StatementFacts& facts : analysis.statements) copies.push_back(facts.copy);
            judged.copies = std::make_shared<const std::vector<model::CopyLayout>>(std::move(copies));
        }
        if (!is_plain) judged.masks = std::make_shared<const std::vector<model::ResultMasks>>(std::move(masks));
    }
    judged.has_transaction_step = std::ranges::any_of(analysis.statements, [](const sql::StatementFacts& facts) {
        return facts.transaction != sql::TransactionStep::none;
    });
    judged.changes_shared_names = analysis.may_change_names && changes_shared_names(analysis);
    judged.is_plain_write = analysis.writes && !judged.has_transaction_step && is_undone_by_rollback(analysis);
    write_record(judged);
}

std::shared_ptr<const Judged> Judge::overruled(const Judged& judged, model::Verdict verdict) const {
    auto out = std::make_shared<Judged>(judged);
    out->verdict = std::move(verdict);
    out->record.clear();
    write_record(*out);
    return out;
}

void Judge::write_record(Judged& judged) const {
    const model::Verdict& verdict = judged.verdict;
    const sql::Analysis& analysis = judged.analysis;
    JsonWriter writer(judged.record);
    writer.member("decision", model::name_of(verdict.decision)).member("enforced", model::name_of(verdict.enforced()));
    writer.strings("rules", verdict.rules);
    if (!verdict.message.empty()) writer.member("message", verdict.message);
    std::string effects;
    append_effects(effects, verdict);
    writer.raw("effects", effects);
    if (!analysis.functions.empty()) writer.strings("functions", analysis.functions);
    if (!verdict.masks.empty()) writer.strings("masks", verdict.masks);
    if (!verdict.approvals.empty()) writer.strings("approvals", verdict.approvals);
    if (verdict.is_observed) writer.member("observed", true);
    writer.strings("agents", scope_->agents()).member("target", scope_->target());
    writer.member("policy_revision", policy_->revision()).member("policy_digest", to_hex(Bytes(policy_->digest()).first(8)));
    if (catalog_.knows_session()) {
        writer.strings("search_path", catalog_.search_path()).member("role", catalog_.current_user());
    }
}

}  // namespace assent::session
