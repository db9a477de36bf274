// Texts that differ only in plain constants have trees that differ only there: an application that writes its values into
// its SQL sends the same statement over and over. One parse serves them all, where nothing looks at the constants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sql/parse.h"

namespace assent::sql {

struct Constant {
    enum class Kind : std::uint8_t { integer, string };
    Kind kind = Kind::integer;
    std::size_t offset = 0;
    std::size_t sign = 0;  // of the minus in front of it, which the grammar takes into the constant; else its own offset
};

struct Shape {
    std::string key;  // the text with a byte that no text with a shape contains in the place of each constant
    std::vector<Constant> constants;

    // Reads the shape of `text` into this, reusing its memory. False: it has none, because no constant stands in it or a
    // byte of it means something here.
    [[nodiscard]] bool read(std::string_view text);
};

// May `parsed`, whose text has this shape, lend its tree to every other text of the shape: it is one SELECT, INSERT, UPDATE
// or DELETE, each of the constants is one in the grammar's eyes too, and collecting its names looked at none of them.
[[nodiscard]] bool may_lend_tree(const Parsed& parsed, const Shape& shape);

// Another text of the shape, with the tree that was lent. analyse() parses it after all where a constant matters.
[[nodiscard]] std::shared_ptr<const Parsed> with_text(const Parsed& lender, std::string_view text);

}  // namespace assent::sql
