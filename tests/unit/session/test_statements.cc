// A name stands for a statement only when the server has confirmed it: otherwise something else would be judged than runs.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "session/statements.h"

namespace assent::session {
namespace {

std::shared_ptr<const sql::Parsed> text(const char* sql) {
    auto parsed = std::make_shared<sql::Parsed>();
    parsed->text = sql;
    return parsed;
}

std::string found(const Statements& statements, std::string_view name) {
    const auto parsed = statements.find(name);
    return parsed == nullptr ? "nothing" : parsed->text;
}

sql::Analysis prepares(const char* name, const char* sql) {
    sql::Analysis analysis;
    analysis.statements.emplace_back();
    analysis.statements[0].prepares = name;
    analysis.statements[0].prepared = text(sql);
    return analysis;
}

sql::Analysis declares(const char* name) {
    sql::Analysis analysis;
    analysis.statements.emplace_back();
    analysis.statements[0].declares = name;
    return analysis;
}

TEST(Statements, PipelinedBindFindsTheParseOnItsWay) {
    Statements statements;
    statements.parsing(1, "", text("SELECT 1"));
    EXPECT_EQ(found(statements, ""), "SELECT 1");
    statements.parse_finished(1, false);
    EXPECT_EQ(found(statements, ""), "SELECT 1");
}

TEST(Statements, AFailedParseLeavesNoName) {
    Statements statements;
    statements.parsing(1, "s", text("SELECT 1"));
    statements.parse_finished(1, true);
    EXPECT_EQ(found(statements, "s"), "nothing");
}

TEST(Statements, ASecondParseOfANameThatExistsDoesNotReplaceIt) {
    Statements statements;
    statements.apply(prepares("s", "DELETE FROM t"), false);
    statements.parsing(1, "s", text("SELECT 1"));  // the server will refuse it: the name is taken
    EXPECT_EQ(found(statements, "s"), "DELETE FROM t");
    statements.parse_finished(1, true);
    EXPECT_EQ(found(statements, "s"), "DELETE FROM t");
}

TEST(Statements, TwoParsesOfOneNameOnTheirWayAreAmbiguous) {
    Statements statements;
    statements.parsing(1, "s", text("SELECT 1"));
    statements.parsing(2, "s", text("DELETE FROM t"));
    EXPECT_EQ(found(statements, "s"), "nothing");
    statements.parsing(3, "", text("SELECT 3"));
    statements.parsing(4, "", text("SELECT 4"));
    EXPECT_EQ(found(statements, ""), "SELECT 4");  // the unnamed statement is replaced each time
}

TEST(Statements, APrepareOnItsWayOrFailedIsUncertain) {
    Statements statements;
    statements.running(prepares("s", "SELECT 1"));
    EXPECT_EQ(found(statements, "s"), "nothing");
    statements.apply(prepares("s", "SELECT 1"), true);  // perhaps another statement of the same text failed
    EXPECT_EQ(found(statements, "s"), "nothing");
    statements.apply(prepares("s", "SELECT 1"), false);
    EXPECT_EQ(found(statements, "s"), "SELECT 1");
}

TEST(Statements, ADeallocateThatFailedMakesTheNameUncertain) {
    Statements statements;
    statements.apply(prepares("s", "SELECT 1"), false);
    sql::Analysis analysis;
    analysis.statements.emplace_back();
    analysis.statements[0].deallocates = "*";
    statements.apply(analysis, true);
    EXPECT_EQ(found(statements, "s"), "nothing");
}

TEST(Statements, TooManyNamesAreNoNames) {
    Statements statements;
    for (std::size_t i = 0; i <= limits::prepared_statements; ++i) {
        statements.parsing(i + 1, "s" + std::to_string(i), text("SELECT 1"));
        statements.parse_finished(i + 1, false);
    }
    EXPECT_EQ(found(statements, "s1"), "nothing");
}

TEST(Statements, ACursorIsKnownOnlyWhenItsDeclareHasEnded) {
    Statements statements;
    statements.apply(declares("c"), false);
    EXPECT_NE(statements.cursor("c"), nullptr);
    statements.running(declares("c"));  // declared again, with other columns perhaps
    EXPECT_EQ(statements.cursor("c"), nullptr);
    statements.apply(declares("c"), true);
    EXPECT_EQ(statements.cursor("c"), nullptr);
}

TEST(Statements, APortalBoundTwiceIsUncertainButTheUnnamedOneIsReplaced) {
    Statements statements;
    model::ResultMasks all;
    all.covers_all_columns = true;
    statements.portal_bound("p", {});
    statements.portal_bound("p", all);
    EXPECT_EQ(statements.cursor("p"), nullptr);
    statements.portal_bound("", {});
    statements.portal_bound("", all);
    EXPECT_EQ(statements.cursor("")->masks, all);
}

}  // namespace
}  // namespace assent::session
