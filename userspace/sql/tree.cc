#include "sql/tree.h"

namespace assent::sql {

Node Node::member(std::string_view key) const noexcept {
    simdjson::dom::object object;
    if (!exists_ || element_.get(object) != simdjson::SUCCESS) return {};
    simdjson::dom::element value;
    return object.at_key(key).get(value) == simdjson::SUCCESS ? Node(value) : Node();
}

std::string_view Node::text(std::string_view key) const noexcept {
    std::string_view value;
    const Node found = member(key);
    return found && found.element_.get(value) == simdjson::SUCCESS ? value : std::string_view();
}

std::int64_t Node::integer(std::string_view key) const noexcept {
    std::int64_t value = 0;
    const Node found = member(key);
    return found && found.element_.get(value) == simdjson::SUCCESS ? value : 0;
}

bool Node::flag(std::string_view key) const noexcept {
    bool value = false;
    const Node found = member(key);
    return found && found.element_.get(value) == simdjson::SUCCESS && value;
}

simdjson::dom::array Node::list(std::string_view key) const noexcept {
    // An array that is not there is the empty one, which has to live somewhere.
    static const simdjson::dom::array empty = [] {
        static simdjson::dom::parser parser;
        return simdjson::dom::array(parser.parse(std::string_view("[]")).value_unsafe());
    }();
    simdjson::dom::array value;
    const Node found = member(key);
    return found && found.element_.get(value) == simdjson::SUCCESS ? value : empty;
}

Node Node::first(std::string_view key) const noexcept {
    for (const auto item : list(key)) return Node(item);
    return {};
}

std::string_view Node::kind() const noexcept {
    simdjson::dom::object object;
    if (!exists_ || element_.get(object) != simdjson::SUCCESS || object.size() != 1) return {};
    const std::string_view key = object.begin().key();
    return !key.empty() && key.front() >= 'A' && key.front() <= 'Z' ? key : std::string_view();
}

Node Node::body() const noexcept {
    simdjson::dom::object object;
    if (!exists_ || element_.get(object) != simdjson::SUCCESS || object.size() != 1) return {};
    return Node(object.begin().value());
}

Node Node::as(std::string_view expected) const noexcept { return kind() == expected ? body() : Node(); }

std::string_view Node::string_value() const noexcept {
    const Node string = as("String");
    const std::string_view value = string.text("sval");
    return value.empty() ? string.text("str") : value;
}

std::shared_ptr<const Parsed> Tree::nested(std::size_t statement) const {
    const auto found = nested_.find(statement);
    return found == nested_.end() ? nullptr : found->second;
}

}  // namespace assent::sql
