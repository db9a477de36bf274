// INSERT, UPDATE, DELETE and MERGE: what they write, and what they give back.
#include <algorithm>

#include "sql/analyser.h"
#include "sql/mask_output.h"

namespace assent::sql {
namespace {

From source_alone(const Source& source) {
    From from;
    from.visible = source.columns;
    from.sources.push_back(source);
    return from;
}

void append_source(Scope& scope, const Source& source) {
    scope.from.visible.add_all(source.columns);
    scope.from.sources.push_back(source);
}

// The column that the value at a place of a row is for; `names`: those that the statement lists, if it does.
std::string column_at(const ResolvedRelation& target, const std::vector<std::string>& names, std::size_t place) {
    if (!names.empty()) return place < names.size() ? names[place] : std::string();
    if (target.relation == nullptr || place >= target.relation->columns.size()) return {};
    return target.relation->columns[place].name;
}

}  // namespace

// Absent also when the clause uses no column of the statement's own relations.
model::WhereClause Analyser::where_of(Node clause, Scope& scope) {
    if (!clause) return Where::absent;
    if (clause.kind() == "CurrentOfExpr") {
        analysis_.uses_cursor_row = true;
        return Where::present;
    }
    scope.is_used = false;
    filter(clause, scope);
    return scope.is_used ? Where::present : Where::absent;
}

void Analyser::check_written(Node value, const ResolvedRelation& target, std::string_view column) {
    if (environment_.masks == nullptr || column.empty()) return;
    while (value.kind() == "TypeCast") value = value.body().member("arg");
    const Flow flow = mask_of(target, column);
    if (flow.is_clean()) return;
    bool is_output = false;
    if (const Node constant = read_constant(value)) {
        if (const Node text = constant.member("sval")) is_output = looks_masked(text.text("sval"), flow);
        if (constant.flag("isnull")) is_output = looks_masked(std::nullopt, flow);
    } else if (const Node parameter = value.as("ParamRef")) {
        const std::int64_t number = parameter.integer("number");
        if (number >= 1 && static_cast<std::size_t>(number) <= parameters_.size()) {
            is_output = looks_masked(parameters_[static_cast<std::size_t>(number - 1)], flow);
        }
    }
    if (is_output) deny(flow, "would get its own mask's output written back");
}

void Analyser::inserted_rows(Node select, simdjson::dom::array columns, const ResolvedRelation& target) {
    std::vector<std::string> names;
    for (const auto item : columns) names.emplace_back(Node(item).as("ResTarget").text("name"));
    for (const auto item : select.list("valuesLists")) {
        std::size_t place = 0;
        for (const auto value : Node(item).as("List").list("items")) {
            check_written(Node(value), target, column_at(target, names, place++));
        }
    }
    std::size_t place = 0;
    for (const auto item : select.list("targetList")) {
        const Node value = Node(item).as("ResTarget").member("val");
        check_written(value, target, column_at(target, names, place++));
    }
}

Columns Analyser::returning(Node body, const ResolvedRelation& target, Scope& scope) {
    if (body.size("returningList") == 0) return {};
    effect(Operation::read, target.object);
    Columns columns = targets(body.list("returningList"), scope);
    // A rule may answer instead of the relation: nothing is proved of what it gives.
    if (target.relation != nullptr && target.relation->kind != 'v' && target.relation->kind != 'm') {
        const Flow reached = reached_masks(*target.relation);
        if (!reached.is_clean()) {
            reaches_masked_ = true;
            for (auto& column : columns.list) column.flow.mix(reached);
        }
    }
    return columns;
}

Columns Analyser::insert(Node body, Scope* outer, CteFrame* ctes) {
    Scope scope;
    CteFrame frame;
    if (!enter(body, scope, frame, outer, ctes)) return {};
    const Node range = body.member("relation");
    const ResolvedRelation target = resolve(range);
    const Source source = target_source(range, target);
    write_effect(Operation::insert, target);
    if (const Node wrapped = body.member("selectStmt")) {
        const Columns written = query(wrapped, scope.outer, scope.ctes);
        deny_writing(written.all());
        inserted_rows(wrapped.body(), body.list("cols"), target);
    }
    scope.from = source_alone(source);
    if (const Node conflict = body.member("onConflictClause")) on_conflict(conflict, target, source, scope);
    return returning(body, target, scope);
}

void Analyser::on_conflict(Node body, const ResolvedRelation& target, const Source& source, Scope& scope) {
    Scope inner;
    inner.outer = scope.outer;
    inner.ctes = scope.ctes;
    append_source(inner, source);
    for (const auto item : body.member("infer").list("indexElems")) {
        const Node element = Node(item).as("IndexElem");
        filter(element.member("expr"), inner);
        // Which values are there already is what a filter would tell.
        if (!element.text("name").empty()) deny_filter(unqualified_column(element.text("name"), inner));
    }
    filter(body.member("infer").member("whereClause"), inner);
    if (body.text("action") != "ONCONFLICT_UPDATE") return;
    // What was proposed came from the agent: it is no secret to it.
    Source excluded = source;
    excluded.alias = "excluded";
    excluded.schema.clear();
    excluded.columns.others = {};
    for (auto& column : excluded.columns.list) column.flow = {};
    inner.from.sources.push_back(excluded);
    write_effect(Operation::update, target);
    assignments(body.list("targetList"), target, inner);
    filter(body.member("whereClause"), inner);
}

void Analyser::assignments(simdjson::dom::array list, const ResolvedRelation& target, Scope& scope) {
    for (const auto item : list) {
        const Node assignment = Node(item).as("ResTarget");
        const Node value = assignment.member("val");
        deny_writing(expression(value, scope));
        deny_writing(children(assignment.member("indirection"), scope));
        if (const Node multi = value.as("MultiAssignRef")) {
            const Node row = multi.member("source").as("RowExpr");
            std::int64_t place = 0;
            for (const auto part : row.list("args")) {
                if (++place == multi.integer("colno")) check_written(Node(part), target, assignment.text("name"));
            }
        } else {
            check_written(value, target, assignment.text("name"));
        }
    }
}

Columns Analyser::update(Node body, Scope* outer, CteFrame* ctes) {
    Scope scope;
    CteFrame frame;
    if (!enter(body, scope, frame, outer, ctes)) return {};
    const Node range = body.member("relation");
    const ResolvedRelation target = resolve(range);
    append_source(scope, target_source(range, target));
    from_items(body.list("fromClause"), scope);
    assignments(body.list("targetList"), target, scope);
    write_effect(Operation::update, target, where_of(body.member("whereClause"), scope));
    return returning(body, target, scope);
}

Columns Analyser::remove(Node body, Scope* outer, CteFrame* ctes) {
    Scope scope;
    CteFrame frame;
    if (!enter(body, scope, frame, outer, ctes)) return {};
    const Node range = body.member("relation");
    const ResolvedRelation target = resolve(range);
    append_source(scope, target_source(range, target));
    from_items(body.list("usingClause"), scope);
    write_effect(Operation::remove, target, where_of(body.member("whereClause"), scope));
    return returning(body, target, scope);
}

bool Analyser::merge_branch(Node clause, const ResolvedRelation& target, bool has_condition, Scope& scope) {
    scope.is_used = false;
    filter(clause.member("condition"), scope);
    const Where where = has_condition || scope.is_used ? Where::present : Where::absent;
    const std::string_view command = clause.text("commandType");
    if (command == "CMD_UPDATE") {
        write_effect(Operation::update, target, where);
        assignments(clause.list("targetList"), target, scope);
    } else if (command == "CMD_DELETE") {
        write_effect(Operation::remove, target, where);
    } else if (command == "CMD_INSERT") {
        write_effect(Operation::insert, target);
        deny_writing(expressions(clause.list("values"), scope));
        std::vector<std::string> names;
        for (const auto item : clause.list("targetList")) names.emplace_back(Node(item).as("ResTarget").text("name"));
        std::size_t place = 0;
        for (const auto value : clause.list("values")) {
            check_written(Node(value), target, column_at(target, names, place++));
        }
    } else if (command != "CMD_NOTHING") {
        unknown("MergeWhenClause");
    }
    return command != "CMD_NOTHING";
}

Columns Analyser::merge(Node body, Scope* outer, CteFrame* ctes) {
    Scope scope;
    CteFrame frame;
    if (!enter(body, scope, frame, outer, ctes)) return {};
    const Node range = body.member("relation");
    const ResolvedRelation target = resolve(range);
    // RETURNING gives the columns of the source before those of the target.
    scope.from = from_item(body.member("sourceRelation"), scope);
    append_source(scope, target_source(range, target));
    scope.is_used = false;
    filter(body.member("joinCondition"), scope);
    const bool has_condition = scope.is_used;
    bool writes = false;
    for (const auto item : body.list("mergeWhenClauses")) {
        writes = merge_branch(Node(item).as("MergeWhenClause"), target, has_condition, scope) || writes;
    }
    if (!writes) effect(Operation::read, target.object);
    return returning(body, target, scope);
}

}  // namespace assent::sql
