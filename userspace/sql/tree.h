// A parse tree as libpg_query's JSON gives it, kept as a simdjson document: immutable, read by any thread.
// A node is either wrapped, {"SelectStmt": {…}}, where the grammar allows several kinds, or bare where it allows one.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "sql/parse.h"

namespace assent::sql {

// One value of the tree. A default-constructed or missing one is empty: every reading of it gives nothing.
class Node {
public:
    Node() noexcept = default;
    explicit Node(simdjson::dom::element element) noexcept : element_(element), exists_(true) {}

    [[nodiscard]] explicit operator bool() const noexcept { return exists_; }
    [[nodiscard]] bool is_object() const noexcept { return exists_ && element_.is_object(); }
    [[nodiscard]] bool is_array() const noexcept { return exists_ && element_.is_array(); }

    [[nodiscard]] Node member(std::string_view key) const noexcept;
    // Members of that type, or nothing.
    [[nodiscard]] std::string_view text(std::string_view key) const noexcept;
    [[nodiscard]] std::int64_t integer(std::string_view key) const noexcept;
    [[nodiscard]] bool flag(std::string_view key) const noexcept;
    // The items of a list member. An item that the grammar left out is an empty object.
    [[nodiscard]] simdjson::dom::array list(std::string_view key) const noexcept;
    [[nodiscard]] std::size_t size(std::string_view key) const noexcept { return list(key).size(); }
    [[nodiscard]] Node first(std::string_view key) const noexcept;

    // Of a wrapped node: its kind ("" when it is not one) and what it wraps.
    [[nodiscard]] std::string_view kind() const noexcept;
    [[nodiscard]] Node body() const noexcept;
    // What it wraps, if it is of that kind.
    [[nodiscard]] Node as(std::string_view expected) const noexcept;
    // The text of a wrapped String (all versions of the grammar).
    [[nodiscard]] std::string_view string_value() const noexcept;

    [[nodiscard]] simdjson::dom::element element() const noexcept { return element_; }

private:
    simdjson::dom::element element_;
    bool exists_ = false;
};

class Tree {
public:
    // Statements in order; each has `stmt`, and where it is in the text.
    [[nodiscard]] simdjson::dom::array statements() const noexcept { return statements_; }
    // Statements inside others, by their place: what PREPARE prepares, and the body of a function in SQL.
    [[nodiscard]] std::shared_ptr<const Parsed> nested(std::size_t statement) const;

    simdjson::dom::document document_;
    simdjson::dom::array statements_;  // of the document
    std::map<std::size_t, std::shared_ptr<const Parsed>> nested_;
};

}  // namespace assent::sql
