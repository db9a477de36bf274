#include "sql/may_fail.h"

#include <algorithm>
#include <array>
#include <string>

namespace assent::sql {
namespace {

// Whatever their arguments are.
constexpr auto total_functions = std::to_array<std::string_view>({
    "any_value",
    "array_agg",
    "array_length",
    "array_ndims",
    "array_to_json",
    "array_to_string",
    "ascii",
    "avg",
    "bit_length",
    "bool_and",
    "bool_or",
    "btrim",
    "cardinality",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "dense_rank",
    "every",
    "first_value",
    "floor",
    "hashtext",
    "hashtextextended",
    "initcap",
    "isfinite",
    "json_agg",
    "json_build_array",
    "json_strip_nulls",
    "json_typeof",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_extract_path",
    "jsonb_extract_path_text",
    "jsonb_strip_nulls",
    "jsonb_typeof",
    "json_extract_path",
    "json_extract_path_text",
    "lag",
    "last_value",
    "lead",
    "left",
    "length",
    "lower",
    "ltrim",
    "max",
    "md5",
    "min",
    "name",
    "num_nonnulls",
    "num_nulls",
    "octet_length",
    "percent_rank",
    "pg_column_size",
    "pg_typeof",
    "position",
    "quote_ident",
    "quote_literal",
    "quote_nullable",
    "rank",
    "replace",
    "reverse",
    "right",
    "row_number",
    "row_to_json",
    "rtrim",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "sign",
    "starts_with",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "strpos",
    "sum",
    "text",
    "textcat",
    "to_hex",
    "to_json",
    "to_jsonb",
    "to_tsvector",
    "translate",
    "upper",
    "var_pop",
    "var_samp",
    "variance",
});

// Whatever their first argument is: a length, a pattern or a format behind it may be wrong.
constexpr auto total_of_first = std::to_array<std::string_view>({
    "encode",
    "lpad",
    "nth_value",
    "overlay",
    "regexp_replace",
    "round",
    "rpad",
    "split_part",
    "substr",
    "substring",
    "to_char",
    "trunc",
});

// Whatever their other arguments are: a field of a time.
constexpr auto total_but_first = std::to_array<std::string_view>({"date_part", "date_trunc", "extract"});

// Of pairs of key and value: a key that is NULL is an error.
constexpr auto total_of_values = std::to_array<std::string_view>({
    "json_build_object",
    "json_object_agg",
    "jsonb_build_object",
    "jsonb_object_agg",
});

// Operators of pg_catalog, as PostgreSQL 13 to 17 have them.
constexpr auto operators = std::to_array<std::string_view>({
    "!!", "!~",  "!~*", "!~~", "!~~*", "#",   "##",   "#-",  "#<=", "#=",   "#>",  "#>=", "#>>", "%",   "&",   "&&",
    "&<", "&<|", "&>",  "*",   "*<",   "*<=", "*<>",  "*=",  "*>",  "*>=",  "+",   "-",   "->",  "->>", "-|-", "/",
    "<",  "<->", "<<",  "<<=", "<<|",  "<=",  "<>",   "<@",  "<^",  "=",    ">",   ">=",  ">>",  ">>=", ">^",  "?",
    "?#", "?&",  "?-",  "?-|", "?|",   "?||", "@",    "@-@", "@>",  "@?",   "@@",  "@@@", "^",   "^@",  "|",   "|&>",
    "|/", "|>>", "||",  "||/", "~",    "~*",  "~<=~", "~<~", "~=",  "~>=~", "~>~", "~~",  "~~*",
});

constexpr auto total_operators = std::to_array<std::string_view>({
    "=",   "<>", "!=",  "<",  ">",  "<=", ">=", "~~", "!~~", "~~*", "!~~*", "~",  "!~",  "~*",   "!~*", "||",   "->",
    "->>", "#>", "#>>", "@>", "<@", "?",  "?|", "?&", "&&",  "^@",  "@?",   "@@", "~<~", "~<=~", "~>~", "~>=~",
});

template <typename List>
bool holds(const List& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

std::string_view last_name(simdjson::dom::array list) {
    std::string_view last;
    for (const auto item : list) last = Node(item).string_value();
    return last;
}

bool any_may_fail(simdjson::dom::array list) {
    return std::any_of(list.begin(), list.end(), [](const auto item) { return may_fail(Node(item)); });
}

bool parts_may_fail(Node body, std::initializer_list<std::string_view> nodes,
                    std::initializer_list<std::string_view> lists) {
    return std::any_of(nodes.begin(), nodes.end(), [&](std::string_view key) { return may_fail(body.member(key)); }) ||
           std::any_of(lists.begin(), lists.end(), [&](std::string_view key) { return any_may_fail(body.list(key)); });
}

}  // namespace

bool never_fails(std::string_view function, std::size_t place, std::string_view first_constant) noexcept {
    if (holds(total_functions, function)) return true;
    if (holds(total_of_first, function)) return place == 0;
    if (holds(total_but_first, function)) return place > 0;
    if (holds(total_of_values, function)) return place % 2 == 1;
    // %I takes no NULL.
    return function == "format" && place > 0 && !first_constant.empty() &&
           first_constant.find('I') == std::string_view::npos;
}

bool never_fails(std::string_view function) noexcept { return holds(total_functions, function); }

bool operator_never_fails(std::string_view name) noexcept { return holds(total_operators, name); }

bool is_builtin_operator(std::string_view name) noexcept { return name == "!=" || holds(operators, name); }

bool is_text_type(Node type_name) noexcept {
    constexpr auto texts = std::to_array<std::string_view>({"text", "varchar", "bpchar", "name"});
    return type_name.size("arrayBounds") == 0 && holds(texts, last_name(type_name.list("names")));
}

bool may_fail(Node wrapped) {
    const std::string_view kind = wrapped.kind();
    const Node body = wrapped.body();
    if (kind.empty() || kind == "A_Const" || kind == "ColumnRef" || kind == "ParamRef" || kind == "SQLValueFunction")
        return false;
    if (kind == "TypeCast") {
        // A constant is cast before anything is read.
        if (body.member("arg").kind() == "A_Const") return false;
        return !is_text_type(body.member("typeName")) || may_fail(body.member("arg"));
    }
    if (kind == "A_Expr") {
        const bool is_total = operator_never_fails(last_name(body.list("name"))) || body.text("kind") != "AEXPR_OP";
        return !is_total || parts_may_fail(body, {"lexpr", "rexpr"}, {});
    }
    if (kind == "FuncCall") {
        return !never_fails(last_name(body.list("funcname"))) || parts_may_fail(body, {}, {"args"});
    }
    if (kind == "List") return any_may_fail(body.list("items"));
    if (kind == "CaseExpr") return parts_may_fail(body, {"arg", "defresult"}, {"args"});
    if (kind == "CaseWhen") return parts_may_fail(body, {"expr", "result"}, {});
    if (kind == "BoolExpr" || kind == "CoalesceExpr" || kind == "MinMaxExpr" || kind == "RowExpr")
        return parts_may_fail(body, {}, {"args"});
    if (kind == "NullTest" || kind == "BooleanTest" || kind == "CollateClause") return parts_may_fail(body, {"arg"}, {});
    if (kind == "A_ArrayExpr") return parts_may_fail(body, {}, {"elements"});
    return true;
}

}  // namespace assent::sql
