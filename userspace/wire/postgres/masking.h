// Hides fields of results before they leave.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/digest.h"
#include "model/mask.h"

namespace assent::wire::postgres {

struct ColumnShape {
    std::uint32_t type = 0;  // pg_type oid; 0: not known, and then a masked field becomes null
    bool is_binary = false;
};

// Appends what stands for `value`. False: null stands for it, and nothing was appended.
[[nodiscard]] bool mask_value(const model::MaskMethod& method, ColumnShape shape, Bytes value, const Digest& key,
                              ByteVector& out);

// The mask of a column in a row of `column_count` columns.
[[nodiscard]] model::MaskMethod method_of(const model::ResultMasks& masks, std::size_t column, std::size_t column_count);

// Takes a DataRow with its header and appends the masked one. `shapes` may be empty or of another length than the row: the
// types are not known then. Gives the count of masked fields, or -1 when the row is malformed (`out` is to be thrown away).
[[nodiscard]] std::int64_t mask_row(Bytes message, const model::ResultMasks& masks, std::span<const ColumnShape> shapes,
                                    const Digest& key, ByteVector& out);

// Takes a RowDescription with its header. False: malformed.
[[nodiscard]] bool read_row_description(Bytes message, std::vector<ColumnShape>& shapes);

}  // namespace assent::wire::postgres
