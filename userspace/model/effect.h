// What a command would do: an operation and the objects it does it to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/operation.h"

namespace assent::model {

// A thing that an effect touches: "public.orders", "setting.search_path", "role.app", "pg_catalog.pg_class".
// Parts are as the catalog spells them (unquoted, folded); a dot inside a part is written \. by whoever makes the name.
struct Object {
    std::string name;
    // False: the name could not be resolved against the catalog. It then matches every deny and hold pattern for the
    // relation name, whatever the schema, and no allow pattern but `any`.
    bool is_resolved = false;

    bool operator==(const Object&) const = default;
};

enum class WhereClause : std::uint8_t {
    not_applicable = 0,
    absent,  // also a WHERE that uses no column
    present,
};

struct Effect {
    Operation operation = Operation::unknown;
    std::vector<Object> objects;
    WhereClause where_clause = WhereClause::not_applicable;
    std::uint32_t statement = 0;  // which statement of the command, from 0

    bool operator==(const Effect&) const = default;
};

}  // namespace assent::model
