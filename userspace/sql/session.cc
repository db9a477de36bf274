// Statements that change the session, not the database: transactions, settings, cursors, notifications, locks; and what
// only runs code.
#include "sql/analyser.h"

namespace assent::sql {
namespace {

std::string_view first_text(Node list_owner) {
    const Node constant = list_owner.first("args").as("A_Const");
    return constant.member("sval").text("sval");
}

}  // namespace

void Analyser::transaction(Node body) {
    effect(Operation::transaction);
    const std::string_view kind = body.text("kind");
    using enum TransactionStep;
    if (kind == "TRANS_STMT_BEGIN" || kind == "TRANS_STMT_START") {
        facts_->transaction = begin;
    } else if (kind == "TRANS_STMT_COMMIT") {
        facts_->transaction = commit;
    } else if (kind == "TRANS_STMT_ROLLBACK") {
        facts_->transaction = rollback;
    } else if (kind == "TRANS_STMT_SAVEPOINT") {
        facts_->transaction = savepoint;
    } else if (kind == "TRANS_STMT_ROLLBACK_TO") {
        facts_->transaction = rollback_to;
    } else if (kind == "TRANS_STMT_PREPARE") {
        facts_->transaction = TransactionStep::prepare;
    } else if (kind == "TRANS_STMT_COMMIT_PREPARED") {
        analysis_.commits_prepared = true;
        change_.add(everything_changed);
    } else if (kind != "TRANS_STMT_RELEASE" && kind != "TRANS_STMT_ROLLBACK_PREPARED") {
        unknown("TransactionStmt");
    }
}

void Analyser::set_setting(std::string_view name, std::string_view value) {
    model::Effect found = setting_effect(name);
    const std::string& object = found.objects.front().name;
    if (found.operation == Operation::grant) {
        change_.path = true;
        if (value.empty()) {
            effect(Operation::grant, found.objects.front());
        } else {
            effect(Operation::grant, known_object("role", value));
        }
        return;
    }
    if (object == "setting.search_path" || object == "setting.all") change_.path = true;
    effect(found.operation, found.objects.front());
}

void Analyser::set_variable(Node body) {
    const std::string_view kind = body.text("kind");
    const std::string_view name = body.text("name");
    if (kind == "VAR_RESET_ALL") {
        set_setting("all", {});
    } else if (kind == "VAR_SET_MULTI") {
        if (name == "SESSION CHARACTERISTICS") {
            for (const auto item : body.list("args")) {
                set_setting("default_" + std::string(Node(item).as("DefElem").text("defname")), {});
            }
        } else {
            effect(Operation::transaction);
        }
    } else if (name.empty()) {
        unknown("VariableSetStmt");
    } else if (name == "role" || name == "session_authorization") {
        // RESET and DEFAULT give the one back that logged in.
        const bool is_reset = kind == "VAR_RESET" || kind == "VAR_SET_DEFAULT";
        set_setting(name, is_reset ? std::string_view("none") : first_text(body));
    } else {
        set_setting(name, {});
    }
}

void Analyser::show(Node body) {
    effect(Operation::read);
    facts_->returns_rows = true;
    if (body.text("name") == "all") {
        Columns columns;
        for (const char* name : {"name", "setting", "description"}) columns.list.push_back({name, {}});
        result(columns);
    } else {
        Columns columns;
        columns.list.push_back({std::string(body.text("name")), {}});
        result(columns);
    }
}

void Analyser::discard(Node body) {
    const std::string_view target = body.text("target");
    change_ = {.path = true, .relations = true, .functions = true};
    if (target == "DISCARD_TEMP") {
        effect(Operation::drop, {"pg_temp.*", true});
    } else if (target == "DISCARD_ALL") {
        set_setting("all", {});
        facts_->deallocates = "*";
        facts_->closes = "*";
    } else {
        effect(Operation::read);
    }
}

void Analyser::declare_cursor(Node body) {
    facts_->declares = body.text("portalname");
    const Later later(runs_later_);
    statement(body.member("query"));
    facts_->returns_rows = false;  // its masks wait for FETCH
}

void Analyser::fetch(Node body) {
    facts_->fetches = body.text("portalname");
    effect(Operation::read);
    // One that this text declares was heeded there.
    const bool is_declared_here = std::any_of(analysis_.statements.begin(), analysis_.statements.end(),
                                              [this](const auto& one) { return one.declares == facts_->fetches; });
    const auto& may_change = environment_.cursor_may_change_names;
    if (!is_declared_here && may_change && may_change(facts_->fetches)) change_.add(everything_changed);
    if (body.flag("ismove")) return;
    facts_->returns_rows = true;
    const auto masks = environment_.cursor ? environment_.cursor(facts_->fetches) : std::nullopt;
    if (masks) {
        facts_->masks = *masks;
        reaches_masked_ = masks->strips_error_detail;
        return;
    }
    result_unknown();  // a cursor that a function opened
}

void Analyser::close_cursor(Node body) {
    facts_->closes = body.text("portalname").empty() ? "*" : body.text("portalname");
    effect(Operation::read);
}

void Analyser::constraints(Node) { effect(Operation::transaction); }

void Analyser::listen(Node body) { effect(Operation::notify, {object_name({}, body.text("conditionname")), true}); }

void Analyser::unlisten(Node) { effect(Operation::read); }

void Analyser::notify(Node body) { listen(body); }

void Analyser::lock(Node body) {
    effect(Operation::lock);
    for (const auto item : body.list("relations")) {
        const ResolvedRelation relation = resolve(Node(item).as("RangeVar"));
        effect(Operation::lock, relation.object);
    }
}

void Analyser::maintenance(Node body) {
    std::size_t found = 0;
    const auto add = [&](Node range) {
        if (!range) return;
        const ResolvedRelation relation = resolve(range);
        // Errors of an index over masked values quote them.
        if (is_masked(relation)) reaches_masked_ = true;
        effect(Operation::maintenance, relation.object);
        ++found;
    };
    for (const auto item : body.list("rels")) add(Node(item).as("VacuumRelation").member("relation"));
    add(body.member("relation"));
    if (found > 0) return;
    const std::string_view name = body.text("name");
    effect(Operation::maintenance, known_object("database", name.empty() ? std::string_view("all") : name));
}

void Analyser::do_block(Node body) {
    std::string_view language = "plpgsql";
    for (const auto item : body.list("args")) {
        const Node option = Node(item).as("DefElem");
        if (option.text("defname") == "language") language = option.member("arg").string_value();
    }
    effect(Operation::execute, {object_name({}, language), true});
}

void Analyser::call_procedure(Node body) {
    Scope scope;
    const Node function = body.member("funccall");
    const Name name = name_of_list(function.list("funcname"));
    deny_writing(expressions(function.list("args"), scope));
    collect_function(name);
    // Whatever is listed as harmless: a procedure is called for what it does.
    const std::vector<std::string> schemas = function_schemas(name);
    for (const auto& schema : schemas) effect(Operation::execute, {object_name(schema, name.name), true});
    if (schemas.empty()) effect(Operation::execute, {object_name(name.schema, name.name), false});
    analysis_.functions.push_back(schemas.empty() ? object_name(name.schema, name.name)
                                                  : object_name(schemas.front(), name.name));
    facts_->returns_rows = true;  // its OUT parameters
}

void Analyser::load(Node body) { effect(Operation::external, known_object("file", body.text("filename"))); }

}  // namespace assent::sql
