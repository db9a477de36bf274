#include "sql/recorded_text.h"

#include <algorithm>
#include <cctype>

#include "base/bytes.h"
#include "sql/lexer.h"

namespace assent::sql {
namespace {

bool is_identifier_start(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & '\x80') != 0;
}
bool is_identifier(char c) { return is_identifier_start(c) || std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '$'; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Looks for its rarest letter first: this is done for every text.
bool speaks_of_password(std::string_view text) {
    static constexpr std::string_view word = "password";
    static constexpr std::size_t rare = word.find('w');
    for (std::size_t at = rare; at < text.size(); ++at) {
        if (lower(text[at]) != word[rare]) continue;
        const std::string_view around = text.substr(at - rare, word.size());
        if (std::ranges::equal(around, word, [](char a, char b) { return lower(a) == b; })) return true;
    }
    return false;
}

// Finds the constants of a text. Where a constant does not end, it goes to the end of the text: too much is hidden, never
// too little.
class Hider {
public:
    Hider(std::string_view text, bool hides_numbers, const Digest& key)
        : text_(text), hides_numbers_(hides_numbers), key_(key) {}

    std::string run() {
        while (at_ < text_.size()) step();
        return std::move(out_);
    }

private:
    char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    void keep(std::size_t size) {
        out_ += text_.substr(at_, size);
        at_ = std::min(at_ + size, text_.size());
    }

    void step() {
        const char c = peek();
        if (c == '-' && peek(1) == '-') return keep(std::min(text_.find('\n', at_), text_.size()) - at_);
        if (c == '/' && peek(1) == '*') return comment();
        if (c == '"') return quoted_identifier();
        if (c == '\'') return string_constant(false);
        if (c == '$' && !is_digit(peek(1))) return dollar_quoted();
        if (c == '$') return parameter();
        if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
        if (is_identifier_start(c)) return word();
        keep(1);
    }

    void parameter() {
        std::size_t size = 1;
        while (is_digit(peek(size))) ++size;
        keep(size);
    }

    void comment() {
        std::size_t depth = 0;
        std::size_t end = at_;
        do {
            const std::string_view two = text_.substr(end, 2);
            if (two == "/*") ++depth;
            if (two == "*/") --depth;
            end += two == "/*" || two == "*/" ? 2 : 1;
        } while (depth > 0 && end < text_.size());
        keep(end - at_);
    }

    void quoted_identifier() {
        const std::size_t end = text_.find('"', at_ + 1);
        keep(end == std::string_view::npos ? text_.size() - at_ : end + 1 - at_);
    }

    void word() {
        std::size_t end = at_;
        while (end < text_.size() && is_identifier(text_[end])) ++end;
        const std::string_view name = text_.substr(at_, end - at_);
        keep(name.size());
        if (peek() == '\'' && (name == "e" || name == "E")) string_constant(true);
    }

    void string_constant(bool has_escapes) {
        std::size_t end = at_ + 1;
        while (end < text_.size()) {
            if (has_escapes && text_[end] == '\\') {
                end += 2;
            } else if (text_[end] != '\'') {
                ++end;
            } else if (end + 1 < text_.size() && text_[end + 1] == '\'') {
                end += 2;
            } else {
                break;
            }
        }
        end = std::min(end, text_.size());
        hide(text_.substr(at_ + 1, end - at_ - 1), end + 1);
    }

    void dollar_quoted() {
        std::size_t tag_end = at_ + 1;
        while (tag_end < text_.size() && text_[tag_end] != '$' && is_identifier(text_[tag_end])) ++tag_end;
        if (tag_end >= text_.size() || text_[tag_end] != '$') return keep(1);
        const std::string_view tag = text_.substr(at_, tag_end + 1 - at_);
        const std::size_t begin = tag_end + 1;
        const std::size_t end = std::min(text_.find(tag, begin), text_.size());
        hide(text_.substr(begin, end - begin), end + tag.size());
    }

    void number() {
        std::size_t end = at_;
        while (end < text_.size() && (is_identifier(text_[end]) || text_[end] == '.')) ++end;
        if (!hides_numbers_) return keep(end - at_);
        hide(text_.substr(at_, end - at_), end);
    }

    void hide(std::string_view value, std::size_t next) {
        out_ += "'" + hidden_value(value, key_) + "'";
        at_ = std::min(next, text_.size());
    }

    std::string_view text_;
    bool hides_numbers_;
    const Digest& key_;
    std::size_t at_ = 0;
    std::string out_;
};

}  // namespace

bool touches_masked(const Analysis& analysis) {
    return std::ranges::any_of(analysis.statements,
                               [](const StatementFacts& facts) { return facts.masks.strips_error_detail; });
}

std::string hidden_value(std::string_view value, const Digest& key) {
    return "masked:" + to_hex(Bytes(hmac_sha256(key, as_bytes(value))).first(8));
}

bool has_secrets(std::string_view text, bool hides_values) { return hides_values || speaks_of_password(text); }

std::string recorded_text(std::string_view text, bool hides_values, const Digest& key) {
    if (!has_secrets(text, hides_values)) return std::string(text);
    return Hider(text, hides_values, key).run();
}

}  // namespace assent::sql
