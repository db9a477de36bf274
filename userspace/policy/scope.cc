#include "policy/scope.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/conditions.h"

namespace assent::policy {
namespace {

using model::Decision;
using model::Operation;

constexpr std::string_view connect_rule = "builtin-connect";
constexpr std::size_t longest_shown_name = 200;

// A rule as one scope sees it: what it says of agents and targets is decided, and so is that of its `except`.
struct ScopedRule {
    const Rule* rule = nullptr;
    const Selection* except = nullptr;  // null: nothing is taken away here
};

bool is_about(const Selection& what, const std::vector<std::string>& agents, std::string_view target) {
    return (!what.agents || what.agents->has_one_of(agents)) && (!what.targets || what.targets->has(target));
}

bool any_pattern(const std::vector<ObjectPattern>& patterns, const ObjectName& object, bool is_sure) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const ObjectPattern& p) { return is_sure ? p.surely_means(object) : p.may_mean(object); });
}

bool is_for_all_objects(const Rule& rule) {
    return std::any_of(rule.what.objects->begin(), rule.what.objects->end(),
                       [](const ObjectPattern& p) { return p.is_any(); });
}

// One effect while it is judged.
struct JudgedEffect {
    const model::Effect& effect;
    const Facts& facts;
    std::vector<ObjectName> objects;
    std::vector<char> is_covered;  // by object; one entry for an effect that has none

    JudgedEffect(const model::Effect& judged, const Facts& known) : effect(judged), facts(known) {
        for (const auto& object : judged.objects) objects.emplace_back(object);
        // An effect that should have an object and has none is covered by `any` only.
        if (objects.empty() && !model::may_lack_objects(judged.operation)) objects.emplace_back(model::Object{});
        is_covered.assign(std::max<std::size_t>(objects.size(), 1), 0);
    }
    [[nodiscard]] bool is_all_covered() const {
        return std::all_of(is_covered.begin(), is_covered.end(), [](char covered) { return covered != 0; });
    }
    [[nodiscard]] std::string_view first_uncovered() const {
        for (std::size_t i = 0; i < effect.objects.size(); ++i) {
            if (is_covered[i] == 0) return effect.objects[i].name;
        }
        return {};
    }
};

bool names_operation(const std::optional<model::OperationSet>& set, Operation operation) {
    return !set || set->test(static_cast<std::size_t>(operation));
}

// Does `except` take the object away. The doubt goes to the stricter side: an allow rule loses what may be meant, a deny or
// hold rule only what surely is. `object` is null for an effect that has none.
bool is_excepted(const ScopedRule& scoped, const JudgedEffect& judged, const ObjectName* object) {
    const Selection* except = scoped.except;
    if (except == nullptr || !names_operation(except->operations, judged.effect.operation)) return false;
    if (!except->objects) return true;
    return object != nullptr && any_pattern(*except->objects, *object, scoped.rule->verdict != Decision::allow);
}

// Does an allow or hold rule cover anything of the effect; marks what.
bool cover(const ScopedRule& scoped, JudgedEffect& judged) {
    if (judged.objects.empty()) {
        if (is_excepted(scoped, judged, nullptr)) return false;
        judged.is_covered[0] = 1;
        return true;
    }
    bool does_cover = false;
    for (std::size_t i = 0; i < judged.objects.size(); ++i) {
        const ObjectName& object = judged.objects[i];
        const bool is_hold = scoped.rule->verdict == Decision::hold;
        const bool is_meant = is_hold && !object.is_resolved ? any_pattern(*scoped.rule->what.objects, object, false)
                                                             : any_pattern(*scoped.rule->what.objects, object, true);
        if (!is_meant || is_excepted(scoped, judged, &object)) continue;
        judged.is_covered[i] = 1;
        does_cover = true;
    }
    return does_cover;
}

// Does a deny or hold rule meet any object of the effect.
bool meets(const ScopedRule& scoped, const JudgedEffect& judged) {
    if (judged.objects.empty()) return is_for_all_objects(*scoped.rule) && !is_excepted(scoped, judged, nullptr);
    return std::any_of(judged.objects.begin(), judged.objects.end(), [&](const ObjectName& object) {
        return any_pattern(*scoped.rule->what.objects, object, false) && !is_excepted(scoped, judged, &object);
    });
}

std::string shown_name(std::string_view name) {
    std::string shown = shown_text(name.substr(0, longest_shown_name));
    if (name.size() > longest_shown_name) shown += "…";
    return shown;
}

std::string describe(const model::Effect& effect, std::string_view object) {
    if (object.empty() && !effect.objects.empty()) object = effect.objects[0].name;
    return object.empty() ? fmt::format("'{}'", model::name_of(effect.operation))
                          : fmt::format("'{}' on {}", model::name_of(effect.operation), shown_name(object));
}

class PolicyScope final : public Scope {
public:
    PolicyScope(std::shared_ptr<const PolicyContent> content, std::vector<std::string> agents, std::string_view target,
                std::string_view database, std::uint64_t revision)
        : content_(std::move(content)),
          agents_(std::move(agents)),
          target_(target),
          database_(database),
          revision_(revision) {
        for (const Target& known : content_->targets) {
            if (known.name == target_) found_target_ = &known;
        }
        choose_rules();
        choose_masks();
        for (const auto& observation : content_->observations) {
            if (observation.agents.has_one_of(agents_) && observation.targets.has(target_))
                observations_.push_back(&observation);
        }
    }

    model::Verdict judge(const Question& question) const override;
    bool has_masks() const noexcept override { return !masks_.empty(); }
    bool analyses_like(const Scope& other) const override;
    bool is_harmless(std::string_view schema, std::string_view function) const override {
        const std::vector<std::string> name = {std::string(schema), std::string(function)};
        return std::any_of(content_->harmless_functions.begin(), content_->harmless_functions.end(),
                           [&](const FunctionPattern& pattern) {
                               return pattern.surely_means(name) && (schema != "pg_catalog" || pattern.name().is_literal());
                           });
    }
    const std::vector<std::string>& agents() const noexcept override { return agents_; }
    const std::string& target() const noexcept override { return target_; }
    std::vector<sql::MaskedColumn> masks_of(std::string_view schema, std::string_view relation,
                                            std::string_view column) const override;
    bool may_mask(std::string_view schema, std::string_view relation) const override;

private:
    struct ScopedColumn {
        const Mask* mask;
        const ColumnPattern* column;
    };

    void choose_rules();
    void choose_masks();
    [[nodiscard]] bool is_foreign_database() const {
        if (found_target_ == nullptr || found_target_->databases.empty() || database_.empty()) return false;
        return std::find(found_target_->databases.begin(), found_target_->databases.end(), database_) ==
               found_target_->databases.end();
    }
    [[nodiscard]] std::vector<const Rule*> met_by(const std::vector<ScopedRule>& rules, const JudgedEffect& judged) const;
    [[nodiscard]] std::vector<const Rule*> covering(const std::vector<ScopedRule>& rules, JudgedEffect& judged) const;
    [[nodiscard]] std::vector<const Rule*> decide(JudgedEffect& judged, model::EffectVerdict& out) const;
    [[nodiscard]] std::string said_by(const Rule& rule, const model::Effect& effect, Decision decision) const;
    [[nodiscard]] std::string uncovered_text(const JudgedEffect& judged) const;

    std::shared_ptr<const PolicyContent> content_;
    std::vector<std::string> agents_;
    std::string target_;
    std::string database_;
    std::uint64_t revision_;
    const Target* found_target_ = nullptr;
    std::vector<ScopedRule> denies_;
    std::vector<ScopedRule> holds_;
    std::vector<ScopedRule> allows_;
    std::vector<ScopedRule> builtins_;  // asked for what nothing of the user's covers
    std::vector<ScopedColumn> masks_;   // the strongest first
    std::vector<const Observation*> observations_;
    bool has_hours_ = false;
};

void PolicyScope::choose_rules() {
    for (const Rule& rule : content_->rules) {
        if (!is_about(rule.what, agents_, target_)) continue;
        ScopedRule scoped{&rule, nullptr};
        if (rule.except && is_about(*rule.except, agents_, target_)) scoped.except = &*rule.except;
        const bool is_gone = scoped.except != nullptr && !scoped.except->operations && !scoped.except->objects;
        if (is_gone) continue;
        has_hours_ = has_hours_ || rule.when.hours.has_value();
        if (rule.is_builtin) {
            builtins_.push_back(scoped);
        } else {
            (rule.verdict == Decision::deny ? denies_ : rule.verdict == Decision::hold ? holds_ : allows_).push_back(scoped);
        }
    }
    // To connect is what it takes to do anything that a rule allows; at a tcp target it is all there is, so a rule has to
    // say it.
    const bool has_business_here = !allows_.empty() || !holds_.empty();
    if (has_business_here && found_target_ != nullptr && found_target_->protocol != Protocol::tcp) return;
    std::erase_if(builtins_, [](const ScopedRule& scoped) { return scoped.rule->name == connect_rule; });
}

void PolicyScope::choose_masks() {
    for (const Mask& mask : content_->masks) {
        if ((mask.agents && !mask.agents->has_one_of(agents_)) || (mask.targets && !mask.targets->has(target_))) continue;
        for (const ColumnPattern& column : mask.columns) {
            // A database that is not known may be the one that is meant.
            if (!column.database || database_.empty() || column.database->matches(database_))
                masks_.push_back({&mask, &column});
        }
    }
    std::sort(masks_.begin(), masks_.end(), [](const ScopedColumn& a, const ScopedColumn& b) {
        const auto& left = a.mask->method;
        const auto& right = b.mask->method;
        if (left.kind != right.kind) return left.kind > right.kind;
        const auto kept_left = left.keep_first + left.keep_last;
        const auto kept_right = right.keep_first + right.keep_last;
        return std::tie(kept_left, a.mask->name) < std::tie(kept_right, b.mask->name);
    });
}

bool PolicyScope::analyses_like(const Scope& other) const {
    const auto* that = dynamic_cast<const PolicyScope*>(&other);
    if (that == nullptr || content_->harmless_functions != that->content_->harmless_functions) return false;
    return std::equal(masks_.begin(), masks_.end(), that->masks_.begin(), that->masks_.end(),
                      [](const ScopedColumn& a, const ScopedColumn& b) {
                          return a.mask->name == b.mask->name && a.mask->method == b.mask->method &&
                                 a.mask->denies_unproven == b.mask->denies_unproven && *a.column == *b.column;
                      });
}

std::vector<sql::MaskedColumn> PolicyScope::masks_of(std::string_view schema, std::string_view relation,
                                                     std::string_view column) const {
    std::vector<sql::MaskedColumn> out;
    for (const auto& [mask, pattern] : masks_) {
        const bool is_schema = schema.empty() || pattern->schema.matches(schema);  // not known: it may be the one
        if (!is_schema || !pattern->relation.matches(relation) || !pattern->column.matches(column)) continue;
        const bool is_there =
            std::any_of(out.begin(), out.end(), [&](const auto& other) { return other.mask == mask->name; });
        if (!is_there) out.push_back({mask->name, mask->method, mask->denies_unproven});
    }
    return out;
}

bool PolicyScope::may_mask(std::string_view schema, std::string_view relation) const {
    return std::any_of(masks_.begin(), masks_.end(), [&](const ScopedColumn& scoped) {
        return (schema.empty() || scoped.column->schema.matches(schema)) && scoped.column->relation.matches(relation);
    });
}

std::vector<const Rule*> PolicyScope::met_by(const std::vector<ScopedRule>& rules, const JudgedEffect& judged) const {
    std::vector<const Rule*> out;
    for (const ScopedRule& scoped : rules) {
        const Rule& rule = *scoped.rule;
        if (!names_operation(rule.what.operations, judged.effect.operation) || !meets(scoped, judged)) continue;
        if (conditions_hold(rule.when, judged.effect, judged.facts, false)) out.push_back(&rule);
    }
    return out;
}

std::vector<const Rule*> PolicyScope::covering(const std::vector<ScopedRule>& rules, JudgedEffect& judged) const {
    std::vector<const Rule*> out;
    for (const ScopedRule& scoped : rules) {
        const Rule& rule = *scoped.rule;
        if (!names_operation(rule.what.operations, judged.effect.operation)) continue;
        if (!conditions_hold(rule.when, judged.effect, judged.facts, rule.verdict == Decision::allow)) continue;
        if (cover(scoped, judged)) out.push_back(&rule);
    }
    return out;
}

// Gives the rules that decided; none for an effect that nothing covers.
std::vector<const Rule*> PolicyScope::decide(JudgedEffect& judged, model::EffectVerdict& out) const {
    auto denying = met_by(denies_, judged);
    if (!denying.empty()) return denying;
    auto allowing = covering(allows_, judged);
    const bool is_allowed = judged.is_all_covered();
    auto covering_holds = covering(holds_, judged);
    if (!judged.is_all_covered()) {
        const auto builtin = covering(builtins_, judged);
        allowing.insert(allowing.end(), builtin.begin(), builtin.end());
    }
    if (!judged.is_all_covered()) return {};
    auto holding = met_by(holds_, judged);
    // An effect without objects meets no rule for certain objects; it is held only where nothing else covers it.
    if (holding.empty() && !is_allowed) holding = std::move(covering_holds);
    out.decision = holding.empty() ? Decision::allow : Decision::hold;
    return holding.empty() ? allowing : holding;
}

std::string PolicyScope::said_by(const Rule& rule, const model::Effect& effect, Decision decision) const {
    if (!rule.message.empty()) return rule.message;
    if (decision == Decision::deny) return fmt::format("Rule '{}' denies {}.", rule.name, describe(effect, ""));
    return fmt::format("Rule '{}' holds {} until '{}' approves.", rule.name, describe(effect, ""), rule.approval);
}

std::string PolicyScope::uncovered_text(const JudgedEffect& judged) const {
    if (!is_foreign_database()) return fmt::format("No rule allows {}.", describe(judged.effect, judged.first_uncovered()));
    return fmt::format("Target '{}' has no database '{}' in its policy.", shown_name(target_), shown_name(database_));
}

model::Verdict PolicyScope::judge(const Question& question) const {
    const Facts facts(question);
    model::Verdict verdict;
    verdict.policy_revision = revision_;
    verdict.is_cacheable = !has_hours_ && observations_.empty();
    verdict.is_observed = std::any_of(observations_.begin(), observations_.end(),
                                      [&](const Observation* o) { return question.when < o->until; });
    if (question.effects.empty()) {
        verdict.message = "Nothing is known of what the command does.";
        return verdict;
    }
    verdict.decision = Decision::allow;
    std::set<std::string> approvals;
    std::map<std::string, model::RuleLimit> limits;  // by rule
    std::map<Decision, std::set<std::string>> rules;
    std::map<Decision, std::map<std::string, std::string>> messages;  // by rule: the order of effects does not matter
    std::set<std::string> uncovered;
    for (const auto& effect : question.effects) {
        JudgedEffect judged(effect, facts);
        model::EffectVerdict one{effect, Decision::deny, {}};
        std::vector<const Rule*> decided;
        if (!is_foreign_database()) decided = decide(judged, one);
        for (const Rule* rule : decided) {
            rules[one.decision].insert(rule->name);
            one.rules.push_back(rule->name);
            if (one.decision == Decision::hold) approvals.insert(rule->approval);
            if (rule->limit && one.decision != Decision::deny) limits.try_emplace(rule->name, *rule->limit);
            if (one.decision != Decision::allow)
                messages[one.decision].try_emplace(rule->name, said_by(*rule, effect, one.decision));
        }
        if (decided.empty()) uncovered.insert(uncovered_text(judged));
        std::sort(one.rules.begin(), one.rules.end());
        one.rules.erase(std::unique(one.rules.begin(), one.rules.end()), one.rules.end());
        verdict.decision = std::min(verdict.decision, one.decision);
        verdict.effects.push_back(std::move(one));
    }
    verdict.rules.assign(rules[verdict.decision].begin(), rules[verdict.decision].end());
    verdict.depends_on_text = facts.has_read_text;
    if (verdict.decision == Decision::hold) verdict.approvals.assign(approvals.begin(), approvals.end());
    if (verdict.decision != Decision::deny) {
        for (auto& [name, limit] : limits) verdict.limits.push_back(std::move(limit));
    }
    const auto& said = messages[verdict.decision];
    if (!said.empty()) verdict.message = said.begin()->second;
    if (said.empty() && !uncovered.empty()) verdict.message = *uncovered.begin();
    return verdict;
}

}  // namespace

std::unique_ptr<const Scope> make_scope(std::shared_ptr<const PolicyContent> content, std::vector<std::string> agents,
                                        std::string_view target, std::string_view database, std::uint64_t revision) {
    return std::make_unique<PolicyScope>(std::move(content), std::move(agents), target, database, revision);
}

}  // namespace assent::policy
