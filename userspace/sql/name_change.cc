// What names mean to the later statements of a text: the catalog was asked before its first one.
#include <algorithm>
#include <array>

#include "sql/analyser.h"

namespace assent::sql {
namespace {

bool keeps_names(model::Operation operation) {
    using enum model::Operation;
    constexpr std::array kept = {read,        insert, update,      remove,  truncate, import_rows,
                                 export_rows, lock,   transaction, session, notify};
    return std::find(kept.begin(), kept.end(), operation) != kept.end();
}

bool is_definition(model::Operation operation) {
    using enum model::Operation;
    return operation == create || operation == alter || operation == drop;
}

// Statements that make, alter or drop relations and leave schemas, functions and types alone.
bool is_of_relations(Node wrapped) {
    constexpr std::array<std::string_view, 12> kinds = {
        "CreateStmt",   "CreateTableAsStmt", "SelectStmt",       "ViewStmt", "IndexStmt",       "CreateSeqStmt",
        "AlterSeqStmt", "CreateTrigStmt",    "CreatePolicyStmt", "RuleStmt", "CreateStatsStmt", "AlterTableStmt"};
    constexpr std::array<std::string_view, 7> types = {"OBJECT_TABLE",        "OBJECT_VIEW",     "OBJECT_MATVIEW",
                                                       "OBJECT_INDEX",        "OBJECT_SEQUENCE", "OBJECT_COLUMN",
                                                       "OBJECT_TABCONSTRAINT"};
    const std::string_view kind = wrapped.kind();
    const std::string_view type = kind == "DropStmt"                ? wrapped.body().text("removeType")
                                  : kind == "RenameStmt"            ? wrapped.body().text("renameType")
                                  : kind == "AlterObjectSchemaStmt" ? wrapped.body().text("objectType")
                                                                    : std::string_view();
    if (!type.empty()) return std::find(types.begin(), types.end(), type) != types.end();
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

// The names under which a view may stand after it, or one that has other rules than before; or nothing is known of them.
void add_views(Node wrapped, NameChange& change) {
    constexpr std::array<std::string_view, 23> none = {
        "CreateStmt",       "CreateTableAsStmt",  "SelectStmt",       "IndexStmt",         "CreateSeqStmt",
        "AlterSeqStmt",     "CreateTrigStmt",     "CreatePolicyStmt", "CreateStatsStmt",   "AlterTableStmt",
        "DropStmt",         "CreateEnumStmt",     "DefineStmt",       "CompositeTypeStmt", "CreateRangeStmt",
        "CreateDomainStmt", "CreateFunctionStmt", "CreateCastStmt",   "AlterEnumStmt",     "AlterTypeStmt",
        "AlterDomainStmt",  "AlterFunctionStmt",  "AlterPolicyStmt"};
    const std::string_view kind = wrapped.kind();
    if (std::find(none.begin(), none.end(), kind) != none.end()) return;
    const Node relation = wrapped.body().member(kind == "ViewStmt" ? "view" : "relation");
    if (!relation) {
        change.views = true;
        return;
    }
    change.made_views.emplace_back(relation.text("relname"));
    if (kind == "RenameStmt") change.made_views.emplace_back(wrapped.body().text("newname"));
}

}  // namespace

void NameChange::add(const NameChange& other) {
    path = path || other.path;
    relations = relations || other.relations;
    functions = functions || other.functions;
    views = views || other.views;
    made_views.insert(made_views.end(), other.made_views.begin(), other.made_views.end());
}

void Analyser::note_change(Node wrapped) {
    for (const auto& effect : analysis_.effects) {
        if (effect.statement != statement_ || keeps_names(effect.operation)) continue;
        if (effect.operation == Operation::grant) {
            change_.add({.path = true});  // a role, or a right to a schema of the path
        } else if (!is_definition(effect.operation)) {
            change_.add(everything_changed);
        } else if (wrapped.kind() != "CommentStmt") {
            const bool is_more = !is_of_relations(wrapped);
            NameChange made{.path = is_more, .relations = true, .functions = is_more};
            add_views(wrapped, made);
            change_.add(made);
        }
    }
    const TransactionStep step = facts_->transaction;
    const bool may_undo = step == TransactionStep::commit || step == TransactionStep::rollback ||
                          step == TransactionStep::rollback_to || step == TransactionStep::prepare;
    if (may_undo && environment_.transaction_changed_names) change_.add(everything_changed);
    if (change_.is_any()) analysis_.may_change_names = true;
    stale_.add(change_);
    change_ = {};
}

bool Analyser::is_stale(const Name& relation) const { return stale_.relations || (relation.schema.empty() && stale_.path); }

bool Analyser::may_lead_elsewhere(std::string_view name, const Relation* known) const {
    const auto is_made = [this](std::string_view one) {
        return std::find(stale_.made_views.begin(), stale_.made_views.end(), one) != stale_.made_views.end();
    };
    if (stale_.views || is_made(name)) return true;
    return known != nullptr && std::any_of(known->reaches.begin(), known->reaches.end(),
                                           [&](const Name& reached) { return is_made(reached.name); });
}

bool Analyser::is_stale_function(const Name& function) const {
    return stale_.functions || (function.schema.empty() && stale_.path);
}

std::vector<std::string> Analyser::function_schemas(const Name& name) const {
    if (environment_.catalog == nullptr || is_stale_function(name)) return {};
    return environment_.catalog->function_schemas(name);
}

}  // namespace assent::sql
