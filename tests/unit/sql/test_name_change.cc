// Several statements in one text: the catalog was asked before the first of them, and an earlier one may have changed what
// the names of a later one mean.
#include "unit/sql/helpers.h"
#include "unit/sql/shop.h"

namespace assent::sql::test {
namespace {

class NameChanges : public testing::Test {
protected:
    NameChanges() {
        environment_.catalog = &catalog_;
        environment_.is_harmless = [](std::string_view schema, std::string_view) { return schema == "util"; };
        masks_.add("public.customers.ssn", {model::MaskKind::redact, 0, 0});
    }
    Analysis run(std::string_view sql) { return analyse(*parse(sql), environment_); }
    // The effects of the last statement.
    std::string last(std::string_view sql) {
        const Analysis analysis = run(sql);
        std::vector<model::Effect> effects;
        for (const auto& effect : analysis.effects) {
            if (effect.statement + 1 == analysis.statements.size()) effects.push_back(effect);
        }
        return line_of(effects);
    }

    const Catalog catalog_ = shop();
    ListedMasks masks_;
    Environment environment_;
};

TEST_F(NameChanges, APathOrARoleTakesNamesWithoutASchemaAway) {
    for (const char* change :
         {"SET search_path = x", "SET LOCAL search_path TO x", "RESET search_path", "RESET ALL", "DISCARD ALL",
          "SET ROLE app", "RESET ROLE", "SET SESSION AUTHORIZATION app", "SELECT set_config('search_path', 'x', true)",
          "WITH c AS (SELECT set_config('role', 'x', true)) SELECT 1 FROM c", "GRANT USAGE ON SCHEMA reporting TO app"}) {
        EXPECT_EQ(last(std::string(change) + "; SELECT * FROM orders"), "read ?orders") << change;
        EXPECT_EQ(last(std::string(change) + "; SELECT now()"), "execute ?now") << change;
        EXPECT_EQ(last(std::string(change) + "; CREATE TABLE t (id int)"), "create ?t") << change;
        EXPECT_TRUE(run(change).may_change_names) << change;
    }
    EXPECT_EQ(last("SET search_path = x; SELECT id, pg_catalog.now() FROM public.orders"), "read public.orders");
    EXPECT_EQ(last("SET search_path = x; DROP TABLE reporting.orders"), "drop reporting.orders");
}

TEST_F(NameChanges, AViewThatWasJustMadeMayLeadAWriteAnywhere) {
    EXPECT_EQ(last("CREATE VIEW public.v AS SELECT * FROM orders; DELETE FROM public.v"), "delete[absent] ?public.v");
    EXPECT_EQ(last("ALTER VIEW order_view RENAME TO v; INSERT INTO public.v VALUES (1)"), "insert ?public.v");
    EXPECT_EQ(last("DO $$ $$; INSERT INTO public.v VALUES (1)"), "insert ?public.v");
    EXPECT_EQ(last("CREATE OR REPLACE RULE r AS ON INSERT TO jobs DO NOTHING; INSERT INTO public.jobs VALUES (1)"),
              "insert ?public.jobs");
    EXPECT_EQ(last("CREATE OR REPLACE VIEW public.orders AS SELECT 1; DELETE FROM public.order_view"),
              "delete[absent] ?public.order_view,public.orders");
    EXPECT_EQ(last("ALTER SCHEMA s RENAME TO public; INSERT INTO public.v VALUES (1)"), "insert ?public.v");
    for (const char* other :
         {"CREATE TABLE public.t (id int)", "CREATE TYPE public.e AS ENUM ('a')", "CREATE VIEW public.v AS SELECT 1",
          "ALTER TABLE public.jobs ADD COLUMN t int", "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS ''"})
        EXPECT_EQ(last(std::string(other) + "; INSERT INTO public.t VALUES (1)"), "insert public.t") << other;
    // Made before the text, it is still the view that it was.
    EXPECT_EQ(last("CREATE TABLE public.t (id int); DELETE FROM public.order_view"),
              "delete[absent] public.order_view,public.orders");
}

TEST_F(NameChanges, WhatWasPreparedElsewhereMayChangeAll) {
    EXPECT_EQ(last("COMMIT PREPARED 'x'; SELECT * FROM orders"), "read ?orders");
    EXPECT_TRUE(run("COMMIT PREPARED 'x'").commits_prepared);
    EXPECT_FALSE(run("ROLLBACK PREPARED 'x'").commits_prepared);
}

TEST_F(NameChanges, ACursorMayChangeThemWhenItIsFetchedFrom) {
    environment_.cursor_may_change_names = [](std::string_view name) { return name == "k"; };
    EXPECT_EQ(last("FETCH k; SELECT * FROM orders"), "read ?orders");
    EXPECT_EQ(last("MOVE k; SELECT * FROM orders"), "read ?orders");
    EXPECT_EQ(last("FETCH other; SELECT * FROM orders"), "read public.orders");
    EXPECT_EQ(last("DECLARE k CURSOR FOR SELECT id FROM jobs; FETCH k; SELECT * FROM orders"), "read public.orders");
}

TEST_F(NameChanges, AMaskedRelationKeepsWhatTheMaskHangsOn) {
    environment_.masks = &masks_;
    for (const char* change :
         {"ALTER TABLE customers_2024 NO INHERIT customers", "ALTER TABLE customers DETACH PARTITION customers_2024",
          "ALTER TABLE customers ALTER COLUMN ssn TYPE jobs", "ALTER TYPE t RENAME ATTRIBUTE a TO b CASCADE"})
        EXPECT_NE(run(change).mask_denial, "") << change;
    EXPECT_EQ(run("ALTER TABLE customers ALTER COLUMN city TYPE varchar").mask_denial, "");
    EXPECT_EQ(run("ALTER TABLE jobs ALTER COLUMN state TYPE varchar").mask_denial, "");
}

TEST_F(NameChanges, DefinitionsAndForeignCodeTakeWhatTheyMayHaveChanged) {
    EXPECT_EQ(last("CREATE TEMP TABLE orders (id int); SELECT count(*) FROM orders"), "read ?orders");
    EXPECT_EQ(last("DROP TABLE reporting.orders; SELECT count(*) FROM orders"), "read ?orders");
    EXPECT_EQ(last("ALTER TABLE jobs RENAME TO orders; SELECT id, refund(1) FROM public.orders"),
              "execute public.refund; read public.orders");
    EXPECT_EQ(last("CREATE TABLE a (id int); CREATE TABLE b (id int)"), "create public.b");
    EXPECT_EQ(last("CREATE TABLE a (id int); CREATE INDEX i ON public.a (id)"), "create public.a,public.i");
    for (const char* change :
         {"DO $$ $$", "SELECT refund(1)", "CALL refund(1)", "CREATE FUNCTION orders() RETURNS int LANGUAGE sql AS ''",
          "CREATE SCHEMA s", "ALTER SCHEMA s RENAME TO public", "DISCARD TEMP", "LOAD 'x'", "EXECUTE missing"}) {
        EXPECT_EQ(last(std::string(change) + "; SELECT * FROM orders"), "read ?orders") << change;
        EXPECT_EQ(last(std::string(change) + "; SELECT now()"), "execute ?now") << change;
    }
    EXPECT_EQ(last("DO $$ $$; SELECT util.week_of(1)"), "read");
    EXPECT_EQ(last("DO $$ $$; SELECT refund(1)"), "execute ?refund");
}

TEST_F(NameChanges, StatementsBeforeItKeepTheirNames) {
    EXPECT_EQ(line_of(run("SELECT * FROM orders; SET search_path = x; SELECT * FROM jobs").effects),
              "read ?jobs; read public.orders; session setting.search_path");
    EXPECT_EQ(line_of(run("DELETE FROM jobs WHERE id = 1; DROP TABLE jobs").effects),
              "delete public.jobs; drop public.jobs");
}

TEST_F(NameChanges, HarmlessStatementsTakeNothing) {
    for (const char* harmless : {"BEGIN",
                                 "COMMIT",
                                 "ROLLBACK",
                                 "SAVEPOINT s",
                                 "ROLLBACK TO s",
                                 "SET TimeZone = 'UTC'",
                                 "SET LOCAL statement_timeout = 1",
                                 "RESET timezone",
                                 "SHOW search_path",
                                 "SELECT id FROM orders",
                                 "SELECT now(), util.week_of(1)",
                                 "INSERT INTO orders VALUES (1)",
                                 "UPDATE orders SET total = 1",
                                 "DELETE FROM orders",
                                 "TRUNCATE orders",
                                 "COPY orders TO STDOUT",
                                 "LOCK orders",
                                 "DECLARE k CURSOR FOR SELECT 1",
                                 "FETCH k",
                                 "CLOSE k",
                                 "PREPARE p AS SELECT 1",
                                 "DEALLOCATE p",
                                 "NOTIFY n",
                                 "LISTEN n",
                                 "COMMENT ON TABLE orders IS 'x'",
                                 "EXPLAIN DELETE FROM orders",
                                 "SELECT nextval('order_id_seq')",
                                 "SELECT set_config('timezone', 'UTC', false)",
                                 "SET CONSTRAINTS ALL DEFERRED",
                                 "SET TRANSACTION READ ONLY"}) {
        EXPECT_EQ(last(std::string(harmless) + "; SELECT now() FROM orders"), "read public.orders") << harmless;
    }
}

TEST_F(NameChanges, TheEndOfATransactionThatChangedNamesBringsTheOldOnesBack) {
    EXPECT_EQ(last("BEGIN; SET LOCAL search_path = x; COMMIT; SELECT * FROM orders"), "read ?orders");
    environment_.transaction_changed_names = true;
    for (const char* step : {"COMMIT", "ROLLBACK", "ROLLBACK TO s", "PREPARE TRANSACTION 'x'"}) {
        EXPECT_EQ(last(std::string(step) + "; SELECT * FROM orders"), "read ?orders") << step;
    }
    EXPECT_EQ(last("SAVEPOINT s; SELECT * FROM orders"), "read public.orders");
}

TEST_F(NameChanges, WhatMayHaveBeenMadeOverAMaskedColumnIsNotProved) {
    environment_.masks = &masks_;
    const auto is_masked = [&](std::string_view sql) {
        const Analysis analysis = run(sql);
        return !analysis.statements.back().masks.is_plain() || !analysis.mask_denial.empty();
    };
    EXPECT_TRUE(is_masked("ALTER TABLE customers RENAME TO jobs; SELECT * FROM public.jobs"));
    EXPECT_TRUE(is_masked("ALTER TABLE customers RENAME ssn TO x; SELECT x FROM public.customers"));
    EXPECT_TRUE(is_masked("SET search_path = reporting; SELECT id FROM orders"));
    EXPECT_FALSE(is_masked("SET search_path = reporting; SELECT id FROM public.orders"));
    EXPECT_FALSE(is_masked("SET timezone = 'UTC'; SELECT id FROM orders"));
}

TEST(NameChangesExplained, WithoutACatalogToo) {
    const Catalog catalog = Catalog::assumed_public();
    ListedMasks masks;
    masks.add("public.customers.ssn", {model::MaskKind::redact, 0, 0});
    Environment environment;
    environment.catalog = &catalog;
    environment.masks = &masks;
    const auto explained = [&](std::string_view sql) { return analyse(*parse(sql), environment); };
    EXPECT_EQ(line_of(explained("SET search_path = x; SELECT a FROM orders").effects),
              "read ?orders; session setting.search_path");
    EXPECT_EQ(line_of(explained("SELECT a FROM orders; SET search_path = x").effects),
              "read public.orders; session setting.search_path");
    EXPECT_FALSE(explained("ALTER TABLE customers RENAME TO x; SELECT ssn FROM public.x").statements[1].masks.is_plain());
}

}  // namespace
}  // namespace assent::sql::test
