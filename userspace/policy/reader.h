// Reads values of the YAML tree strictly: each function gives the value, or nothing after it has reported the mistake.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/yaml_tree.h"

namespace assent::policy {

// The members of one map. Keys that were never asked for are unknown keys: finish() reports them.
class MapReader {
public:
    // `what` is for messages: "a rule". A node that is no map is reported, and then it has no members.
    MapReader(const YamlNode& node, std::string what, Reporter& report);

    [[nodiscard]] const YamlNode* optional(std::string_view key);
    // Reports when it is missing.
    [[nodiscard]] const YamlNode* required(std::string_view key);
    // Reports "… is not yet supported" when the key is there.
    void unsupported(std::string_view key, std::string_view what);
    [[nodiscard]] bool is_map() const noexcept { return node_.kind == YamlNode::Kind::map; }
    [[nodiscard]] Position at() const noexcept { return node_.at; }
    void finish();

private:
    const YamlNode& node_;
    std::string what_;
    Reporter& report_;
    std::vector<std::string> known_;
};

// A name, for messages, of what a node is: "a list".
[[nodiscard]] std::string_view kind_name(YamlNode::Kind kind) noexcept;

[[nodiscard]] std::optional<std::string> read_text(const YamlNode& node, std::string_view what, Reporter& report);
// A list of texts, each with its place; an empty list is a mistake.
struct PlacedText {
    std::string text;
    Position at;
};
[[nodiscard]] std::vector<PlacedText> read_texts(const YamlNode& node, std::string_view what, Reporter& report);
[[nodiscard]] std::vector<std::string> plain_texts(const std::vector<PlacedText>& texts);
// One of the words; gives its index.
[[nodiscard]] std::optional<std::size_t> read_choice(const YamlNode& node, std::string_view what,
                                                     std::initializer_list<std::string_view> words, Reporter& report);
[[nodiscard]] std::optional<std::uint64_t> read_number(const YamlNode& node, std::string_view what, std::uint64_t least,
                                                       std::uint64_t most, Reporter& report);
// "100ms", "60s", "15m", "12h", "400d".
[[nodiscard]] std::optional<std::chrono::milliseconds> read_duration(const YamlNode& node, std::string_view what,
                                                                     Reporter& report);
// "512MiB", "50GiB", in bytes.
[[nodiscard]] std::optional<std::uint64_t> read_size(const YamlNode& node, std::string_view what, Reporter& report);
// An absolute path.
[[nodiscard]] std::optional<std::string> read_path(const YamlNode& node, std::string_view what, Reporter& report);
// A name that users define: letters, digits, '.', '_' and '-', not "any". Reports otherwise.
[[nodiscard]] bool check_name(std::string_view name, Position at, std::string_view what, Reporter& report);

}  // namespace assent::policy
