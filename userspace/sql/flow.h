// Which masked columns a value may come from, and the columns of everything that stands in a FROM.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/effect.h"
#include "sql/analyse.h"

namespace assent::sql {

// Nothing: the value is proved to come from unmasked columns only.
struct Flow {
    std::vector<MaskedColumn> masks;
    bool is_exact = false;  // the value is the masked column itself, unchanged

    [[nodiscard]] bool is_clean() const noexcept { return masks.empty(); }
    // Also from `other`, with the columns combined by some expression.
    void mix(const Flow& other);
    // Either this or `other`, unchanged: arms of a UNION.
    void join(const Flow& other);
    [[nodiscard]] Flow derived() const;
    // The strongest method, and the names.
    [[nodiscard]] model::ColumnMask column_mask() const;
    [[nodiscard]] bool denies() const noexcept;  // not exact, and a mask of it says `unproven: deny`
};

struct FlowColumn {
    std::string name;
    Flow flow;
    std::uint32_t type = 0;  // pg_type oid; 0: not known
};

struct Columns {
    std::vector<FlowColumn> list;
    bool is_complete = true;  // false: `list` lacks some, at unknown places, which hold `others`
    Flow others;

    [[nodiscard]] Flow all() const;
    void add_all(const Columns& other);
    // Arms of a set operation: by position, under the names of this one.
    void join(const Columns& other);
    // AS alias (a, b): the first columns take these names.
    void rename(const std::vector<std::string>& names);
};

// Of a value that is of one of two types: 0 where they differ.
[[nodiscard]] std::uint32_t common_type(std::uint32_t a, std::uint32_t b) noexcept;

// One thing in FROM under its name.
struct Source {
    std::string alias;
    std::string schema;  // of a relation without alias: it may be written in front of the name
    Columns columns;
    model::Object object;      // of a relation: its name; empty for others
    bool is_relation = false;  // has system columns
    bool is_assumed = false;   // a relation of which nothing but the name is known: it has the columns that are named
    std::string mask_schema;   // of a relation: where it really is
    std::string mask_relation;
};

struct From {
    std::vector<Source> sources;
    Columns visible;  // what unqualified names and `*` see, merged columns of USING first
};

}  // namespace assent::sql
