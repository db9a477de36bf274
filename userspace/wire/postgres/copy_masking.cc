// The formats: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9
#include "wire/postgres/copy_masking.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/cursor.h"
#include "wire/postgres/protocol.h"

namespace assent::wire::postgres {
namespace {

using namespace std::string_view_literals;
using model::CopyFormat;

constexpr auto binary_signature = "PGCOPY\n\xff\r\n\0"sv;

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::byte escaped_character(char c) {
    switch (c) {
        case 'b':
            return std::byte{'\b'};
        case 'f':
            return std::byte{'\f'};
        case 'n':
            return std::byte{'\n'};
        case 'r':
            return std::byte{'\r'};
        case 't':
            return std::byte{'\t'};
        case 'v':
            return std::byte{'\v'};
        default:
            return static_cast<std::byte>(c);
    }
}

// A field of text format.
ByteVector unescape(std::string_view field) {
    ByteVector out;
    for (std::size_t i = 0; i < field.size(); ++i) {
        if (field[i] != '\\' || i + 1 == field.size()) {
            out.push_back(static_cast<std::byte>(field[i]));
            continue;
        }
        const char c = field[++i];
        if (c == 'x' && i + 1 < field.size() && hex_digit(field[i + 1]) >= 0) {
            int value = 0;
            for (int k = 0; k < 2 && i + 1 < field.size() && hex_digit(field[i + 1]) >= 0; ++k) {
                value = value * 16 + hex_digit(field[++i]);
            }
            out.push_back(static_cast<std::byte>(value));
        } else if (c >= '0' && c <= '7') {
            int value = c - '0';
            for (int k = 0; k < 2 && i + 1 < field.size() && field[i + 1] >= '0' && field[i + 1] <= '7'; ++k) {
                value = value * 8 + (field[++i] - '0');
            }
            out.push_back(static_cast<std::byte>(value));
        } else {
            out.push_back(escaped_character(c));
        }
    }
    return out;
}

void append_escaped(Bytes value, char delimiter, ByteVector& out) {
    for (const std::byte b : value) {
        char letter = 0;
        switch (static_cast<char>(b)) {
            case '\b':
                letter = 'b';
                break;
            case '\f':
                letter = 'f';
                break;
            case '\n':
                letter = 'n';
                break;
            case '\r':
                letter = 'r';
                break;
            case '\t':
                letter = 't';
                break;
            case '\v':
                letter = 'v';
                break;
            case '\\':
                letter = '\\';
                break;
            default:
                if (static_cast<char>(b) != delimiter) {
                    out.push_back(b);
                    continue;
                }
                letter = delimiter;
                break;
        }
        out.push_back(std::byte{'\\'});
        out.push_back(static_cast<std::byte>(letter));
    }
}

}  // namespace

ColumnShape CopyMasker::shape_of(std::size_t column, std::size_t count) const {
    if (layout_.types.size() != count) return {};
    return {layout_.types[column], layout_.format == CopyFormat::binary};
}

std::int64_t CopyMasker::mask(Bytes message, const model::ResultMasks& masks, ByteVector& out) {
    masked_ = 0;
    MessageWriter writer(out);
    writer.begin('d');
    const Bytes body = message.subspan(header_size);
    bool is_valid = false;
    if (layout_.format == CopyFormat::binary) {
        is_valid = mask_binary(body, masks, out);
    } else if (layout_.format == CopyFormat::text || layout_.format == CopyFormat::csv) {
        is_valid = mask_rows(body, masks, out);
    }
    if (!is_valid) return -1;
    writer.end();
    return masked_;
}

std::optional<CopyMasker::Field> CopyMasker::next_field(std::string_view rest) const {
    const bool is_csv = layout_.format == CopyFormat::csv;
    Field field;
    bool is_inside = false;  // between quotes
    for (std::size_t i = 0; i < rest.size(); ++i) {
        const char c = rest[i];
        if (is_csv && is_inside) {
            const bool is_escape = c == layout_.escape && i + 1 < rest.size() &&
                                   (rest[i + 1] == layout_.quote || rest[i + 1] == layout_.escape);
            if (is_escape) {
                ++i;
            } else if (c == layout_.quote) {
                is_inside = false;
            }
        } else if (is_csv && c == layout_.quote) {
            if (i > 0) return std::nullopt;  // a server quotes whole fields
            field.is_quoted = is_inside = true;
        } else if (!is_csv && c == '\\') {
            if (++i == rest.size()) return std::nullopt;
        } else if (c == layout_.delimiter || c == '\n') {
            field.written = rest.substr(0, i);
            field.ends_row = c == '\n';
            return field;
        } else if (field.is_quoted) {
            return std::nullopt;  // something behind the closing quote
        }
    }
    return std::nullopt;
}

// Fields of the row that begins here; 0: it does not end.
std::size_t CopyMasker::field_count(std::string_view row) const {
    for (std::size_t count = 1;; ++count) {
        const auto field = next_field(row);
        if (!field) return 0;
        if (field->ends_row) return count;
        row.remove_prefix(field->written.size() + 1);
    }
}

bool CopyMasker::mask_rows(Bytes body, const model::ResultMasks& masks, ByteVector& out) {
    std::string_view rest = as_text(body);
    while (!rest.empty()) {
        const std::size_t count = field_count(rest);
        if (count == 0) return false;
        const bool is_header = rows_++ == 0 && layout_.has_header;
        for (std::size_t column = 0; column < count; ++column) {
            const Field field = *next_field(rest);
            rest.remove_prefix(field.written.size() + 1);
            const model::MaskMethod method = is_header ? model::MaskMethod() : method_of(masks, column, count);
            mask_field(field, column, count, method, out);
            out.push_back(static_cast<std::byte>(field.ends_row ? '\n' : layout_.delimiter));
        }
    }
    return true;
}

void CopyMasker::mask_field(const Field& field, std::size_t column, std::size_t count, const model::MaskMethod& method,
                            ByteVector& out) {
    const bool is_null = !field.is_quoted && field.written == layout_.null;
    if (is_null || method.kind == model::MaskKind::none) {
        append(out, as_bytes(field.written));
        return;
    }
    ++masked_;
    ByteVector masked;
    if (!mask_value(method, shape_of(column, count), value_of(field), key_, masked)) {
        append(out, as_bytes(layout_.null));
    } else if (layout_.format == CopyFormat::csv) {
        append_quoted(masked, column, count, out);
    } else {
        append_escaped(masked, layout_.delimiter, out);
    }
}

ByteVector CopyMasker::value_of(const Field& field) const {
    if (layout_.format == CopyFormat::text) return unescape(field.written);
    ByteVector value;
    if (!field.is_quoted) {
        append(value, as_bytes(field.written));
        return value;
    }
    const std::string_view inside = field.written.substr(1, field.written.size() - 2);
    for (std::size_t i = 0; i < inside.size(); ++i) {
        const bool is_escape = inside[i] == layout_.escape && i + 1 < inside.size() &&
                               (inside[i + 1] == layout_.quote || inside[i + 1] == layout_.escape);
        if (is_escape) ++i;
        value.push_back(static_cast<std::byte>(inside[i]));
    }
    return value;
}

// As the server quotes; whether the value itself was quoted would tell something of it.
void CopyMasker::append_quoted(Bytes value, std::size_t column, std::size_t count, ByteVector& out) const {
    const std::string_view text = as_text(value);
    const std::string special = {layout_.delimiter, layout_.quote, '\n', '\r'};
    const bool is_forced = layout_.quotes_all || std::find(layout_.quoted_columns.begin(), layout_.quoted_columns.end(),
                                                           column) != layout_.quoted_columns.end();
    if (!is_forced && text != layout_.null && !(count == 1 && text == "\\.") &&
        text.find_first_of(special) == std::string_view::npos) {
        append(out, value);
        return;
    }
    out.push_back(static_cast<std::byte>(layout_.quote));
    for (const char c : text) {
        if (c == layout_.quote || c == layout_.escape) out.push_back(static_cast<std::byte>(layout_.escape));
        out.push_back(static_cast<std::byte>(c));
    }
    out.push_back(static_cast<std::byte>(layout_.quote));
}

bool CopyMasker::mask_binary(Bytes body, const model::ResultMasks& masks, ByteVector& out) {
    Cursor cursor(body);
    MessageWriter writer(out);
    if (!has_binary_header_) {
        if (as_text(cursor.bytes(binary_signature.size())) != binary_signature) return false;
        const std::uint32_t flags = cursor.u32();
        const std::uint32_t extension = cursor.u32();
        if (!cursor.ok() || flags != 0 || extension != 0) return false;
        append(out, body.first(binary_signature.size() + 8));
        has_binary_header_ = true;
    }
    while (cursor.ok() && !cursor.at_end()) {
        if (has_ended_) return false;
        const std::int16_t count = cursor.i16();
        writer.u16(static_cast<std::uint16_t>(count));
        if (count < 0) {
            has_ended_ = count == -1;
            if (!has_ended_) return false;
            continue;
        }
        ++rows_;
        const auto columns = static_cast<std::size_t>(count);
        for (std::size_t column = 0; column < columns && cursor.ok(); ++column) {
            const std::int32_t size = cursor.i32();
            if (size < -1) return false;
            const Bytes value = size > 0 ? cursor.bytes(static_cast<std::size_t>(size)) : Bytes();
            const model::MaskMethod method = method_of(masks, column, columns);
            if (size < 0 || method.kind == model::MaskKind::none) {
                writer.u32(static_cast<std::uint32_t>(size)).bytes(value);
                continue;
            }
            ++masked_;
            ByteVector masked;
            const bool has_value = mask_value(method, shape_of(column, columns), value, key_, masked);
            writer.u32(has_value ? static_cast<std::uint32_t>(masked.size()) : 0xffff'ffffU).bytes(masked);
        }
    }
    return cursor.ok();
}

}  // namespace assent::wire::postgres
