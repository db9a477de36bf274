// What makes, alters and drops relations.
#include <algorithm>

#include "sql/analyser.h"

namespace assent::sql {
namespace {

// Nodes of definitions that are no expressions, and may hold some.
bool is_structure(std::string_view kind) {
    constexpr std::string_view kinds[] = {
        "ColumnDef", "Constraint",    "PartitionElem", "PartitionSpec",     "PartitionBoundSpec", "IndexElem",
        "DefElem",   "AlterTableCmd", "StatsElem",     "FunctionParameter", "PartitionRangeDatum"};
    return std::find(std::begin(kinds), std::end(kinds), kind) != std::end(kinds);
}

// Names of things, not expressions.
bool is_name(std::string_view key) {
    constexpr std::string_view keys[] = {"typeName",   "pktable",    "relation", "inhRelations", "ofTypename", "argType",
                                         "returnType", "domainname", "newowner", "collClause",   "funcname",   "roles"};
    return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

}  // namespace

// Defaults, checks, generated columns, partition bounds: who makes them does what they will do.
void Analyser::definition_expressions(Node value, Scope& scope) {
    if (value.is_array()) {
        for (const auto item : simdjson::dom::array(value.element())) definition_expressions(Node(item), scope);
        return;
    }
    if (!value.is_object()) return;
    const std::string_view kind = value.kind();
    if (!kind.empty() && !is_structure(kind)) {
        if (kind == "RangeVar" || kind == "RoleSpec" || kind == "PartitionCmd" || kind == "ReplicaIdentityStmt" ||
            kind == "TableLikeClause" || kind == "ObjectWithArgs") {
            return;
        }
        const Later later(runs_later_);
        deny_writing(expression(value, scope));
        return;
    }
    const Node body = kind.empty() ? value : value.body();
    if (const Node referred = body.member("pktable"); referred && kind == "Constraint") {
        // Which values it has can be told from what may be inserted; and its own rows cannot go as they please any more.
        const model::Object object = resolve(referred).object;
        effect(Operation::read, object);
        effect(Operation::create, object);
    }
    for (const auto member : simdjson::dom::object(body.element())) {
        if (!is_name(member.key)) definition_expressions(Node(member.value), scope);
    }
}

void Analyser::create_table(Node body) {
    const Node range = body.member("relation");
    effect(Operation::create, created(range));
    Scope scope;
    Source source;  // the columns it is about to have
    source.alias = range.text("relname");
    source.columns.is_complete = false;
    scope.from.visible = source.columns;
    scope.from.sources.push_back(std::move(source));
    for (const auto item : body.list("inhRelations")) {
        // A parent shows the rows of its new child.
        effect(Operation::alter, resolve(Node(item).as("RangeVar")).object);
    }
    for (const auto item : body.list("tableElts")) {
        if (const Node like = Node(item).as("TableLikeClause"))
            effect(Operation::read, resolve(like.member("relation")).object);
        definition_expressions(Node(item), scope);
    }
    for (const std::string_view part : {"partspec", "partbound", "constraints"})
        definition_expressions(body.member(part), scope);
}

void Analyser::create_foreign_table(Node body) {
    const Node base = body.member("base").kind().empty() ? body.member("base") : body.member("base").body();
    create_table(base ? base : body.member("base_stmt"));
    effect(Operation::external, known_object("server", body.text("servername")));
}

void Analyser::create_table_as(Node body) {
    effect(Operation::create, created(body.member("into").member("rel")));
    const Node inner = body.member("query");
    Columns columns;
    if (const Node execute_node = inner.as("ExecuteStmt")) {
        facts_->executes = execute_node.text("name");
        columns = executed(execute_node);
    } else {
        columns = query(inner, nullptr, nullptr);
    }
    deny_writing(columns.all());
}

void Analyser::refresh(Node body) {
    const ResolvedRelation relation = resolve(body.member("relation"));
    static_cast<void>(is_masked(relation));
    effect(Operation::maintenance, relation.object);
}

void Analyser::create_view(Node body) {
    effect(Operation::create, created(body.member("view")));
    const Later later(runs_later_);
    const Columns columns = query(body.member("query"), nullptr, nullptr);
    deny_writing(columns.all());
}

// A scope that shows one relation.
void Analyser::show_relation(Node range, Scope& scope, std::initializer_list<std::string_view> more_aliases) {
    const ResolvedRelation relation = resolve(range);
    const Source source = target_source(range, relation);
    scope.from.visible = source.columns;
    scope.from.sources.push_back(source);
    for (const std::string_view alias : more_aliases) {
        scope.from.sources.push_back(source);
        scope.from.sources.back().alias = alias;
        scope.from.sources.back().schema.clear();
    }
}

void Analyser::create_index(Node body) {
    const Node range = body.member("relation");
    const ResolvedRelation relation = resolve(range);
    effect(Operation::create, relation.object);
    if (const std::string_view name = body.text("idxname"); !name.empty()) {
        effect(Operation::create, {object_name(relation.schema, name), relation.object.is_resolved});
    }
    // Values stay inside the index: only what its functions do counts.
    Scope scope;
    show_relation(range, scope, {});
    const Later later(runs_later_);
    for (const std::string_view part : {"indexParams", "indexIncludingParams"}) {
        for (const auto item : body.list(part))
            static_cast<void>(expression(Node(item).as("IndexElem").member("expr"), scope));
    }
    static_cast<void>(expression(body.member("whereClause"), scope));
}

// Whoever writes to the relation later does what its actions say, and nobody asks again: to make the rule is to do it.
void Analyser::create_rule(Node body) {
    const Node range = body.member("relation");
    effect(Operation::create, resolve(range).object);
    Scope scope;
    show_relation(range, scope, {"new", "old"});
    const Later later(runs_later_);
    filter(body.member("whereClause"), scope);
    for (const auto item : body.list("actions")) {
        const Node action(item);
        if (action.kind() == "NotifyStmt") {
            notify(action.body());
        } else {
            deny_writing(query(action, &scope, nullptr).all());
        }
    }
}

void Analyser::create_trigger(Node body) {
    const Node range = body.member("relation");
    effect(Operation::create, resolve(range).object);
    Scope scope;
    show_relation(range, scope, {"new", "old"});
    const Later later(runs_later_);
    filter(body.member("whenClause"), scope);
    function_behind(name_of_list(body.list("funcname")));
}

void Analyser::create_policy(Node body) {
    const Node range = body.member("table");
    effect(kind_ == "CreatePolicyStmt" ? Operation::create : Operation::alter, resolve(range).object);
    Scope scope;
    show_relation(range, scope, {});
    const Later later(runs_later_);
    filter(body.member("qual"), scope);
    filter(body.member("with_check"), scope);
}

void Analyser::create_statistics(Node body) {
    effect(Operation::create, created(name_of_list(body.list("defnames"))));
    for (const auto item : body.list("relations")) {
        const Node range = Node(item).as("RangeVar");
        effect(Operation::create, resolve(range).object);
        Scope scope;
        show_relation(range, scope, {});
        const Later later(runs_later_);
        for (const auto part : body.list("exprs"))
            static_cast<void>(expression(Node(part).as("StatsElem").member("expr"), scope));
    }
}

void Analyser::create_sequence(Node body) { effect(Operation::create, created(body.member("sequence"))); }

void Analyser::alter_sequence(Node body) { effect(Operation::alter, resolve(body.member("sequence")).object); }

void Analyser::create_schema(Node body) {
    const Node owner = body.member("authrole");
    const std::string name(body.text("schemaname").empty() ? owner.text("rolename") : body.text("schemaname"));
    effect(Operation::create, known_object("schema", name.empty() ? "current_user" : name));
    const std::string before = std::exchange(creation_schema_, name);
    for (const auto item : body.list("schemaElts")) statement(Node(item));
    creation_schema_ = before;
}

void Analyser::alter_table(Node body) {
    const Node range = body.member("relation");
    if (body.text("objtype") == "OBJECT_TYPE") {
        effect(Operation::alter,
               {object_name(range.text("schemaname"), range.text("relname")), !range.text("schemaname").empty()});
        return;
    }
    const ResolvedRelation relation = resolve(range);
    effect(Operation::alter, relation.object);
    Scope scope;
    show_relation(range, scope, {});
    for (const auto item : body.list("cmds")) {
        const Node command = Node(item).as("AlterTableCmd");
        const Node definition = command.member("def");
        const std::string_view subtype = command.text("subtype");
        if (subtype == "AT_DropInherit" || subtype == "AT_DetachPartition" || subtype == "AT_DetachPartitionFinalize") {
            deny(columns_of(relation).all(), "would be known by another name");
        } else if (subtype == "AT_AlterColumnType") {
            deny(mask_of(relation, command.text("name")), "would be read anew");
        }
        if (const Node partition = definition.as("PartitionCmd")) {
            effect(Operation::alter, resolve(partition.member("name")).object);
            definition_expressions(partition.member("bound"), scope);
        } else if (const Node parent = definition.as("RangeVar")) {
            effect(Operation::alter, resolve(parent).object);
        } else {
            definition_expressions(definition, scope);
        }
    }
}

// A masked column under another name would be seen: the policy knows it by this one.
void Analyser::rename(Node body) {
    const std::string_view type = kind_ == "RenameStmt" ? body.text("renameType") : body.text("objectType");
    const Node range = body.member("relation");
    if (kind_ == "AlterObjectSchemaStmt") {
        const std::string_view name = range ? range.text("relname") : std::string_view("*");
        effect(Operation::create, {object_name(body.text("newschema"), name), true});
    }
    if (type == "OBJECT_ATTRIBUTE") deny(unknown_flow(), "may be known by another name");  // in tables of the type
    if (!range) {
        if (type == "OBJECT_ROLE") {
            effect(Operation::grant, known_object("role", body.text("subname")));
        } else if (type == "OBJECT_SCHEMA" || type == "OBJECT_DATABASE" || type == "OBJECT_TABLESPACE") {
            const std::string_view word = type == "OBJECT_SCHEMA"     ? "schema"
                                          : type == "OBJECT_DATABASE" ? "database"
                                                                      : "tablespace";
            effect(Operation::alter, known_object(word, body.text("subname")));
            if (type == "OBJECT_SCHEMA") {
                effect(Operation::alter, {object_name(body.text("subname"), "*"), true});
                effect(Operation::create, {object_name(body.text("newname"), "*"), true});
                deny(unknown_flow(), "may be known by another name");
            }
        } else {
            object_effect(Operation::alter, type, body.member("object"));
        }
        return;
    }
    const ResolvedRelation relation = resolve(range);
    effect(Operation::alter, relation.object);
    if (type == "OBJECT_COLUMN") {
        deny(mask_of(relation, body.text("subname")), "would be known by another name");
    } else if (type == "OBJECT_TABLE" || type == "OBJECT_FOREIGN_TABLE" || type == "OBJECT_VIEW" ||
               type == "OBJECT_MATVIEW") {
        deny(columns_of(relation).all(), "would be known by another name");
    }
}

void Analyser::drop(Node body) {
    const std::string_view type = body.text("removeType");
    for (const auto item : body.list("objects")) {
        if (type == "OBJECT_FDW" || type == "OBJECT_FOREIGN_SERVER") {
            object_effect(Operation::external, type, Node(item));
        } else {
            object_effect(Operation::drop, type, Node(item));
        }
    }
}

void Analyser::truncate(Node body) {
    const bool is_cascaded = body.text("behavior") == "DROP_CASCADE";
    for (const auto item : body.list("relations")) {
        model::Object object = resolve(Node(item).as("RangeVar")).object;
        if (is_cascaded) object.is_resolved = false;  // with all that refers to it, wherever that is
        effect(Operation::truncate, object);
    }
}

}  // namespace assent::sql
