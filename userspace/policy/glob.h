// Patterns with * and ?, and names made of parts. A backslash takes the meaning from the character after it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace assent::policy {

// One text. `*` is any run of characters, `?` is one.
class Glob {
public:
    enum class Kind : bool { text, path };
    // In a path `*` and `?` do not cross a '/', and `**` does.
    explicit Glob(std::string_view pattern, Kind kind = Kind::text);

    [[nodiscard]] bool matches(std::string_view text) const;
    [[nodiscard]] bool is_literal() const noexcept { return is_literal_; }
    [[nodiscard]] bool matches_everything() const noexcept { return matches_everything_; }
    // Is there a text that both match (paths are taken as texts).
    [[nodiscard]] bool meets(const Glob& other) const;
    bool operator==(const Glob&) const = default;

private:
    struct Token {
        enum class Kind : unsigned char { character, one, run, deep_run } kind = Kind::character;
        char character = 0;
        bool operator==(const Token&) const = default;
    };
    std::vector<Token> tokens_;
    std::string literal_;
    Kind kind_;
    bool is_literal_ = true;
    bool matches_everything_ = false;
};

// Splits at dots that have no backslash before them, and takes the backslashes away: the parts of an object's name.
[[nodiscard]] std::vector<std::string> split_name(std::string_view name);
// The same for a pattern: backslashes stay, for Glob to read.
[[nodiscard]] std::vector<std::string> split_pattern(std::string_view pattern);

// A pattern for a name of parts, such as "reporting.*": as many parts, each matched by its glob.
class NamePattern {
public:
    explicit NamePattern(std::string_view pattern);

    [[nodiscard]] bool matches(const std::vector<std::string>& parts) const;
    [[nodiscard]] bool is_literal() const noexcept { return is_literal_; }
    [[nodiscard]] const std::vector<Glob>& parts() const noexcept { return parts_; }
    bool operator==(const NamePattern&) const = default;

private:
    std::vector<Glob> parts_;
    bool is_literal_ = true;
};

}  // namespace assent::policy
