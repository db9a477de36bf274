// Masks the rows of COPY … TO STDOUT: text, CSV and binary.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "model/copy.h"
#include "wire/postgres/masking.h"

namespace assent::wire::postgres {

class CopyMasker {
public:
    CopyMasker(model::CopyLayout layout, const Digest& key) : layout_(std::move(layout)), key_(key) {}

    // Is it known how the rows are written; `is_binary` is what the server says of them.
    [[nodiscard]] static bool can_mask(const model::CopyLayout& layout, bool is_binary) {
        if (is_binary) return layout.format == model::CopyFormat::binary;
        return layout.format == model::CopyFormat::text || layout.format == model::CopyFormat::csv;
    }
    // Takes one CopyData with its header (a server sends whole rows) and appends the masked one. Gives the count of masked
    // fields, or -1 when the bytes are not what the format says (`out` is to be thrown away, and the session to end).
    [[nodiscard]] std::int64_t mask(Bytes message, const model::ResultMasks& masks, ByteVector& out);
    [[nodiscard]] std::uint64_t rows() const { return rows_; }

private:
    // A field of a row in text or CSV: as it is written, and where the next one begins.
    struct Field {
        std::string_view written;
        bool is_quoted = false;
        bool ends_row = false;
    };
    bool mask_rows(Bytes body, const model::ResultMasks& masks, ByteVector& out);
    // Nothing: the bytes are not what the layout says.
    [[nodiscard]] std::optional<Field> next_field(std::string_view rest) const;
    [[nodiscard]] std::size_t field_count(std::string_view row) const;
    void mask_field(const Field& field, std::size_t column, std::size_t count, const model::MaskMethod& method,
                    ByteVector& out);
    [[nodiscard]] ByteVector value_of(const Field& field) const;
    void append_quoted(Bytes value, std::size_t column, std::size_t count, ByteVector& out) const;
    bool mask_binary(Bytes body, const model::ResultMasks& masks, ByteVector& out);
    [[nodiscard]] ColumnShape shape_of(std::size_t column, std::size_t count) const;

    model::CopyLayout layout_;
    Digest key_;
    bool has_binary_header_ = false;
    bool has_ended_ = false;  // the end marker of binary format has come
    std::int64_t masked_ = 0;
    std::uint64_t rows_ = 0;
};

}  // namespace assent::wire::postgres
