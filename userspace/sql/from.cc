// FROM: relations, joins, sub-selects, functions, and the columns that each shows.
#include <algorithm>

#include "sql/analyser.h"
#include "sql/functions.h"

namespace assent::sql {
namespace {

std::vector<std::string> alias_columns(Node alias) {
    std::vector<std::string> names;
    for (const auto item : alias.list("colnames")) names.emplace_back(Node(item).string_value());
    return names;
}

From from_of(Source source) {
    From from;
    from.visible = source.columns;
    from.sources.push_back(std::move(source));
    return from;
}

void append(From& to, From more) {
    to.visible.add_all(more.visible);
    std::move(more.sources.begin(), more.sources.end(), std::back_inserter(to.sources));
}

const FlowColumn* column_named(const Columns& columns, std::string_view name) {
    const auto found =
        std::find_if(columns.list.begin(), columns.list.end(), [&](const FlowColumn& c) { return c.name == name; });
    return found == columns.list.end() ? nullptr : &*found;
}

// Where an aliased join, sub-select or function stands: only under its alias.
void hide_under(From& from, Node alias) {
    Source source;
    source.alias = alias.text("aliasname");
    source.columns = std::move(from.visible);
    source.columns.rename(alias_columns(alias));
    from = from_of(std::move(source));
}

}  // namespace

void Analyser::from_items(simdjson::dom::array items, Scope& scope) {
    // Items see those before them (LATERAL and functions); a name that they must not see is the server's error.
    for (const auto item : items) append(scope.from, from_item(Node(item), scope));
}

From Analyser::from_item(Node wrapped, Scope& scope) {
    if (!spend()) return {};
    const std::string_view kind = wrapped.kind();
    const Node body = wrapped.body();
    if (kind == "RangeVar") return relation_item(body, scope);
    if (kind == "JoinExpr") return join_item(body, scope);
    if (kind == "RangeSubselect") return subselect_item(body, scope);
    if (kind == "RangeFunction") return function_item(body, scope);
    if (kind == "RangeTableFunc" || kind == "JsonTable") return table_function_item(wrapped, scope);
    if (kind == "RangeTableSample") {
        deny_filter(expressions(body.list("args"), scope));
        deny_filter(expression(body.member("repeatable"), scope));
        const Name method = name_of_list(body.list("method"));
        if (method.name != "bernoulli" && method.name != "system")
            effect(Operation::execute, {object_name(method.schema, method.name), false});
        return from_item(body.member("relation"), scope);
    }
    unknown(kind.empty() ? "FROM" : kind);
    From from;
    from.visible.is_complete = false;
    from.visible.others = unknown_flow();
    return from;
}

Source Analyser::target_source(Node range_var, const ResolvedRelation& relation) {
    Source source;
    const Node alias = range_var.member("alias");
    source.alias = alias ? alias.text("aliasname") : range_var.text("relname");
    if (!alias)
        source.schema = range_var.text("schemaname").empty() ? relation.schema : std::string(range_var.text("schemaname"));
    source.columns = columns_of(relation);
    source.columns.rename(alias_columns(alias));
    source.object = relation.object;
    source.is_relation = true;
    source.is_assumed = relation.is_assumed;
    source.mask_schema = relation.schema;
    source.mask_relation = relation.name;
    return source;
}

From Analyser::relation_item(Node range_var, Scope& scope) {
    if (range_var.text("schemaname").empty()) {
        if (CteFrame::Entry* entry = cte(range_var.text("relname"), scope)) {
            Source source;
            const Node alias = range_var.member("alias");
            source.alias = alias ? alias.text("aliasname") : range_var.text("relname");
            source.columns = entry->columns;
            source.columns.rename(alias_columns(alias));
            return from_of(std::move(source));
        }
    }
    const ResolvedRelation relation = resolve(range_var);
    effect(Operation::read, relation.object);
    return from_of(target_source(range_var, relation));
}

From Analyser::join_item(Node body, Scope& scope) {
    // The right side may be LATERAL: it sees the left one while it is read.
    const std::size_t visible_before = scope.from.sources.size();
    const Columns columns_before = scope.from.visible;
    work_ += visible_before + columns_before.list.size();  // what is copied counts
    From left = from_item(body.member("larg"), scope);
    work_ += left.sources.size() + left.visible.list.size();
    append(scope.from, left);
    From right = from_item(body.member("rarg"), scope);
    scope.from.sources.resize(visible_before);
    scope.from.visible = columns_before;

    std::vector<std::string> merged;
    for (const auto item : body.list("usingClause")) merged.emplace_back(Node(item).string_value());
    if (body.flag("isNatural")) {
        for (const auto& column : left.visible.list) {
            if (column_named(right.visible, column.name) != nullptr) merged.push_back(column.name);
        }
        // Columns that are not known may be joined on.
        if (!left.visible.is_complete || !right.visible.is_complete) {
            deny_filter(left.visible.all());
            deny_filter(right.visible.all());
        }
    }
    From joined;
    for (const auto& name : merged) {
        Flow flow = left.visible.is_complete ? Flow() : left.visible.others;
        std::uint32_t type = 0;
        if (const FlowColumn* column = column_named(left.visible, name)) {
            flow = column->flow;
            type = column->type;
        }
        if (const FlowColumn* column = column_named(right.visible, name)) {
            flow.mix(column->flow);
            type = common_type(type, column->type);
        } else if (!right.visible.is_complete) {
            flow.mix(right.visible.others);
        }
        deny_filter(flow);
        joined.visible.list.push_back({name, flow, type});
    }
    for (From* side : {&left, &right}) {
        Columns rest = side->visible;
        std::erase_if(rest.list,
                      [&](const FlowColumn& c) { return std::find(merged.begin(), merged.end(), c.name) != merged.end(); });
        joined.visible.add_all(rest);
        std::move(side->sources.begin(), side->sources.end(), std::back_inserter(joined.sources));
    }
    if (const Node alias = body.member("join_using_alias")) {
        Source source;
        source.alias = alias.text("aliasname");
        for (const auto& name : merged) source.columns.list.push_back(*column_named(joined.visible, name));
        joined.sources.push_back(std::move(source));
    }
    if (const Node condition = body.member("quals")) {
        Scope inner;
        inner.from = joined;
        inner.outer = scope.outer;
        inner.ctes = scope.ctes;
        filter(condition, inner);
        scope.is_used = scope.is_used || inner.is_used;
    }
    if (const Node alias = body.member("alias")) hide_under(joined, alias);
    return joined;
}

From Analyser::subselect_item(Node body, Scope& scope) {
    From from;
    if (body.flag("lateral")) {
        from.visible = query(body.member("subquery"), &scope, scope.ctes);
    } else {
        from.visible = query(body.member("subquery"), scope.outer, scope.ctes);
    }
    if (const Node alias = body.member("alias")) {
        hide_under(from, alias);
    } else {
        Source source;  // from PG 16 on without alias
        source.columns = from.visible;
        from = from_of(std::move(source));
    }
    return from;
}

From Analyser::function_item(Node body, Scope& scope) {
    Source source;
    const Node alias = body.member("alias");
    bool is_single = true;
    std::string_view function;
    Flow all;
    for (const auto item : body.list("functions")) {
        const Node pair = Node(item).as("List");
        std::size_t place = 0;
        bool has_columns = false;
        for (const auto part : pair.list("items")) {
            const Node node(part);
            if (place++ == 0) {
                if (!source.columns.list.empty()) is_single = false;
                for (const auto name : node.as("FuncCall").list("funcname")) function = Node(name).string_value();
                const Flow flow = expression(node, scope);
                deny_filter(flow);  // how many rows there are shows it
                all.mix(flow);
            } else if (const Node list = node.as("List")) {
                for (const auto column : list.list("items")) {
                    source.columns.list.push_back({std::string(Node(column).as("ColumnDef").text("colname")), all});
                    has_columns = true;
                }
            }
        }
        if (!has_columns) source.columns.is_complete = false;
    }
    for (const auto column : body.list("coldeflist")) {
        source.columns.list.push_back({std::string(Node(column).as("ColumnDef").text("colname")), all});
        source.columns.is_complete = true;
    }
    source.columns.others = all;
    source.alias = alias ? alias.text("aliasname") : function;
    const auto names = alias_columns(alias);
    const bool gives_one = is_single && body.size("functions") == 1 && gives_one_column(body);
    if (gives_one && !source.columns.is_complete) {
        source.columns.is_complete = true;
        source.columns.list.push_back({source.alias, all});
    }
    if (body.flag("ordinality")) {
        if (source.columns.is_complete) source.columns.list.push_back({"ordinality", {}});
    }
    source.columns.rename(names);
    return from_of(std::move(source));
}

From Analyser::table_function_item(Node wrapped, Scope& scope) {
    const Node body = wrapped.body();
    const Flow flow = children(body, scope);
    deny_filter(flow);
    Source source;
    source.alias = body.member("alias").text("aliasname");
    if (wrapped.kind() == "RangeTableFunc") {
        for (const auto item : body.list("columns")) {
            source.columns.list.push_back({std::string(Node(item).as("RangeTableFuncCol").text("colname")), flow});
        }
    } else {
        source.columns.is_complete = false;  // columns may be nested
        source.columns.others = flow;
    }
    source.columns.rename(alias_columns(body.member("alias")));
    return from_of(std::move(source));
}

}  // namespace assent::sql
