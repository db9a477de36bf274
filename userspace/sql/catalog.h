// What is known of a session's database: its search_path, the relations that statements have named, the functions they
// call, and the roles. Filled by asking the server over the agent's own connection (question/learn), or from a file.
// Thread: one at a time; a session owns its catalog.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace YAML {
class Node;
}

namespace assent::sql {

// A name as a statement wrote it, after folding. An empty schema means: find it by search_path.
struct Name {
    std::string schema;
    std::string name;
    auto operator<=>(const Name&) const = default;
};

struct Column {
    std::string name;
    std::uint32_t type = 0;     // pg_type oid
    bool is_generated = false;  // COPY leaves it out
    auto operator<=>(const Column&) const = default;
};

struct Relation {
    std::uint32_t oid = 0;
    std::string schema;  // of a temporary relation: "pg_temp"
    std::string name;
    char kind = 0;                // pg_class.relkind
    std::vector<Column> columns;  // in order of attnum, dropped ones left out
    // Every relation that may be reached through this one: by views, rules, inheritance or partitions, transitively,
    // "schema.name". Itself is not in it.
    std::vector<Name> reaches;
    // Those of `reaches` that are parents, children or partitions: their columns of the same name are the same data.
    std::vector<Name> relatives;
    // Those of `reaches` that rules other than a view's own query lead to: a write to this one may be any write to them.
    std::vector<Name> reached_by_rules;
};

// One question for the server: an SQL text with text parameters ($1, $2 …), every name and operator in it qualified with
// pg_catalog, so that nothing the agent made can stand in for them. It never raises an error, unless it says so.
struct Question {
    // How a parameter is sent, where it is not a text whose type the server finds.
    struct Form {
        std::uint32_t type = 0;
        bool is_binary = false;
        bool is_null = false;
    };

    std::string sql;
    std::vector<std::string> parameters;
    std::vector<Form> forms = {};  // none, or one for each parameter
    // It may be refused, or wait for locks: it is asked where that costs the agent's transaction nothing, read-only and with
    // little patience.
    bool may_fail = false;
};

using Row = std::vector<std::optional<std::string>>;

class Catalog {
public:
    // Asks for search_path, current and session user, and whatever of `relations` and `functions` is not known yet.
    // Nothing when all of it is known; until then the answer may lead to another question, twice at most.
    [[nodiscard]] std::optional<Question> question(const std::vector<Name>& relations, const std::vector<Name>& functions);
    // Takes the rows of the answer to the last question; names that it asked for and that did not come are known to be
    // absent.
    [[nodiscard]] Result<> learn(const std::vector<Row>& rows);
    // A YAML file for `policy explain --catalog`; the format is documented in catalog_file.cc.
    [[nodiscard]] static Result<Catalog> from_yaml(std::string_view text);
    // For explain without a catalog: unqualified names are in `public`, everything exists, columns are not known.
    [[nodiscard]] static Catalog assumed_public();

    // After anything that may change what names mean: all is unknown again.
    void forget();
    [[nodiscard]] bool knows_session() const noexcept { return knows_session_; }
    // Relations and functions of which something is known.
    [[nodiscard]] std::size_t size() const noexcept { return relations_.size() + reached_.size() + functions_.size(); }
    // Statements of the open transaction, and so these answers, see the catalog as it was at its beginning; names in them
    // are resolved by what it is now.
    [[nodiscard]] bool sees_snapshot() const noexcept { return sees_snapshot_; }

    // nullptr: absent or not known; `is_known` tells which.
    [[nodiscard]] const Relation* relation(const Name& name) const;
    [[nodiscard]] bool is_known(const Name& relation) const;
    // One that another reaches, by its full name, with its columns; nullptr: not known.
    [[nodiscard]] const Relation* reached(const Name& name) const;

    // The schema that an unqualified CREATE goes to; empty: none.
    [[nodiscard]] const std::string& creation_schema() const noexcept { return creation_schema_; }
    // Only for explain: a relation of which nothing but the name is known is taken to be there, in `public` or in
    // pg_catalog, and the names of its columns stand for themselves.
    [[nodiscard]] bool assumes(const Name& relation) const noexcept;
    [[nodiscard]] bool knows_function(const Name& name) const;
    // May a function outside pg_catalog of that name give several rows.
    [[nodiscard]] bool may_return_set(const Name& name) const;

    // Where a function name may lead: schemas that hold one of that name, in search_path order (pg_catalog included).
    [[nodiscard]] std::vector<std::string> function_schemas(const Name& name) const;

    [[nodiscard]] const std::vector<std::string>& search_path() const noexcept {
        return search_path_;
    }  // effective, implicit ones included
    [[nodiscard]] const std::string& current_user() const noexcept { return current_user_; }
    [[nodiscard]] const std::string& session_user() const noexcept { return session_user_; }

private:
    // The names of the last question.
    struct Asked {
        std::vector<Name> visible;    // found by search_path
        std::vector<Name> qualified;  // with their schema
        std::vector<Name> leading;    // those of leading_, and then none of the others
        std::vector<Name> functions;
    };

    [[nodiscard]] static Question compose(const Asked& asked);
    [[nodiscard]] Result<> read_file(const YAML::Node& root);
    [[nodiscard]] std::vector<std::string> file_function_schemas(const Name& name) const;

    bool knows_session_ = false;
    bool sees_snapshot_ = false;
    bool assumes_public_ = false;
    bool is_file_ = false;  // all that exists is in it
    std::vector<std::string> search_path_;
    std::string current_user_;
    std::string session_user_;
    std::map<Name, std::optional<Relation>> relations_;  // keyed as written; absent: nullopt
    std::map<Name, Relation> reached_;                   // keyed by full name
    std::map<Name, std::uint32_t> leading_;  // oids of those that may lead to others: asked about once more, then known
    Asked asked_;
    struct Functions {
        std::vector<std::string> schemas;
        bool may_return_set = false;
    };
    std::string creation_schema_;
    std::map<Name, Functions> functions_;
};

}  // namespace assent::sql
