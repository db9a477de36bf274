// Masks the rows of COPY … TO STDOUT, in text format with its default options and in binary format.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "wire/adapter.h"
#include "wire/postgres/masking.h"

namespace assent::wire::postgres {

class CopyMasker {
public:
    CopyMasker(CopyFormat format, const Digest& key, std::shared_ptr<const std::vector<std::uint32_t>> types)
        : format_(format), key_(key), types_(std::move(types)) {}

    // Takes one CopyData with its header (a server sends whole rows) and appends the masked one. Gives the count of masked
    // fields, or -1 when the bytes are not what the format says (`out` is to be thrown away, and the session to end).
    [[nodiscard]] std::int64_t mask(Bytes message, const model::ResultMasks& masks, ByteVector& out);
    [[nodiscard]] std::uint64_t rows() const { return rows_; }

private:
    bool mask_text(Bytes body, const model::ResultMasks& masks, ByteVector& out);
    bool mask_line(Bytes line, const model::ResultMasks& masks, ByteVector& out);
    bool mask_binary(Bytes body, const model::ResultMasks& masks, ByteVector& out);
    [[nodiscard]] ColumnShape shape_of(std::size_t column, std::size_t count) const;

    CopyFormat format_;
    Digest key_;
    std::shared_ptr<const std::vector<std::uint32_t>> types_;
    bool has_binary_header_ = false;
    bool has_ended_ = false;  // the end marker of binary format has come
    std::int64_t masked_ = 0;
    std::uint64_t rows_ = 0;
};

}  // namespace assent::wire::postgres
