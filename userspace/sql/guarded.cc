// Expressions that fail by a value, or decide by it what else is computed. A masked value there is told by the error, or by
// the time that it takes, however well the row is masked: denied like a filter.
#include <algorithm>

#include "sql/analyser.h"
#include "sql/functions.h"
#include "sql/may_fail.h"

namespace assent::sql {
namespace {

constexpr std::string_view by_failing = "flows into an expression that may fail by its value";
constexpr std::int64_t small_number = 1000;

}  // namespace

// So small that no column can be made to overflow at a place of the agent's choice.
bool Analyser::is_small_constant(Node wrapped) {
    const Node constant = read_constant(wrapped);
    if (!constant) return false;
    if (constant.member("fval")) {
        const std::string_view digits = constant.member("fval").text("fval");
        return digits.size() <= 6 && digits.find_first_of("eE") == std::string_view::npos;
    }
    const std::int64_t value = constant.member("ival").integer("ival");
    return constant.member("ival") && value >= -small_number && value <= small_number;
}

// Operators call functions; those that pg_catalog does not have call somebody's.
void Analyser::operator_effects(simdjson::dom::array list) {
    const Name name = name_of_list(list);
    if (name.name.empty() || name.schema == "pg_catalog" || (name.schema.empty() && is_builtin_operator(name.name))) return;
    if (environment_.is_harmless && environment_.is_harmless(name.schema, name.name)) return;
    effect(Operation::execute, {object_name(name.schema, name.name), !name.schema.empty()});
}

Flow Analyser::operation(Node body, Scope& scope) {
    // The name of BETWEEN is no operator's.
    const bool is_between =
        body.text("kind").starts_with("AEXPR_BETWEEN") || body.text("kind").starts_with("AEXPR_NOT_BETWEEN");
    if (!is_between) operator_effects(body.list("name"));
    const Flow left = expression(body.member("lexpr"), scope);
    const Flow right = expression(body.member("rexpr"), scope);
    Flow flow = left.derived();
    flow.mix(right);
    const Name name = name_of_list(body.list("name"));
    const bool is_foreign = !name.schema.empty() && name.schema != "pg_catalog";
    if (!is_between && (is_foreign || !is_builtin_operator(name.name)))
        deny(flow, "flows into an operator that is not the server's own");
    if (flow.is_clean()) return flow;
    const bool is_pattern = name.name.find('~') != std::string::npos;
    if (is_pattern && !right.is_clean()) deny(right, by_failing);
    if (body.text("kind") != "AEXPR_OP" || operator_never_fails(name.name)) return flow.derived();
    const Node left_node = body.member("lexpr");
    const Node right_node = body.member("rexpr");
    // Not products, nor sums of columns: where they overflow, the agent chooses by the factor or by a row of its own.
    const bool is_sum = name.name == "+" || name.name == "-";
    const bool is_left = left.is_exact && (is_sum || name.name == "/") && is_small_constant(right_node);
    const bool is_right = right.is_exact && is_sum && (!left_node || is_small_constant(left_node));
    if (is_left || is_right) return flow.derived();
    deny(flow, by_failing);
    return flow.derived();
}

// CASE, AND, OR and COALESCE leave out what they do not need: what they then do not compute must not be seen to fail.
Flow Analyser::choice(Node body, Scope& scope) {
    Flow choosing = expression(body.member("arg"), scope);
    Flow flow = expression(body.member("defresult"), scope);
    bool may_be_seen = may_fail(body.member("defresult")) || may_fail(body.member("arg"));
    for (const auto item : body.list("args")) {
        const Node part(item);
        const Node when = part.as("CaseWhen");
        choosing.mix(expression(when ? when.member("expr") : part, scope));
        if (when) flow.mix(expression(when.member("result"), scope));
        may_be_seen = may_be_seen || may_fail(part);
    }
    const bool is_alone = body.size("args") == 1 && !body.text("boolop").empty();
    if (may_be_seen && !is_alone) deny(choosing, "decides what else is computed");
    flow.mix(choosing);
    return flow.derived();
}

// Casts to a text never fail; between others than texts they hardly do.
Flow Analyser::type_cast(Node body, Scope& scope) {
    Flow flow = expression(body.member("arg"), scope).derived();
    if (flow.is_clean() || is_text_type(body.member("typeName"))) return flow;
    const std::uint32_t type = type_of(body.member("arg"), scope);
    constexpr std::uint32_t texts[] = {19, 25, 1042, 1043};
    if (type == 0 || std::find(std::begin(texts), std::end(texts), type) != std::end(texts)) deny(flow, by_failing);
    return flow;
}

// Only where the text is built up, not where it is read.
Flow Analyser::xml(Node body, Scope& scope) {
    const Flow flow = children(body, scope);
    const std::string_view kind = body.text("op");
    if (kind != "IS_XMLELEMENT" && kind != "IS_XMLFOREST") deny(flow, by_failing);
    return flow;
}

Flow Analyser::parsed_json(Node body, Scope& scope) {
    const Flow flow = children(body, scope);
    deny(flow, by_failing);
    return flow;
}

// Of a function of the server's own that only computes; any other is denied masked values anyway.
void Analyser::deny_failing(const Name& function, Node body, const std::vector<Flow>& arguments) {
    const BuiltinFunction* builtin =
        function.schema.empty() || function.schema == "pg_catalog" ? builtin_function(function.name) : nullptr;
    if (builtin == nullptr || builtin->kind != FunctionClass::harmless) return;
    const bool has_masked =
        std::any_of(arguments.begin(), arguments.end(), [](const Flow& flow) { return !flow.is_clean(); });
    if (!has_masked) return;
    std::string_view first;
    if (function.name == "format") first = read_constant(body.first("args")).member("sval").text("sval");
    for (std::size_t place = 0; place < arguments.size(); ++place) {
        if (!never_fails(function.name, place, first)) deny(arguments[place], by_failing);
    }
}

}  // namespace assent::sql
