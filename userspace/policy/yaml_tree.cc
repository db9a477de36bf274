#include "policy/yaml_tree.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

#include <fmt/format.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "base/utf8.h"

namespace assent::policy {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// Leaves yaml-cpp from inside its callbacks; caught in parse_yaml.
struct Refused : std::runtime_error {
    Refused(Position where, const std::string& message) : std::runtime_error(message), at(where) {}
    Position at;
};

Position position_of(const YAML::Mark& mark) {
    if (mark.is_null()) return {};
    return {static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)};
}

class TreeBuilder final : public YAML::EventHandler {
public:
    TreeBuilder(std::string_view source, Reporter& report) : source_(source), report_(report) {}

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        refuse_anchor(mark, anchor);
        YamlNode node;
        node.kind = is_written(mark) ? YamlNode::Kind::null : YamlNode::Kind::empty;
        node.at = position_of(mark);
        add(std::move(node));
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        throw Refused(position_of(mark), "aliases (*name) are not used in these files; write the value out");
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
        refuse_anchor(mark, anchor);
        refuse_tag(mark, tag);
        refuse_open_quote(mark);
        YamlNode node;
        node.kind = YamlNode::Kind::text;
        node.at = position_of(mark);
        node.text = value;
        add(std::move(node));
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, YamlNode::Kind::list);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, YamlNode::Kind::map);
    }
    void OnMapEnd() override { close(); }

    [[nodiscard]] YamlNode take_root() { return std::move(root_); }

private:
    // A collection that is being filled, and the key that waits for its value.
    struct Open {
        YamlNode node;
        bool has_key = false;
        YamlMember member;
        std::unordered_map<std::string, std::uint32_t> lines;  // of keys
    };

    void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
        refuse_anchor(mark, anchor);
        refuse_tag(mark, tag);
        if (open_.size() >= limits::yaml_depth) {
            throw Refused(position_of(mark), fmt::format("nested deeper than {} levels", limits::yaml_depth));
        }
        Open opened;
        opened.node.kind = kind;
        opened.node.at = position_of(mark);
        open_.push_back(std::move(opened));
    }
    void close() {
        YamlNode node = std::move(open_.back().node);
        open_.pop_back();
        add(std::move(node));
    }
    void add(YamlNode node) {
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& parent = open_.back();
        if (parent.node.kind == YamlNode::Kind::list) {
            parent.node.items.push_back(std::move(node));
        } else if (!parent.has_key) {
            if (node.kind != YamlNode::Kind::text) throw Refused(node.at, "a key has to be a word");
            parent.has_key = true;
            parent.member = {std::move(node.text), node.at, {}};
        } else {
            parent.has_key = false;
            if (node.kind == YamlNode::Kind::empty) node.at = parent.member.key_at;  // nothing is nowhere
            parent.member.value = std::move(node);
            add_member(parent);
        }
    }
    void add_member(Open& map) {
        YamlMember& member = map.member;
        if (member.key == "<<") {
            report_.mistake(member.key_at, "merge keys (<<) are not used in these files; write the keys out");
            return;
        }
        const auto [first, is_new] = map.lines.emplace(member.key, member.key_at.line);
        if (!is_new) {
            report_.mistake(member.key_at, fmt::format("duplicate key '{}'; it is first at line {}", shown_text(member.key),
                                                       first->second));
            return;
        }
        map.node.members.push_back(std::move(member));
    }
    static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
        if (anchor != YAML::NullAnchor)
            throw Refused(position_of(mark), "anchors (&name) are not used in these files; write the value out");
    }
    // "?" is a plain value, "!" a quoted one.
    static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
        if (!tag.empty() && tag != "?" && tag != "!")
            throw Refused(position_of(mark), "tags (!name) are not used in these files");
    }
    // yaml-cpp takes a quote that is never closed to the end of the file, with all that stands there.
    void refuse_open_quote(const YAML::Mark& mark) const {
        const std::string_view rest = rest_at(mark);
        if (rest.empty() || (rest.front() != '"' && rest.front() != '\'')) return;
        const char quote = rest.front();
        for (std::size_t i = 1; i < rest.size(); ++i) {
            if (quote == '"' && rest[i] == '\\') {
                ++i;
            } else if (rest[i] == quote) {
                return;  // '' inside of '…' begins the next part, which is closed if this is
            }
        }
        throw Refused(position_of(mark), "the quote that begins here is not closed");
    }
    // yaml-cpp does not say whether a null was written (`null`, `~`) or only a value left out.
    [[nodiscard]] bool is_written(const YAML::Mark& mark) const {
        const std::string_view rest = rest_at(mark);
        return rest.starts_with('~') || rest.starts_with("null") || rest.starts_with("Null") || rest.starts_with("NULL");
    }
    [[nodiscard]] std::string_view rest_at(const YAML::Mark& mark) const {
        return mark.is_null() ? std::string_view()
                              : source_.substr(std::min(source_.size(), static_cast<std::size_t>(mark.pos)));
    }

    std::string_view source_;
    Reporter& report_;
    YamlNode root_;
    std::vector<Open> open_;
};

// yaml-cpp takes UTF-16 too, and replaces what is neither: nobody would have read what it reads. Nor what an editor shows in
// another order than it stands in the file.
std::string mistake_at(std::string_view rest, const Utf8Character& character) {
    if (character.size == 0) {
        return fmt::format("not UTF-8: the byte 0x{:02X}; save the file as UTF-8", static_cast<unsigned char>(rest.front()));
    }
    const char32_t code = character.code;
    if (code == 0) return "a zero byte; these files are UTF-8 text";
    if (code == 0x7F || (code < 0x20 && code != '\t' && code != '\n' && code != '\r'))
        return fmt::format("the control character 0x{:02X}; take it out", static_cast<std::uint32_t>(code));
    const bool reorders = (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
    if (!reorders) return {};
    return fmt::format("the invisible character U+{:04X}, which changes the order of what is shown; take it out",
                       static_cast<std::uint32_t>(code));
}

bool check_text(std::string_view text, Reporter& report) {
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
        report.mistake({1, 1}, "is UTF-16; save it as UTF-8");
        return false;
    }
    Position at{1, 1};
    while (!text.empty()) {
        const Utf8Character character = decode_utf8(text);
        if (std::string wrong = mistake_at(text, character); !wrong.empty()) {
            report.mistake(at, std::move(wrong));
            return false;
        }
        if (text.front() == '\n') at = {at.line + 1, 0};
        ++at.column;
        text.remove_prefix(character.size);
    }
    return true;
}

// The first tab that indents something; YAML has none, and says only that what follows does not fit.
std::optional<Position> tab_indent(std::string_view text) {
    for (std::uint32_t line = 1; !text.empty(); ++line) {
        const std::string_view now = text.substr(0, text.find('\n'));
        const auto begin = now.find_first_not_of(" \t\r");
        const auto tab = now.find('\t');
        if (begin != std::string_view::npos && tab < begin && now[begin] != '#')
            return Position{line, static_cast<std::uint32_t>(tab + 1)};
        text.remove_prefix(std::min(text.size(), now.size() + 1));
    }
    return std::nullopt;
}

void report_syntax(std::string_view text, const YAML::Exception& error, Reporter& report) {
    if (const auto tab = tab_indent(text)) {
        report.mistake(*tab, "a tab in the indentation; YAML is indented with spaces");
        return;
    }
    std::string message = fmt::format("not YAML: {}", error.msg);
    constexpr std::string_view need_quotes = "*&@`%";
    const auto pos = error.mark.is_null() ? text.size() : static_cast<std::size_t>(std::max(0, error.mark.pos));
    for (const std::size_t at : {pos, pos - 1}) {
        if (at >= text.size() || need_quotes.find(text[at]) == std::string_view::npos) continue;
        message += fmt::format("; a value that begins with '{}' has to be quoted", text[at]);
        break;
    }
    report.mistake(position_of(error.mark), std::move(message));
}

}  // namespace

void Reporter::mistake(Position at, std::string message) {
    if (out_->size() > limits::policy_mistakes) return;
    if (out_->size() == limits::policy_mistakes) {
        at = {};
        message = fmt::format("more than {} mistakes; the rest is not shown", limits::policy_mistakes);
    }
    constexpr std::size_t longest = 1000;  // a value of megabytes helps nobody
    if (message.size() > longest) {
        message.resize(longest);
        while (!message.empty() && (static_cast<unsigned char>(message.back()) & 0xC0U) == 0x80U) message.pop_back();
        if (!message.empty() && static_cast<unsigned char>(message.back()) >= 0xC0) message.pop_back();
        message += "…";
    }
    out_->push_back({file_, at.line, at.column, std::move(message)});
}

std::optional<YamlNode> parse_yaml(std::string_view text, Reporter& report) {
    if (text.size() > limits::policy_file_size) {
        report.mistake({}, fmt::format("larger than {} MiB", limits::policy_file_size / limits::MiB));
        return std::nullopt;
    }
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    if (!check_text(text, report)) return std::nullopt;
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        TreeBuilder builder(text, report);
        if (!parser.HandleNextDocument(builder)) {
            YamlNode nothing;
            nothing.kind = YamlNode::Kind::map;
            nothing.at = {1, 1};
            return nothing;
        }
        YamlNode root = builder.take_root();
        TreeBuilder second(text, report);
        if (parser.HandleNextDocument(second)) {
            report.mistake(second.take_root().at, "a second document ('---') in the file; put it into a file of its own");
            return std::nullopt;
        }
        if (root.kind == YamlNode::Kind::empty || root.kind == YamlNode::Kind::null) root.kind = YamlNode::Kind::map;
        return root;
    } catch (const Refused& refused) {
        report.mistake(refused.at, refused.what());
    } catch (const YAML::Exception& error) {
        report_syntax(text, error, report);
    } catch (const std::exception& error) {
        report.mistake({}, fmt::format("cannot be read as YAML: {}", error.what()));
    }
    return std::nullopt;
}

}  // namespace assent::policy
