// The formats: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9
#include "wire/postgres/copy_masking.h"

#include <algorithm>
#include <string_view>

#include "base/cursor.h"
#include "wire/postgres/protocol.h"

namespace assent::wire::postgres {
namespace {

using namespace std::string_view_literals;
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

void append_escaped(Bytes value, ByteVector& out) {
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
                out.push_back(b);
                continue;
        }
        out.push_back(std::byte{'\\'});
        out.push_back(static_cast<std::byte>(letter));
    }
}

}  // namespace

ColumnShape CopyMasker::shape_of(std::size_t column, std::size_t count) const {
    if (types_ == nullptr || types_->size() != count) return {};
    return {(*types_)[column], format_ == CopyFormat::binary};
}

std::int64_t CopyMasker::mask(Bytes message, const model::ResultMasks& masks, ByteVector& out) {
    masked_ = 0;
    MessageWriter writer(out);
    writer.begin('d');
    const Bytes body = message.subspan(header_size);
    bool is_valid = false;
    if (format_ == CopyFormat::text) is_valid = mask_text(body, masks, out);
    if (format_ == CopyFormat::binary) is_valid = mask_binary(body, masks, out);
    if (!is_valid) return -1;
    writer.end();
    return masked_;
}

bool CopyMasker::mask_text(Bytes body, const model::ResultMasks& masks, ByteVector& out) {
    while (!body.empty()) {
        const auto end = std::find(body.begin(), body.end(), std::byte{'\n'});
        if (end == body.end()) return false;
        const auto size = static_cast<std::size_t>(end - body.begin());
        if (!mask_line(body.first(size), masks, out)) return false;
        out.push_back(std::byte{'\n'});
        body = body.subspan(size + 1);
    }
    return true;
}

bool CopyMasker::mask_line(Bytes line, const model::ResultMasks& masks, ByteVector& out) {
    if (as_text(line) == "\\.") {
        append(out, line);
        return true;
    }
    ++rows_;
    // A tab inside a value is always escaped, so every tab parts two fields. A relation without columns gives empty lines,
    // which look like one empty field.
    const std::size_t count = 1 + static_cast<std::size_t>(std::count(line.begin(), line.end(), std::byte{'\t'}));
    std::string_view rest = as_text(line);
    for (std::size_t column = 0; column < count; ++column) {
        const std::size_t size = std::min(rest.find('\t'), rest.size());
        const std::string_view field = rest.substr(0, size);
        rest.remove_prefix(std::min(size + 1, rest.size()));
        if (column > 0) out.push_back(std::byte{'\t'});
        const model::MaskMethod method = method_of(masks, column, count);
        if (field == "\\N" || method.kind == model::MaskKind::none) {
            append(out, as_bytes(field));
            continue;
        }
        ++masked_;
        ByteVector masked;
        if (mask_value(method, shape_of(column, count), unescape(field), key_, masked)) {
            append_escaped(masked, out);
        } else {
            append(out, as_bytes("\\N"));
        }
    }
    return true;
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
