#include "session/statements.h"

#include <algorithm>

#include "base/limits.h"

namespace assent::session {

void Statements::parsing(wire::CommandId id, std::string_view name, std::shared_ptr<const sql::Parsed> parsed) {
    parsing_.push_back({id, std::string(name), std::move(parsed)});
}

bool Statements::parse_finished(wire::CommandId id, bool is_error) {
    const auto found = std::find_if(parsing_.begin(), parsing_.end(), [&](const Parsing& p) { return p.id == id; });
    if (found == parsing_.end()) return false;
    const bool is_named = !found->name.empty();
    if (!is_error) {
        statements_.insert_or_assign(found->name, std::move(found->parsed));
        check_size();
    }
    parsing_.erase(found);
    return is_named;
}

std::shared_ptr<const sql::Parsed> Statements::find(std::string_view name) const {
    if (is_overfull_) return nullptr;
    const auto confirmed = statements_.find(name);
    // A named statement that exists makes the server refuse another Parse of its name, so the confirmed one counts.
    if (!name.empty() && confirmed != statements_.end()) return confirmed->second;
    const Parsing* newest = nullptr;
    for (const Parsing& parsing : parsing_) {
        if (parsing.name != name) continue;
        if (newest != nullptr && !name.empty()) return nullptr;  // two on their way: which one succeeds is not known
        newest = &parsing;
    }
    if (newest != nullptr) return newest->parsed;
    return confirmed == statements_.end() ? nullptr : confirmed->second;
}

void Statements::drop_statements(const std::string& name) {
    if (name == "*") {
        statements_.clear();
    } else {
        statements_.erase(name);
    }
}

void Statements::running(const sql::Analysis& analysis) {
    for (const sql::StatementFacts& facts : analysis.statements) {
        if (!facts.declares.empty()) cursors_.insert_or_assign(facts.declares, std::nullopt);
        if (!facts.prepares.empty()) statements_.try_emplace(facts.prepares, nullptr);
    }
    check_size();
}

void Statements::apply(const sql::Analysis& analysis, bool is_error, const std::shared_ptr<const Judged>& judged) {
    for (const sql::StatementFacts& facts : analysis.statements) {
        if (!facts.deallocates.empty() && !is_error) drop_statements(facts.deallocates);
        if (!facts.deallocates.empty() && is_error) {
            for (auto& [name, parsed] : statements_) {
                if (facts.deallocates == "*" || facts.deallocates == name) parsed = nullptr;
            }
        }
        if (!facts.prepares.empty()) statements_.insert_or_assign(facts.prepares, is_error ? nullptr : facts.prepared);
        if (!facts.declares.empty() && !is_error) cursors_.insert_or_assign(facts.declares, Cursor{facts.masks, judged});
    }
    check_size();
}

void Statements::check_size() {
    // Forgetting a name would let another statement be judged in its place: from here on no name is known.
    if (statements_.size() > limits::prepared_statements || cursors_.size() > limits::prepared_statements)
        is_overfull_ = true;
}

void Statements::statement_closed(std::string_view name) {
    if (const auto found = statements_.find(name); found != statements_.end()) statements_.erase(found);
}

void Statements::portal_bound(std::string_view name, const model::ResultMasks& masks,
                              const std::shared_ptr<const Judged>& judged) {
    // The server refuses to bind a portal that exists, and portals end with their transaction: after a second Bind of a name
    // it is not certain which one a FETCH would reach. The unnamed portal is always replaced.
    const Cursor cursor{masks, judged};
    const auto [found, is_new] = cursors_.try_emplace(std::string(name), cursor);
    if (!is_new) found->second = name.empty() ? std::optional(cursor) : std::nullopt;
    check_size();
}

void Statements::portal_closed(std::string_view name) {
    if (const auto found = cursors_.find(name); found != cursors_.end()) cursors_.erase(found);
}

const Cursor* Statements::cursor(std::string_view name) const {
    if (is_overfull_) return nullptr;
    const auto found = cursors_.find(name);
    return found == cursors_.end() || !found->second.has_value() ? nullptr : &*found->second;
}

}  // namespace assent::session
