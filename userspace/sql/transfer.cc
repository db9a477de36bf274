// COPY, EXPLAIN, PREPARE and EXECUTE: rows in and out, and statements inside others.
#include <algorithm>

#include "base/limits.h"
#include "sql/analyser.h"
#include "sql/copy_options.h"

namespace assent::sql {
namespace {

constexpr std::size_t executions_deep = 4;

// The text that a parameter gives; nothing for NULL, and an empty text for what only the server can compute.
std::optional<std::string> written_text(Node value) {
    while (value.kind() == "TypeCast") value = value.body().member("arg");
    const Node constant = value.as("A_Const");
    if (constant && constant.flag("isnull")) return std::nullopt;
    return std::string(constant.member("sval").text("sval"));
}

bool is_off(Node value) {
    if (const Node number = value.as("Integer")) return number.integer("ival") == 0;
    const Node boolean = value.as("Boolean");
    if (boolean) return !boolean.flag("boolval");
    std::string word;
    for (const char c : value.string_value()) word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return word == "false" || word == "off";
}

bool runs(Node explain) {
    for (const auto item : explain.list("options")) {
        const Node option = Node(item).as("DefElem");
        // Where it stands twice the server takes the last; once is enough here.
        if (option.text("defname") == "analyze" && (!option.member("arg") || !is_off(option.member("arg")))) return true;
    }
    return false;
}

}  // namespace

void Analyser::copied_result(Node body, const Columns& columns) {
    result(columns);
    facts_->copy = copy_layout(body, columns);
    if (facts_->copy.format == model::CopyFormat::other) deny(columns.all(), "cannot be masked in this format of COPY");
}

void Analyser::copy(Node body) {
    const bool is_from = body.flag("is_from");
    const std::string_view file = body.text("filename");
    const bool is_to_client = !is_from && file.empty() && !body.flag("is_program");
    if (body.flag("is_program") || !file.empty()) {
        effect(Operation::external, known_object(body.flag("is_program") ? "program" : "file", file));
    }
    const Node query_node = body.member("query");
    if (!query_node) {
        copy_relation(body, is_to_client);
        return;
    }
    const std::size_t first = analysis_.effects.size();
    const Columns columns = query(query_node, nullptr, nullptr);
    std::vector<model::Object> objects;
    for (std::size_t i = first; i < analysis_.effects.size(); ++i) {
        const auto& found = analysis_.effects[i];
        if (found.statement != statement_ || found.operation == Operation::external) continue;
        objects.insert(objects.end(), found.objects.begin(), found.objects.end());
    }
    if (objects.empty()) objects.push_back({"query", true});
    for (const auto& object : objects) effect(Operation::export_rows, object);
    if (is_to_client) {
        copied_result(body, columns);
    } else {
        deny(columns.all(), "flows into a file or a program");
    }
}

void Analyser::copy_relation(Node body, bool is_to_client) {
    Scope scope;
    const Node range = body.member("relation");
    const ResolvedRelation relation = resolve(range);
    const Source source = target_source(range, relation);
    scope.from.visible = source.columns;
    scope.from.sources.push_back(source);
    filter(body.member("whereClause"), scope);
    if (body.flag("is_from")) {
        write_effect(Operation::import_rows, relation);
        return;
    }
    effect(Operation::export_rows, relation.object);
    effect(Operation::read, relation.object);
    Columns columns;
    for (const auto item : body.list("attlist")) {
        const std::string_view name = Node(item).string_value();
        const auto known = std::find_if(source.columns.list.begin(), source.columns.list.end(),
                                        [&](const FlowColumn& column) { return column.name == name; });
        columns.list.push_back(
            {std::string(name), unqualified_column(name, scope), known == source.columns.list.end() ? 0 : known->type});
    }
    if (columns.list.empty()) {
        columns = source.columns;
        if (relation.relation != nullptr) {
            std::size_t place = 0;
            std::erase_if(columns.list, [&](const FlowColumn&) { return relation.relation->columns[place++].is_generated; });
        }
    }
    if (is_to_client) {
        copied_result(body, columns);
    } else {
        deny(columns.all(), "flows into a file or a program");
    }
}

void Analyser::explain(Node body) {
    const std::size_t first = analysis_.effects.size();
    const Node inner = body.member("query");
    statement(inner);
    if (!runs(body)) {
        explain_effects(first);
        facts_->transaction = TransactionStep::none;
        facts_->declares.clear();
    }
    facts_->executes.clear();
    facts_->masks = {};
    Columns plan;
    plan.list.push_back({"QUERY PLAN", {}});
    result(plan);
}

void Analyser::prepare(Node body) {
    facts_->prepares = body.text("name");
    facts_->prepared = parsed_->tree->nested(nested_index_);
    const std::size_t first = analysis_.effects.size();
    // What it would write is judged when it runs; here it is only read, and its masks are those of EXECUTE.
    statement(body.member("query"));
    explain_effects(first);
    facts_->masks = {};
    facts_->returns_rows = false;
    if (facts_->prepared == nullptr || facts_->prepared->statement_count != 1) unknown("PrepareStmt");
}

Columns Analyser::executed(Node body) {
    Scope scope;
    const std::string_view name = body.text("name");
    deny_writing(expressions(body.list("params"), scope));
    Columns columns;
    columns.is_complete = false;
    columns.others = unknown_flow();
    auto prepared = environment_.prepared ? environment_.prepared(name) : nullptr;
    if (prepared != nullptr && prepared->has_lent_tree) prepared = parse(prepared->text);
    if (prepared == nullptr || prepared->tree == nullptr || prepared->statement_count != 1 ||
        executions_ >= executions_deep) {
        unknown("ExecuteStmt");
        return columns;
    }
    ++executions_;
    analysis_.executed.push_back(prepared->text);
    const auto parameters_before = std::exchange(parameters_, {});
    for (const auto item : body.list("params")) parameters_.push_back(written_text(Node(item)));
    for (const auto item : prepared->tree->statements()) {
        const Node inner = Node(item).member("stmt");
        const std::string_view kind = inner.kind();
        if (kind == "SelectStmt" || kind == "InsertStmt" || kind == "UpdateStmt" || kind == "DeleteStmt" ||
            kind == "MergeStmt") {
            const std::size_t first = analysis_.effects.size();
            columns = query(inner, nullptr, nullptr);
            if (analysis_.effects.size() == first) effect(Operation::read);
            if (kind != "SelectStmt" && inner.body().size("returningList") == 0) columns = {};
        } else {
            unknown("ExecuteStmt");
        }
    }
    --executions_;
    parameters_ = parameters_before;
    return columns;
}

void Analyser::execute(Node body) {
    facts_->executes = body.text("name");
    const Columns columns = executed(body);
    if (makes_table_) {
        deny_writing(columns.all());
    } else if (!columns.is_complete || !columns.list.empty()) {
        result(columns);
    }
}

void Analyser::deallocate(Node body) {
    facts_->deallocates = body.text("name").empty() ? "*" : body.text("name");
    effect(Operation::read);
}

}  // namespace assent::sql
