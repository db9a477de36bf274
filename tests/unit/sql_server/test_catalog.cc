// The question that is put to the server, on a real one: names, temporary tables, views, partitions, and nothing that an
// agent makes can stand in for what it asks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/sql_server/connection.h"

namespace assent::sql::test {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr const char* shop_sql = R"(
CREATE SCHEMA app; CREATE SCHEMA "Odd.One";
CREATE TABLE public.orders (id int, gone int, total numeric, twice numeric GENERATED ALWAYS AS (total * 2) STORED);
ALTER TABLE public.orders DROP COLUMN gone;
CREATE TABLE app.orders (id int, note text);
CREATE TABLE "Odd.One"."Say ""hi"", {x}\" (id int);
CREATE VIEW public.shown AS SELECT id FROM public.orders;
CREATE VIEW public.shown_again AS SELECT id FROM public.shown;
CREATE MATERIALIZED VIEW public.kept AS SELECT id FROM app.orders;
CREATE TABLE public.parent (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE public.part_a PARTITION OF public.parent FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE public.part_b PARTITION OF public.parent FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE VIEW public.part_view AS SELECT id FROM public.part_a;
CREATE FUNCTION app.upper(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.several() RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';
CREATE ROLE agent LOGIN;
GRANT USAGE ON SCHEMA public TO agent;
)";

class AskingTheCatalog : public testing::Test {
protected:
    static void SetUpTestSuite() {
        server_ = std::make_unique<assent::test::RealServer>();
        ASSERT_TRUE(server_->is_running());
        Connection maker(*server_, "postgres");
        ASSERT_EQ(maker.run(shop_sql).error, "");
    }
    static void TearDownTestSuite() { server_.reset(); }
    static std::vector<std::string> columns(const Relation* relation) {
        std::vector<std::string> names;
        if (relation != nullptr) {
            for (const auto& column : relation->columns) names.push_back(column.name);
        }
        return names;
    }
    static inline std::unique_ptr<assent::test::RealServer> server_;
};

TEST_F(AskingTheCatalog, FindsNamesBySearchPathAndKnowsWhatIsAbsent) {
    Connection connection(*server_, "postgres");
    Catalog catalog;
    ASSERT_EQ(connection.run("SET search_path = app, public").error, "");
    const std::vector<Name> names = {
        {"", "orders"}, {"public", "orders"}, {"", "missing"}, {"", "pg_class"}, {"Odd.One", "Say \"hi\", {x}\\"}};
    ASSERT_EQ(connection.teach(catalog, names, {{"", "upper"}, {"", "several"}, {"", "nothing"}, {"pg_catalog", "now"}}),
              "");
    ASSERT_NE(catalog.relation({"", "orders"}), nullptr);
    EXPECT_EQ(catalog.relation({"", "orders"})->schema, "app");
    EXPECT_THAT(columns(catalog.relation({"public", "orders"})), ElementsAre("id", "total", "twice"));
    EXPECT_TRUE(catalog.relation({"public", "orders"})->columns[2].is_generated);
    EXPECT_FALSE(catalog.relation({"public", "orders"})->columns[1].is_generated);
    EXPECT_EQ(catalog.relation({"", "missing"}), nullptr);
    EXPECT_TRUE(catalog.is_known({"", "missing"}));
    EXPECT_FALSE(catalog.is_known({"", "another"}));
    EXPECT_EQ(catalog.relation({"", "pg_class"})->schema, "pg_catalog");
    EXPECT_NE(catalog.relation({"Odd.One", "Say \"hi\", {x}\\"}), nullptr);
    EXPECT_THAT(catalog.search_path(), ElementsAre("pg_catalog", "app", "public"));
    EXPECT_EQ(catalog.creation_schema(), "app");
    EXPECT_EQ(catalog.current_user(), "postgres");
    EXPECT_THAT(catalog.function_schemas({"", "upper"}), ElementsAre("pg_catalog", "app"));
    EXPECT_THAT(catalog.function_schemas({"pg_catalog", "now"}), ElementsAre("pg_catalog"));
    EXPECT_THAT(catalog.function_schemas({"", "nothing"}), ElementsAre());
    EXPECT_TRUE(catalog.may_return_set({"", "several"}));
    EXPECT_FALSE(catalog.may_return_set({"", "upper"}));
    EXPECT_FALSE(catalog.question(names, {{"", "upper"}}).has_value());
    catalog.forget();
    EXPECT_TRUE(catalog.question(names, {}).has_value());
}

TEST_F(AskingTheCatalog, FollowsViewsAndPartitionsBothWays) {
    Connection connection(*server_, "postgres");
    Catalog catalog;
    ASSERT_EQ(connection.teach(catalog, {{"", "shown_again"}, {"", "part_a"}, {"", "part_view"}, {"", "kept"}}, {}), "");
    EXPECT_THAT(catalog.relation({"", "shown_again"})->reaches,
                UnorderedElementsAre(Name{"public", "shown"}, Name{"public", "orders"}));
    EXPECT_TRUE(catalog.relation({"", "shown_again"})->relatives.empty());
    EXPECT_THAT(catalog.relation({"", "part_a"})->relatives,
                UnorderedElementsAre(Name{"public", "parent"}, Name{"public", "part_b"}));
    EXPECT_THAT(catalog.relation({"", "part_view"})->reaches,
                UnorderedElementsAre(Name{"public", "parent"}, Name{"public", "part_a"}, Name{"public", "part_b"}));
    EXPECT_TRUE(catalog.relation({"", "part_view"})->relatives.empty());
    EXPECT_THAT(catalog.relation({"", "kept"})->reaches, UnorderedElementsAre(Name{"app", "orders"}));
    ASSERT_NE(catalog.reached({"app", "orders"}), nullptr);
    EXPECT_THAT(columns(catalog.reached({"app", "orders"})), ElementsAre("id", "note"));
}

TEST_F(AskingTheCatalog, AsksOnceForPlainTablesAndOnceMoreForThoseThatLeadToOthers) {
    Connection connection(*server_, "postgres");
    Catalog catalog;
    const std::vector<Name> names = {
        {"", "orders"}, {"", "shown"}, {"app", "orders"}, {"public", "part_b"}, {"", "missing"}};
    const auto first = catalog.question(names, {});
    ASSERT_TRUE(first.has_value());
    ASSERT_TRUE(catalog.learn(connection.ask(*first).rows).has_value());
    EXPECT_NE(catalog.relation({"", "orders"}), nullptr);
    EXPECT_NE(catalog.relation({"app", "orders"}), nullptr) << "a materialized view reads it; it reads nothing";
    EXPECT_TRUE(catalog.is_known({"", "missing"}));
    EXPECT_FALSE(catalog.is_known({"", "shown"})) << "before it is known where it leads";
    EXPECT_FALSE(catalog.is_known({"public", "part_b"}));
    const auto second = catalog.question(names, {});
    ASSERT_TRUE(second.has_value());
    EXPECT_THAT(second->parameters, ElementsAre(R"({"","public"})", R"({"shown","part_b"})", testing::_));
    ASSERT_TRUE(catalog.learn(connection.ask(*second).rows).has_value());
    EXPECT_THAT(catalog.relation({"", "shown"})->reaches, ElementsAre(Name{"public", "orders"}));
    EXPECT_FALSE(catalog.question(names, {}).has_value());
}

TEST_F(AskingTheCatalog, WhatIsForgottenWhileAnAnswerIsOnItsWayIsNotTakenForAbsent) {
    Connection connection(*server_, "postgres");
    Catalog catalog;
    ASSERT_EQ(connection.teach(catalog, {{"", "orders"}}, {}), "");
    const std::vector<Name> names = {{"", "orders"}, {"", "pg_class"}};
    const auto question = catalog.question(names, {});
    catalog.forget();
    ASSERT_TRUE(catalog.learn(connection.ask(*question).rows).has_value());
    EXPECT_NE(catalog.relation({"", "pg_class"}), nullptr);
    EXPECT_FALSE(catalog.is_known({"", "orders"}));
    EXPECT_TRUE(catalog.question(names, {}).has_value());
}

TEST_F(AskingTheCatalog, ANameMeansWhatItMeansNowAlsoInATransactionThatSeesThePast) {
    Connection connection(*server_, "postgres");
    Connection other(*server_, "postgres");
    ASSERT_EQ(connection.run("CREATE SCHEMA late; SET search_path = late, public").error, "");
    ASSERT_EQ(connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ").error, "");
    ASSERT_EQ(connection.run("SELECT 1").error, "");
    ASSERT_EQ(other.run("CREATE TABLE late.orders (id int)").error, "");
    Catalog catalog;
    ASSERT_EQ(connection.teach(catalog, {{"", "orders"}}, {}), "");
    EXPECT_EQ(catalog.relation({"", "orders"}), nullptr) << "not public.orders: a command would reach late.orders";
    ASSERT_EQ(connection.run("COMMIT").error, "");
    ASSERT_EQ(other.run("DROP SCHEMA late CASCADE").error, "");
}

TEST_F(AskingTheCatalog, RefusesAnswersThatDoNotFitTheQuestion) {
    const std::vector<std::optional<std::string>> session = {"session", "u", "u", "public", {}, {}, {}};
    std::vector<std::optional<std::string>> relation = {"visible", "2", "16384", "public", "t", "r",
                                                        "false",   "1", "a",     "23",     ""};
    Catalog catalog;
    ASSERT_TRUE(catalog.question({{"", "t"}}, {}).has_value());
    EXPECT_FALSE(catalog.learn({session, relation}).has_value()) << "only one name was asked for";
    relation[1] = "1";
    ASSERT_TRUE(catalog.question({{"", "t"}}, {}).has_value());
    ASSERT_TRUE(catalog.learn({session, relation}).has_value());
    EXPECT_EQ(catalog.relation({"", "t"})->columns.size(), 1U);
    EXPECT_FALSE(catalog.learn({session, relation}).has_value()) << "nothing was asked for";
    EXPECT_FALSE(catalog.learn({relation}).has_value());
}

TEST_F(AskingTheCatalog, SeesTemporaryTablesThatShadowRealOnes) {
    Connection connection(*server_, "postgres");
    Catalog catalog;
    ASSERT_EQ(connection.run("CREATE TEMP TABLE orders (secret text)").error, "");
    ASSERT_EQ(connection.teach(catalog, {{"", "orders"}, {"pg_temp", "orders"}}, {}), "");
    EXPECT_EQ(catalog.relation({"", "orders"})->schema, "pg_temp");
    EXPECT_EQ(catalog.relation({"pg_temp", "orders"})->schema, "pg_temp");
    EXPECT_EQ(catalog.search_path().front(), "pg_temp");
}

TEST_F(AskingTheCatalog, CannotBeDeceivedByOperatorsFunctionsAndTypesOfTheAgent) {
    Connection connection(*server_, "postgres");
    ASSERT_EQ(
        connection
            .run("CREATE SCHEMA evil; CREATE FUNCTION evil.no(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';"
                 "CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.no);"
                 "CREATE FUNCTION evil.current_schemas(bool) RETURNS name[] LANGUAGE sql AS 'SELECT ''{evil}''::name[]';"
                 "CREATE DOMAIN evil.text AS int; CREATE DOMAIN evil.name AS int;"
                 "CREATE TABLE evil.pg_class (oid oid); SET search_path = evil, public, pg_catalog")
            .error,
        "");
    Catalog catalog;
    ASSERT_EQ(connection.teach(catalog, {{"", "orders"}, {"", "pg_class"}}, {{"", "current_schemas"}}), "");
    EXPECT_EQ(catalog.relation({"", "orders"})->schema, "public");
    EXPECT_EQ(catalog.relation({"", "pg_class"})->schema, "evil");
    EXPECT_THAT(catalog.function_schemas({"", "current_schemas"}), ElementsAre("evil", "pg_catalog"));
}

TEST_F(AskingTheCatalog, NeedsNoRightsAndNoSettings) {
    Connection connection(*server_, "postgres", "agent");
    ASSERT_TRUE(connection.is_open());
    ASSERT_EQ(
        connection.run("SET search_path = ''; SET standard_conforming_strings = off; SET DateStyle = 'SQL, DMY'").error, "");
    Catalog catalog;
    ASSERT_EQ(connection.teach(catalog, {{"app", "orders"}, {"", "orders"}, {"", "\xc3\xa9t\xc3\xa9"}}, {{"", ""}}), "");
    EXPECT_NE(catalog.relation({"app", "orders"}), nullptr);
    EXPECT_EQ(catalog.relation({"", "orders"}), nullptr);
    EXPECT_EQ(catalog.current_user(), "agent");
    EXPECT_EQ(catalog.creation_schema(), "");
}

}  // namespace
}  // namespace assent::sql::test
