#include "sql/shape.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "sql/lexer.h"
#include "sql/tree.h"

namespace assent::sql {
namespace {

constexpr char integer_mark = '\x01';
constexpr char string_mark = '\x02';
constexpr std::size_t integer_digits = 9;  // that many always make an int4

// What would make one token of a number or a quote and its neighbour.
bool joins(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '.' || c == '&' ||
           c == '\'' || static_cast<unsigned char>(c) >= 0x80;
}

bool is_plain_string(std::string_view token) {
    if (token.size() < 2 || token.front() != '\'' || token.back() != '\'') return false;
    const std::string_view inside = token.substr(1, token.size() - 2);
    return std::ranges::all_of(inside, [](char c) { return c >= ' ' && c < 0x7F && c != '\'' && c != '\\'; });
}

bool is_plain_integer(std::string_view token) {
    return token.size() <= integer_digits && std::ranges::all_of(token, is_digit);
}

using Places = std::vector<std::pair<std::size_t, Constant::Kind>>;

void collect_constants(simdjson::dom::element element, Places& places) {
    if (simdjson::dom::array items; element.get(items) == simdjson::SUCCESS) {
        for (const auto item : items) collect_constants(item, places);
        return;
    }
    simdjson::dom::object members;
    if (element.get(members) != simdjson::SUCCESS) return;
    for (const auto [key, value] : members) {
        if (key == "A_Const") {
            const Node constant(value);
            const auto offset = static_cast<std::size_t>(std::max<std::int64_t>(constant.integer("location"), 0));
            if (constant.member("ival")) places.emplace_back(offset, Constant::Kind::integer);
            if (constant.member("sval")) places.emplace_back(offset, Constant::Kind::string);
        } else {
            collect_constants(value, places);
        }
    }
}

}  // namespace

bool Shape::read(std::string_view text) {
    key.clear();
    constants.clear();
    if (text.size() > limits::analysis_cache_text) return false;
    if (text.find(integer_mark) != std::string_view::npos || text.find(string_mark) != std::string_view::npos) return false;
    std::size_t kept = 0;  // up to there the text is in the key
    std::optional<std::size_t> minus;
    Lexer lexer(text);
    while (const auto token = lexer.next()) {
        const auto sign = std::exchange(minus, token->text == "-" ? std::optional(token->offset) : std::nullopt);
        const bool is_integer = token->kind == TokenKind::number && is_plain_integer(token->text);
        if (!is_integer && !(token->kind == TokenKind::quoted && is_plain_string(token->text))) continue;
        const std::size_t end = token->offset + token->text.size();
        if ((token->offset > 0 && joins(text[token->offset - 1])) || (end < text.size() && joins(text[end]))) continue;
        key.append(text, kept, token->offset - kept);
        key.push_back(is_integer ? integer_mark : string_mark);
        const auto kind = is_integer ? Constant::Kind::integer : Constant::Kind::string;
        constants.push_back({kind, token->offset, sign.value_or(token->offset)});
        kept = end;
    }
    key.append(text, kept);
    return !constants.empty();
}

bool may_lend_tree(const Parsed& parsed, const Shape& shape) {
    static constexpr std::array<std::string_view, 4> kinds = {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt"};
    if (parsed.tree == nullptr || parsed.statement_count != 1 || parsed.names_depend_on_constants) return false;
    const Node statement = Node(*parsed.tree->statements().begin()).member("stmt");
    if (std::ranges::find(kinds, statement.kind()) == kinds.end() || !parsed.tree->nested_.empty()) return false;
    Places places;
    collect_constants(statement.element(), places);
    std::ranges::sort(places);
    return std::ranges::all_of(shape.constants, [&](const Constant& constant) {
        return std::ranges::binary_search(places, std::pair(constant.offset, constant.kind)) ||
               std::ranges::binary_search(places, std::pair(constant.sign, constant.kind));
    });
}

std::shared_ptr<const Parsed> with_text(const Parsed& lender, std::string_view text) {
    auto parsed = std::make_shared<Parsed>(lender);
    parsed->text = text;
    parsed->has_lent_tree = true;
    return parsed;
}

}  // namespace assent::sql
