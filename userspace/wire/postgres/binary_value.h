// Values in PostgreSQL's binary format, as text that a person can read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace assent::wire::postgres {

// The server's name of a type: "int4", "text[]"; "type 600" for one that is not decoded here, "type not said" for 0.
[[nodiscard]] std::string type_name(std::uint32_t type);

// The value as the server would write it (times in ISO, with zone in UTC; bytea in hex). Nothing: the type is not decoded
// here, or the bytes are not of it.
[[nodiscard]] std::optional<std::string> text_of_binary(std::uint32_t type, Bytes value);

// Must the text stand in quotes to be told from others: texts and what is made of them; numbers and truth values not.
[[nodiscard]] bool is_quoted_type(std::uint32_t type);

}  // namespace assent::wire::postgres
