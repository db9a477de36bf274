#include "sql/estimate.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/limits.h"
#include "sql/array_text.h"
#include "sql/tree.h"

namespace assent::sql {
namespace {

// Whatever planning may compute by itself: operators and casts that the text may lead to, types it names or that its
// columns have, and what hangs on its tables (defaults, constraints, indexes, partition keys). Functions in C and the
// server's own are the administrator's: nobody else can make them. Others are somebody's, and one suffices.
// $1 oids of the relations, $2 names of operators, $3 names of types. Rows: what it is, and its name.
constexpr std::string_view planning_text = R"(
WITH RECURSIVE
family AS (
  SELECT r.oid FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS r(oid)
  UNION
  SELECT e.oid FROM family f, LATERAL (
    SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) f.oid
    UNION ALL
    SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) f.oid
  ) e
), made AS (
  SELECT p.oid FROM pg_catalog.pg_proc p
  WHERE p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    AND p.prolang OPERATOR(pg_catalog.<>) ALL (ARRAY[12, 13]::pg_catalog.oid[])
), made_operator AS (
  SELECT o.oid, o.oprname, o.oprnamespace FROM pg_catalog.pg_operator o JOIN made m ON m.oid OPERATOR(pg_catalog.=) o.oprcode
), hanging AS (
  SELECT d.classid, d.objid, f.oid FROM family f
  JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid
    AND d.refobjid OPERATOR(pg_catalog.=) f.oid
    AND d.classid OPERATOR(pg_catalog.=) ANY (ARRAY[1259, 2604, 2606, 3381]::pg_catalog.oid[])
  UNION ALL
  SELECT 1259::pg_catalog.oid, i.indexrelid, f.oid FROM family f
  JOIN pg_catalog.pg_index i ON i.indrelid OPERATOR(pg_catalog.=) f.oid
  UNION ALL
  SELECT 1259::pg_catalog.oid, f.oid, f.oid FROM family f
), column_type AS (
  SELECT c.relname, a.attname, t.oid FROM family f
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) f.oid
  JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) f.oid
    AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
  JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
), plain_type AS (
  SELECT t.oid FROM pg_catalog.pg_type t
  LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem
    AND t.typcategory OPERATOR(pg_catalog.=) 'A'::pg_catalog."char"
  WHERE t.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
     OR COALESCE(e.typtype, t.typtype) OPERATOR(pg_catalog.=) ANY (ARRAY['b', 'e']::pg_catalog."char"[])
)
SELECT 'kind'::pg_catalog.text, c.relname::pg_catalog.text
FROM family f JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) f.oid
WHERE c.relkind OPERATOR(pg_catalog.<>) ALL (ARRAY['r', 'p', 'm']::pg_catalog."char"[])
UNION ALL
SELECT 'rules'::pg_catalog.text, c.relname::pg_catalog.text
FROM family f JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) f.oid
WHERE c.relrowsecurity OR (c.relhasrules AND c.relkind OPERATOR(pg_catalog.<>) 'm'::pg_catalog."char")
UNION ALL
SELECT 'column'::pg_catalog.text, pg_catalog.concat(t.relname, '.', t.attname)
FROM column_type t WHERE NOT EXISTS (SELECT FROM plain_type p WHERE p.oid OPERATOR(pg_catalog.=) t.oid)
UNION ALL
SELECT 'type'::pg_catalog.text, t.typname::pg_catalog.text FROM pg_catalog.pg_type t
WHERE t.typname OPERATOR(pg_catalog.=) ANY ($3::pg_catalog.name[])
  AND NOT EXISTS (SELECT FROM plain_type p WHERE p.oid OPERATOR(pg_catalog.=) t.oid)
UNION ALL
SELECT 'function'::pg_catalog.text, c.relname::pg_catalog.text
FROM hanging h
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.oid
JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) h.classid AND d.objid OPERATOR(pg_catalog.=) h.objid
WHERE (d.refclassid OPERATOR(pg_catalog.=) 1255::pg_catalog.oid
       AND EXISTS (SELECT FROM made m WHERE m.oid OPERATOR(pg_catalog.=) d.refobjid))
   OR (d.refclassid OPERATOR(pg_catalog.=) 2617::pg_catalog.oid
       AND EXISTS (SELECT FROM made_operator o WHERE o.oid OPERATOR(pg_catalog.=) d.refobjid))
UNION ALL
SELECT 'operator'::pg_catalog.text, o.oprname::pg_catalog.text
FROM made_operator o JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
WHERE o.oprname OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.name[])
  AND n.nspname OPERATOR(pg_catalog.=) ANY (pg_catalog.current_schemas(true))
UNION ALL
SELECT 'cast'::pg_catalog.text, pg_catalog.format_type(c.casttarget, NULL)
FROM pg_catalog.pg_cast c JOIN made m ON m.oid OPERATOR(pg_catalog.=) c.castfunc
LIMIT 1
)";

// Those that the grammar writes without naming them: BETWEEN, IN, JOIN … USING, CASE x WHEN.
constexpr auto implied_operators = std::to_array<std::string_view>({"=", "<>", "<", "<=", ">", ">="});

constexpr std::size_t most_names = 10'000;  // of operators and types in one text
constexpr std::size_t most_estimates = 16;
constexpr std::uint64_t most_rows = 1'000'000'000'000'000'000;  // the planner may say more, which then means no more

struct Used {
    std::set<std::string, std::less<>> operators{implied_operators.begin(), implied_operators.end()};
    std::set<std::string, std::less<>> types;
};

void add_last_name(Node list, std::string_view key, std::set<std::string, std::less<>>& to) {
    std::string_view last;
    for (const auto item : list.list(key)) last = Node(item).string_value();
    if (!last.empty()) to.emplace(last);
}

// Every name of an operator or a type, wherever it stands: a node has `names` only if it is a type's. What looks like a call
// or a field may be one too: lower('{5}') and ('{5}').lower are casts where there is a type `lower`.
void collect(simdjson::dom::element element, Used& used) {
    if (simdjson::dom::array items; element.get(items) == simdjson::SUCCESS) {
        for (const auto item : items) collect(item, used);
        return;
    }
    simdjson::dom::object members;
    if (element.get(members) != simdjson::SUCCESS) return;
    const Node node(element);
    for (const std::string_view key : {"name", "operName", "useOp"}) {
        if (node.member(key).is_array()) add_last_name(node, key, used.operators);
    }
    for (const std::string_view key : {"names", "funcname", "indirection"}) {
        if (node.member(key).is_array()) add_last_name(node, key, used.types);
    }
    for (const auto [key, value] : members) collect(value, used);
}

std::vector<std::string> listed(const std::set<std::string, std::less<>>& names) { return {names.begin(), names.end()}; }

bool may_be_planned(Node statement) {
    static constexpr auto kinds =
        std::to_array<std::string_view>({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"});
    return std::ranges::find(kinds, statement.kind()) != kinds.end() && !statement.body().member("intoClause");
}

// What stands before the server's own schema in the search path takes the place of its operators and functions, also of
// those that are written inside of others.
bool shadows_the_servers_own(const Catalog& catalog) {
    for (const std::string& schema : catalog.search_path()) {
        if (schema == "pg_catalog") return false;
        if (schema != "pg_temp") return true;  // in which neither operators nor functions are looked for
    }
    return true;
}

bool calls_what_may_harm(const Analysis& analysis) {
    return std::ranges::any_of(analysis.effects, [](const model::Effect& effect) {
        return effect.operation == model::Operation::execute || effect.operation == model::Operation::unknown;
    });
}

// Whole numbers as the server writes them, which may be larger than any integer.
std::optional<std::uint64_t> rows_of(Node plan) {
    const Node rows = plan.member("Plan Rows");
    double value = 0;
    if (!rows || rows.element().get(value) != simdjson::SUCCESS || !std::isfinite(value) || value < 0) return std::nullopt;
    return static_cast<std::uint64_t>(std::min(value, static_cast<double>(most_rows)));
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

// A node that writes has the rows that it takes from below; its own are what RETURNING gives.
bool read_write(Node plan, std::vector<model::RowEstimate>& out) {
    model::RowEstimate estimate{lower(plan.text("Operation")), std::string(plan.text("Relation Name")), 0};
    if (estimate.operation.empty()) return false;
    for (const auto item : plan.list("Plans")) {
        const Node below(item);
        const std::string_view relation = below.text("Parent Relationship");
        if (relation != "Outer" && relation != "Member") continue;  // one of a sub-query
        const auto rows = rows_of(below);
        if (!rows) return false;
        estimate.rows = std::min(estimate.rows + *rows, most_rows);
    }
    if (out.size() < most_estimates) out.push_back(std::move(estimate));
    return true;
}

bool read_plans(Node plan, std::vector<model::RowEstimate>& out) {
    if (plan.text("Node Type") == "ModifyTable" && !read_write(plan, out)) return false;
    return std::ranges::all_of(plan.list("Plans"), [&](auto item) { return read_plans(Node(item), out); });
}

}  // namespace

Result<Question> planning_question(const Parsed& parsed, const Analysis& analysis, const Catalog& catalog) {
    if (parsed.tree == nullptr || parsed.statement_count != 1) return fail(Errc::unsupported, "it is not one statement");
    Node statement;
    for (const auto item : parsed.tree->statements()) statement = Node(item).member("stmt");
    if (!may_be_planned(statement)) return fail(Errc::unsupported, "the server plans no statement of this kind");
    if (calls_what_may_harm(analysis)) return fail(Errc::denied, "it calls functions that are not known to be harmless");
    if (shadows_the_servers_own(catalog))
        return fail(Errc::denied, "the search path puts another schema before the server's own");
    std::vector<std::string> oids;
    for (const Name& name : parsed.relations) {
        const Relation* const relation = catalog.relation(name);
        if (relation == nullptr || relation->oid == 0) return fail(Errc::denied, "it names what could not be resolved");
        oids.push_back(fmt::format("{}", relation->oid));
    }
    if (analysis.has_unresolved_names) return fail(Errc::denied, "it names what could not be resolved");
    Used used;
    collect(statement.element(), used);
    if (used.operators.size() + used.types.size() > most_names) return fail(Errc::limit, "it is too long");
    Question question{.sql = std::string(planning_text), .parameters = {}, .may_fail = true};
    for (const auto& list : {oids, listed(used.operators), listed(used.types)})
        question.parameters.push_back(array_text(list));
    return question;
}

std::string why_not_planned(const std::vector<Row>& rows) {
    if (rows.empty()) return {};
    const Row& row = rows.front();
    const std::string what = row.empty() ? std::string() : row[0].value_or("");
    const std::string name = row.size() < 2 ? std::string() : row[1].value_or("");
    if (what == "kind") return fmt::format("'{}' is not a table of this database", name);
    if (what == "rules") return fmt::format("'{}' has row security or rules, whose functions planning may call", name);
    if (what == "column") return fmt::format("column '{}' has a type that was made here", name);
    if (what == "type") return fmt::format("type '{}' was made here", name);
    if (what == "function") return fmt::format("a function that was made here hangs on table '{}'", name);
    if (what == "operator") return fmt::format("an operator '{}' was made here", name);
    if (what == "cast") return fmt::format("a cast to '{}' was made here", name);
    return "the server's answer could not be read";
}

Question estimate_question(std::string_view text) {
    return {.sql = fmt::format("EXPLAIN (FORMAT JSON) {}", text), .parameters = {}, .may_fail = true};
}

Result<std::vector<model::RowEstimate>> read_estimate(const std::vector<Row>& rows) {
    if (rows.size() != 1 || rows[0].size() != 1 || !rows[0][0]) return fail(Errc::malformed, "the plan could not be read");
    simdjson::dom::parser parser(limits::message_size);
    simdjson::dom::element document;
    if (parser.parse(*rows[0][0]).get(document) != simdjson::SUCCESS || !document.is_array())
        return fail(Errc::malformed, "the plan could not be read");
    Node plan;
    for (const auto item : document.get_array()) plan = Node(item).member("Plan");
    std::vector<model::RowEstimate> out;
    const auto returned = rows_of(plan);
    if (!returned || !read_plans(plan, out)) return fail(Errc::malformed, "the plan could not be read");
    if (plan.text("Node Type") != "ModifyTable") out.push_back({"read", "", *returned});
    return out;
}

}  // namespace assent::sql
