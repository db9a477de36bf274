// What can fail, or take long, by the value that it is given. Whether it did is seen by whoever asked: the masked value that
// it was given would be told as surely as by a filter.
#pragma once

#include <cstddef>
#include <string_view>

#include "sql/tree.h"

namespace assent::sql {

// Of pg_catalog: gives a value for every value of the type that it takes, in all of its arguments.
[[nodiscard]] bool never_fails(std::string_view function) noexcept;
// In the argument at that place, counted from 0; `first_constant`: the first argument where it is a literal.
[[nodiscard]] bool never_fails(std::string_view function, std::size_t place, std::string_view first_constant) noexcept;
[[nodiscard]] bool operator_never_fails(std::string_view name) noexcept;
// Is there an operator of that name in pg_catalog.
[[nodiscard]] bool is_builtin_operator(std::string_view name) noexcept;
// A text of some kind, as a type may be named: what any value can be cast to.
[[nodiscard]] bool is_text_type(Node type_name) noexcept;

// Might an expression fail or take long, whatever its columns hold. Only what is surely quick and total is not.
[[nodiscard]] bool may_fail(Node wrapped);

}  // namespace assent::sql
