// Function calls: which function a name leads to, and what it does.
#include <algorithm>

#include "sql/analyser.h"
#include "sql/functions.h"

namespace assent::sql {
namespace {

std::string builtin_key(const Name& name) {
    if (name.schema.empty() || name.schema == "pg_catalog") return name.name;
    return name.schema + "." + name.name;
}

// SQL syntax that the grammar turns into calls of pg_catalog (EXTRACT, TRIM, …) comes with the schema in front.
const BuiltinFunction* builtin_of(const Name& name) { return builtin_function(builtin_key(name)); }

}  // namespace

std::optional<std::string_view> Analyser::literal_text(Node wrapped) {
    if (const Node named = wrapped.as("NamedArgExpr")) return literal_text(named.member("arg"));
    if (const Node cast = wrapped.as("TypeCast")) return literal_text(cast.member("arg"));
    const Node constant = read_constant(wrapped);
    if (!constant || !constant.member("sval")) return std::nullopt;
    return constant.member("sval").text("sval");
}

void Analyser::collect_function(const Name& name) {
    if (collector_ != nullptr && !name.name.empty()) collected_functions_.insert(name);
}

bool Analyser::is_callable(const Name& field) const {
    const BuiltinFunction* builtin = builtin_of(field);
    if (builtin != nullptr && builtin->kind != FunctionClass::harmless) return true;
    if (is_stale_function(field)) return true;
    const auto schemas = function_schemas(field);
    return std::any_of(schemas.begin(), schemas.end(), [](const std::string& schema) { return schema != "pg_catalog"; });
}

bool Analyser::may_return_set(const Name& name) const {
    const BuiltinFunction* builtin = builtin_of(name);
    if (builtin != nullptr && builtin->may_return_set) return true;
    if (is_stale_function(name)) return true;
    return environment_.catalog != nullptr && environment_.catalog->may_return_set(name);
}

bool Analyser::gives_one_column(Node range_function) const {
    for (const auto item : range_function.list("functions")) {
        const Node node = Node(item).as("List").first("items");
        if (node.kind() == "SQLValueFunction") return true;
        const Name name = name_of_list(node.as("FuncCall").list("funcname"));
        const BuiltinFunction* builtin = builtin_of(name);
        if (builtin == nullptr || !builtin->gives_one_column || environment_.catalog == nullptr || is_stale_function(name))
            return false;
        const auto schemas = function_schemas(name);
        return std::all_of(schemas.begin(), schemas.end(), [](const std::string& schema) { return schema == "pg_catalog"; });
    }
    return false;
}

Flow Analyser::call(Node body, Scope& scope) {
    const Name name = name_of_list(body.list("funcname"));
    std::vector<Flow> each;
    Flow arguments;
    for (const auto item : body.list("args")) {
        each.push_back(expression(Node(item), scope));
        arguments.mix(each.back());
    }
    deny_failing(name, body, each);
    for (const auto item : body.list("agg_order")) {
        operator_effects(Node(item).as("SortBy").list("useOp"));
        // Also percentile_cont(0.5) WITHIN GROUP (ORDER BY x), which gives x back.
        const Flow key = expression(Node(item).as("SortBy").member("node"), scope);
        deny_filter(key);
        arguments.mix(key);
    }
    filter(body.member("agg_filter"), scope);
    if (const Node over = body.member("over")) window(over, scope);
    // The number of rows tells values apart.
    if (may_return_set(name)) deny_filter(arguments);
    collect_function(name);
    return call_effects(name, body, arguments);
}

Flow Analyser::call_effects(const Name& name, Node body, const Flow& arguments) {
    const Catalog* catalog = environment_.catalog;
    const std::vector<std::string> schemas = function_schemas(name);
    const bool is_known = catalog != nullptr && !is_stale_function(name) && catalog->knows_function(name);
    const BuiltinFunction* builtin = builtin_of(name);
    const bool is_builtin_schema = name.schema == "pg_catalog" || name.schema == "information_schema";
    Flow flow = arguments.derived();
    bool is_found = false;
    if (builtin != nullptr && (is_builtin_schema || is_known)) {
        is_found = true;
        flow.mix(builtin_effects(builtin->name, body, arguments));
        if (is_builtin_schema) return flow;
    }
    for (const auto& schema : schemas) {
        if (schema == "pg_catalog" && builtin != nullptr) continue;
        is_found = true;
        const std::string full = object_name(schema, name.name);
        analysis_.functions.push_back(full);
        if (environment_.is_harmless && environment_.is_harmless(schema, name.name)) continue;
        effect(Operation::execute, {full, true});
        deny(arguments, "flows into a function that is not listed as harmless");
    }
    if (is_found) return flow;
    // Neither the server's nor one that the catalog knows.
    const std::string full = object_name(name.schema, name.name);
    analysis_.functions.push_back(full);
    if (builtin != nullptr) flow.mix(builtin_effects(builtin->name, body, arguments));
    if (!name.schema.empty() && environment_.is_harmless && environment_.is_harmless(name.schema, name.name)) return flow;
    effect(Operation::execute, {full, false});
    deny(arguments, "flows into a function that is not listed as harmless");
    return flow;
}

// Gives what the function's value may hold besides its arguments.
Flow Analyser::builtin_effects(std::string_view name, Node body, const Flow& arguments) {
    const bool has_schema = name.find('.') != std::string_view::npos;
    const std::string full = has_schema ? std::string(name) : object_name("pg_catalog", name);
    if (std::find(analysis_.functions.begin(), analysis_.functions.end(), full) == analysis_.functions.end()) {
        analysis_.functions.push_back(full);
    }
    const BuiltinFunction* builtin = builtin_function(name);
    const FunctionClass kind = builtin == nullptr ? FunctionClass::execute : builtin->kind;
    if (kind != FunctionClass::harmless) deny(arguments, "flows into a function that does more than compute");
    const auto read = [this](std::string_view relation) { effect(Operation::read, known_object("pg_catalog", relation)); };
    switch (kind) {
        case FunctionClass::harmless:
            return {};
        case FunctionClass::execute:
            effect(Operation::execute, {full, true});
            return {};
        case FunctionClass::external:
            effect(Operation::external, {full, true});
            return {};
        case FunctionClass::lock:
            effect(Operation::lock);
            return {};
        case FunctionClass::set_config:
            set_config(body, arguments);
            return {};
        case FunctionClass::sequence:
            sequence(Operation::update, name, body);
            return {};
        case FunctionClass::sequence_read:
            sequence(Operation::read, name, body);
            return {};
        case FunctionClass::notify: {
            const auto channel = literal_text(body.first("args"));
            if (channel) {
                effect(Operation::notify, {object_name({}, *channel), true});
            } else {
                unknown("pg_notify");
            }
            return {};
        }
        case FunctionClass::activity:
            read("pg_stat_activity");
            return {};
        case FunctionClass::large_object:
            read("pg_largeobject");
            return {};
        case FunctionClass::large_write:
            effect(Operation::update, known_object("pg_catalog", "pg_largeobject"));
            return {};
        case FunctionClass::statistics:
            read("pg_statistic");
            return unknown_flow();
        case FunctionClass::hidden:
            unknown(name);
            return unknown_flow();
    }
    unknown(name);
    return unknown_flow();
}

void Analyser::set_config(Node body, const Flow&) {
    const auto setting = literal_text(body.first("args"));
    // When it will be set, and what names mean to the commands after it, nobody would notice.
    if (!setting || runs_later_) {
        unknown("set_config");
        return;
    }
    std::string role;
    std::size_t place = 0;
    for (const auto item : body.list("args")) {
        if (place++ == 1) role = literal_text(Node(item)).value_or("");
    }
    set_setting(*setting, role);
}

void Analyser::sequence(Operation operation, std::string_view function, Node body) {
    const Node argument = body.first("args");
    if (!argument && operation == Operation::read) {
        effect(Operation::read);  // lastval(): of this session
        return;
    }
    const auto text = literal_text(argument);
    const auto name = text ? name_of_text(*text) : std::nullopt;
    if (!name) {
        unknown(function);
        return;
    }
    effect(operation, resolve(*name).object);
}

}  // namespace assent::sql
