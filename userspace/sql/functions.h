// What the server's own functions do, from a table made of pg_proc by tools/generate-functions (which explains it).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace assent::sql {

enum class FunctionClass : std::uint8_t {
    execute = 0,
    harmless,
    external,
    lock,
    set_config,
    sequence,
    sequence_read,
    notify,
    hidden,
    activity,
    large_object,
    large_write,
    statistics,
};

struct BuiltinFunction {
    std::string_view name;  // of information_schema: with its schema
    FunctionClass kind = FunctionClass::execute;
    bool may_return_set = false;
    bool is_aggregate = false;
    bool gives_one_column = false;  // in FROM: its value is never a row of several columns
};

// Of pg_catalog, or "information_schema.name".
[[nodiscard]] const BuiltinFunction* builtin_function(std::string_view name) noexcept;

}  // namespace assent::sql
