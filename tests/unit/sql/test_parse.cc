// Texts that are too long, too deep, too many or broken: a Parsed without a tree, never a crash.
#include <gmock/gmock.h>

#include "base/big_stack.h"
#include "base/limits.h"
#include "sql/lexer.h"
#include "unit/sql/helpers.h"

namespace assent::sql::test {
namespace {

std::string times(std::string_view text, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += text;
    return out;
}

std::shared_ptr<const Parsed> parse_big(const std::string& text) {
    std::shared_ptr<const Parsed> parsed;
    const auto done = run_with_big_stack(limits::parser_stack_size, [&] {
        parsed = parse(text);
        static_cast<void>(analyse(*parsed, {}));
    });
    EXPECT_TRUE(done.has_value());
    return parsed;
}

TEST(Parsing, NamesRelationsAndFunctionsWithoutRepeats) {
    const auto parsed =
        parse("WITH w AS (SELECT f(1) FROM a) SELECT * FROM w, a, B.c WHERE x.y(now()) AND nextval('q') > 0; DROP TABLE d");
    EXPECT_THAT(parsed->relations, testing::ElementsAre(Name{"", "a"}, Name{"", "d"}, Name{"", "q"}, Name{"b", "c"}));
    EXPECT_THAT(parsed->functions,
                testing::ElementsAre(Name{"", "f"}, Name{"", "nextval"}, Name{"", "now"}, Name{"x", "y"}));
    EXPECT_EQ(parsed->statement_count, 2U);
}

TEST(Parsing, RefusesWhatItCannotRead) {
    EXPECT_EQ(parse(std::string("SELECT 1\0; DROP TABLE x", 23))->tree, nullptr);
    EXPECT_EQ(parse("SELECT '\xff\xfe'")->tree, nullptr);
    EXPECT_EQ(parse("SELECT 1 +")->failure, "syntax error at end of input");
    EXPECT_EQ(parse(times(";SELECT 1", limits::statements_per_query + 1))->tree, nullptr);
    EXPECT_EQ(parse("SELECT '" + times("a", limits::statement_size) + "'")->tree, nullptr);
    EXPECT_EQ(parse("")->statement_count, 0U);
    EXPECT_EQ(parse("-- nothing")->statement_count, 0U);
}

TEST(Parsing, SurvivesDeepNestingOnTheStackThatItIsGiven) {
    constexpr std::size_t all = limits::statement_size - 64;
    const std::string texts[] = {"SELECT 1" + times("+1", all / 2),
                                 "SELECT " + times("(", all / 2) + "1" + times(")", all / 2),
                                 "SELECT " + times("ARRAY[", all / 7) + "1" + times("]", all / 7),
                                 "SELECT " + times("CASE WHEN ", all / 20) + "true" + times(" THEN 1 END", all / 22),
                                 "SELECT " + times("(SELECT ", all / 9) + "1" + times(")", all / 9),
                                 "SELECT 1" + times(" UNION SELECT 1", all / 15),
                                 "SELECT 1 FROM a" + times(" JOIN b ON true", all / 15)};
    for (const auto& text : texts) {
        const auto parsed = parse_big(text);
        EXPECT_EQ(parsed->tree, nullptr) << text.substr(0, 40);
        EXPECT_NE(parsed->failure, "");
    }
    EXPECT_NE(parse_big("SELECT 1" + times("+1", 500))->tree, nullptr);
    EXPECT_NE(parse_big("SELECT 1 WHERE true" + times(" AND true", 20'000))->tree, nullptr);
}

TEST(Parsing, RefusesListsOfColumnsThatTheGrammarWouldRepeat) {
    EXPECT_NE(parse("UPDATE t SET (a, b, c) = (SELECT 1, 2, 3), (d, e) = (1, 2) WHERE (a, b) = (c, d)")->tree, nullptr);
    EXPECT_EQ(parse("UPDATE t SET (" + times("a,", 50'000) + "a) = (SELECT 1" + times("+1", 50'000) + ")")->tree, nullptr);
    const std::string nested =
        times("WITH x AS (UPDATE t SET (a,b)/**/=--c\n(", 30) + "SELECT 1" + times(") RETURNING 1) SELECT 1", 30);
    EXPECT_EQ(parse(nested)->tree, nullptr);
    const std::string hidden = "SELECT E'a'\n'\\'', 1;" + nested + "; SELECT '";
    EXPECT_EQ(parse(hidden)->tree, nullptr);
    EXPECT_NE(parse("SELECT 1 WHERE " + times("(a, b) = (1, 2) OR ", 400) + "true")->tree, nullptr);
}

TEST(Parsing, WorkIsBounded) {
    std::string text = "WITH w0 AS (SELECT * FROM a)";
    for (int i = 1; i < 60; ++i) text += fmt::format(", w{} AS (SELECT * FROM w{} x, w{} y)", i, i - 1, i - 1);
    const auto parsed = parse_big(text + " SELECT * FROM w59");
    EXPECT_NE(parsed->tree, nullptr);
    std::string recursive = "SELECT 1";
    for (int i = 0; i < 40; ++i)
        recursive = fmt::format("WITH RECURSIVE r AS ({} UNION ALL SELECT 1 FROM r) SELECT 1 FROM r", recursive);
    EXPECT_NE(parse_big(recursive)->tree, nullptr);
}

TEST(Lexing, FindsThePreparedStatementBehindItsName) {
    const std::string_view text = "PREPARE \"as\" (numeric(1,2)) /* as */ AS SELECT 1 AS x";
    const auto offset = prepared_offset(text);
    ASSERT_TRUE(offset.has_value());
    EXPECT_EQ(text.substr(*offset), " SELECT 1 AS x");
}

TEST(CatalogFile, SaysWhereItIsWrong) {
    EXPECT_EQ(Catalog::from_yaml("relations:\n  - {name: customers}").error().message,
              "2:12: a name needs its schema: schema.relation");
    EXPECT_EQ(Catalog::from_yaml("relation: []").error().message,
              "1:1: relation is not a key here; there are: search_path, user, relations, functions");
    EXPECT_FALSE(Catalog::from_yaml("relations: [{name: a.b, kind: thing}]").has_value());
    EXPECT_FALSE(Catalog::from_yaml("relations: [{name: a.b}, {name: a.b}]").has_value());
    EXPECT_FALSE(Catalog::from_yaml("{").has_value());
    EXPECT_FALSE(Catalog::from_yaml("search_path: {a: b}").has_value());
}

}  // namespace
}  // namespace assent::sql::test
