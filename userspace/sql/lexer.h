// The outer shape of a statement's text: words, signs, and what is quoted or commented. It decides nothing about meaning;
// it only finds places in text that the grammar has accepted, and bounds the work of parsing before it starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace assent::sql {

[[nodiscard]] constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

enum class TokenKind : std::uint8_t { word, quoted, number, sign };

struct Token {
    TokenKind kind = TokenKind::sign;
    std::string_view text;
    std::size_t offset = 0;
};

class Lexer {
public:
    explicit Lexer(std::string_view text) noexcept : text_(text) {}
    // The next one, white space and comments left out; nothing at the end.
    [[nodiscard]] std::optional<Token> next() noexcept;

private:
    void skip_blank() noexcept;
    std::size_t after_quote(std::size_t from, char quote, bool has_escapes) const noexcept;
    std::size_t after_escaped_string(std::size_t from) const noexcept;
    std::size_t after_dollar_quote(std::size_t from) const noexcept;

    std::string_view text_;
    std::size_t at_ = 0;
};

[[nodiscard]] bool is_word(const Token& token, std::string_view lower) noexcept;

// How many bytes of tree text may come out for each byte of this one: the grammar repeats the source of
// `SET (a, b, …) = source` for every column, also when they are nested. An upper estimate of the text so repeated.
[[nodiscard]] std::size_t repeated_size(std::string_view text) noexcept;

// Where the statement of `PREPARE name (…) AS statement` begins in its text.
[[nodiscard]] std::optional<std::size_t> prepared_offset(std::string_view text) noexcept;

}  // namespace assent::sql
