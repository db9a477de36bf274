#include "wire/postgres/masking.h"

#include <algorithm>

#include "base/cursor.h"
#include "base/limits.h"
#include "wire/postgres/protocol.h"

namespace assent::wire::postgres {
namespace {

using model::MaskKind;
using model::MaskMethod;

// Oids of pg_type that never change.
constexpr std::uint32_t type_name = 19;
constexpr std::uint32_t type_text = 25;
constexpr std::uint32_t type_json = 114;
constexpr std::uint32_t type_bpchar = 1042;
constexpr std::uint32_t type_varchar = 1043;
constexpr std::uint32_t type_jsonb = 3802;
constexpr std::byte jsonb_version{1};
constexpr std::size_t hash_digits = 16;

bool is_text(std::uint32_t type) {
    return type == type_text || type == type_varchar || type == type_bpchar || type == type_name;
}

bool is_continuation(std::byte b) { return (std::to_integer<unsigned>(b) & 0xC0U) == 0x80U; }

std::size_t utf8_length(std::byte lead) {
    const auto value = std::to_integer<unsigned>(lead);
    if (value < 0x80U) return 1;
    if (value >= 0xC2U && value < 0xE0U) return 2;
    if (value >= 0xE0U && value < 0xF0U) return 3;
    if (value >= 0xF0U && value < 0xF5U) return 4;
    return 0;
}

// Characters of `value`, which becomes bytes where it is not UTF-8: a client may have asked for another encoding, and then
// counting bytes shows less, never more.
std::vector<Bytes> characters_of(Bytes value) {
    std::vector<Bytes> characters;
    for (std::size_t i = 0; i < value.size();) {
        const std::size_t size = utf8_length(value[i]);
        bool is_valid = size > 0 && i + size <= value.size();
        for (std::size_t k = 1; is_valid && k < size; ++k) is_valid = is_continuation(value[i + k]);
        if (!is_valid) {
            characters.clear();
            for (std::size_t k = 0; k < value.size(); ++k) characters.push_back(value.subspan(k, 1));
            return characters;
        }
        characters.push_back(value.subspan(i, size));
        i += size;
    }
    return characters;
}

void append_partial(const MaskMethod& method, Bytes value, ByteVector& out) {
    const auto characters = characters_of(value);
    const std::size_t count = characters.size();
    std::size_t first = method.keep_first;
    std::size_t last = method.keep_last;
    // Shown in full or nearly so would be no mask.
    if (first + last > count / 2) first = last = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (i < first || i >= count - last) {
            append(out, characters[i]);
        } else {
            out.push_back(std::byte{'*'});
        }
    }
}

bool mask_json(const MaskMethod& method, ColumnShape shape, ByteVector& out) {
    if (method.kind != MaskKind::redact) return false;
    if (shape.type == type_jsonb && shape.is_binary) out.push_back(jsonb_version);
    out.push_back(std::byte{'"'});
    append(out, as_bytes(model::redacted_text));
    out.push_back(std::byte{'"'});
    return true;
}

void put_length(ByteVector& out, std::size_t at, std::size_t length) {
    for (unsigned i = 0; i < 4; ++i) out[at + i] = static_cast<std::byte>(length >> ((3 - i) * 8U));
}

}  // namespace

bool mask_value(const MaskMethod& method, ColumnShape shape, Bytes value, const Digest& key, ByteVector& out) {
    if (shape.type == type_json || shape.type == type_jsonb) return mask_json(method, shape, out);
    if (!is_text(shape.type)) return false;
    switch (method.kind) {
        case MaskKind::redact:
            append(out, as_bytes(model::redacted_text));
            return true;
        case MaskKind::hash: {
            const Digest digest = hmac_sha256(key, value);
            append(out, as_bytes("masked:"));
            append(out, as_bytes(to_hex(Bytes(digest).first(hash_digits / 2))));
            return true;
        }
        case MaskKind::partial:
            append_partial(method, value, out);
            return true;
        case MaskKind::none:
        case MaskKind::null:
            break;
    }
    return false;
}

MaskMethod method_of(const model::ResultMasks& masks, std::size_t column, std::size_t column_count) {
    if (!masks.covers_all_columns && masks.columns.size() == column_count) return masks.columns[column].method;
    // Nothing was planned for this column (a plan without columns is one that masks nothing, when it says so itself).
    if (masks.otherwise.method.kind == MaskKind::none) return {.kind = MaskKind::null};
    return masks.otherwise.method;
}

std::int64_t mask_row(Bytes message, const model::ResultMasks& masks, std::span<const ColumnShape> shapes, const Digest& key,
                      ByteVector& out) {
    Cursor cursor(message);
    cursor.bytes(header_size);
    const std::size_t count = cursor.u16();
    const bool has_shapes = shapes.size() == count;
    std::int64_t masked = 0;
    MessageWriter writer(out);
    writer.begin('D').u16(static_cast<std::uint16_t>(count));
    for (std::size_t column = 0; column < count && cursor.ok(); ++column) {
        const std::int32_t size = cursor.i32();
        if (size < 0) {
            if (size != -1) return -1;
            writer.u32(0xffff'ffffU);
            continue;
        }
        const Bytes value = cursor.bytes(static_cast<std::size_t>(size));
        const MaskMethod method = method_of(masks, column, count);
        if (method.kind == MaskKind::none) {
            writer.u32(static_cast<std::uint32_t>(size)).bytes(value);
            continue;
        }
        ++masked;
        const std::size_t length_at = out.size();
        writer.u32(0xffff'ffffU);
        const ColumnShape shape = has_shapes ? shapes[column] : ColumnShape{};
        if (mask_value(method, shape, value, key, out)) put_length(out, length_at, out.size() - length_at - 4);
    }
    if (!cursor.finished()) return -1;
    writer.end();
    return masked;
}

bool read_row_description(Bytes message, std::vector<ColumnShape>& shapes) {
    shapes.clear();
    Cursor cursor(message);
    cursor.bytes(header_size);
    const std::size_t count = cursor.u16();
    if (count > limits::result_columns) return false;
    for (std::size_t i = 0; i < count && cursor.ok(); ++i) {
        cursor.c_string();
        cursor.u32();  // relation
        cursor.u16();  // its column
        const std::uint32_t type = cursor.u32();
        cursor.u16();  // size of the type
        cursor.u32();  // modifier of the type
        shapes.push_back({type, cursor.u16() == 1});
    }
    return cursor.finished();
}

}  // namespace assent::wire::postgres
