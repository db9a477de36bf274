#include "sql/lexer.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace assent::sql {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool starts_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool continues_word(char c) { return starts_word(c) || is_digit(c) || c == '$'; }
bool is_operator(char c) { return std::string_view("+-*/<>=~!@#%^&|`?").find(c) != std::string_view::npos; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr std::size_t saturated_product(std::size_t a, std::size_t b) {
    return b != 0 && a > std::numeric_limits<std::size_t>::max() / b ? std::numeric_limits<std::size_t>::max() : a * b;
}

}  // namespace

void Lexer::skip_blank() noexcept {
    while (at_ < text_.size()) {
        if (is_blank(text_[at_])) {
            ++at_;
        } else if (text_.substr(at_, 2) == "--") {
            at_ = std::min(text_.find_first_of("\n\r", at_), text_.size());
        } else if (text_.substr(at_, 2) == "/*") {
            std::size_t depth = 0;
            do {
                if (text_.substr(at_, 2) == "/*") {
                    ++depth;
                    at_ += 2;
                } else if (text_.substr(at_, 2) == "*/") {
                    --depth;
                    at_ += 2;
                } else {
                    ++at_;
                }
            } while (depth > 0 && at_ < text_.size());
        } else {
            return;
        }
    }
}

std::size_t Lexer::after_quote(std::size_t from, char quote, bool has_escapes) const noexcept {
    for (std::size_t i = from; i < text_.size(); ++i) {
        if (has_escapes && text_[i] == '\\') {
            ++i;
        } else if (text_[i] == quote) {
            if (i + 1 < text_.size() && text_[i + 1] == quote) {
                ++i;
            } else {
                return i + 1;
            }
        }
    }
    return text_.size();
}

std::size_t Lexer::after_escaped_string(std::size_t from) const noexcept {
    // A string goes on after white space with a line feed in it, and its escapes with it.
    for (;;) {
        const std::size_t end = after_quote(from, '\'', true);
        std::size_t i = end;
        bool has_line_feed = false;
        for (; i < text_.size(); ++i) {
            if (text_.substr(i, 2) == "--") i = std::min(text_.find_first_of("\n\r", i), text_.size());
            if (i >= text_.size() || !is_blank(text_[i])) break;
            has_line_feed = has_line_feed || text_[i] == '\n' || text_[i] == '\r';
        }
        if (!has_line_feed || i >= text_.size() || text_[i] != '\'') return end;
        from = i + 1;
    }
}

std::size_t Lexer::after_dollar_quote(std::size_t from) const noexcept {
    std::size_t end = from + 1;
    if (end < text_.size() && starts_word(text_[end])) {
        while (end < text_.size() && (starts_word(text_[end]) || is_digit(text_[end]))) ++end;
    }
    if (end >= text_.size() || text_[end] != '$') return from;
    const std::string_view tag = text_.substr(from, end - from + 1);
    const std::size_t closing = text_.find(tag, end + 1);
    return closing == std::string_view::npos ? text_.size() : closing + tag.size();
}

std::optional<Token> Lexer::next() noexcept {
    skip_blank();
    if (at_ >= text_.size()) return std::nullopt;
    const std::size_t start = at_;
    const char c = text_[at_];
    TokenKind kind = TokenKind::sign;
    if (c == '\'' || c == '"') {
        kind = TokenKind::quoted;
        at_ = after_quote(at_ + 1, c, false);
    } else if ((c == 'e' || c == 'E') && text_.substr(at_ + 1, 1) == "'") {
        kind = TokenKind::quoted;
        at_ = after_escaped_string(at_ + 2);
    } else if (starts_word(c)) {
        kind = TokenKind::word;
        while (at_ < text_.size() && continues_word(text_[at_])) ++at_;
    } else if (is_digit(c)) {
        kind = TokenKind::number;
        while (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '.')) ++at_;
    } else if (c == '$' && after_dollar_quote(at_) != at_) {
        kind = TokenKind::quoted;
        at_ = after_dollar_quote(at_);
    } else if (c == '$' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1])) {
        // A parameter.
        do {
            ++at_;
        } while (at_ < text_.size() && is_digit(text_[at_]));
    } else if (is_operator(c)) {
        // A comment ends an operator.
        do {
            ++at_;
        } while (at_ < text_.size() && is_operator(text_[at_]) && text_.substr(at_, 2) != "--" &&
                 text_.substr(at_, 2) != "/*");
    } else {
        ++at_;
    }
    at_ = std::min(at_, text_.size());
    return Token{kind, text_.substr(start, at_ - start), start};
}

bool is_word(const Token& token, std::string_view expected) noexcept {
    return token.kind == TokenKind::word && token.text.size() == expected.size() &&
           std::equal(token.text.begin(), token.text.end(), expected.begin(), [](char a, char b) { return lower(a) == b; });
}

std::size_t repeated_size(std::string_view text) noexcept {
    struct Level {
        std::size_t inherited = 1;
        std::size_t factor = 1;
        std::size_t items = 1;
    };
    std::vector<Level> levels(1);
    Lexer lexer(text);
    std::size_t total = 0;
    std::size_t closed_items = 0;  // of the parenthesis that the last token closed
    while (const auto token = lexer.next()) {
        const std::size_t cost = saturated_product(levels.back().factor, token->text.size() + 1);
        total =
            total > std::numeric_limits<std::size_t>::max() - cost ? std::numeric_limits<std::size_t>::max() : total + cost;
        const std::size_t items = std::exchange(closed_items, 0);
        if (token->text == "(") {
            levels.push_back({levels.back().factor, levels.back().factor, 1});
        } else if (token->text == ")") {
            closed_items = levels.back().items;
            if (levels.size() > 1) levels.pop_back();
        } else if (token->text == "," || token->text == ";") {
            ++levels.back().items;
            levels.back().factor = levels.back().inherited;
        } else if (token->text.front() == '=' && items > 0) {
            levels.back().factor = saturated_product(levels.back().inherited, items);
        }
    }
    return total;
}

std::optional<std::size_t> prepared_offset(std::string_view text) noexcept {
    Lexer lexer(text);
    std::size_t depth = 0;
    while (const auto token = lexer.next()) {
        if (token->text == "(") ++depth;
        if (token->text == ")" && depth > 0) --depth;
        if (depth == 0 && is_word(*token, "as")) return token->offset + token->text.size();
    }
    return std::nullopt;
}

}  // namespace assent::sql
