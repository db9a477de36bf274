#include "sql/catalog.h"

#include <algorithm>

#include "base/limits.h"
#include "sql/functions.h"

namespace assent::sql {

Catalog Catalog::assumed_public() {
    Catalog catalog;
    catalog.assumes_public_ = true;
    catalog.knows_session_ = true;
    catalog.search_path_ = {"pg_catalog", "public"};
    catalog.creation_schema_ = "public";
    return catalog;
}

void Catalog::forget() {
    if (assumes_public_ || is_file_) return;
    Asked asked = std::move(asked_);  // its answer may be on its way
    *this = Catalog();
    asked_ = std::move(asked);
}

const Relation* Catalog::relation(const Name& name) const {
    const auto found = relations_.find(name);
    return found != relations_.end() && found->second ? &*found->second : nullptr;
}

bool Catalog::assumes(const Name& relation) const noexcept {
    if (assumes_public_) return true;
    const bool is_catalog = relation.schema == "pg_catalog" || relation.schema == "information_schema";
    return is_file_ && (is_catalog || (relation.schema.empty() && relation.name.starts_with("pg_")));
}

const Relation* Catalog::reached(const Name& name) const {
    const auto found = reached_.find(name);
    return found == reached_.end() ? nullptr : &found->second;
}

bool Catalog::is_known(const Name& relation) const { return assumes_public_ || is_file_ || relations_.contains(relation); }

bool Catalog::knows_function(const Name& name) const { return assumes_public_ || is_file_ || functions_.contains(name); }

bool Catalog::may_return_set(const Name& name) const {
    const auto found = functions_.find(name);
    return found != functions_.end() && found->second.may_return_set;
}

std::vector<std::string> Catalog::file_function_schemas(const Name& name) const {
    const bool is_builtin = builtin_function(name.name) != nullptr;
    std::vector<std::string> schemas;
    for (const auto& schema : search_path_) {
        const bool is_wanted = name.schema.empty() || name.schema == schema;
        if (is_wanted && (functions_.contains({schema, name.name}) || (schema == "pg_catalog" && is_builtin)))
            schemas.push_back(schema);
    }
    return schemas;
}

std::vector<std::string> Catalog::function_schemas(const Name& name) const {
    const auto found = functions_.find(name);
    if (found != functions_.end()) return found->second.schemas;
    if (is_file_) return file_function_schemas(name);
    if (!assumes_public_) return {};
    if (!name.schema.empty()) return {name.schema};
    return {builtin_function(name.name) != nullptr ? "pg_catalog" : "public"};
}

}  // namespace assent::sql
