// SELECT in all its forms, WITH, and set operations.
#include <algorithm>

#include "sql/analyser.h"

namespace assent::sql {
namespace {

std::vector<std::string> names_of(simdjson::dom::array list) {
    std::vector<std::string> names;
    for (const auto item : list) names.emplace_back(Node(item).string_value());
    return names;
}

constexpr std::size_t recursive_turns = 4;

// Grows with everything that joining can add.
std::size_t weight_of(const Columns& columns) {
    std::size_t weight = columns.others.masks.size();
    for (const auto& column : columns.list) weight += 2 * column.flow.masks.size() + (column.flow.is_exact ? 0 : 1);
    return weight;
}

// The name that the server gives to an output column, as far as ORDER BY and outer queries can use it.
std::string_view implied_name(Node wrapped) {
    const std::string_view kind = wrapped.kind();
    const Node body = wrapped.body();
    if (kind == "ColumnRef") {
        std::string_view last;
        for (const auto item : body.list("fields")) last = Node(item).string_value();
        return last;
    }
    if (kind == "FuncCall") {
        std::string_view last;
        for (const auto item : body.list("funcname")) last = Node(item).string_value();
        return last;
    }
    if (kind == "A_Indirection") {
        std::string_view last;
        for (const auto item : body.list("indirection")) {
            if (Node(item).kind() == "String") last = Node(item).string_value();
        }
        return last.empty() ? implied_name(body.member("arg")) : last;
    }
    if (kind == "TypeCast") {
        const std::string_view inner = implied_name(body.member("arg"));
        if (!inner.empty()) return inner;
        std::string_view last;
        for (const auto item : body.member("typeName").list("names")) last = Node(item).string_value();
        return last;
    }
    if (kind == "CollateClause") return implied_name(body.member("arg"));
    if (kind == "CaseExpr") {
        const std::string_view inner = implied_name(body.member("defresult"));
        return inner.empty() ? "case" : inner;
    }
    if (kind == "SubLink") {
        const std::string_view type = body.text("subLinkType");
        if (type == "EXISTS_SUBLINK") return "exists";
        if (type == "ARRAY_SUBLINK") return "array";
        const Node select = body.member("subselect").as("SelectStmt");
        const Node target = select.first("targetList").as("ResTarget");
        return target.text("name").empty() ? implied_name(target.member("val")) : target.text("name");
    }
    if (kind == "A_ArrayExpr") return "array";
    if (kind == "RowExpr") return "row";
    if (kind == "CoalesceExpr") return "coalesce";
    if (kind == "MinMaxExpr") return body.text("op") == "IS_LEAST" ? "least" : "greatest";
    if (kind == "XmlExpr") return body.text("name");
    return {};
}

bool ends_in_star(Node indirection) {
    bool is_last_star = false;
    for (const auto item : indirection.list("indirection")) is_last_star = Node(item).kind() == "A_Star";
    return is_last_star;
}

bool is_star(Node wrapped) {
    const Node reference = wrapped.as("ColumnRef");
    if (!reference) return false;
    for (const auto item : reference.list("fields")) {
        if (Node(item).kind() == "A_Star") return true;
    }
    return false;
}

}  // namespace

Columns Analyser::query(Node wrapped, Scope* outer, CteFrame* ctes) {
    const std::string_view kind = wrapped.kind();
    const Node body = wrapped.body();
    if (kind == "SelectStmt") return select(body, outer, ctes);
    if (kind == "InsertStmt") return insert(body, outer, ctes);
    if (kind == "UpdateStmt") return update(body, outer, ctes);
    if (kind == "DeleteStmt") return remove(body, outer, ctes);
    if (kind == "MergeStmt") return merge(body, outer, ctes);
    unknown(kind.empty() ? "query" : kind);
    Columns columns;
    columns.is_complete = false;
    columns.others = unknown_flow();
    return columns;
}

void Analyser::with(Node body, Scope& scope, CteFrame& frame) {
    const Node clause = body.member("withClause");
    if (!clause) return;
    frame.parent = scope.ctes;
    frame.outer = scope.outer;
    frame.is_recursive = clause.flag("recursive");
    for (const auto item : clause.list("ctes")) {
        const Node expression = Node(item).as("CommonTableExpr");
        frame.entries.push_back({std::string(expression.text("ctename")), expression, {}, CteFrame::State::waiting, false});
    }
    scope.ctes = &frame;
    for (auto& entry : frame.entries) {
        if (entry.state == CteFrame::State::waiting) cte_columns(frame, entry);
    }
}

// What comes back to itself may change places on every turn: gone through until nothing new comes, and filters are looked
// at again with what their columns now carry. What takes too many turns is all one.
void Analyser::follow_recursion(CteFrame& frame, CteFrame::Entry& entry, Columns& columns) {
    const auto names = names_of(entry.node.list("aliascolnames"));
    for (std::size_t turn = 0;; ++turn) {
        if (turn >= recursive_turns || !columns.is_complete) {
            const Flow all = columns.all();
            for (auto& column : columns.list) column.flow.mix(all);
            columns.others.mix(all);
        }
        entry.columns = columns;
        Columns again = query(entry.node.member("ctequery"), frame.outer, &frame);
        again.rename(names);
        Columns joined = columns;
        joined.join(again);
        const bool is_same = weight_of(joined) == weight_of(columns);
        columns = std::move(joined);
        if (is_same || turn >= recursive_turns) return;
    }
}

Columns Analyser::cte_columns(CteFrame& frame, CteFrame::Entry& entry) {
    const auto names = names_of(entry.node.list("aliascolnames"));
    const Node inner = entry.node.member("ctequery");
    entry.state = CteFrame::State::under_way;
    entry.columns = {};
    entry.columns.is_complete = false;  // what it is to itself at first
    Columns columns = query(inner, frame.outer, &frame);
    columns.rename(names);
    if (entry.refers_to_itself) follow_recursion(frame, entry, columns);
    // SEARCH and CYCLE add columns made of the others.
    for (const std::string_view clause : {"search_clause", "cycle_clause"}) {
        const Node extra = entry.node.member(clause);
        if (!extra) continue;
        const Flow all = columns.all();
        for (const std::string_view name : {"search_seq_column", "cycle_mark_column", "cycle_path_column"}) {
            if (!extra.text(name).empty()) columns.list.push_back({std::string(extra.text(name)), all});
        }
        deny_filter(all);
    }
    entry.columns = columns;
    entry.state = CteFrame::State::ready;
    return columns;
}

bool Analyser::enter(Node body, Scope& scope, CteFrame& frame, Scope* outer, CteFrame* ctes) {
    scope.outer = outer;
    scope.ctes = ctes;
    if (!spend()) return false;
    with(body, scope, frame);
    return true;
}

Columns Analyser::select(Node body, Scope* outer, CteFrame* ctes) {
    Scope scope;
    CteFrame frame;
    if (!enter(body, scope, frame, outer, ctes)) return {};
    Columns columns;
    if (body.size("valuesLists") > 0) {
        columns = values(body, scope);
        ordering(body.list("sortClause"), columns, scope);
    } else if (const std::string_view operation = body.text("op"); !operation.empty() && operation != "SETOP_NONE") {
        columns = set_operation(body, scope);
        ordering(body.list("sortClause"), columns, scope);
    } else {
        columns = plain_select(body, scope);
    }
    limits_of(body, scope);
    return columns;
}

Columns Analyser::values(Node body, Scope& scope) {
    Columns columns;
    bool is_first = true;
    for (const auto item : body.list("valuesLists")) {
        Columns one;
        for (const auto value : Node(item).as("List").list("items")) {
            one.list.push_back({"column" + std::to_string(one.list.size() + 1), expression(Node(value), scope)});
        }
        if (is_first) {
            columns = std::move(one);
        } else {
            columns.join(one);
        }
        is_first = false;
    }
    return columns;
}

Columns Analyser::set_operation(Node body, Scope& scope) {
    Columns columns = select(body.member("larg"), scope.outer, scope.ctes);
    const Columns right = select(body.member("rarg"), scope.outer, scope.ctes);
    columns.join(right);
    const bool keeps_all = body.flag("all") && body.text("op") == "SETOP_UNION";
    if (!keeps_all) deny_filter(columns.all());
    return columns;
}

Columns Analyser::targets(simdjson::dom::array list, Scope& scope) {
    Columns columns;
    for (const auto item : list) {
        const Node target = Node(item).as("ResTarget");
        const Node value = target.member("val");
        Columns more;
        if (is_star(value)) {
            more = star(value.body(), scope);
        } else if (const Node composite = value.as("A_Indirection"); composite && ends_in_star(composite)) {
            // (row).*: as many columns as its type has.
            more.others = expression(value, scope).derived();
            more.is_complete = false;
        } else {
            const std::string_view name = target.text("name").empty() ? implied_name(value) : target.text("name");
            Flow flow = expression(value, scope);
            more.list.push_back({std::string(name.empty() ? "?column?" : name), std::move(flow), type_of(value, scope)});
        }
        columns.add_all(more);
    }
    return columns;
}

Columns Analyser::plain_select(Node body, Scope& scope) {
    from_items(body.list("fromClause"), scope);
    filter(body.member("whereClause"), scope);
    for (const auto item : body.list("windowClause")) window(Node(item).as("WindowDef"), scope);
    Columns columns = targets(body.list("targetList"), scope);
    grouping(body, columns, scope);
    filter(body.member("havingClause"), scope);
    if (body.size("distinctClause") > 0) {
        bool is_distinct_on = false;
        for (const auto item : body.list("distinctClause")) {
            if (Node(item).kind().empty()) continue;
            is_distinct_on = true;
            deny_filter(sort_key(Node(item), columns, scope));
        }
        if (!is_distinct_on) deny_filter(columns.all());
    }
    ordering(body.list("sortClause"), columns, scope);
    locking(body, scope);
    if (const Node clause = body.member("intoClause")) into(clause, columns);
    return columns;
}

void Analyser::grouping(Node body, const Columns& output, Scope& scope) {
    for (const auto item : body.list("groupClause")) {
        const Node key(item);
        if (const Node set = key.as("GroupingSet")) {
            for (const auto inner : set.list("content")) deny_filter(sort_key(Node(inner), output, scope));
        } else {
            deny_filter(sort_key(key, output, scope));
        }
    }
}

// ORDER BY and its like may name an output column by name or number, else any expression of the inputs.
Flow Analyser::sort_key(Node key, const Columns& output, Scope& scope) {
    Flow flow;
    if (const Node set = key.as("GroupingSet")) {
        for (const auto inner : set.list("content")) flow.mix(sort_key(Node(inner), output, scope));
        return flow;
    }
    if (const Node constant = read_constant(key)) {
        const Node number = constant.member("ival");
        const std::int64_t position = number.integer("ival");
        if (!number) return flow;
        if (!output.is_complete) return output.all();
        if (position >= 1 && static_cast<std::size_t>(position) <= output.list.size()) {
            flow.mix(output.list[static_cast<std::size_t>(position - 1)].flow);
        }
        return flow;
    }
    if (const Node reference = key.as("ColumnRef"); reference && reference.size("fields") == 1) {
        const std::string_view name = reference.first("fields").string_value();
        bool is_output = false;
        for (const auto& column : output.list) {
            if (column.name != name) continue;
            flow.mix(column.flow);
            is_output = true;
        }
        // GROUP BY prefers the input of that name, ORDER BY the output: both count.
        if (!is_output || !scope.from.sources.empty()) flow.mix(expression(key, scope));
        return flow;
    }
    return expression(key, scope);
}

void Analyser::ordering(simdjson::dom::array sort_clause, const Columns& output, Scope& scope) {
    for (const auto item : sort_clause) {
        operator_effects(Node(item).as("SortBy").list("useOp"));
        deny_filter(sort_key(Node(item).as("SortBy").member("node"), output, scope));
    }
}

void Analyser::limits_of(Node body, Scope& scope) {
    filter(body.member("limitCount"), scope);
    filter(body.member("limitOffset"), scope);
}

void Analyser::locking(Node body, const Scope& scope) {
    for (const auto item : body.list("lockingClause")) {
        const Node clause = Node(item).as("LockingClause");
        std::vector<std::string> names;
        for (const auto relation : clause.list("lockedRels"))
            names.emplace_back(Node(relation).as("RangeVar").text("relname"));
        effect(Operation::lock);
        for (const auto& source : scope.from.sources) {
            const bool is_named = names.empty() || std::find(names.begin(), names.end(), source.alias) != names.end();
            if (is_named && source.is_relation) effect(Operation::lock, source.object);
        }
    }
}

void Analyser::into(Node into_clause, const Columns& columns) {
    effect(Operation::create, created(into_clause.member("rel")));
    deny_writing(columns.all());
    makes_table_ = true;
}

}  // namespace assent::sql
