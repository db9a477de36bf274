// https://www.postgresql.org/docs/current/sql-copy.html, and ProcessCopyOptions of the server: an option that it would take
// and that is not understood here makes the layout `other`, never a guess.
#include "sql/copy_options.h"

#include <algorithm>
#include <optional>

namespace assent::sql {
namespace {

using model::CopyFormat;
using model::CopyLayout;

std::string folded(std::string_view text) {
    std::string out;
    for (const char c : text) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

std::optional<bool> switch_of(Node value) {
    if (!value) return true;
    if (const Node boolean = value.as("Boolean")) return boolean.flag("boolval");
    if (const Node number = value.as("Integer")) {
        if (number.integer("ival") == 0 || number.integer("ival") == 1) return number.integer("ival") == 1;
        return std::nullopt;
    }
    const std::string word = folded(value.string_value());
    if (word == "true" || word == "on") return true;
    if (word == "false" || word == "off") return false;
    return std::nullopt;
}

bool set_character(char& character, Node value) {
    const std::string_view text = value.string_value();
    if (text.size() != 1) return false;
    character = text[0];
    return true;
}

// Names of columns to their places.
bool force_quotes(CopyLayout& layout, Node value, const Columns& columns) {
    if (value.kind() == "A_Star") {
        layout.quotes_all = true;
        return true;
    }
    for (const auto item : value.as("List").list("items")) {
        const std::string_view name = Node(item).string_value();
        for (std::size_t i = 0; i < columns.list.size(); ++i) {
            if (columns.list[i].name == name) layout.quoted_columns.push_back(i);
        }
    }
    return true;
}

// Encodings in which a byte below 0x80 is always that character.
bool is_safe_encoding(std::string_view name) {
    std::string plain;
    for (const char c : folded(name)) {
        if (c != '-' && c != '_') plain += c;
    }
    return plain == "utf8" || plain == "sqlascii" || plain == "latin1";
}

bool apply(CopyLayout& layout, Node option, bool& has_null, bool& has_escape, const Columns& columns) {
    const std::string_view name = option.text("defname");
    const Node value = option.member("arg");
    if (name == "format") {
        const std::string_view word = value.string_value();
        layout.format = word == "text" ? CopyFormat::text : word == "csv" ? CopyFormat::csv : CopyFormat::binary;
        return word == "text" || word == "csv" || word == "binary";
    }
    if (name == "delimiter") return set_character(layout.delimiter, value);
    if (name == "quote") return set_character(layout.quote, value);
    if (name == "escape") {
        has_escape = true;
        return set_character(layout.escape, value);
    }
    if (name == "null") {
        has_null = true;
        layout.null = value.string_value();
        return value.kind() == "String";
    }
    if (name == "header") {
        const auto is_on = switch_of(value);
        layout.has_header = is_on.value_or(false);
        return is_on.has_value();
    }
    if (name == "force_quote") return force_quotes(layout, value, columns);
    if (name == "encoding") return is_safe_encoding(value.string_value());
    return false;
}

// In text format a value may be written just as NULL is, except where NULL begins with a backslash that no value begins
// with.
bool is_null_clear(const CopyLayout& layout) {
    if (layout.format != CopyFormat::text) return true;
    constexpr std::string_view written = "\\bfnrtv";
    return layout.null.size() >= 2 && layout.null[0] == '\\' && written.find(layout.null[1]) == std::string_view::npos &&
           layout.null[1] != layout.delimiter && layout.null.find_first_of("\r\n") == std::string::npos;
}

// What the server refuses as well; were it to take them, fields could not be told apart.
bool has_sense(const CopyLayout& layout) {
    const auto is_end = [](char c) { return c == '\n' || c == '\r' || c == '\0'; };
    if (is_end(layout.delimiter) || is_end(layout.quote) || is_end(layout.escape)) return false;
    if (layout.null.find(layout.delimiter) != std::string::npos) return false;
    constexpr std::string_view never = "\\.abcdefghijklmnopqrstuvwxyz0123456789";
    if (layout.format == CopyFormat::text) return never.find(layout.delimiter) == std::string_view::npos;
    if (layout.format != CopyFormat::csv) return true;
    return layout.delimiter != layout.quote && layout.null.find(layout.quote) == std::string::npos &&
           layout.null.find_first_of("\r\n") == std::string::npos;
}

}  // namespace

CopyLayout copy_layout(Node copy, const Columns& columns) {
    CopyLayout layout;
    layout.format = CopyFormat::text;
    bool is_understood = true;
    bool has_null = false;
    bool has_escape = false;
    bool has_delimiter = false;
    for (const auto item : copy.list("options")) {
        const Node option = Node(item).as("DefElem");
        has_delimiter = has_delimiter || option.text("defname") == "delimiter";
        is_understood = apply(layout, option, has_null, has_escape, columns) && is_understood;
    }
    if (layout.format == CopyFormat::csv) {
        if (!has_delimiter) layout.delimiter = ',';
        if (!has_null) layout.null.clear();
        if (!has_escape) layout.escape = layout.quote;
    }
    if (!is_understood || !is_null_clear(layout) || !has_sense(layout)) layout.format = CopyFormat::other;
    if (columns.is_complete) {
        for (const auto& column : columns.list) layout.types.push_back(column.type);
    }
    return layout;
}

}  // namespace assent::sql
