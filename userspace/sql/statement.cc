// The table of statements. What is not in it is `unknown`, under the name of its node.
#include <unordered_map>

#include "sql/analyser.h"

namespace assent::sql {

const std::unordered_map<std::string_view, Analyser::Handler> Analyser::statement_table = {
    // transactions, settings, cursors, and the rest of a session
    {"TransactionStmt", &Analyser::transaction},
    {"VariableSetStmt", &Analyser::set_variable},
    {"VariableShowStmt", &Analyser::show},
    {"DiscardStmt", &Analyser::discard},
    {"DeclareCursorStmt", &Analyser::declare_cursor},
    {"FetchStmt", &Analyser::fetch},
    {"ClosePortalStmt", &Analyser::close_cursor},
    {"ConstraintsSetStmt", &Analyser::constraints},
    {"ListenStmt", &Analyser::listen},
    {"UnlistenStmt", &Analyser::unlisten},
    {"NotifyStmt", &Analyser::notify},
    {"LockStmt", &Analyser::lock},
    {"VacuumStmt", &Analyser::maintenance},
    {"ClusterStmt", &Analyser::maintenance},
    {"ReindexStmt", &Analyser::maintenance},
    {"CheckPointStmt", &Analyser::maintenance},
    {"DoStmt", &Analyser::do_block},
    {"CallStmt", &Analyser::call_procedure},
    {"LoadStmt", &Analyser::load},
    // rows in and out, and statements inside others
    {"CopyStmt", &Analyser::copy},
    {"ExplainStmt", &Analyser::explain},
    {"PrepareStmt", &Analyser::prepare},
    {"ExecuteStmt", &Analyser::execute},
    {"DeallocateStmt", &Analyser::deallocate},
    {"TruncateStmt", &Analyser::truncate},
    // relations
    {"CreateStmt", &Analyser::create_table},
    {"CreateForeignTableStmt", &Analyser::create_foreign_table},
    {"CreateTableAsStmt", &Analyser::create_table_as},
    {"RefreshMatViewStmt", &Analyser::refresh},
    {"ViewStmt", &Analyser::create_view},
    {"IndexStmt", &Analyser::create_index},
    {"RuleStmt", &Analyser::create_rule},
    {"CreateTrigStmt", &Analyser::create_trigger},
    {"CreatePolicyStmt", &Analyser::create_policy},
    {"CreateStatsStmt", &Analyser::create_statistics},
    {"CreateSeqStmt", &Analyser::create_sequence},
    {"CreateSchemaStmt", &Analyser::create_schema},
    {"CreateFunctionStmt", &Analyser::create_function},
    {"AlterTableStmt", &Analyser::alter_table},
    {"AlterSeqStmt", &Analyser::alter_sequence},
    {"RenameStmt", &Analyser::rename},
    {"AlterObjectSchemaStmt", &Analyser::rename},
    {"AlterOwnerStmt", &Analyser::comment},
    {"AlterObjectDependsStmt", &Analyser::comment},
    {"CommentStmt", &Analyser::comment},
    {"DropStmt", &Analyser::drop},
    // other things that are made and altered
    {"CompositeTypeStmt", &Analyser::create_named},
    {"CreateEnumStmt", &Analyser::create_named},
    {"CreateRangeStmt", &Analyser::create_named},
    {"CreateDomainStmt", &Analyser::create_named},
    {"DefineStmt", &Analyser::create_named},
    {"CreateCastStmt", &Analyser::create_named},
    {"CreateConversionStmt", &Analyser::create_named},
    {"CreateOpClassStmt", &Analyser::create_named},
    {"CreateOpFamilyStmt", &Analyser::create_named},
    {"CreateTransformStmt", &Analyser::create_named},
    {"CreateAmStmt", &Analyser::create_named},
    {"CreatePLangStmt", &Analyser::create_named},
    {"CreateEventTrigStmt", &Analyser::create_named},
    {"CreatePublicationStmt", &Analyser::create_named},
    {"CreatedbStmt", &Analyser::create_named},
    {"CreateAssertionStmt", &Analyser::create_named},
    {"AlterEventTrigStmt", &Analyser::alter_named},
    {"AlterCollationStmt", &Analyser::alter_named},
    {"AlterDatabaseStmt", &Analyser::alter_named},
    {"AlterDatabaseRefreshCollStmt", &Analyser::alter_named},
    {"AlterDatabaseSetStmt", &Analyser::alter_named},
    {"AlterDomainStmt", &Analyser::alter_named},
    {"AlterEnumStmt", &Analyser::alter_named},
    {"AlterFunctionStmt", &Analyser::alter_named},
    {"AlterOperatorStmt", &Analyser::alter_named},
    {"AlterOpFamilyStmt", &Analyser::alter_named},
    {"AlterTypeStmt", &Analyser::alter_named},
    {"AlterPolicyStmt", &Analyser::create_policy},
    {"AlterPublicationStmt", &Analyser::alter_named},
    {"AlterStatsStmt", &Analyser::alter_named},
    {"AlterTSConfigurationStmt", &Analyser::alter_named},
    {"AlterTSDictionaryStmt", &Analyser::alter_named},
    {"AlterTableMoveAllStmt", &Analyser::alter_named},
    {"DropdbStmt", &Analyser::drop_named},
    {"DropOwnedStmt", &Analyser::drop_named},
    // what leaves the database, and code that comes into it
    {"CreateExtensionStmt", &Analyser::external_thing},
    {"AlterExtensionStmt", &Analyser::external_thing},
    {"AlterExtensionContentsStmt", &Analyser::alter_named},
    {"CreateFdwStmt", &Analyser::external_thing},
    {"AlterFdwStmt", &Analyser::external_thing},
    {"CreateForeignServerStmt", &Analyser::external_thing},
    {"AlterForeignServerStmt", &Analyser::external_thing},
    {"CreateUserMappingStmt", &Analyser::external_thing},
    {"AlterUserMappingStmt", &Analyser::external_thing},
    {"DropUserMappingStmt", &Analyser::external_thing},
    {"ImportForeignSchemaStmt", &Analyser::external_thing},
    {"CreateSubscriptionStmt", &Analyser::external_thing},
    {"AlterSubscriptionStmt", &Analyser::external_thing},
    {"DropSubscriptionStmt", &Analyser::external_thing},
    {"CreateTableSpaceStmt", &Analyser::external_thing},
    {"AlterTableSpaceOptionsStmt", &Analyser::external_thing},
    {"DropTableSpaceStmt", &Analyser::external_thing},
    // rights
    {"GrantStmt", &Analyser::grants},
    {"GrantRoleStmt", &Analyser::grants},
    {"AlterDefaultPrivilegesStmt", &Analyser::grants},
    {"CreateRoleStmt", &Analyser::grants},
    {"AlterRoleStmt", &Analyser::grants},
    {"AlterRoleSetStmt", &Analyser::grants},
    {"DropRoleStmt", &Analyser::grants},
    {"ReassignOwnedStmt", &Analyser::grants},
    {"SecLabelStmt", &Analyser::grants},
    {"AlterSystemStmt", &Analyser::grants},
};

Analyser::Handler Analyser::handler_of(std::string_view kind) {
    const auto found = statement_table.find(kind);
    return found == statement_table.end() ? nullptr : found->second;
}

void Analyser::statement(Node wrapped) {
    const std::string_view kind = wrapped.kind();
    if (kind == "SelectStmt" || kind == "InsertStmt" || kind == "UpdateStmt" || kind == "DeleteStmt" ||
        kind == "MergeStmt") {
        query_statement(wrapped);
        return;
    }
    const std::string_view before = kind_;
    kind_ = kind;
    if (const Handler handler = handler_of(kind)) {
        (this->*handler)(wrapped.body());
    } else {
        unknown(kind.empty() ? "statement" : kind);
        result_unknown();
    }
    kind_ = before;
}

void Analyser::query_statement(Node wrapped) {
    const std::size_t effects_before = analysis_.effects.size();
    const bool is_select = wrapped.kind() == "SelectStmt";
    const Columns columns = query(wrapped, nullptr, nullptr);
    if (makes_table_) {
        deny_writing(columns.all());
    } else if (is_select || wrapped.body().size("returningList") > 0) {
        result(columns);
    }
    // SELECT 1: a read of nothing.
    if (is_select && analysis_.effects.size() == effects_before) effect(Operation::read);
}

}  // namespace assent::sql
