// What is put to the server about names, and how its answers are read.
//
// Everything in the texts is qualified with pg_catalog, operators and casts too, so that nothing the agent has made can
// stand in for it; parameters are text, arrays in their text form. Most of what such a question costs is its planning, so
// it is put together of what is needed, and only for relations with rules, parents or children a second one walks to what
// can be reached through them. Row: what it is, then its fields.
//   session    current_user, session_user, schema for CREATE, isolation of the transaction
//   path       schema, its place among those searched; pg_temp by that name
//   visible    place among the names asked for that search_path finds, oid, schema, name, kind, `true` when it may lead to
//              others, then of each of its columns: place, name, type oid, generated
//   qualified  the same of a name with its schema
//   function   schema and name as asked, schema, `t` when it may give several rows, place in search_path
// Of the walk:
//   relation   schema and name as asked, oid, schema, name, kind     (as asked is null for one that is only reached)
//   column     oid of the relation, place, name, type oid, generated
//   reach      oid, oid of the reached, `i` when only inheritance leads there, `r` when a rule does that is no view's own
//              query, else `v`
#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/limits.h"
#include "sql/array_text.h"
#include "sql/catalog.h"

namespace assent::sql {
namespace {

constexpr std::size_t question_fields = 11;
constexpr std::size_t walk_fields = 7;

constexpr std::string_view session_rows = R"(
SELECT 'session'::pg_catalog.text, CURRENT_USER::pg_catalog.text, SESSION_USER::pg_catalog.text,
       pg_catalog.current_schema()::pg_catalog.text, pg_catalog.current_setting('transaction_isolation'),
       NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text,
       NULL::pg_catalog.text
UNION ALL
SELECT 'path', CASE WHEN pg_catalog.to_regnamespace(pg_catalog.quote_ident(p.schema::pg_catalog.text))::pg_catalog.oid
                         OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
                    THEN 'pg_temp' ELSE p.schema::pg_catalog.text END,
       p.place::pg_catalog.text, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS p(schema, place)
)";

constexpr std::string_view relation_fields = R"(
  wanted.place::pg_catalog.text, c.oid::pg_catalog.text,
  CASE WHEN n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname::pg_catalog.text END,
  c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
  (c.relhasrules OR c.relhassubclass OR
   (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid LIMIT 1) IS NOT NULL
  )::pg_catalog.text,
  a.attnum::pg_catalog.text, a.attname::pg_catalog.text, a.atttypid::pg_catalog.text, a.attgenerated::pg_catalog.text
)";

constexpr std::string_view relation_joins = R"(
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
  AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
)";

// The server itself finds them, as it will for the command.
constexpr std::string_view visible_from = R"(
FROM pg_catalog.unnest(${}::pg_catalog.text[]) WITH ORDINALITY AS wanted(name, place)
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(wanted.name)::pg_catalog.oid
)";

// Not by to_regclass(), which fails where a schema may not be used.
constexpr std::string_view qualified_from = R"(
FROM ROWS FROM (pg_catalog.unnest(${}::pg_catalog.text[]), pg_catalog.unnest(${}::pg_catalog.text[]))
  WITH ORDINALITY AS wanted(schema, name, place)
JOIN pg_catalog.pg_namespace s ON s.nspname OPERATOR(pg_catalog.=) wanted.schema::pg_catalog.name
JOIN pg_catalog.pg_class c ON c.relname OPERATOR(pg_catalog.=) wanted.name::pg_catalog.name
  AND c.relnamespace OPERATOR(pg_catalog.=) s.oid
)";

constexpr std::string_view function_rows = R"(
SELECT 'function', wanted.schema, wanted.name, n.nspname::pg_catalog.text,
       CASE WHEN pg_catalog.bool_or(p.proretset) THEN 't' ELSE 'f' END,
       pg_catalog.min(pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname))::pg_catalog.text,
       NULL, NULL, NULL, NULL, NULL
FROM ROWS FROM (pg_catalog.unnest(${}::pg_catalog.text[]), pg_catalog.unnest(${}::pg_catalog.text[])) AS wanted(schema, name)
JOIN pg_catalog.pg_proc p ON p.proname OPERATOR(pg_catalog.=) wanted.name::pg_catalog.name
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE CASE WHEN wanted.schema OPERATOR(pg_catalog.=) ''::pg_catalog.text
           THEN n.nspname OPERATOR(pg_catalog.=) ANY (pg_catalog.current_schemas(true))
           ELSE n.nspname OPERATOR(pg_catalog.=) wanted.schema::pg_catalog.name END
GROUP BY wanted.schema, wanted.name, n.nspname
)";

// From what the names were found to be, not from the names. The edges are looked up for what was reached, by the catalog's
// indexes: a database may have very many of them.
constexpr std::string_view walk_text = R"(
WITH RECURSIVE found AS (
  SELECT w.schema, w.name, w.oid
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]),
                  pg_catalog.unnest($3::pg_catalog.oid[])) AS w(schema, name, oid)
), reach AS (
  SELECT f.oid AS root, f.oid AS oid, 'i'::pg_catalog.text AS way FROM found f
  UNION
  SELECT r.root, e.target,
         CASE WHEN r.way OPERATOR(pg_catalog.=) 'r'::pg_catalog.text OR e.way OPERATOR(pg_catalog.=) 'i'::pg_catalog.text
              THEN r.way
              WHEN e.way OPERATOR(pg_catalog.=) 'r'::pg_catalog.text OR r.way OPERATOR(pg_catalog.=) 'i'::pg_catalog.text
              THEN e.way ELSE r.way END
  FROM reach r, LATERAL (
    SELECT i.inhparent AS target, 'i'::pg_catalog.text AS way
    FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) r.oid
    UNION ALL
    SELECT i.inhrelid, 'i'::pg_catalog.text
    FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) r.oid
    UNION ALL
    SELECT d.refobjid,
           CASE WHEN w.ev_type OPERATOR(pg_catalog.=) '1'::pg_catalog."char" THEN 'v'::pg_catalog.text
                ELSE 'r'::pg_catalog.text END
    FROM pg_catalog.pg_rewrite w
    JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 2618::pg_catalog.oid
      AND d.objid OPERATOR(pg_catalog.=) w.oid AND d.refclassid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid
      AND d.refobjid OPERATOR(pg_catalog.<>) w.ev_class
    WHERE w.ev_class OPERATOR(pg_catalog.=) r.oid
  ) e
), involved AS (
  SELECT DISTINCT r.oid FROM reach r
), answer AS (
  SELECT 'session'::pg_catalog.text AS what, CURRENT_USER::pg_catalog.text AS a, SESSION_USER::pg_catalog.text AS b,
         pg_catalog.current_schema()::pg_catalog.text AS c, pg_catalog.current_setting('transaction_isolation') AS d,
         NULL::pg_catalog.text AS e,
         NULL::pg_catalog.text AS f
  UNION ALL
  SELECT 'path'::pg_catalog.text,
         CASE WHEN pg_catalog.to_regnamespace(pg_catalog.quote_ident(p.schema::pg_catalog.text))::pg_catalog.oid
                   OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
         THEN 'pg_temp'::pg_catalog.text ELSE p.schema::pg_catalog.text END, p.place::pg_catalog.text, NULL, NULL, NULL, NULL
  FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS p(schema, place)
  UNION ALL
  SELECT 'relation'::pg_catalog.text, f.schema, f.name, c.oid::pg_catalog.text,
         CASE WHEN n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() THEN 'pg_temp'::pg_catalog.text
              ELSE n.nspname::pg_catalog.text END,
         c.relname::pg_catalog.text, c.relkind::pg_catalog.text
  FROM involved v
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) v.oid
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  LEFT JOIN found f ON f.oid OPERATOR(pg_catalog.=) c.oid
  UNION ALL
  SELECT 'column'::pg_catalog.text, a.attrelid::pg_catalog.text, a.attnum::pg_catalog.text, a.attname::pg_catalog.text,
         a.atttypid::pg_catalog.text, a.attgenerated::pg_catalog.text, NULL
  FROM involved v JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) v.oid
  WHERE a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
  UNION ALL
  SELECT 'reach'::pg_catalog.text, r.root::pg_catalog.text, r.oid::pg_catalog.text, r.way, NULL, NULL, NULL
  FROM reach r WHERE r.oid OPERATOR(pg_catalog.<>) r.root
)
SELECT what, a, b, c, d, e, f FROM answer
)";

std::string quoted_name(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + '"';
}

// Those that search_path finds, pg_temp among them, which it may find without rights.
bool is_visible(const Name& name) { return !name.name.empty() && (name.schema.empty() || name.schema == "pg_temp"); }

void append_names(std::vector<std::string>& parameters, const std::vector<Name>& names) {
    std::vector<std::string> schemas;
    std::vector<std::string> last;
    for (const auto& name : names) {
        schemas.push_back(name.schema);
        last.push_back(name.name);
    }
    parameters.push_back(array_text(schemas));
    parameters.push_back(array_text(last));
}

// How one relation leads to another; there may be several ways.
struct Way {
    bool is_only_inherited = true;
    bool is_by_rule = false;
};

// The answer, while it is put together.
struct Answer {
    std::string current_user;
    std::string session_user;
    std::string creation_schema;
    bool sees_snapshot = true;
    bool has_session = false;
    std::map<int, std::string> path;
    std::map<std::uint32_t, Relation> relations;
    std::map<std::uint32_t, std::map<int, Column>> columns;
    std::vector<std::pair<Name, std::uint32_t>> asked;
    std::map<std::uint32_t, std::map<std::uint32_t, Way>> reach;
    std::map<Name, std::map<std::pair<int, std::string>, bool>> functions;
    std::map<Name, std::uint32_t> leading;  // asked for, and they may lead to others
};

template <typename T>
bool read_number(const std::string& text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

std::string field(const Row& row, std::size_t place) { return row[place].value_or(""); }

// A relation that was asked for, with one of its columns.
bool read_relation(Answer& answer, const Row& row, const std::vector<Name>& asked) {
    std::size_t place = 0;
    std::uint32_t oid = 0;
    int column = 0;
    std::uint32_t type = 0;
    if (row.size() != question_fields || !read_number(field(row, 1), place) || place == 0 || place > asked.size())
        return false;
    if (!read_number(field(row, 2), oid) || field(row, 5).size() != 1) return false;
    Relation& relation = answer.relations[oid];
    const Name& name = asked[place - 1];
    relation.oid = oid;
    relation.schema = field(row, 3);
    relation.name = field(row, 4);
    relation.kind = field(row, 5).front();
    const std::pair<Name, std::uint32_t> pair(name, oid);
    if (std::ranges::find(answer.asked, pair) == answer.asked.end()) answer.asked.push_back(pair);
    if (field(row, 6) != "false") answer.leading.emplace(name, oid);
    if (!row[7]) return true;
    if (!read_number(field(row, 7), column) || !read_number(field(row, 9), type)) return false;
    answer.columns[oid][column] = {field(row, 8), type, !field(row, 10).empty()};
    return true;
}

bool read_row(Answer& answer, const Row& row) {
    const std::string what = field(row, 0);
    std::uint32_t oid = 0;
    std::uint32_t other = 0;
    int place = 0;
    if (what == "session") {
        answer.current_user = field(row, 1);
        answer.session_user = field(row, 2);
        answer.creation_schema = field(row, 3);
        answer.sees_snapshot = field(row, 4) != "read committed" && field(row, 4) != "read uncommitted";
        answer.has_session = true;
        return true;
    }
    if (what == "path") return read_number(field(row, 2), place) && answer.path.emplace(place, field(row, 1)).second;
    if (what == "relation") {
        if (!read_number(field(row, 3), oid) || field(row, 6).size() != 1) return false;
        Relation& relation = answer.relations[oid];
        relation.oid = oid;
        relation.schema = field(row, 4);
        relation.name = field(row, 5);
        relation.kind = field(row, 6).front();
        if (row[1]) answer.asked.emplace_back(Name{field(row, 1), field(row, 2)}, oid);
        return true;
    }
    if (what == "column") {
        if (!read_number(field(row, 1), oid) || !read_number(field(row, 2), place) || !read_number(field(row, 4), other))
            return false;
        answer.columns[oid][place] = {field(row, 3), other, !field(row, 5).empty()};
        return true;
    }
    if (what == "reach") {
        if (!read_number(field(row, 1), oid) || !read_number(field(row, 2), other)) return false;
        // By a view as well: then its columns are not those of the same name only.
        Way& way = answer.reach[oid][other];
        way.is_only_inherited = way.is_only_inherited && field(row, 3) == "i";
        way.is_by_rule = way.is_by_rule || field(row, 3) == "r";
        return true;
    }
    if (what == "function") {
        if (!read_number(field(row, 5).empty() ? "0" : field(row, 5), place)) return false;
        answer.functions[{field(row, 1), field(row, 2)}][{place, field(row, 3)}] = field(row, 4) == "t";
        return true;
    }
    return false;
}

void complete(Answer& answer) {
    for (auto& [oid, relation] : answer.relations) {
        for (const auto& [place, column] : answer.columns[oid]) relation.columns.push_back(column);
        for (const auto& [reached, way] : answer.reach[oid]) {
            const auto found = answer.relations.find(reached);
            if (found == answer.relations.end()) continue;
            const Name name{found->second.schema, found->second.name};
            relation.reaches.push_back(name);
            if (way.is_only_inherited) relation.relatives.push_back(name);
            if (way.is_by_rule) relation.reached_by_rules.push_back(name);
        }
    }
}

}  // namespace

std::optional<Question> Catalog::question(const std::vector<Name>& relations, const std::vector<Name>& functions) {
    if (assumes_public_) return std::nullopt;
    Asked asked;
    for (const Name& name : relations) {
        if (is_known(name)) continue;
        auto& to = leading_.contains(name) ? asked.leading : is_visible(name) ? asked.visible : asked.qualified;
        to.push_back(name);
    }
    for (const Name& name : functions) {
        if (!knows_function(name)) asked.functions.push_back(name);
    }
    const bool has_new = !asked.visible.empty() || !asked.qualified.empty() || !asked.functions.empty();
    if (knows_session_ && !has_new && asked.leading.empty()) return std::nullopt;
    Question question;
    if (has_new || asked.leading.empty()) {
        asked.leading.clear();
        question = compose(asked);
    } else {
        question.sql = walk_text;
        append_names(question.parameters, asked.leading);
        std::vector<std::string> oids;
        for (const Name& name : asked.leading) oids.push_back(std::to_string(leading_.at(name)));
        question.parameters.push_back(array_text(oids));
    }
    asked_ = std::move(asked);
    return question;
}

Question Catalog::compose(const Asked& asked) {
    Question question{.sql = std::string(session_rows), .parameters = {}};
    const auto relations = [&](std::string_view what, std::string_view from) {
        question.sql += fmt::format("UNION ALL\nSELECT '{}',{}{}{}", what, relation_fields, from, relation_joins);
    };
    if (!asked.visible.empty()) {
        std::vector<std::string> names;
        for (const Name& name : asked.visible)
            names.push_back((name.schema.empty() ? "" : "pg_temp.") + quoted_name(name.name));
        question.parameters.push_back(array_text(names));
        relations("visible", fmt::format(visible_from, question.parameters.size()));
    }
    const auto pair_from = [&](auto text, const std::vector<Name>& names) {
        append_names(question.parameters, names);
        return fmt::format(fmt::runtime(text), question.parameters.size() - 1, question.parameters.size());
    };
    if (!asked.qualified.empty()) relations("qualified", pair_from(qualified_from, asked.qualified));
    if (!asked.functions.empty()) question.sql += "UNION ALL" + pair_from(function_rows, asked.functions);
    return question;
}

Result<> Catalog::learn(const std::vector<Row>& rows) {
    const Asked asked = std::exchange(asked_, {});
    Answer answer;
    for (const auto& row : rows) {
        const bool is_whole = row.size() == question_fields || row.size() == walk_fields;
        const std::string what = is_whole ? field(row, 0) : "";
        const bool is_read = what == "visible"     ? read_relation(answer, row, asked.visible)
                             : what == "qualified" ? read_relation(answer, row, asked.qualified)
                                                   : is_whole && read_row(answer, row);
        if (!is_read) return fail(Errc::malformed, "the server's answer about its catalog cannot be read");
    }
    if (!answer.has_session) return fail(Errc::malformed, "the server's answer about its catalog lacks the session");
    complete(answer);
    knows_session_ = true;
    sees_snapshot_ = answer.sees_snapshot;
    current_user_ = answer.current_user;
    session_user_ = answer.session_user;
    creation_schema_ = answer.creation_schema;
    search_path_.clear();
    for (auto& [place, schema] : answer.path) search_path_.push_back(schema);
    for (const auto* names : {&asked.visible, &asked.qualified, &asked.leading}) {
        for (const auto& name : *names) relations_.try_emplace(name, std::nullopt);
    }
    for (const auto& name : asked.leading) leading_.erase(name);
    for (const auto& name : asked.functions) functions_.try_emplace(name);
    // Not known before it is known where they lead.
    for (const auto& [name, oid] : answer.leading) {
        relations_.erase(name);
        leading_.insert_or_assign(name, oid);
        std::erase_if(answer.asked, [&lead = name](const auto& pair) { return pair.first == lead; });
    }
    // What was only reached is known for its columns; what it reaches in turn is part of who was asked for.
    std::set<std::uint32_t> asked_for;
    for (const auto& [name, oid] : answer.asked) asked_for.insert(oid);
    for (const auto& [oid, relation] : answer.relations) {
        if (!asked_for.contains(oid)) reached_.insert_or_assign({relation.schema, relation.name}, relation);
    }
    for (const auto& [name, oid] : answer.asked) {
        relations_.insert_or_assign(name, answer.relations.at(oid));
        reached_.insert_or_assign({answer.relations.at(oid).schema, answer.relations.at(oid).name},
                                  answer.relations.at(oid));
    }
    for (const auto& [name, found] : answer.functions) {
        Functions& known = functions_[name];
        known = {};
        for (const auto& [place, may_return_set] : found) {
            known.schemas.push_back(place.second);
            known.may_return_set = known.may_return_set || (may_return_set && place.second != "pg_catalog");
        }
    }
    return {};
}

}  // namespace assent::sql
