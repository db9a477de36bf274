#include "policy/conditions.h"

#include <algorithm>
#include <chrono>

namespace assent::policy {
namespace {

bool where_holds(model::WhereClause wanted, const model::Effect& effect, bool is_strict) {
    // The effect has no WHERE to speak of, so the condition cannot be evaluated.
    if (effect.where_clause == model::WhereClause::not_applicable) return !is_strict;
    return effect.where_clause == wanted;
}

// A deny or hold rule is about any of the functions; an allow rule is about nothing but them.
bool functions_hold(const std::vector<FunctionPattern>& patterns, const Facts& facts, bool is_strict) {
    const auto is_named = [&](const std::vector<std::string>& function) {
        return std::any_of(patterns.begin(), patterns.end(), [&](const FunctionPattern& pattern) {
            return is_strict ? pattern.surely_means(function) : pattern.may_mean(function);
        });
    };
    if (!is_strict) return std::any_of(facts.functions.begin(), facts.functions.end(), is_named);
    return !facts.functions.empty() && std::all_of(facts.functions.begin(), facts.functions.end(), is_named);
}

}  // namespace

Facts::Facts(const Question& asked) : question(asked) {
    functions.reserve(asked.functions.size());
    for (const auto& function : asked.functions) functions.push_back(split_name(function));
}

bool Hours::includes(WallTime time) const {
    using namespace std::chrono;
    const std::int64_t unix_seconds = floor<seconds>(time).time_since_epoch().count();
    const sys_seconds local{seconds(unix_seconds + zone->offset_seconds_at(unix_seconds))};
    const auto day = floor<std::chrono::days>(local);
    const auto minute = static_cast<int>(floor<minutes>(local - day).count());
    const auto is_chosen = [&](sys_days which) { return ((days >> weekday(which).c_encoding()) & 1U) != 0; };
    if (from_minute < to_minute) return is_chosen(day) && minute >= from_minute && minute < to_minute;
    if (minute >= from_minute) return is_chosen(day);
    return minute < to_minute && is_chosen(day - std::chrono::days(1));  // past midnight it is still the day before's
}

bool conditions_hold(const Conditions& conditions, const model::Effect& effect, const Facts& facts, bool is_strict) {
    if (conditions.where_clause && !where_holds(*conditions.where_clause, effect, is_strict)) return false;
    if (!conditions.functions.empty() && !functions_hold(conditions.functions, facts, is_strict)) return false;
    if (conditions.matches) {
        facts.has_read_text = true;
        if (facts.question.text.empty()) return !is_strict;
        const re2::StringPiece text(facts.question.text.data(), facts.question.text.size());
        if (!RE2::PartialMatch(text, *conditions.matches)) return false;
    }
    return !conditions.hours || conditions.hours->includes(facts.question.when);
}

}  // namespace assent::policy
