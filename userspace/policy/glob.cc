#include "policy/glob.h"

#include <algorithm>

namespace assent::policy {
namespace {

template <bool KeepsBackslashes>
std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> parts(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) {
            if (KeepsBackslashes) parts.back().push_back('\\');
            parts.back().push_back(text[++i]);
        } else if (text[i] == '.') {
            parts.emplace_back();
        } else {
            parts.back().push_back(text[i]);
        }
    }
    return parts;
}

}  // namespace

Glob::Glob(std::string_view pattern, Kind kind) : kind_(kind) {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const char c = pattern[i];
        if (c == '\\' && i + 1 < pattern.size()) {
            tokens_.push_back({Token::Kind::character, pattern[++i]});
        } else if (c == '*') {
            const bool is_double = i + 1 < pattern.size() && pattern[i + 1] == '*';
            while (i + 1 < pattern.size() && pattern[i + 1] == '*') ++i;
            tokens_.push_back({kind == Kind::text || is_double ? Token::Kind::deep_run : Token::Kind::run, 0});
        } else if (c == '?') {
            tokens_.push_back({Token::Kind::one, 0});
        } else {
            tokens_.push_back({Token::Kind::character, c});
        }
    }
    is_literal_ =
        std::all_of(tokens_.begin(), tokens_.end(), [](const Token& t) { return t.kind == Token::Kind::character; });
    if (is_literal_) {
        for (const Token& token : tokens_) literal_.push_back(token.character);
    }
    matches_everything_ = tokens_.size() == 1 && tokens_[0].kind == Token::Kind::deep_run;
}

bool Glob::matches(std::string_view text) const {
    if (is_literal_) return text == literal_;
    if (matches_everything_) return true;
    // One row of "the tokens so far match the text so far": linear in both, whatever the stars.
    std::vector<char> row(text.size() + 1, 0);
    row[0] = 1;
    for (const Token& token : tokens_) {
        const auto eats = [&](char c) {
            if (token.kind == Token::Kind::character) return c == token.character;
            return token.kind == Token::Kind::deep_run || kind_ == Kind::text || c != '/';
        };
        if (token.kind == Token::Kind::run || token.kind == Token::Kind::deep_run) {
            for (std::size_t i = 1; i <= text.size(); ++i)
                row[i] = static_cast<char>(row[i] != 0 || (row[i - 1] != 0 && eats(text[i - 1])));
        } else {
            for (std::size_t i = text.size(); i > 0; --i) row[i] = static_cast<char>(row[i - 1] != 0 && eats(text[i - 1]));
            row[0] = 0;
        }
    }
    return row[text.size()] != 0;
}

bool Glob::meets(const Glob& other) const {
    const auto is_run = [](const Token& t) { return t.kind == Token::Kind::run || t.kind == Token::Kind::deep_run; };
    const std::size_t width = other.tokens_.size() + 1;
    std::vector<char> table((tokens_.size() + 1) * width, 0);
    table[0] = 1;
    for (std::size_t i = 0; i <= tokens_.size(); ++i) {
        for (std::size_t j = 0; j < width; ++j) {
            if (table[i * width + j] == 0) continue;
            const bool has_left = i < tokens_.size();
            const bool has_right = j < other.tokens_.size();
            if (has_left && is_run(tokens_[i])) table[(i + 1) * width + j] = 1;  // the run is empty
            if (has_right && is_run(other.tokens_[j])) table[i * width + j + 1] = 1;
            if (has_left && is_run(tokens_[i]) && has_right)
                table[i * width + j + 1] = 1;  // the run eats what the other gives
            if (has_right && is_run(other.tokens_[j]) && has_left) table[(i + 1) * width + j] = 1;
            if (has_left && has_right && !is_run(tokens_[i]) && !is_run(other.tokens_[j])) {
                const bool is_one = tokens_[i].kind == Token::Kind::one || other.tokens_[j].kind == Token::Kind::one;
                if (is_one || tokens_[i].character == other.tokens_[j].character) table[(i + 1) * width + j + 1] = 1;
            }
        }
    }
    return table.back() != 0;
}

std::vector<std::string> split_name(std::string_view name) { return split<false>(name); }
std::vector<std::string> split_pattern(std::string_view pattern) { return split<true>(pattern); }

NamePattern::NamePattern(std::string_view pattern) {
    for (const auto& part : split_pattern(pattern)) {
        parts_.emplace_back(part);
        is_literal_ = is_literal_ && parts_.back().is_literal();
    }
}

bool NamePattern::matches(const std::vector<std::string>& parts) const {
    return std::equal(parts_.begin(), parts_.end(), parts.begin(), parts.end(),
                      [](const Glob& glob, const std::string& part) { return glob.matches(part); });
}

}  // namespace assent::policy
