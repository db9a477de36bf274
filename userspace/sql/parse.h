// SQL text to a tree, once a text: PostgreSQL's own grammar (libpg_query), never a regex.
// Thread: any with limits::parser_stack_size of stack; what comes back is immutable and may be shared.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sql/catalog.h"

namespace assent::sql {

class Tree;  // private to sql/: the parse tree

struct Parsed {
    std::string text;
    std::shared_ptr<const Tree> tree;  // null: not parsed; `failure` says why, and the one effect is `unknown`
    std::string failure;               // "syntax error at or near …", "deeper than 2048 nodes"
    std::size_t statement_count = 0;   // 0 for an empty query
    std::vector<Name> relations;       // every relation name it mentions, CTE names left out, without repeats
    std::vector<Name> functions;
    bool names_depend_on_constants = false;  // of the text, such as the 1 of ORDER BY 1
    bool has_lent_tree = false;              // of another text, which differs in constants (sql/shape.h)
};

// Never fails: text that does not parse, is too long or too deep is a Parsed without a tree.
[[nodiscard]] std::shared_ptr<const Parsed> parse(std::string_view text);

}  // namespace assent::sql
