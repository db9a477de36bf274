#include "policy/yaml_tree.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/limits.h"
#include "base/shown_text.h"

namespace assent::policy {
namespace {

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
            add_member(parent.node, std::move(parent.member));
        }
    }
    void add_member(YamlNode& map, YamlMember member) {
        const auto same =
            std::find_if(map.members.begin(), map.members.end(), [&](const auto& other) { return other.key == member.key; });
        if (same != map.members.end()) {
            report_.mistake(member.key_at, fmt::format("duplicate key '{}'; it is first at line {}", shown_text(member.key),
                                                       same->key_at.line));
            return;
        }
        map.members.push_back(std::move(member));
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
    // yaml-cpp does not say whether a null was written (`null`, `~`) or only a value left out.
    [[nodiscard]] bool is_written(const YAML::Mark& mark) const {
        std::size_t start = 0;
        for (int line = 0; line < mark.line; ++line) {
            start = source_.find('\n', start);
            if (start == std::string_view::npos) return false;
            ++start;
        }
        const std::string_view rest =
            source_.substr(std::min(source_.size(), start + static_cast<std::size_t>(std::max(0, mark.column))));
        return rest.starts_with('~') || rest.starts_with("null") || rest.starts_with("Null") || rest.starts_with("NULL");
    }

    std::string_view source_;
    Reporter& report_;
    YamlNode root_;
    std::vector<Open> open_;
};

}  // namespace

void Reporter::mistake(Position at, std::string message) {
    if (out_->size() > limits::policy_mistakes) return;
    if (out_->size() == limits::policy_mistakes) {
        at = {};
        message = fmt::format("more than {} mistakes; the rest is not shown", limits::policy_mistakes);
    }
    out_->push_back({file_, at.line, at.column, std::move(message)});
}

std::optional<YamlNode> parse_yaml(std::string_view text, Reporter& report) {
    if (text.size() > limits::policy_file_size) {
        report.mistake({}, fmt::format("larger than {} MiB", limits::policy_file_size / limits::MiB));
        return std::nullopt;
    }
    if (const auto zero = text.find('\0'); zero != std::string_view::npos) {
        report.mistake({}, "contains a zero byte; these files are UTF-8 text");
        return std::nullopt;
    }
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
        report.mistake(position_of(error.mark), fmt::format("not YAML: {}", error.msg));
    } catch (const std::exception& error) {
        report.mistake({}, fmt::format("cannot be read as YAML: {}", error.what()));
    }
    return std::nullopt;
}

}  // namespace assent::policy
