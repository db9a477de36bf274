// Masks against a real server. Two databases differ in nothing but the values of masked columns; every query runs on both,
// its planned masks are laid on the rows, and what comes out must be the same: then nothing of the values has come through.
// Queries that the analysis denies, or that do what no policy allows by default, are not run.
#include <algorithm>

#include <gtest/gtest.h>

#include "unit/sql/helpers.h"
#include "unit/sql_server/connection.h"
#include "unit/sql_server/mask_queries.h"
#include "wire/postgres/copy_masking.h"
#include "wire/postgres/protocol.h"

namespace assent::sql::test {
namespace {

std::string one_customer_sql(const std::string& ssn, const std::string& card, int first_score) {
    std::string sql = R"(
CREATE SCHEMA util;
CREATE TABLE customers (id int PRIMARY KEY, name text, ssn text, card text, city text, score int, extra jsonb);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, total numeric, note text);
CREATE TABLE old_customers () INHERITS (customers);
CREATE TABLE events (id int, day date, secret text) PARTITION BY RANGE (day);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE VIEW customer_view AS SELECT id, name, ssn AS number FROM customers;
CREATE VIEW view_of_view AS SELECT number AS n, id FROM customer_view;
CREATE VIEW order_view AS SELECT id, total FROM orders;
CREATE TABLE logged (id int, text text);
CREATE TABLE ruled (id int);
CREATE RULE ruled_instead AS ON INSERT TO ruled DO INSTEAD UPDATE customers SET city = city WHERE id = new.id RETURNING customers.ssn::int4;
CREATE FUNCTION util.tidy(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(t)';
CREATE FUNCTION util.many(t text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS 'SELECT regexp_split_to_table(t, '''')';
CREATE FUNCTION peek(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT t';
CREATE TYPE pair AS (a text, b text);
INSERT INTO orders SELECT i, 1 + i % 3, i * 10, 'note ' || i FROM generate_series(1, 6) i;
)";
    for (int i = 1; i <= 3; ++i) {
        const std::string number = std::to_string(i);
        sql += fmt::format(
            "INSERT INTO {} VALUES ({}, 'name {}', '{}{}', '{}{}0042', 'city {}', {}, '{{\"a\": {}, \"s\": \"{}{}\"}}');",
            i == 3 ? "old_customers" : "customers", i, i, ssn, i, card, i, i % 2, first_score * i, i, ssn, i);
    }
    sql += fmt::format("INSERT INTO events VALUES (1, '2024-05-05', '{}e');", ssn);
    // A value of each kind that is absent in one row of both.
    sql += "INSERT INTO customers VALUES (9, 'nobody', NULL, NULL, NULL, NULL, NULL);";
    return sql;
}

ListedMasks masks_of_shop() {
    ListedMasks masks;
    masks.add("public.customers.ssn", {model::MaskKind::redact, 0, 0});
    masks.add("public.customers.card", {model::MaskKind::partial, 0, 4});
    masks.add("public.customers.score", {model::MaskKind::null, 0, 0});
    masks.add("public.customers.extra", {model::MaskKind::redact, 0, 0});
    masks.add("public.events.secret", {model::MaskKind::hash, 0, 0});
    return masks;
}

// What the proxy makes of a value; hashes are not compared, as they rightly differ.
std::optional<std::string> masked(const std::optional<std::string>& value, const model::MaskMethod& method) {
    if (method.kind == model::MaskKind::none || !value) return value;
    if (method.kind == model::MaskKind::partial) {
        const std::size_t kept = std::min<std::size_t>(method.keep_last, value->size());
        return "***" + value->substr(value->size() - kept);
    }
    return method.kind == model::MaskKind::null ? std::nullopt : std::optional<std::string>("[redacted]");
}

void lay(const model::ResultMasks& masks, Rows& rows) {
    const bool is_whole = masks.covers_all_columns || masks.columns.size() != static_cast<std::size_t>(rows.fields);
    for (auto& row : rows.rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            row[i] = masked(row[i], is_whole ? masks.otherwise.method : masks.columns[i].method);
        }
    }
}

class Masks : public testing::Test {
protected:
    static void SetUpTestSuite() {
        server_ = std::make_unique<assent::test::RealServer>();
        ASSERT_TRUE(server_->is_running());
        Connection maker(*server_, "postgres");
        for (const char* name : {"shop_a", "shop_b"}) ASSERT_EQ(maker.run(std::string("CREATE DATABASE ") + name).error, "");
        a_ = std::make_unique<Connection>(*server_, "shop_a");
        b_ = std::make_unique<Connection>(*server_, "shop_b");
        ASSERT_EQ(a_->run(one_customer_sql("773190", "4111222233", 100)).error, "");
        ASSERT_EQ(b_->run(one_customer_sql("zqwkvx", "9876zz5432", -70)).error, "");
    }
    static void TearDownTestSuite() {
        a_.reset();
        b_.reset();
        server_.reset();
    }

    static Analysis plan(const std::string& sql) {
        Catalog catalog;
        const auto parsed = parse(sql);
        EXPECT_EQ(a_->teach(catalog, parsed->relations, parsed->functions), "") << sql;
        static const ListedMasks masks = masks_of_shop();
        Environment environment;
        environment.catalog = &catalog;
        environment.masks = &masks;
        environment.is_harmless = [](std::string_view schema, std::string_view) { return schema == "util"; };
        return analyse(*parsed, environment);
    }
    static Rows rows_of(Connection& connection, const std::string& sql) {
        EXPECT_EQ(connection.run("BEGIN").error, "");
        Rows rows = sql.starts_with("COPY") ? connection.copy_out(sql) : connection.run(sql);
        EXPECT_EQ(connection.run("ROLLBACK").error, "");
        return rows;
    }
    static bool is_stopped(const Analysis& analysis) {
        using enum model::Operation;
        return !analysis.mask_denial.empty() ||
               std::any_of(analysis.effects.begin(), analysis.effects.end(), [](const auto& effect) {
                   return effect.operation == unknown || effect.operation == execute || effect.operation == external;
               });
    }

    static inline std::unique_ptr<assent::test::RealServer> server_;
    static inline std::unique_ptr<Connection> a_;
    static inline std::unique_ptr<Connection> b_;
};

std::string text_of(const Rows& rows) {
    std::string text = rows.error.empty() ? "" : "error";
    for (const auto& row : rows.rows) {
        for (const auto& value : row) text += value.value_or("NULL") + "|";
        text += "\n";
    }
    return text;
}

TEST_F(Masks, NothingOfAMaskedValueComesThrough) {
    int denied = 0;
    int failed = 0;
    for (const char* sql : mask_queries) {
        SCOPED_TRACE(sql);
        const Analysis analysis = plan(sql);
        if (is_stopped(analysis)) {
            ++denied;
            RecordProperty("stopped", sql);
            std::printf("stopped: %s: %s\n", sql, analysis.mask_denial.c_str());
            continue;
        }
        ASSERT_EQ(analysis.statements.size(), 1U);
        const auto& facts = analysis.statements[0];
        Rows from_a = rows_of(*a_, sql);
        Rows from_b = rows_of(*b_, sql);
        if (!from_a.error.empty() || !from_b.error.empty()) {
            ++failed;
            ADD_FAILURE() << from_a.error << from_b.error;
            continue;
        }
        if (!facts.masks.covers_all_columns) {
            EXPECT_EQ(facts.masks.columns.size(), static_cast<std::size_t>(from_a.fields));
        }
        EXPECT_NE(text_of(from_a), "") << "no rows: nothing was tried";
        lay(facts.masks, from_a);
        lay(facts.masks, from_b);
        EXPECT_EQ(text_of(from_a), text_of(from_b));
    }
    // A test that denies everything would prove nothing.
    EXPECT_LT(denied, 5) << "in the list of what is to be masked";
    EXPECT_EQ(failed, 0);
}

// What an agent gets of a COPY: each message through the masker, as the adapter does it.
std::string masked_copy(Connection& connection, const std::string& sql, const StatementFacts& facts,
                        const std::string& extra) {
    EXPECT_EQ(connection.run("BEGIN").error, "");
    EXPECT_EQ(connection.run(extra).error, "");
    wire::postgres::CopyMasker masker(facts.copy, Digest{});
    std::string out;
    for (const std::string& data : connection.copy_data(sql)) {
        if (data.starts_with("error")) out += data;
        ByteVector message;
        wire::postgres::MessageWriter(message).begin('d').bytes(as_bytes(data)).end();
        ByteVector masked;
        if (masker.mask(message, facts.masks, masked) < 0) return "(refused)";
        out += as_text(Bytes(masked).subspan(wire::postgres::header_size));
    }
    EXPECT_EQ(connection.run("ROLLBACK").error, "");
    return out;
}

constexpr const char* copy_forms[] = {
    "",
    "(FORMAT csv)",
    "(FORMAT csv, HEADER)",
    "CSV HEADER",
    "(FORMAT csv, DELIMITER ';', QUOTE '''', ESCAPE 'x', NULL 'none')",
    "(FORMAT csv, FORCE_QUOTE *)",
    "(FORMAT csv, HEADER off, DELIMITER '|', QUOTE '~')",
    "(FORMAT text, DELIMITER '|', NULL '\\0')",
    "(DELIMITER ',', ENCODING 'UTF8')",
    "(FORMAT text, HEADER true)",
    "WITH DELIMITER AS ';'",
    "(FORMAT binary)",
    "BINARY",
};

constexpr const char* copy_sources[] = {
    "customers",
    "customers (ssn, id, card)",
    "(SELECT * FROM customers)",
    "(SELECT id, ssn AS s, card, score, extra FROM customers)",
    "(SELECT c.ssn, o.note FROM customers c JOIN orders o USING (id))",
    "(WITH w AS (SELECT ssn AS s, card FROM customers) SELECT s, card, 1 AS n FROM w)",
    "(SELECT ssn FROM customers UNION ALL SELECT ssn FROM old_customers)",
    "(SELECT x.s FROM (SELECT ssn FROM customers) x (s))",
    "(SELECT ssn::text, ssn || 'x' FROM customers)",
    "(DELETE FROM customers WHERE id < 3 RETURNING ssn, card)",
    "(SELECT c FROM customers c)",
};

TEST_F(Masks, ACopyTellsNothingInAnyFormat) {
    const std::string quiet = "INSERT INTO customers VALUES (2001, 'n', 'plain', 'abcdefgh0042', 'c', 5, '1')";
    const std::string loud =
        "INSERT INTO customers VALUES (2001, 'n', E'\",;|''~x\\\\\n\t', E'a,\"|;''~\\t0042', 'c', 7, '\"a,b\"')";
    for (const char* source : copy_sources) {
        for (const char* form : copy_forms) {
            const std::string sql = fmt::format("COPY {} TO STDOUT {}", source, form);
            SCOPED_TRACE(sql);
            const Analysis analysis = plan(sql);
            EXPECT_EQ(analysis.mask_denial, "");
            const std::string a = masked_copy(*a_, sql, analysis.statements[0], quiet);
            const std::string b = masked_copy(*b_, sql, analysis.statements[0], loud);
            EXPECT_EQ(a, b);
            EXPECT_FALSE(a.empty());
            EXPECT_EQ(a.find("error"), std::string::npos) << a;
            const bool has_text = std::string_view(source).find("SELECT c ") == std::string_view::npos;
            EXPECT_EQ(a.find("[redacted]") != std::string::npos, has_text) << a;
        }
    }
}

TEST_F(Masks, ACopyGivesWhatTheSelectGives) {
    const std::string query = "SELECT id, ssn, card, score, extra FROM ONLY customers ORDER BY id";
    const auto copied = [&](const std::string& form) {
        const std::string sql = "COPY (" + query + ") TO STDOUT " + form;
        return masked_copy(*a_, sql, plan(sql).statements[0], "SELECT 1");
    };
    EXPECT_EQ(copied(""),
              "1\t[redacted]\t***********0042\t\\N\t\"[redacted]\"\n2\t[redacted]\t***********0042\t\\N\t\"[redacted]\"\n"
              "9\t\\N\t\\N\t\\N\t\\N\n");
    EXPECT_EQ(copied("(FORMAT csv, HEADER)"),
              "id,ssn,card,score,extra\n1,[redacted],***********0042,,\"\"\"[redacted]\"\"\"\n"
              "2,[redacted],***********0042,,\"\"\"[redacted]\"\"\"\n9,,,,\n");
}

TEST_F(Masks, ACopyThatLeavesDoubtIsDenied) {
    for (const char* form : {"(NULL 'x')", "(NULL '')", "(FORMAT text, NULL '\\n')", "(FORMAT csv, ENCODING 'SJIS')",
                             "(FORMAT csv, HEADER match)", "(DELIMITER 'ab')", "(FORMAT csv, QUOTE '')", "(SOMETHING)",
                             "(FORMAT csv, FORCE_NULL (ssn))", "(FORMAT 'CSV')"}) {
        EXPECT_NE(plan(std::string("COPY customers TO STDOUT ") + form).mask_denial, "") << form;
        EXPECT_EQ(plan(std::string("COPY orders TO STDOUT ") + form).mask_denial, "") << form;
    }
}

TEST_F(Masks, WhatWouldTellOfAMaskedValueIsDenied) {
    for (const char* sql : denied_queries) {
        SCOPED_TRACE(sql);
        EXPECT_NE(plan(sql).mask_denial, "");
    }
}

TEST_F(Masks, WhatIsDoneIsSeenHoweverItIsWritten) {
    for (const auto& query : effect_queries) {
        const std::string effects = line_of(plan(query.sql).effects);
        EXPECT_NE(effects.find(query.effect), std::string::npos) << query.sql << ": " << effects;
    }
}

TEST_F(Masks, WhatIsProvedCleanPassesUnchanged) {
    for (const char* sql : clean_queries) {
        SCOPED_TRACE(sql);
        const Analysis analysis = plan(sql);
        EXPECT_EQ(analysis.mask_denial, "");
        ASSERT_EQ(analysis.statements.size(), 1U);
        const auto& masks = analysis.statements[0].masks;
        EXPECT_FALSE(masks.covers_all_columns);
        for (const auto& column : masks.columns) EXPECT_EQ(column.method.kind, model::MaskKind::none);
        const Rows rows = rows_of(*a_, sql);
        EXPECT_EQ(rows.error, "");
        EXPECT_EQ(masks.columns.size(), static_cast<std::size_t>(rows.fields));
    }
}

}  // namespace
}  // namespace assent::sql::test
