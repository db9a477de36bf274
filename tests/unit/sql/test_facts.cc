// What a session has to know of statements besides their effects: cursors, prepared statements, transactions, and when
// names may mean something else.
#include "unit/sql/helpers.h"
#include "unit/sql/shop.h"

namespace assent::sql::test {
namespace {

ListedMasks masks_of_shop() {
    ListedMasks masks;
    masks.add("public.customers.ssn", {model::MaskKind::redact, 0, 0});
    masks.add("public.customers.card", {model::MaskKind::partial, 0, 4}, true);
    return masks;
}

class Facts : public testing::Test {
protected:
    Facts() {
        environment_.catalog = &catalog_;
        environment_.masks = &masks_;
    }
    Analysis run(std::string_view sql) { return analyse(*parse(sql), environment_); }
    static std::string kinds(const model::ResultMasks& masks) {
        if (masks.covers_all_columns) return "all";
        std::string text;
        for (const auto& column : masks.columns) text += "-phrn"[static_cast<std::size_t>(column.method.kind)];
        return text;
    }

    const Catalog catalog_ = shop();
    const ListedMasks masks_ = masks_of_shop();
    Environment environment_;
};

TEST_F(Facts, AColumnKeepsItsOwnMaskAndNamesIt) {
    const Analysis analysis = run("SELECT id, ssn, card FROM customers");
    EXPECT_EQ(kinds(analysis.statements[0].masks), "-rp");
    EXPECT_EQ(analysis.statements[0].masks.columns[2].method.keep_last, 4U);
    EXPECT_TRUE(analysis.statements[0].masks.strips_error_detail);
    EXPECT_EQ(analysis.masks, (std::vector<std::string>{"mask-of-ssn", "mask-of-card"}));
    EXPECT_EQ(analysis.statements[0].masks.otherwise.method.kind, model::MaskKind::redact);
}

TEST_F(Facts, UnprovenIsMaskedOrDeniedAsTheMaskSays) {
    EXPECT_EQ(kinds(run("SELECT upper(ssn) FROM customers").statements[0].masks), "r");
    const Analysis denied = run("SELECT upper(card) FROM customers");
    EXPECT_EQ(denied.mask_denial_masks, (std::vector<std::string>{"mask-of-card"}));
    EXPECT_NE(denied.mask_denial, "");
}

TEST_F(Facts, ViewsAndUnknownRelationsAreNotProved) {
    environment_.masks = nullptr;
    EXPECT_TRUE(run("SELECT number FROM customer_view").statements[0].masks.is_plain());
    environment_.masks = &masks_;
    EXPECT_NE(run("SELECT name FROM customer_view").mask_denial, "");
    EXPECT_EQ(kinds(run("SELECT total FROM order_view").statements[0].masks), "-");
    EXPECT_EQ(kinds(run("SELECT ssn FROM customers_2024").statements[0].masks), "r");
    EXPECT_EQ(kinds(run("SELECT anything FROM missing").statements[0].masks), "r");
    EXPECT_EQ(kinds(run("SELECT * FROM missing").statements[0].masks), "all");
}

TEST_F(Facts, MoreColumnsThanAResultMayHaveProveNothing) {
    std::string from;
    for (int i = 0; i < 420; ++i) from += fmt::format("orders o{}, ", i);
    EXPECT_EQ(kinds(run("SELECT ssn FROM " + from + "customers").statements[0].masks), "r");
    EXPECT_EQ(kinds(run("SELECT customers.ssn FROM " + from + "customers").statements[0].masks), "r");
    EXPECT_NE(run("SELECT 1 FROM " + from + "customers WHERE ssn = 'x'").mask_denial, "");
    EXPECT_NE(run("SELECT * FROM " + from + "customers").mask_denial, "") << "card says: deny";
}

TEST_F(Facts, ACursorTakesItsMasksFromDeclare) {
    const Analysis declared = run("DECLARE k CURSOR FOR SELECT id, ssn FROM customers");
    EXPECT_EQ(declared.statements[0].declares, "k");
    EXPECT_FALSE(declared.statements[0].returns_rows);
    EXPECT_EQ(kinds(declared.statements[0].masks), "-r");
    EXPECT_EQ(kinds(run("FETCH ALL FROM k").statements[0].masks), "all");
    environment_.cursor = [&](std::string_view name) {
        return name == "k" ? std::optional(declared.statements[0].masks) : std::nullopt;
    };
    const Analysis fetched = run("FETCH ALL FROM k");
    EXPECT_EQ(fetched.statements[0].fetches, "k");
    EXPECT_EQ(kinds(fetched.statements[0].masks), "-r");
    EXPECT_EQ(run("CLOSE k; CLOSE ALL").statements[1].closes, "*");
}

TEST_F(Facts, APreparedStatementIsJudgedAndMaskedWhenItRuns) {
    const Analysis prepared = run("PREPARE p (int) AS /* x */ SELECT ssn, id FROM customers WHERE id = $1 ; SELECT 1");
    ASSERT_NE(prepared.statements[0].prepared, nullptr);
    EXPECT_EQ(prepared.statements[0].prepares, "p");
    EXPECT_EQ(prepared.statements[0].prepared->relations, (std::vector<Name>{{"", "customers"}}));
    environment_.prepared = [&](std::string_view) { return prepared.statements[0].prepared; };
    const Analysis executed = run("EXECUTE p(1)");
    EXPECT_EQ(executed.statements[0].executes, "p");
    EXPECT_EQ(line_of(executed.effects), "read public.customers");
    EXPECT_EQ(kinds(executed.statements[0].masks), "r-");
    const std::vector<std::string> meant = {prepared.statements[0].prepared->text};
    EXPECT_EQ(executed.executed, meant) << "what is approved with the name";
    EXPECT_EQ(run("EXPLAIN ANALYZE EXECUTE p(1)").executed, meant);
    EXPECT_TRUE(run("SELECT 1").executed.empty());
    EXPECT_EQ(kinds(run("CREATE TABLE x AS EXECUTE p(1)").statements[0].masks), "");
    EXPECT_NE(run("CREATE TABLE x AS EXECUTE p(1)").mask_denial, "");
    EXPECT_EQ(run("DEALLOCATE ALL").statements[0].deallocates, "*");

    const auto writing = run("PREPARE w AS UPDATE customers SET ssn = $1 WHERE id = 1").statements[0].prepared;
    environment_.prepared = [&](std::string_view) { return writing; };
    EXPECT_NE(run("EXECUTE w('[redacted]')").mask_denial, "");
    EXPECT_EQ(run("EXECUTE w('new')").mask_denial, "");
    EXPECT_EQ(line_of(run("EXPLAIN EXECUTE w('new')").effects), "read public.customers");
}

TEST_F(Facts, TheRowOfACursorIsNotInTheText) {
    EXPECT_TRUE(run("UPDATE customers SET ssn = 'x' WHERE CURRENT OF c").uses_cursor_row);
    EXPECT_TRUE(run("SELECT 1; DELETE FROM customers WHERE CURRENT OF c").uses_cursor_row);
    EXPECT_FALSE(run("UPDATE customers SET ssn = 'x' WHERE id = 1").uses_cursor_row);
}

TEST_F(Facts, BoundValuesThatLookMaskedAreNotWrittenBack) {
    environment_.parameters = {"[redacted]", "12"};
    EXPECT_NE(run("UPDATE customers SET ssn = $1 WHERE id = $2").mask_denial, "");
    EXPECT_NE(run("INSERT INTO customers (id, ssn) VALUES ($2, $1)").mask_denial, "");
    EXPECT_EQ(run("UPDATE customers SET name = $1 WHERE id = $2").mask_denial, "");
    environment_.parameters = {"12", std::nullopt};
    EXPECT_EQ(run("UPDATE customers SET ssn = $1 WHERE id = $2").mask_denial, "");
}

TEST_F(Facts, TransactionStepsAndWhatMayChangeNames) {
    const Analysis steps =
        run("BEGIN; SAVEPOINT a; ROLLBACK TO a; COMMIT; START TRANSACTION; ROLLBACK; PREPARE TRANSACTION 'x'");
    std::vector<TransactionStep> found;
    for (const auto& statement : steps.statements) found.push_back(statement.transaction);
    using enum TransactionStep;
    EXPECT_EQ(found, (std::vector{begin, savepoint, rollback_to, commit, begin, rollback, prepare}));
    EXPECT_TRUE(steps.is_transaction_control_only);
    EXPECT_FALSE(steps.may_change_names);
    EXPECT_FALSE(run("BEGIN; SELECT 1").is_transaction_control_only);
    for (const char* sql : {"SET search_path = x", "SET ROLE x", "CREATE TABLE x (id int)", "SELECT refund(1)",
                            "DISCARD ALL", "SELECT set_config('search_path', '', false)", "DO $$ $$", "DROP TABLE orders"}) {
        EXPECT_TRUE(run(sql).may_change_names) << sql;
    }
    for (const char* sql : {"SELECT * FROM orders", "INSERT INTO orders VALUES (1)", "SET TimeZone = 'UTC'"}) {
        EXPECT_FALSE(run(sql).may_change_names) << sql;
    }
    EXPECT_TRUE(run("DELETE FROM orders").writes);
    EXPECT_FALSE(run("SELECT * FROM orders FOR UPDATE").writes);
}

TEST_F(Facts, WhatCannotBeReadIsUnknownAndMaskedWhole) {
    environment_.has_conforming_strings = false;
    const Analysis analysis = run("SELECT 'a\\'' FROM orders");
    EXPECT_EQ(analysis.effects.at(0).operation, model::Operation::unknown);
    EXPECT_EQ(kinds(analysis.statements.at(0).masks), "all");
}

TEST_F(Facts, FunctionsAreNamedWithTheirSchema) {
    const Analysis analysis = run("SELECT now(), refund(1), missing(2), util.week_of(3)");
    EXPECT_EQ(analysis.functions, (std::vector<std::string>{"pg_catalog.now", "public.refund", "missing", "util.week_of"}));
    EXPECT_TRUE(analysis.has_unresolved_names);
}

TEST(Explaining, WorksWithoutACatalog) {
    Catalog catalog = Catalog::assumed_public();
    ListedMasks masks = masks_of_shop();
    Environment environment;
    environment.catalog = &catalog;
    environment.masks = &masks;
    const auto explained = [&](std::string_view sql) { return analyse(*parse(sql), environment); };
    EXPECT_EQ(line_of(explained("DROP TABLE orders").effects), "drop public.orders");
    EXPECT_EQ(line_of(explained("SELECT now(), f(1) FROM pg_class, a.b").effects),
              "execute public.f; read a.b,pg_catalog.pg_class");
    EXPECT_EQ(explained("SELECT ssn, name FROM customers").masks, (std::vector<std::string>{"mask-of-ssn"}));
    EXPECT_FALSE(catalog.question({{"", "x"}}, {}).has_value());
}

}  // namespace
}  // namespace assent::sql::test
