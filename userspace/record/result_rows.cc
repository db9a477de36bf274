#include "record/result_rows.h"

#include <algorithm>

#include "base/cursor.h"
#include "base/limits.h"

namespace assent::record {
namespace {

bool is_printable(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t' || c == '\r'; });
}

struct Columns {
    std::vector<std::string> names;
    std::vector<bool> are_binary;
};

std::optional<Columns> read_columns(Bytes message) {
    Cursor cursor(message);
    const std::size_t count = cursor.u16();
    if (count > limits::result_columns) return std::nullopt;
    Columns out;
    for (std::size_t i = 0; i < count; ++i) {
        out.names.emplace_back(cursor.c_string());
        (void)cursor.bytes(16);  // table, attribute, type, type size, modifier
        out.are_binary.push_back(cursor.u16() == 1);
    }
    if (!cursor.finished()) return std::nullopt;
    return out;
}

std::optional<std::string> read_field(Cursor& cursor, std::optional<bool> is_binary) {
    const std::int32_t size = cursor.i32();
    if (size < 0) return std::nullopt;
    const Bytes bytes = cursor.bytes(static_cast<std::size_t>(size));
    // Without a RowDescription the format is not known: what nobody would print is binary.
    if (is_binary.value_or(!is_printable(as_text(bytes)))) return "\\x" + to_hex(bytes);
    return std::string(as_text(bytes));
}

}  // namespace

ResultRows read_result(Bytes body) {
    ResultRows out;
    std::vector<bool> are_binary;
    Cursor cursor(body);
    while (!cursor.at_end()) {
        const auto type = static_cast<char>(cursor.u8());
        const std::uint32_t length = cursor.u32();
        const Bytes message = length < sizeof length ? Bytes() : cursor.bytes(length - sizeof length);
        if (!cursor.ok() || length < sizeof length) {
            out.is_cut = true;
            return out;
        }
        if (type == 'T') {
            auto columns = read_columns(message);
            if (columns && out.columns.empty()) out.columns = std::move(columns->names);
            if (columns) are_binary = std::move(columns->are_binary);
        }
        if (type != 'D') continue;
        Cursor fields(message);
        const std::size_t count = fields.u16();
        std::vector<std::optional<std::string>> row;
        for (std::size_t i = 0; i < count && fields.ok(); ++i) {
            row.push_back(read_field(fields, i < are_binary.size() ? std::optional<bool>(are_binary[i]) : std::nullopt));
        }
        if (!fields.finished()) {
            out.is_cut = true;
            return out;
        }
        out.rows.push_back(std::move(row));
    }
    return out;
}

}  // namespace assent::record
