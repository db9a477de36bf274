// The file of `policy explain --catalog`:
//
//   search_path: [app, public]               # absent: [public]; pg_catalog is searched first unless it is listed
//   user: app_rw                             # absent: empty
//   relations:
//     - name: public.customers               # schema.relation, folded as the server would
//       columns: [id, name, {name: ssn, type: 25, generated: true}]
//       kind: table                          # table (default) | view | materialized view | partitioned | foreign | sequence
//       reaches: [public.persons]            # what a view or rule leads to, transitively
//       relatives: [public.customers_2024]   # parents, children, partitions: their columns of one name are one
//   functions: [app.refund, "util.rows()"]   # those outside pg_catalog; () when it gives several rows
//
// What is not listed does not exist, but for the relations of pg_catalog and information_schema.
#include <algorithm>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/limits.h"
#include "sql/catalog.h"
#include "sql/functions.h"

namespace assent::sql {
namespace {

std::unexpected<Error> wrong(const YAML::Node& node, std::string_view what) {
    return fail(Errc::invalid, fmt::format("{}:{}: {}", node.Mark().line + 1, node.Mark().column + 1, what));
}

Result<Name> read_name(const YAML::Node& node) {
    if (!node.IsScalar()) return wrong(node, "a name written schema.relation is expected");
    const std::string text = node.Scalar();
    const std::size_t dot = text.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == text.size())
        return wrong(node, "a name needs its schema: schema.relation");
    return Name{text.substr(0, dot), text.substr(dot + 1)};
}

Result<char> read_kind(const YAML::Node& node) {
    constexpr std::pair<std::string_view, char> kinds[] = {
        {"table", 'r'},       {"view", 'v'},    {"materialized view", 'm'},
        {"partitioned", 'p'}, {"foreign", 'f'}, {"sequence", 'S'}};
    if (!node) return 'r';
    for (const auto& [word, kind] : kinds) {
        if (node.IsScalar() && node.Scalar() == word) return kind;
    }
    return wrong(node, "kind is table, view, materialized view, partitioned, foreign or sequence");
}

Result<Column> read_column(const YAML::Node& node) {
    if (node.IsScalar()) return Column{node.Scalar(), 0, false};
    if (!node.IsMap() || !node["name"]) return wrong(node, "a column is a name, or {name, type, generated}");
    return Column{node["name"].as<std::string>(), node["type"].as<std::uint32_t>(0), node["generated"].as<bool>(false)};
}

Result<std::vector<Name>> read_names(const YAML::Node& node) {
    std::vector<Name> names;
    if (!node) return names;
    if (!node.IsSequence()) return wrong(node, "a list of names is expected");
    for (const auto& item : node) {
        auto name = read_name(item);
        if (!name) return std::unexpected(name.error());
        names.push_back(*std::move(name));
    }
    return names;
}

Result<> only_keys(const YAML::Node& map, std::initializer_list<std::string_view> keys) {
    if (!map.IsMap()) return wrong(map, "a mapping is expected");
    for (const auto& pair : map) {
        if (std::find(keys.begin(), keys.end(), pair.first.Scalar()) == keys.end()) {
            return wrong(pair.first,
                         fmt::format("{} is not a key here; there are: {}", pair.first.Scalar(), fmt::join(keys, ", ")));
        }
    }
    return {};
}

Result<Relation> read_relation(const YAML::Node& node) {
    if (auto keys = only_keys(node, {"name", "columns", "kind", "reaches", "relatives"}); !keys)
        return std::unexpected(keys.error());
    if (!node["name"]) return wrong(node, "a relation needs a name");
    Relation relation;
    const auto name = read_name(node["name"]);
    if (!name) return std::unexpected(name.error());
    relation.schema = name->schema;
    relation.name = name->name;
    const auto kind = read_kind(node["kind"]);
    if (!kind) return std::unexpected(kind.error());
    relation.kind = *kind;
    for (const auto& item : node["columns"]) {
        auto column = read_column(item);
        if (!column) return std::unexpected(column.error());
        relation.columns.push_back(*std::move(column));
    }
    auto reaches = read_names(node["reaches"]);
    auto relatives = read_names(node["relatives"]);
    if (!reaches) return std::unexpected(reaches.error());
    if (!relatives) return std::unexpected(relatives.error());
    relation.reaches = *std::move(reaches);
    relation.relatives = *std::move(relatives);
    for (const auto& relative : relation.relatives) relation.reaches.push_back(relative);
    return relation;
}

}  // namespace

Result<> Catalog::read_file(const YAML::Node& root) {
    if (auto keys = only_keys(root, {"search_path", "user", "relations", "functions"}); !keys) return keys;
    for (const char* key : {"search_path", "relations", "functions"}) {
        if (root[key] && !root[key].IsSequence()) return wrong(root[key], fmt::format("{} is a list", key));
    }
    is_file_ = true;
    knows_session_ = true;
    search_path_ = root["search_path"].as<std::vector<std::string>>(std::vector<std::string>{"public"});
    if (!search_path_.empty()) creation_schema_ = search_path_.front();
    if (std::find(search_path_.begin(), search_path_.end(), "pg_catalog") == search_path_.end()) {
        search_path_.insert(search_path_.begin(), "pg_catalog");
    }
    current_user_ = session_user_ = root["user"].as<std::string>("");
    for (const auto& item : root["relations"]) {
        auto relation = read_relation(item);
        if (!relation) return std::unexpected(relation.error());
        const Name name{relation->schema, relation->name};
        if (!reached_.try_emplace(name, *relation).second) return wrong(item, "the relation is there twice");
        relations_.insert_or_assign(name, *relation);
    }
    for (const auto& item : root["functions"]) {
        auto name = read_name(item);
        if (!name) return std::unexpected(name.error());
        const bool may_return_set = name->name.ends_with("()");
        if (may_return_set) name->name.resize(name->name.size() - 2);
        functions_[*name] = {{name->schema}, may_return_set};
    }
    // As an unqualified name finds them: the first of the path.
    for (auto schema = search_path_.rbegin(); schema != search_path_.rend(); ++schema) {
        for (const auto& [name, relation] : reached_) {
            if (name.schema == *schema) relations_.insert_or_assign(Name{{}, name.name}, relation);
        }
    }
    return {};
}

Result<Catalog> Catalog::from_yaml(std::string_view text) {
    if (text.size() > limits::policy_file_size) return fail(Errc::limit, "the catalog file is too large");
    try {
        Catalog catalog;
        const YAML::Node root = YAML::Load(std::string(text));
        if (auto read = catalog.read_file(root); !read) return std::unexpected(read.error());
        return catalog;
    } catch (const YAML::Exception& error) {
        return fail(Errc::invalid, fmt::format("{}:{}: {}", error.mark.line + 1, error.mark.column + 1, error.msg));
    }
}

}  // namespace assent::sql
