// A YAML document as a plain tree with positions. Narrower than YAML on purpose: one document, no anchors, aliases or tags,
// no repeated keys, bounded depth, so that nothing a file says can be hidden or multiplied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/settings.h"

namespace assent::policy {

// Counted from 1; zeros: nowhere in particular.
struct Position {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    auto operator<=>(const Position&) const = default;
};

// Collects the mistakes of one file. Everything after the limit is dropped: a thousand mistakes help nobody.
class Reporter {
public:
    Reporter(std::vector<Diagnostic>& out, std::string file) : out_(&out), file_(std::move(file)) {}
    void mistake(Position at, std::string message);
    [[nodiscard]] const std::string& file() const noexcept { return file_; }

private:
    std::vector<Diagnostic>* out_;
    std::string file_;
};

struct YamlMember;

struct YamlNode {
    enum class Kind : std::uint8_t { empty = 0, null, text, list, map } kind = Kind::empty;
    Position at;
    std::string text;                 // of Kind::text
    std::vector<YamlNode> items;      // of Kind::list
    std::vector<YamlMember> members;  // of Kind::map, in the order of the file, keys unique
};

struct YamlMember {
    std::string key;
    Position key_at;
    YamlNode value;
};

// The document; nothing when it is not YAML as described above, and then a mistake was reported. An empty text is an
// empty map. Never throws.
[[nodiscard]] std::optional<YamlNode> parse_yaml(std::string_view text, Reporter& report);

}  // namespace assent::policy
