// One parse serves all texts of a shape: whatever is said of a text with a lent tree is what would be said of it alone.
#include <gtest/gtest.h>

#include "helpers.h"
#include "shop.h"
#include "sql/shape.h"

namespace assent::sql::test {
namespace {

std::string key_of(std::string_view text) {
    Shape shape;
    return shape.read(text) ? shape.key : std::string();
}

// Null: `first` may not lend its tree, or the two are not of one shape.
std::shared_ptr<const Parsed> borrowed(std::string_view first, std::string_view second) {
    Shape shape;
    Shape other;
    if (!shape.read(first) || !other.read(second) || shape.key != other.key) return nullptr;
    const auto lender = parse(first);
    return may_lend_tree(*lender, shape) ? with_text(*lender, second) : nullptr;
}

class Shapes : public testing::Test {
protected:
    Shapes() {
        masks_.add("public.customers.ssn", {model::MaskKind::partial, 0, 4})
            .add("public.customers.card", {model::MaskKind::redact, 0, 0});
        environment_.catalog = &catalog_;
        environment_.masks = &masks_;
    }
    Catalog catalog_ = shop();
    ListedMasks masks_;
    Environment environment_;
};

TEST_F(Shapes, TextsThatDifferInConstantsShareTheirTree) {
    for (const auto& [first, second] : std::vector<std::pair<std::string, std::string>>{
             {"SELECT total FROM orders WHERE id = 1", "SELECT total FROM orders WHERE id = 99999"},
             {"SELECT total FROM orders WHERE note = 'a'",
              "SELECT total FROM orders WHERE note = 'quite another, with -- and /*'"},
             {"INSERT INTO orders VALUES (1, 2, 3, 'x')", "INSERT INTO orders VALUES (007, 0, 999999999, '')"},
             {"UPDATE orders SET total = total + 5 WHERE id IN (1, 2)",
              "UPDATE orders SET total = total + 6 WHERE id IN (3, 4)"},
             {"DELETE FROM orders WHERE note LIKE 'a%' AND total > 10 LIMIT_", ""},
             {"SELECT CAST('2020-01-01' AS date), name FROM customers LIMIT 5",
              "SELECT CAST('2021-01-01' AS date), name FROM customers LIMIT 6"},
             {"UPDATE orders SET total = total + -5 WHERE id = - 7", "UPDATE orders SET total = total + -0 WHERE id = - 8"},
             {"SELECT id - 5, 3 -2 FROM orders", "SELECT id - 6, 4 -3 FROM orders"},
             {"SELECT \"name\" FROM customers WHERE id=1", "SELECT \"name\" FROM customers WHERE id=2"},
         }) {
        if (second.empty()) {
            EXPECT_EQ(borrowed(first, first), nullptr) << first;  // it does not parse
            continue;
        }
        const auto lent = borrowed(first, second);
        ASSERT_NE(lent, nullptr) << first;
        EXPECT_EQ(lent->text, second);
        EXPECT_EQ(analyse(*lent, environment_), analyse(*parse(second), environment_)) << second;
    }
}

TEST_F(Shapes, WhereAConstantDecidesSomethingTheTreeIsNotLent) {
    for (const std::string text : {
             "SELECT name, ssn FROM customers ORDER BY 1",  // a place in the list
             "SELECT name, count(*) FROM customers GROUP BY 1",
             "SELECT total::float(24) FROM orders",             // a constant of the grammar's own
             "SELECT -(5) FROM orders",                         // the sign is in it, and is not next to it
             "SELECT total FROM orders WHERE note = 'a'\n'b'",  // one constant in two parts
             "SELECT set_config('search_path', 'x', false)",    // read by the analysis
             "SET statement_timeout = 5", "SELECT 1; SELECT 2", "PREPARE p AS SELECT 1", "EXPLAIN SELECT 1",
             "CREATE TABLE t AS SELECT 1",
             "SELECT /* 5 */ 1",  // only the grammar knows a comment; the 1 alone counts
         }) {
        if (text.find("/*") != std::string::npos) {
            EXPECT_NE(borrowed(text, "SELECT /* 5 */ 2"), nullptr);
            EXPECT_EQ(borrowed(text, "SELECT /* 6 */ 2"), nullptr);
            continue;
        }
        EXPECT_EQ(borrowed(text, text), nullptr) << text;
    }
}

TEST_F(Shapes, WhatIsNotAPlainConstantStaysInTheKey) {
    EXPECT_EQ(key_of("SELECT 1"), "SELECT \x01");
    EXPECT_EQ(key_of("SELECT 'a', 12"), "SELECT \x02, \x01");
    for (const std::string text :
         {"SELECT a",      "SELECT $1",         "SELECT E'a'",       "SELECT U&'a'", "SELECT x'1f'", "SELECT n'a'",
          "SELECT 'a\\b'", "SELECT 'it''s'",    "SELECT '\xC3\xA9'", "SELECT 1.5",   "SELECT 1e5",   "SELECT 1_000",
          "SELECT 0x1F",   "SELECT 1234567890", "SELECT a1, b2",     "SELECT $$1$$", "SELECT \"1\"", "SELECT .5",
          "SELECT 5.",     "SELECT 1 \x01",     "SELECT \x02",       "SELECT 'a"}) {
        EXPECT_EQ(key_of(text), "") << text;
    }
}

TEST_F(Shapes, AMaskThatLooksAtAConstantSeesTheTextsOwn) {
    // Writing a mask's own output back is denied: the constant of the lender must not stand in for it, nor the other way.
    const std::string harmless = "INSERT INTO customers (id, ssn) VALUES (1, '123456789')";
    const std::string output = "INSERT INTO customers (id, ssn) VALUES (1, '*****6789')";
    const auto lent = borrowed(harmless, output);
    ASSERT_NE(lent, nullptr);
    EXPECT_FALSE(analyse(*lent, environment_).mask_denial.empty());
    const auto back = borrowed(output, harmless);
    ASSERT_NE(back, nullptr);
    EXPECT_TRUE(analyse(*back, environment_).mask_denial.empty());
    EXPECT_TRUE(analyse(*lent, environment_).depends_on_constants);
}

TEST_F(Shapes, ADollarInAnIdentifierOrAParameterIsNoConstant) {
    EXPECT_EQ(borrowed("SELECT total FROM orders WHERE id = $1 AND total = 1",
                       "SELECT total FROM orders WHERE id = $2 AND total = 1"),
              nullptr);
    const auto lent = borrowed("SELECT total FROM orders WHERE id = $1 AND total = 1",
                               "SELECT total FROM orders WHERE id = $1 AND total = 2");
    ASSERT_NE(lent, nullptr);
    EXPECT_EQ(analyse(*lent, environment_), analyse(*parse(lent->text), environment_));
}

}  // namespace
}  // namespace assent::sql::test
