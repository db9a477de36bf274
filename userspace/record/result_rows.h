// A recorded result, which is the PostgreSQL messages that the agent got (RowDescription, DataRow; protocol 3, "Message
// Formats"), as rows that people can read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace assent::record {

struct ResultRows {
    std::vector<std::string> columns;  // empty when the record does not name them
    // Fields as text; binary ones as "\x…"; nothing for NULL.
    std::vector<std::vector<std::optional<std::string>>> rows;
    bool is_cut = false;  // more rows were sent than are recorded
};

// Never fails: what cannot be read ends the rows, as does a message that was cut.
[[nodiscard]] ResultRows read_result(Bytes body);

}  // namespace assent::record
