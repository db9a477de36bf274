// Things that are no relations, rights, and what comes from outside the database.
#include <algorithm>

#include "sql/analyser.h"

namespace assent::sql {
namespace {

// Where the name of the thing stands, in the statements that have one of these.
constexpr std::string_view list_keys[] = {"typeName",     "domainname", "defnames", "conversion_name", "opclassname",
                                          "opfamilyname", "dictname",   "cfgname",  "collname"};
constexpr std::string_view text_keys[] = {"dbname",     "trigname", "pubname", "plname",         "amname",
                                          "extname",

                                          "servername", "fdwname",  "subname", "tablespacename", "orig_tablespacename",
                                          "lang"};

// "database" for CreatedbStmt: the word in front of names that have no schema.
std::string_view word_of(std::string_view key) {
    constexpr std::pair<std::string_view, std::string_view> words[] = {{"dbname", "database"},
                                                                       {"trigname", "event_trigger"},
                                                                       {"pubname", "publication"},
                                                                       {"plname", "language"},
                                                                       {"amname", "access_method"},
                                                                       {"extname", "extension"},
                                                                       {"fdwname", "foreign_data_wrapper"},
                                                                       {"servername", "server"},
                                                                       {"subname", "subscription"},
                                                                       {"tablespacename", "tablespace"},
                                                                       {"orig_tablespacename", "tablespace"},
                                                                       {"lang", "language"}};
    for (const auto& [name, word] : words) {
        if (name == key) return word;
    }
    return "object";
}

// OBJECT_EVENT_TRIGGER → event_trigger
std::string word_of_type(std::string_view type) {
    std::string word;
    for (const char c : type.starts_with("OBJECT_") ? type.substr(7) : type) {
        word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (word == "fdw") return "foreign_data_wrapper";
    if (word == "foreign_server") return "server";
    return word;
}

bool is_relation_type(std::string_view type) {
    constexpr std::string_view types[] = {"OBJECT_TABLE",    "OBJECT_VIEW",  "OBJECT_MATVIEW",
                                          "OBJECT_SEQUENCE", "OBJECT_INDEX", "OBJECT_FOREIGN_TABLE"};
    return std::find(std::begin(types), std::end(types), type) != std::end(types);
}

// The last part of the name is a thing that belongs to the relation before it.
bool is_part_of_relation(std::string_view type) {
    constexpr std::string_view types[] = {"OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_RULE",
                                          "OBJECT_POLICY"};
    return std::find(std::begin(types), std::end(types), type) != std::end(types);
}

Name relation_of_part(simdjson::dom::array list) {
    std::vector<std::string> parts;
    for (const auto item : list) parts.emplace_back(Node(item).string_value());
    if (parts.size() < 2) return {};
    return {parts.size() > 2 ? parts[parts.size() - 3] : std::string(), parts[parts.size() - 2]};
}

constexpr std::int64_t operator_class_function = 2;  // OPCLASS_ITEM_FUNCTION

// Of the options of CREATE OPERATOR, AGGREGATE, TYPE and TEXT SEARCH PARSER: those whose value is a function. Not those of
// the planner, which take arguments that nothing but C can.
bool names_a_function(std::string_view option) {
    constexpr std::string_view options[] = {
        "function", "procedure",  "sfunc",     "finalfunc",    "combinefunc", "serialfunc", "deserialfunc", "msfunc",
        "minvfunc", "mfinalfunc", "input",     "output",       "receive",     "send",       "typmod_in",    "typmod_out",
        "analyze",  "subscript",  "canonical", "subtype_diff", "start",       "gettoken",   "end",          "headline",
        "lextypes", "init",       "lexize",    "sfunc1",       "sfunc2"};
    return std::find(std::begin(options), std::end(options), option) != std::end(options);
}

std::string_view role_name(Node role) {
    const Node spec = role.kind() == "RoleSpec" ? role.body() : role;
    if (!spec.text("rolename").empty()) return spec.text("rolename");
    const std::string_view type = spec.text("roletype");
    return type == "ROLESPEC_PUBLIC" ? "public" : type == "ROLESPEC_SESSION_USER" ? "session_user" : "current_user";
}

}  // namespace

void Analyser::object_effect(Operation operation, std::string_view type, Node object) {
    const simdjson::dom::array items = object.as("List").list("items");
    if (is_relation_type(type)) {
        effect(operation, resolve(object.kind() == "RangeVar" ? name_of_range(object.body()) : name_of_list(items)).object);
    } else if (is_part_of_relation(type)) {
        effect(operation, resolve(relation_of_part(items)).object);
    } else if (const Node routine = object.as("ObjectWithArgs")) {
        const Name name = name_of_list(routine.list("objname"));
        collect_function(name);
        const auto schemas = function_schemas(name);
        for (const auto& schema : schemas) effect(operation, {object_name(schema, name.name), true});
        if (schemas.empty()) effect(operation, {object_name(name.schema, name.name), !name.schema.empty()});
    } else if (const Node type_name = object.as("TypeName")) {
        const Name name = name_of_list(type_name.list("names"));
        effect(operation, {object_name(name.schema, name.name), !name.schema.empty()});
    } else if (type == "OBJECT_SCHEMA") {
        effect(operation, known_object("schema", object.string_value()));
        if (operation == Operation::drop) effect(operation, {object_name(object.string_value(), "*"), true});
    } else if (type == "OBJECT_ROLE") {
        effect(Operation::grant, known_object("role", object.string_value()));
    } else if (object.kind() == "String") {
        effect(operation, known_object(word_of_type(type), object.string_value()));
    } else if (items.size() > 0) {
        const Name name = name_of_list(items);
        effect(operation, name.schema.empty() ? known_object(word_of_type(type), name.name)
                                              : model::Object{object_name(name.schema, name.name), true});
    } else {
        effect(operation, known_object("object", word_of_type(type)));
    }
}

model::Object Analyser::named_object(Node body, bool is_new) {
    for (const std::string_view key : list_keys) {
        if (!body.member(key).is_array()) continue;
        const Name name = name_of_list(body.list(key));
        if (is_new) return created(name);
        return {object_name(name.schema, name.name), !name.schema.empty()};
    }
    if (const Node type = body.member("typevar")) return created(type);
    for (const std::string_view key : {"func", "opername"}) {
        if (const Node routine = body.member(key)) {
            const Name name = name_of_list(routine.list("objname"));
            collect_function(name);
            const auto schemas = function_schemas(name);
            if (schemas.size() == 1) return {object_name(schemas.front(), name.name), true};
            return {object_name(name.schema, name.name), !name.schema.empty()};
        }
    }
    for (const std::string_view key : text_keys) {
        if (!body.text(key).empty()) return known_object(word_of(key), body.text(key));
    }
    return known_object("object", kind_);
}

// A function that is put behind an operator, a cast or a trigger runs without being called by its name: it counts here.
void Analyser::function_behind(const Name& name) {
    if (name.name.empty()) return;
    collect_function(name);
    static_cast<void>(call_effects(name, Node(), {}));
}

// The server takes a type's name, a text and a list of names for the name of a function, too.
void Analyser::function_behind(Node option) {
    const Node value = option.member("arg");
    if (const Node type = value.as("TypeName")) {
        function_behind(name_of_list(type.list("names")));
    } else if (const Node list = value.as("List")) {
        function_behind(name_of_list(list.list("items")));
    } else if (value.kind() == "String") {
        function_behind(Name{{}, std::string(value.string_value())});
    } else if (value) {
        unknown(option.text("defname"));
    }
}

void Analyser::implied_calls(Node body) {
    if (kind_ == "CreateCastStmt") function_behind(name_of_list(body.member("func").list("objname")));
    for (const std::string_view key : {"fromsql", "tosql"}) function_behind(name_of_list(body.member(key).list("objname")));
    for (const std::string_view key : {"func_name", "funcname", "plhandler", "plinline", "plvalidator"})
        function_behind(name_of_list(body.list(key)));
    for (const auto item : body.list("items")) {
        const Node member = Node(item).as("CreateOpClassItem");
        if (member.integer("itemtype") == operator_class_function)
            function_behind(name_of_list(member.member("name").list("objname")));
    }
    for (const std::string_view key : {"definition", "params", "options"}) {
        for (const auto item : body.list(key)) {
            const Node element = Node(item).as("DefElem");
            if (names_a_function(element.text("defname"))) function_behind(element);
        }
    }
}

void Analyser::create_named(Node body) {
    effect(Operation::create, named_object(body, true));
    implied_calls(body);
    Scope scope;
    definition_expressions(body.member("constraints"), scope);
}

void Analyser::alter_named(Node body) {
    effect(Operation::alter, named_object(body, false));
    implied_calls(body);
    Scope scope;
    definition_expressions(body.member("def"), scope);
}

void Analyser::drop_named(Node body) {
    if (kind_ == "DropOwnedStmt") {
        for (const auto item : body.list("roles")) {
            effect(Operation::drop, known_object("role", role_name(Node(item))));
            effect(Operation::grant, known_object("role", role_name(Node(item))));
        }
        return;
    }
    effect(Operation::drop, named_object(body, false));
}

void Analyser::comment(Node body) {
    if (const Node range = body.member("relation")) {
        effect(Operation::alter, resolve(range).object);
    } else {
        object_effect(Operation::alter, body.text("objtype").empty() ? body.text("objectType") : body.text("objtype"),
                      body.member("object"));
    }
}

void Analyser::external_thing(Node body) {
    model::Object object = named_object(body, false);
    effect(Operation::external, object);
    if (kind_ == "CreateExtensionStmt") effect(Operation::create, object);
    if (kind_ == "AlterExtensionStmt") effect(Operation::alter, object);
    if (kind_ == "ImportForeignSchemaStmt") {
        effect(Operation::external, known_object("server", body.text("server_name")));
        effect(Operation::create, {object_name(body.text("local_schema"), "*"), true});
    }
}

void Analyser::create_function(Node body) {
    effect(Operation::create, created(name_of_list(body.list("funcname"))));
    Scope scope;
    definition_expressions(body.member("parameters"), scope);
    const std::size_t first = analysis_.effects.size();
    // The bodies that can be read: what they would show or compare counts as a write of it.
    StatementFacts inner_facts;
    StatementFacts* const facts_before = std::exchange(facts_, &inner_facts);
    const auto run = [&](Node wrapped) {
        inner_facts = {};
        if (const Node given = wrapped.as("ReturnStmt")) {
            deny_writing(expression(given.member("returnval"), scope));
        } else {
            statement(wrapped);
        }
        if (inner_facts.masks.covers_all_columns) deny_writing(unknown_flow());
        deny_writing(std::exchange(result_flow_, {}));
    };
    if (const Node sql_body = body.member("sql_body")) {
        run_body(sql_body, run);
    } else if (const auto nested = parsed_->tree->nested(nested_index_); nested != nullptr && nested->tree != nullptr) {
        const Parsed* const parsed_before = std::exchange(parsed_, nested.get());
        const std::size_t index_before = std::exchange(nested_index_, 0);
        for (const auto item : nested->tree->statements()) {
            run(Node(item).member("stmt"));
            ++nested_index_;
        }
        parsed_ = parsed_before;
        nested_index_ = index_before;
    }
    facts_ = facts_before;
    analysis_.effects.resize(first);  // none of it runs now
}

void Analyser::run_body(Node body, const std::function<void(Node)>& run) {
    if (const Node list = body.as("List")) {
        for (const auto item : list.list("items")) run_body(Node(item), run);
    } else {
        run(body);
    }
}

void Analyser::grants(Node body) {
    const auto role = [this](Node node) { effect(Operation::grant, known_object("role", role_name(node))); };
    if (kind_ == "GrantStmt") {
        grant_objects(body);
    } else if (kind_ == "GrantRoleStmt") {
        for (const auto item : body.list("granted_roles")) {
            effect(Operation::grant, known_object("role", Node(item).as("AccessPriv").text("priv_name")));
        }
    } else if (kind_ == "AlterDefaultPrivilegesStmt") {
        effect(Operation::grant, known_object("privileges", "default"));
    } else if (kind_ == "CreateRoleStmt") {
        effect(Operation::grant, known_object("role", body.text("role")));
    } else if (kind_ == "AlterSystemStmt") {
        const std::string_view name = body.member("setstmt").text("name");
        effect(Operation::grant, known_object("setting", name.empty() ? "all" : name));
    } else if (kind_ == "SecLabelStmt") {
        object_effect(Operation::grant, body.text("objtype"), body.member("object"));
    } else {
        if (body.member("role")) role(body.member("role"));
        for (const auto item : body.list("roles")) role(Node(item));
        if (body.size("roles") == 0 && !body.member("role")) effect(Operation::grant, known_object("role", "all"));
    }
}

void Analyser::grant_objects(Node body) {
    const std::string_view type = body.text("objtype");
    const bool is_whole_schema = body.text("targtype") == "ACL_TARGET_ALL_IN_SCHEMA";
    for (const auto item : body.list("objects")) {
        const Node object(item);
        if (is_whole_schema) {
            effect(Operation::grant, {object_name(object.string_value(), "*"), true});
        } else {
            object_effect(Operation::grant, type, object);
        }
    }
    if (body.size("objects") == 0) effect(Operation::grant, known_object("privileges", "default"));
}

}  // namespace assent::sql
