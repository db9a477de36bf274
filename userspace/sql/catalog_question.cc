// The one question that is put to the server, and how its answer is read.
//
// Everything in the text is qualified with pg_catalog, operators and casts too, so that nothing the agent has made can
// stand in for it; parameters are text, arrays in their text form. Row: what it is, then its fields.
//   session   current_user, session_user, schema for CREATE, then a row `path` for each schema searched, in order
//   relation  schema and name as asked, oid, schema, name, kind     (as asked is null for one that is only reached)
//   column    oid of the relation, place, name, type oid, generated
//   reach     oid, oid of the reached, `i` when only inheritance leads there, else `v`
//   function  schema and name as asked, schema, `t` when it may give several rows
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

// Without names: a new backend plans and runs it in a fraction of the other's time, and many connections ask no more.
constexpr std::string_view session_text = R"(
SELECT 'session'::pg_catalog.text, CURRENT_USER::pg_catalog.text, SESSION_USER::pg_catalog.text,
       pg_catalog.current_schema()::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text
UNION ALL
SELECT 'path'::pg_catalog.text, CASE WHEN n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
       THEN 'pg_temp'::pg_catalog.text ELSE p.schema::pg_catalog.text END, p.place::pg_catalog.text, NULL, NULL, NULL, NULL
FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS p(schema, place)
JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) p.schema
)";

// The edges are looked up for what was reached, by the catalog's indexes: a database may have very many of them.
constexpr std::string_view question_text = R"(
WITH RECURSIVE
path AS (
  SELECT p.schema, p.place, n.oid
  FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS p(schema, place)
  JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) p.schema
), wanted AS (
  SELECT w.schema, w.name
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS w(schema, name)
), wanted_function AS (
  SELECT w.schema, w.name
  FROM ROWS FROM (pg_catalog.unnest($3::pg_catalog.text[]), pg_catalog.unnest($4::pg_catalog.text[])) AS w(schema, name)
), found AS (
  SELECT DISTINCT ON (w.schema, w.name) w.schema, w.name, c.oid
  FROM wanted w
  JOIN pg_catalog.pg_class c ON c.relname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  LEFT JOIN path p ON p.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE CASE WHEN w.schema OPERATOR(pg_catalog.=) ''::pg_catalog.text THEN p.oid IS NOT NULL
             WHEN w.schema OPERATOR(pg_catalog.=) 'pg_temp'::pg_catalog.text
             THEN c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
             ELSE n.nspname OPERATOR(pg_catalog.=) w.schema::pg_catalog.name END
  ORDER BY w.schema, w.name, p.place
), reach AS (
  SELECT f.oid AS root, f.oid AS oid, 'i'::pg_catalog.text AS way FROM found f
  UNION
  SELECT r.root, e.target,
         CASE WHEN r.way OPERATOR(pg_catalog.=) 'v'::pg_catalog.text THEN r.way ELSE e.way END
  FROM reach r, LATERAL (
    SELECT i.inhparent AS target, 'i'::pg_catalog.text AS way
    FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) r.oid
    UNION ALL
    SELECT i.inhrelid, 'i'::pg_catalog.text
    FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) r.oid
    UNION ALL
    SELECT d.refobjid, 'v'::pg_catalog.text
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
         pg_catalog.current_schema()::pg_catalog.text AS c, NULL::pg_catalog.text AS d, NULL::pg_catalog.text AS e,
         NULL::pg_catalog.text AS f
  UNION ALL
  SELECT 'path'::pg_catalog.text, CASE WHEN p.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
         THEN 'pg_temp'::pg_catalog.text ELSE p.schema::pg_catalog.text END, p.place::pg_catalog.text, NULL, NULL, NULL, NULL
  FROM path p
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
  UNION ALL
  SELECT 'function'::pg_catalog.text, w.schema, w.name, n.nspname::pg_catalog.text,
         CASE WHEN pg_catalog.bool_or(p.proretset) THEN 't'::pg_catalog.text ELSE 'f'::pg_catalog.text END,
         pg_catalog.min(q.place)::pg_catalog.text, NULL
  FROM wanted_function w
  JOIN pg_catalog.pg_proc p ON p.proname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
  LEFT JOIN path q ON q.oid OPERATOR(pg_catalog.=) n.oid
  WHERE CASE WHEN w.schema OPERATOR(pg_catalog.=) ''::pg_catalog.text THEN q.oid IS NOT NULL
             ELSE n.nspname OPERATOR(pg_catalog.=) w.schema::pg_catalog.name END
  GROUP BY w.schema, w.name, n.nspname
)
SELECT what, a, b, c, d, e, f FROM answer
)";

template <typename Known>
void add_unknown(std::vector<Name>& to, const std::vector<Name>& names, Known is_known) {
    for (const auto& name : names) {
        if (!is_known(name)) to.push_back(name);
    }
}

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

// The answer, while it is put together.
struct Answer {
    std::string current_user;
    std::string session_user;
    std::string creation_schema;
    bool has_session = false;
    std::map<int, std::string> path;
    std::map<std::uint32_t, Relation> relations;
    std::map<std::uint32_t, std::map<int, Column>> columns;
    std::vector<std::pair<Name, std::uint32_t>> asked;
    std::map<std::uint32_t, std::map<std::uint32_t, bool>> reach;  // true: only by inheritance
    std::map<Name, std::map<std::pair<int, std::string>, bool>> functions;
};

template <typename T>
bool read_number(const std::string& text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

std::string field(const Row& row, std::size_t place) { return row[place].value_or(""); }

bool read_row(Answer& answer, const Row& row) {
    const std::string what = field(row, 0);
    std::uint32_t oid = 0;
    std::uint32_t other = 0;
    int place = 0;
    if (what == "session") {
        answer.current_user = field(row, 1);
        answer.session_user = field(row, 2);
        answer.creation_schema = field(row, 3);
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
        const auto [found, is_new] = answer.reach[oid].emplace(other, field(row, 3) == "i");
        if (!is_new) found->second = found->second && field(row, 3) == "i";
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
        for (const auto& [reached, is_relative] : answer.reach[oid]) {
            const auto found = answer.relations.find(reached);
            if (found == answer.relations.end()) continue;
            const Name name{found->second.schema, found->second.name};
            relation.reaches.push_back(name);
            if (is_relative) relation.relatives.push_back(name);
        }
    }
}

}  // namespace

std::optional<Question> Catalog::question(const std::vector<Name>& relations, const std::vector<Name>& functions) const {
    if (assumes_public_) return std::nullopt;
    std::vector<Name> wanted;
    std::vector<Name> wanted_functions;
    add_unknown(wanted, relations, [this](const Name& name) { return is_known(name); });
    add_unknown(wanted_functions, functions, [this](const Name& name) { return knows_function(name); });
    if (knows_session_ && wanted.empty() && wanted_functions.empty()) return std::nullopt;
    if (wanted.empty() && wanted_functions.empty()) return Question{.sql = std::string(session_text), .parameters = {}};
    Question question{.sql = std::string(question_text), .parameters = {}};
    append_names(question.parameters, wanted);
    append_names(question.parameters, wanted_functions);
    return question;
}

Result<> Catalog::learn(const std::vector<Name>& relations, const std::vector<Name>& functions,
                        const std::vector<Row>& rows) {
    Answer answer;
    for (const auto& row : rows) {
        if (row.size() != 7 || !read_row(answer, row))
            return fail(Errc::malformed, "the server's answer about its catalog cannot be read");
    }
    if (!answer.has_session) return fail(Errc::malformed, "the server's answer about its catalog lacks the session");
    complete(answer);
    if (relations_.size() + answer.relations.size() + answer.asked.size() > limits::catalog_relations ||
        functions_.size() > limits::catalog_relations) {
        relations_.clear();
        functions_.clear();
    }
    knows_session_ = true;
    current_user_ = answer.current_user;
    session_user_ = answer.session_user;
    creation_schema_ = answer.creation_schema;
    search_path_.clear();
    for (auto& [place, schema] : answer.path) search_path_.push_back(schema);
    for (const auto& name : relations) relations_.try_emplace(name, std::nullopt);
    for (const auto& name : functions) functions_.try_emplace(name);
    // What was only reached is known for its columns; what it reaches in turn is part of who was asked for.
    for (const auto& [oid, relation] : answer.relations) {
        const bool was_asked =
            std::any_of(answer.asked.begin(), answer.asked.end(), [&](const auto& pair) { return pair.second == oid; });
        if (!was_asked) reached_.insert_or_assign({relation.schema, relation.name}, relation);
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
