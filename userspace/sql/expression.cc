// Expressions: what a value may come from, and the effects of what it calls.
#include "sql/analyser.h"

namespace assent::sql {
namespace {

bool is_wrapped(Node node) { return !node.kind().empty(); }

}  // namespace

// Kinds that are not in the table are unknown; `children` is for those whose value is made of all that is in them.
const std::unordered_map<std::string_view, Analyser::Expression> Analyser::expression_table = {
    {"A_Const", &Analyser::constant},
    {"ParamRef", &Analyser::constant},
    {"SetToDefault", &Analyser::constant},
    {"CurrentOfExpr", &Analyser::constant},
    {"SQLValueFunction", &Analyser::constant},
    {"Integer", &Analyser::constant},
    {"Float", &Analyser::constant},
    {"String", &Analyser::constant},
    {"Boolean", &Analyser::constant},
    {"BitString", &Analyser::constant},
    {"Null", &Analyser::constant},
    {"TypeName", &Analyser::constant},
    {"A_Star", &Analyser::constant},
    {"MergeSupportFunc", &Analyser::constant},
    {"ColumnRef", &Analyser::column_expression},
    {"A_Expr", &Analyser::operation},
    {"BoolExpr", &Analyser::choice},
    {"NullTest", &Analyser::children},
    {"BooleanTest", &Analyser::children},
    {"CollateClause", &Analyser::children},
    {"CaseExpr", &Analyser::choice},
    {"CaseWhen", &Analyser::children},
    {"CoalesceExpr", &Analyser::choice},
    {"MinMaxExpr", &Analyser::children},
    {"XmlExpr", &Analyser::xml},
    {"XmlSerialize", &Analyser::children},
    {"A_ArrayExpr", &Analyser::children},
    {"A_Indices", &Analyser::children},
    {"GroupingFunc", &Analyser::children},
    {"NamedArgExpr", &Analyser::children},
    {"JsonValueExpr", &Analyser::children},
    {"JsonFormat", &Analyser::constant},
    {"JsonKeyValue", &Analyser::children},
    {"JsonOutput", &Analyser::constant},
    {"JsonReturning", &Analyser::constant},
    {"JsonBehavior", &Analyser::children},
    {"JsonArgument", &Analyser::children},
    {"JsonFuncExpr", &Analyser::parsed_json},
    {"JsonTablePathSpec", &Analyser::children},
    {"JsonTableColumn", &Analyser::children},
    {"JsonParseExpr", &Analyser::parsed_json},
    {"JsonScalarExpr", &Analyser::children},
    {"JsonSerializeExpr", &Analyser::children},
    {"JsonObjectConstructor", &Analyser::children},
    {"JsonArrayConstructor", &Analyser::children},
    {"JsonArrayQueryConstructor", &Analyser::json_query},
    {"JsonObjectAgg", &Analyser::json_aggregate},
    {"JsonArrayAgg", &Analyser::json_aggregate},
    {"JsonIsPredicate", &Analyser::children},
    {"RangeTableFuncCol", &Analyser::children},
    {"TypeCast", &Analyser::type_cast},
    {"A_Indirection", &Analyser::indirection},
    {"MultiAssignRef", &Analyser::multi_assign},
    {"RowExpr", &Analyser::row},
    {"SubLink", &Analyser::sublink},
    {"FuncCall", &Analyser::call},
    {"List", &Analyser::list_expression},
    {"ResTarget", &Analyser::res_target},
};

Flow Analyser::expression(Node wrapped, Scope& scope) {
    if (!wrapped || !is_wrapped(wrapped)) return {};
    if (!spend()) return unknown_flow();
    const std::string_view kind = wrapped.kind();
    const auto found = expression_table.find(kind);
    if (found != expression_table.end()) return (this->*found->second)(wrapped.body(), scope);
    unknown(kind);
    Flow flow = unknown_flow();
    flow.mix(children(wrapped.body(), scope));
    return flow;
}

Flow Analyser::expressions(simdjson::dom::array list, Scope& scope) {
    Flow flow;
    for (const auto item : list) flow.mix(expression(Node(item), scope));
    return flow;
}

// Everything below a node, whatever the names of its members: wrapped nodes as expressions, bare ones looked into.
Flow Analyser::children(Node value, Scope& scope) {
    Flow flow;
    if (value.is_array()) {
        for (const auto item : simdjson::dom::array(value.element())) flow.mix(children(Node(item), scope));
    } else if (value.is_object() && is_wrapped(value)) {
        flow = expression(value, scope);
    } else if (value.is_object()) {
        for (const auto member : simdjson::dom::object(value.element())) {
            const Node child(member.value);
            // The names of operators and types are not columns.
            if (member.key != "typeName" && (child.is_array() || child.is_object())) flow.mix(children(child, scope));
        }
    }
    return flow.derived();
}

Flow Analyser::constant(Node, Scope&) { return {}; }

Flow Analyser::list_expression(Node body, Scope& scope) { return expressions(body.list("items"), scope); }

Flow Analyser::res_target(Node body, Scope& scope) { return expression(body.member("val"), scope); }

Flow Analyser::row(Node body, Scope& scope) { return expressions(body.list("args"), scope); }

Flow Analyser::indirection(Node body, Scope& scope) {
    Flow flow = expression(body.member("arg"), scope).derived();
    for (const auto item : body.list("indirection")) {
        const Node step(item);
        if (step.kind() == "String") {
            flow = field_call(step.string_value(), flow);
        } else {
            flow.mix(expression(step, scope));
        }
    }
    return flow;
}

Flow Analyser::multi_assign(Node body, Scope& scope) {
    // The same source stands under each of its columns: once is enough.
    return body.integer("colno") > 1 ? Flow() : expression(body.member("source"), scope);
}

Flow Analyser::sublink(Node body, Scope& scope) {
    operator_effects(body.list("operName"));
    Flow flow = expression(body.member("testexpr"), scope).derived();
    const Columns columns = query(body.member("subselect"), &scope, scope.ctes);
    const std::string_view type = body.text("subLinkType");
    if (type == "EXISTS_SUBLINK") return flow;  // whether there are rows: their filters have been judged
    if (type == "EXPR_SUBLINK" && columns.is_complete && columns.list.size() == 1) return columns.list.front().flow;
    flow.mix(columns.all());
    return flow;
}

Flow Analyser::json_query(Node body, Scope& scope) {
    return query(body.member("query"), &scope, scope.ctes).all().derived();
}

Flow Analyser::json_aggregate(Node body, Scope& scope) {
    const Node constructor = body.member("constructor");
    filter(constructor.member("agg_filter"), scope);
    for (const auto item : constructor.list("agg_order")) filter(Node(item).as("SortBy").member("node"), scope);
    if (const Node over = constructor.member("over")) window(over, scope);
    Flow flow = children(body.member("arg"), scope);
    flow.mix(children(constructor.member("output"), scope));
    return flow;
}

Flow Analyser::window(Node body, Scope& scope) {
    for (const std::string_view part : {"partitionClause", "orderClause"}) {
        for (const auto item : body.list(part)) {
            const Node node(item);
            const Node sort = node.as("SortBy");
            filter(sort ? sort.member("node") : node, scope);
        }
    }
    filter(body.member("startOffset"), scope);
    filter(body.member("endOffset"), scope);
    return {};
}

void Analyser::filter(Node wrapped, Scope& scope) {
    if (wrapped) deny_filter(expression(wrapped, scope));
}

}  // namespace assent::sql
