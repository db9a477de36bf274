// Planning may run functions. Each case makes something by which it would, or might, and must then be left alone; where the
// hazard can be seen, EXPLAIN itself shows that it is one. What is harmless gets the planner's own numbers.
#include <gtest/gtest.h>

#include "sql/estimate.h"
#include "unit/sql_server/connection.h"

namespace assent::sql::test {
namespace {

constexpr const char* shop = R"(
CREATE TYPE state AS ENUM ('open', 'paid');
CREATE TABLE orders (id int PRIMARY KEY, total numeric NOT NULL CHECK (total >= 0), state state DEFAULT 'open',
                     tags text[], made timestamptz DEFAULT now());
INSERT INTO orders SELECT i, i, CASE WHEN i % 10 = 0 THEN 'paid' ELSE 'open' END::state FROM generate_series(1, 1000) i;
CREATE TABLE parts (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO parts SELECT i, '2026-01-05' FROM generate_series(1, 500) i;
ANALYZE;
CREATE SEQUENCE calls;
CREATE FUNCTION spy(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('calls'); RETURN $1; END $$;
)";

class EstimateTest : public ::testing::Test {
protected:
    static void SetUpTestSuite() { server_ = std::make_unique<assent::test::RealServer>(); }
    static void TearDownTestSuite() { server_.reset(); }
    void SetUp() override {
        ASSERT_TRUE(server_->is_running());
        const std::string name = "estimate_" + std::to_string(++databases_);
        Connection first(*server_, "postgres");
        ASSERT_EQ(first.run("CREATE DATABASE " + name).error, "");
        connection_ = std::make_unique<Connection>(*server_, name);
        ASSERT_EQ(connection_->run(shop).error, "");
    }

    // The estimates as one line, or "no: why".
    std::string estimate(const std::string& text) {
        Catalog catalog;
        const auto parsed = parse(text);
        if (auto why = connection_->teach(catalog, parsed->relations, parsed->functions); !why.empty()) return why;
        Environment environment;
        environment.catalog = &catalog;
        const auto question = planning_question(*parsed, analyse(*parsed, environment), catalog);
        if (!question) return "no: " + question.error().message;
        const Rows about = connection_->ask(*question);
        if (!about.error.empty()) return "failed: " + about.error;
        if (auto why = why_not_planned(about.rows); !why.empty()) return "no: " + why;
        const Rows plan = connection_->ask(estimate_question(text));
        if (!plan.error.empty()) return "failed: " + plan.error;
        const auto estimates = read_estimate(plan.rows);
        if (!estimates) return "unread: " + estimates.error().message;
        std::string out;
        for (const auto& one : *estimates)
            out += (out.empty() ? "" : "; ") + one.operation + " " + one.relation + " " + std::to_string(one.rows);
        return out;
    }

    long calls() { return std::stol(*connection_->run("SELECT last_value - (NOT is_called)::int FROM calls").rows[0][0]); }

    static std::unique_ptr<assent::test::RealServer> server_;
    static int databases_;
    std::unique_ptr<Connection> connection_;
};

std::unique_ptr<assent::test::RealServer> EstimateTest::server_;
int EstimateTest::databases_ = 0;

TEST_F(EstimateTest, TheNumbersAreThePlanners) {
    EXPECT_EQ(estimate("UPDATE orders SET total = 0"), "update orders 1000");
    EXPECT_EQ(estimate("UPDATE orders SET total = 0 WHERE id BETWEEN 11 AND 20 RETURNING id;"), "update orders 10");
    EXPECT_EQ(estimate("DELETE FROM orders WHERE state = 'paid'"), "delete orders 100");
    EXPECT_EQ(estimate("INSERT INTO orders (id, total) SELECT id + 5000, 1 FROM orders"), "insert orders 1000");
    EXPECT_EQ(estimate("INSERT INTO orders (id, total) VALUES (1, 1), (2, 2) ON CONFLICT DO NOTHING"), "insert orders 2");
    EXPECT_EQ(estimate("DELETE FROM parts WHERE day = '2026-01-05'"), "delete parts 500");
    EXPECT_EQ(estimate("/* one */ SELECT * FROM orders WHERE id = 5 -- two"), "read  1");
    EXPECT_EQ(estimate("WITH gone AS (DELETE FROM orders WHERE state = 'paid' RETURNING id) SELECT count(*) FROM gone"),
              "delete orders 100; read  1");
    EXPECT_EQ(estimate("UPDATE orders SET total = (SELECT max(id) FROM parts) WHERE tags @> '{a}' AND made > now()"),
              "update orders 1");
}

TEST_F(EstimateTest, WhatIsNoSingleStatementThatIsPlannedHasNone) {
    EXPECT_EQ(estimate("DROP TABLE orders"), "no: the server plans no statement of this kind");
    EXPECT_EQ(estimate("SELECT 1; SELECT 2"), "no: it is not one statement");
    EXPECT_EQ(estimate("SELECT * INTO more FROM orders"), "no: the server plans no statement of this kind");
    EXPECT_EQ(estimate("EXPLAIN ANALYZE DELETE FROM orders"), "no: the server plans no statement of this kind");
    EXPECT_EQ(estimate("DELETE FROM nowhere"), "no: it names what could not be resolved");
    EXPECT_EQ(estimate("DELETE FROM"), "no: it is not one statement");
    EXPECT_EQ(estimate("DELETE FROM orders WHERE id = spy(1)"), "no: it calls functions that are not known to be harmless");
    EXPECT_EQ(calls(), 0);
}

struct Hazard {
    const char* made;
    const char* text;
    const char* why;
    bool is_seen;  // EXPLAIN does call spy()
};

TEST_F(EstimateTest, WhatSomebodyMadeIsNotRun) {
    const Hazard hazards[] = {
        {"ALTER TABLE orders ADD n int DEFAULT spy(1)", "INSERT INTO orders (id, total) VALUES (1, 1)",
         "no: a function that was made here hangs on table 'orders'", true},
        {"ALTER TABLE orders ADD n int GENERATED ALWAYS AS (spy(id)) STORED", "UPDATE orders SET id = 7",
         "no: a function that was made here hangs on table 'orders'", false},
        {"ALTER TABLE orders ADD CHECK (id > spy(-5))", "SELECT * FROM orders WHERE id = 5",
         "no: a function that was made here hangs on table 'orders'", false},
        {"CREATE INDEX ON orders (spy(id))", "DELETE FROM orders WHERE id = 5",
         "no: a function that was made here hangs on table 'orders'", false},
        {"CREATE TABLE split (id int) PARTITION BY LIST (spy(id)); CREATE TABLE split_1 PARTITION OF split DEFAULT",
         "DELETE FROM split WHERE id = 5", "no: a function that was made here hangs on table 'split'", false},
        {"CREATE TABLE child (CHECK (id > spy(1))) INHERITS (orders)", "DELETE FROM orders",
         "no: a function that was made here hangs on table 'child'", false},
        {"CREATE VIEW v AS SELECT * FROM orders WHERE id = spy(3)", "SELECT * FROM v",
         "no: 'v' is not a table of this database", true},
        {"CREATE POLICY p ON orders USING (id = spy(1)); ALTER TABLE orders ENABLE ROW LEVEL SECURITY", "DELETE FROM orders",
         "no: 'orders' has row security or rules, whose functions planning may call", false},
        {"CREATE RULE r AS ON DELETE TO orders DO INSTEAD SELECT spy(1)", "DELETE FROM orders",
         "no: 'orders' has row security or rules, whose functions planning may call", true},
        {"CREATE FUNCTION same(int, text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT spy($1) IS NULL';"
         "CREATE OPERATOR = (LEFTARG = int, RIGHTARG = text, FUNCTION = same)",
         "SELECT id FROM orders WHERE 1 = 'x'::text", "no: an operator '=' was made here", true},
        {"CREATE FUNCTION same(int, text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT spy($1) IS NULL';"
         "CREATE OPERATOR <= (LEFTARG = int, RIGHTARG = text, FUNCTION = same)",
         "SELECT * FROM orders WHERE 1 <= 'x'::text", "no: an operator '<=' was made here", true},
        {"CREATE FUNCTION same(int, int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT spy($1) IS NULL';"
         "CREATE OPERATOR @@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = same); SET search_path = public, pg_catalog",
         "SELECT id FROM orders WHERE id = 2", "no: the search path puts another schema before the server's own", false},
        {"ALTER TABLE orders ADD EXCLUDE USING btree (id WITH =) WHERE (spy(1) > 0)", "DELETE FROM orders WHERE id = 5",
         "no: a function that was made here hangs on table 'orders'", true},
        {"CREATE FUNCTION wrap(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + spy(1) * 0';"
         "CREATE TABLE deep (id int) PARTITION BY LIST (wrap(id));"
         "CREATE TABLE deep_1 PARTITION OF deep DEFAULT PARTITION BY LIST (id);"
         "CREATE TABLE deep_2 PARTITION OF deep_1 DEFAULT",
         "DELETE FROM deep_1 WHERE id = 5", "no: a function that was made here hangs on table 'deep'", true},
        {"CREATE DOMAIN small AS int CHECK (spy(VALUE) < 10); CREATE DOMAIN lower AS small[]",
         "SELECT * FROM orders WHERE lower('{5}') IS NULL", "no: type 'lower' was made here", true},
        {"CREATE DOMAIN small AS int CHECK (spy(VALUE) < 10); CREATE DOMAIN lower AS small[]",
         "SELECT * FROM orders WHERE ('{5}').lower IS NULL", "no: type 'lower' was made here", true},
        {"CREATE DOMAIN small AS int CHECK (spy(VALUE) < 10)",
         "SELECT * FROM orders WHERE domain_in('5', 'small'::regtype::oid, -1) IS NULL",
         "no: it calls functions that are not known to be harmless", false},
        {"CREATE DOMAIN small AS int CHECK (spy(VALUE) < 10)",
         "SELECT * FROM orders WHERE array_in('{5}', 'small'::regtype::oid, -1) IS NULL",
         "no: it calls functions that are not known to be harmless", false},
        {"CREATE DOMAIN small AS int CHECK (spy(VALUE) < 10); ALTER TABLE orders ADD s small", "UPDATE orders SET s = 5",
         "no: column 'orders.s' has a type that was made here", false},
        {"CREATE DOMAIN small AS int CHECK (spy(VALUE) < 10); CREATE TYPE pair AS (a small, b int)",
         "SELECT * FROM orders WHERE '(1,2)'::pair IS NULL", "no: type 'pair' was made here", true},
        {"CREATE DOMAIN small AS int CHECK (spy(VALUE) < 10)", "SELECT * FROM orders WHERE '{5}'::small[] IS NULL",
         "no: type 'small' was made here", true},
        {"CREATE TYPE pair AS (a int, b int); CREATE FUNCTION cast_pair(int) RETURNS pair IMMUTABLE LANGUAGE sql AS "
         "'SELECT ROW(spy($1), 1)::pair'; CREATE CAST (int AS pair) WITH FUNCTION cast_pair(int) AS ASSIGNMENT",
         "SELECT id FROM orders", "no: a cast to 'pair' was made here", false},
    };
    for (const Hazard& hazard : hazards) {
        SCOPED_TRACE(hazard.made);
        SetUp();
        ASSERT_EQ(connection_->run(hazard.made).error, "");
        connection_->run("SELECT setval('calls', 1, false)");
        EXPECT_EQ(estimate(hazard.text), hazard.why);
        EXPECT_EQ(calls(), 0);
        if (!hazard.is_seen) continue;
        EXPECT_EQ(connection_->run(std::string("EXPLAIN ") + hazard.text).error, "");
        EXPECT_GT(calls(), 0) << "planning alone calls it";
    }
}

TEST_F(EstimateTest, AnAnswerThatIsNoPlanIsSaidToBe) {
    const auto fails = [](std::vector<Row> rows) { return !read_estimate(rows).has_value(); };
    EXPECT_TRUE(fails({}));
    EXPECT_TRUE(fails({{std::nullopt}}));
    EXPECT_TRUE(fails({{""}}));
    EXPECT_TRUE(fails({{"[]"}}));
    EXPECT_TRUE(fails({{"[{\"Plan\": 5}]"}}));
    EXPECT_TRUE(fails({{"[{\"Plan\": {\"Node Type\": \"Result\", \"Plan Rows\": -1}}]"}}));
    EXPECT_TRUE(fails({{"[{\"Plan\": {\"Node Type\": \"ModifyTable\", \"Plan Rows\": 0}}]"}}));
    EXPECT_TRUE(fails({{std::string(5000, '[')}}));
    const auto huge = read_estimate({{"[{\"Plan\": {\"Node Type\": \"Result\", \"Plan Rows\": 1e300}}]"}});
    ASSERT_TRUE(huge.has_value());
    EXPECT_EQ(huge->front().rows, 1'000'000'000'000'000'000U);
    EXPECT_EQ(why_not_planned({{"what", "no"}}), "the server's answer could not be read");
    EXPECT_EQ(why_not_planned({{}}), "the server's answer could not be read");
}

}  // namespace
}  // namespace assent::sql::test
