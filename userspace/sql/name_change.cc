// What names mean to the later statements of a text: the catalog was asked before its first one.
#include <algorithm>
#include <array>

#include "sql/analyser.h"

namespace assent::sql {
namespace {

constexpr NameChange everything = {.path = true, .relations = true, .functions = true, .views = true};

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

// What they leave under a name is no view that was not there before.
bool leaves_views(Node wrapped) {
    constexpr std::array<std::string_view, 9> kinds = {"CreateStmt",     "CreateTableAsStmt", "SelectStmt",
                                                       "IndexStmt",      "CreateSeqStmt",     "AlterSeqStmt",
                                                       "CreateTrigStmt", "CreatePolicyStmt",  "CreateStatsStmt"};
    const std::string_view kind = wrapped.kind();
    return kind == "DropStmt" || std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

}  // namespace

void NameChange::add(NameChange other) {
    path = path || other.path;
    relations = relations || other.relations;
    functions = functions || other.functions;
    views = views || other.views;
}

void Analyser::note_change(Node wrapped) {
    for (const auto& effect : analysis_.effects) {
        if (effect.statement != statement_ || keeps_names(effect.operation)) continue;
        if (effect.operation == Operation::grant) {
            change_.add({.path = true});  // a role, or a right to a schema of the path
        } else if (!is_definition(effect.operation)) {
            change_.add(everything);
        } else if (wrapped.kind() != "CommentStmt") {
            change_.add(is_of_relations(wrapped) ? NameChange{.relations = true, .views = !leaves_views(wrapped)}
                                                 : everything);
        }
    }
    const TransactionStep step = facts_->transaction;
    const bool may_undo = step == TransactionStep::commit || step == TransactionStep::rollback ||
                          step == TransactionStep::rollback_to || step == TransactionStep::prepare;
    if (may_undo && environment_.transaction_changed_names) change_.add(everything);
    if (change_.is_any()) analysis_.may_change_names = true;
    stale_.add(change_);
    change_ = {};
}

bool Analyser::is_stale(const Name& relation) const { return stale_.relations || (relation.schema.empty() && stale_.path); }

bool Analyser::is_stale_function(const Name& function) const {
    return stale_.functions || (function.schema.empty() && stale_.path);
}

std::vector<std::string> Analyser::function_schemas(const Name& name) const {
    if (environment_.catalog == nullptr || is_stale_function(name)) return {};
    return environment_.catalog->function_schemas(name);
}

}  // namespace assent::sql
