// POLICY.md's table of operations, statement by statement.
#include "unit/sql/helpers.h"
#include "unit/sql/shop.h"

namespace assent::sql::test {
namespace {

struct Case {
    const char* sql;
    const char* effects;
};

std::string effects_of(std::string_view sql) {
    static const Catalog catalog = shop();
    Environment environment;
    environment.catalog = &catalog;
    environment.is_harmless = [](std::string_view schema, std::string_view) { return schema == "util"; };
    return line_of(analyse(*parse(sql), environment).effects);
}

class Effects : public testing::TestWithParam<Case> {};

TEST_P(Effects, AreThoseOfThePolicy) { EXPECT_EQ(effects_of(GetParam().sql), GetParam().effects) << GetParam().sql; }

constexpr Case reads[] = {
    {"SELECT 1", "read"},
    {"", ""},
    {";;", ""},
    {"SELECT 'DROP TABLE x'", "read"},
    {"SELECT id AS delete FROM orders", "read public.orders"},
    {"SELECT*FROM orders", "read public.orders"},
    {"SELECT * FROM reporting.orders, orders", "read public.orders,reporting.orders"},
    {"SELECT * FROM missing", "read ?missing"},
    {"SELECT * FROM other.missing", "read ?other.missing"},
    {"SELECT * FROM \"Orders\"", "read ?Orders"},
    {"SELECT * FROM U&\"\\006frders\"", "read public.orders"},
    {"TABLE orders", "read public.orders"},
    {"SELECT id FROM orders WHERE id BETWEEN 1 AND 2 AND note NOT BETWEEN SYMMETRIC 'b' AND 'a'", "read public.orders"},
    {"SELECT 1 FROM orders WHERE id IN (1, 2) OR note ILIKE 'x' OR note SIMILAR TO 'y' OR id IS DISTINCT FROM 3 OR id = ANY "
     "(ARRAY[1])",
     "read public.orders"},
    {"SELECT id OPERATOR(public.@#@) 1 FROM orders ORDER BY note USING <<<", "execute ?<<<,public.@#@; read public.orders"},
    {"SELECT id OPERATOR(util.@#@) 1 FROM orders", "read public.orders"},
    {"VALUES (1)", "read"},
    {"SELECT (SELECT count(*) FROM jobs) FROM orders WHERE EXISTS (SELECT 1 FROM customers)",
     "read public.customers,public.jobs,public.orders"},
    {"WITH a AS (SELECT * FROM jobs) SELECT * FROM a", "read public.jobs"},
    {"WITH orders AS (SELECT 1 AS id) SELECT * FROM orders", "read"},
    {"WITH orders AS (SELECT * FROM orders) SELECT * FROM orders", "read public.orders"},
    {"WITH RECURSIVE jobs AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM jobs) SELECT * FROM jobs", "read"},
    {"WITH RECURSIVE b AS (SELECT * FROM a), a AS (SELECT * FROM jobs) SELECT * FROM b", "read public.jobs"},
    {"WITH b AS (SELECT * FROM a), a AS (SELECT * FROM jobs) SELECT * FROM b", "read ?a,public.jobs"},
    {"SELECT * FROM (WITH jobs AS (SELECT 1) SELECT * FROM jobs) s, jobs", "read public.jobs"},
    {"WITH jobs AS (SELECT 1) SELECT * FROM public.jobs", "read public.jobs"},
    {"SELECT now(), random(), upper('x'), current_setting('a.b'), CURRENT_USER", "read"},
    {"SELECT 'orders'::regclass, CAST('1' AS int)", "read"},
    {"SELECT pg_catalog.pg_get_viewdef(1)", "read"},
    {"SELECT util.week_of(now()) FROM orders", "read public.orders"},
    {"SELECT relname FROM pg_class WHERE relkind = 'r'", "read pg_catalog.pg_class"},
    {"SELECT * FROM orders FOR UPDATE", "lock public.orders; read public.orders"},
    {"SELECT * FROM orders o, jobs FOR SHARE OF o", "lock public.orders; read public.jobs,public.orders"},
    {"SHOW search_path", "read"},
    {"SHOW ALL", "read"},
};

constexpr Case writes[] = {
    {"INSERT INTO orders VALUES (1)", "insert public.orders"},
    {"INSERT INTO orders SELECT * FROM reporting.orders", "insert public.orders; read reporting.orders"},
    {"INSERT INTO orders VALUES (1) RETURNING id", "insert public.orders; read public.orders"},
    {"INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET total = excluded.total",
     "insert public.orders; update public.orders"},
    {"INSERT INTO orders VALUES (1) ON CONFLICT DO NOTHING", "insert public.orders"},
    {"UPDATE orders SET total = total + 1 WHERE id = 1", "update public.orders"},
    {"UPDATE orders SET total = 1", "update[absent] public.orders"},
    {"UPDATE orders SET total = 1 WHERE true", "update[absent] public.orders"},
    {"UPDATE orders SET total = 1 WHERE 1 = 1 AND now() > '2000-01-01'", "update[absent] public.orders"},
    {"UPDATE orders SET total = 1 WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.id = 1)",
     "read public.jobs; update[absent] public.orders"},
    {"UPDATE orders SET total = 1 WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.id = orders.id)",
     "read public.jobs; update public.orders"},
    {"UPDATE orders SET total = 1 FROM jobs WHERE jobs.id = orders.id", "read public.jobs; update public.orders"},
    {"UPDATE orders SET total = 1 WHERE id = 1 RETURNING total", "read public.orders; update public.orders"},
    {"UPDATE orders SET total = 1 WHERE CURRENT OF c", "update public.orders"},
    {"UPDATE orders SET (total, note) = (SELECT id, state FROM jobs) WHERE id = 1",
     "read public.jobs; update public.orders"},
    {"DELETE FROM orders", "delete[absent] public.orders"},
    {"DELETE/*c*/FROM orders WHERE id = 1", "delete public.orders"},
    {"/* SELECT */ -- x\nDELETE FROM orders WHERE id = 1", "delete public.orders"},
    {"DELETE FROM orders USING jobs WHERE jobs.id = orders.id", "delete public.orders; read public.jobs"},
    {"WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d", "delete[absent] public.orders; read public.orders"},
    {"WITH delete AS (SELECT * FROM jobs) SELECT * FROM delete", "read public.jobs"},
    {"WITH x AS (INSERT INTO jobs VALUES (1)) UPDATE orders SET total = 1 WHERE id = 1",
     "insert public.jobs; update public.orders"},
    {"MERGE INTO orders o USING jobs j ON o.id = j.id WHEN MATCHED THEN UPDATE SET total = 1 WHEN NOT MATCHED THEN INSERT "
     "VALUES (1)",
     "insert public.orders; read public.jobs; update public.orders"},
    {"MERGE INTO orders USING jobs ON true WHEN MATCHED THEN DELETE", "delete[absent] public.orders; read public.jobs"},
    {"MERGE INTO orders USING jobs ON true WHEN MATCHED THEN DO NOTHING", "read public.jobs,public.orders"},
    {"TRUNCATE orders, jobs", "truncate public.jobs,public.orders"},
    {"SELECT * INTO copied FROM orders", "create public.copied; read public.orders"},
    {"CREATE TABLE copied AS SELECT * FROM orders", "create public.copied; read public.orders"},
    {"CREATE TEMP TABLE copied AS SELECT * FROM orders", "create pg_temp.copied; read public.orders"},
    {"CREATE MATERIALIZED VIEW m AS SELECT * FROM orders", "create public.m; read public.orders"},
    {"SELECT nextval('order_id_seq')", "update public.order_id_seq"},
    {"SELECT nextval('public.order_id_seq'::regclass)", "update public.order_id_seq"},
    {"SELECT setval('order_id_seq', 1)", "update public.order_id_seq"},
    {"SELECT currval('order_id_seq')", "read public.order_id_seq"},
    {"SELECT lastval()", "read"},
    {"SELECT nextval($1)", "unknown nextval"},
    {"SELECT E'O\\'Brien'; DELETE FROM orders WHERE id = 1", "delete public.orders; read"},
    {"SELECT $$a)b$$; DELETE FROM orders WHERE id = 1", "delete public.orders; read"},
};

constexpr Case transfers[] = {
    {"COPY orders TO STDOUT", "export public.orders; read public.orders"},
    {"COPY orders FROM STDIN", "import public.orders"},
    {"COPY orders TO PROGRAM 'cat'", "export public.orders; external program.cat; read public.orders"},
    {"COPY orders FROM '/tmp/x.csv'", "external file./tmp/x\\.csv; import public.orders"},
    {"COPY (SELECT * FROM orders) TO STDOUT", "export public.orders; read public.orders"},
    {"COPY (DELETE FROM orders RETURNING *) TO STDOUT",
     "delete[absent] public.orders; export public.orders; read public.orders"},
    {"COPY (SELECT 1) TO STDOUT", "export query"},
    {"EXPLAIN SELECT * FROM orders", "read public.orders"},
    {"EXPLAIN DELETE FROM orders", "read public.orders"},
    {"EXPLAIN (ANALYZE false) DELETE FROM orders", "read public.orders"},
    {"EXPLAIN (ANALYZE off, COSTS) DELETE FROM orders", "read public.orders"},
    {"EXPLAIN ANALYZE DELETE FROM orders", "delete[absent] public.orders"},
    {"EXPLAIN (ANALYZE) DELETE FROM orders", "delete[absent] public.orders"},
    {"EXPLAIN (ANALYZE 1) DELETE FROM orders", "delete[absent] public.orders"},
    {"EXPLAIN (ANALYZE false, ANALYZE true) DELETE FROM orders", "delete[absent] public.orders"},
    {"EXPLAIN SELECT refund(1)", "execute public.refund"},
    {"EXPLAIN CREATE TABLE copied AS SELECT * FROM orders", "read public.orders"},
    {"EXPLAIN ANALYZE CREATE TABLE copied AS SELECT * FROM orders", "create public.copied; read public.orders"},
    {"PREPARE p AS DELETE FROM orders", "read public.orders"},
    {"EXECUTE missing", "unknown ExecuteStmt"},
    {"DEALLOCATE p", "read"},
    {"DECLARE c CURSOR FOR SELECT * FROM orders", "read public.orders"},
    {"FETCH ALL FROM c", "read"},
    {"MOVE 5 IN c", "read"},
    {"CLOSE c", "read"},
};

constexpr Case sessions[] = {
    {"BEGIN", "transaction"},
    {"COMMIT; ROLLBACK; SAVEPOINT a; RELEASE a; ROLLBACK TO a", "transaction"},
    {"PREPARE TRANSACTION 'x'", "transaction"},
    {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "transaction"},
    {"SET CONSTRAINTS ALL DEFERRED", "transaction"},
    {"SET search_path = public", "session setting.search_path"},
    {"SET LOCAL TimeZone TO 'UTC'", "session setting.timezone"},
    {"SET TIME ZONE 'UTC'", "session setting.timezone"},
    {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "session setting.default_transaction_read_only"},
    {"RESET ALL", "session setting.all"},
    {"RESET search_path", "session setting.search_path"},
    {"SET my.thing = 1", "session setting.my\\.thing"},
    {"SELECT set_config('search_path', 'x', false)", "session setting.search_path"},
    {"SELECT set_config($1, 'x', false)", "unknown set_config"},
    {"SELECT set_config('role', 'postgres', false)", "grant role.postgres"},
    {"SET ROLE app", "grant role.app"},
    {"SET ROLE NONE", "grant role.none"},
    {"RESET ROLE", "grant role.none"},
    {"SET SESSION AUTHORIZATION app", "grant role.app"},
    {"DISCARD ALL", "session setting.all"},
    {"DISCARD TEMP", "drop pg_temp.*"},
    {"LISTEN c", "notify c"},
    {"NOTIFY c, 'x'", "notify c"},
    {"SELECT pg_notify('c', 'x')", "notify c"},
    {"UNLISTEN *", "read"},
    {"LOCK TABLE orders", "lock public.orders"},
    {"SELECT pg_advisory_lock(1)", "lock"},
    {"VACUUM orders", "maintenance public.orders"},
    {"ANALYZE", "maintenance database.all"},
    {"REINDEX TABLE orders", "maintenance public.orders"},
    {"CLUSTER orders", "maintenance public.orders"},
    {"CHECKPOINT", "maintenance database.all"},
    {"REFRESH MATERIALIZED VIEW order_view", "maintenance public.order_view"},
};

constexpr Case executions[] = {
    {"DO $$ BEGIN NULL; END $$", "execute plpgsql"},
    {"DO LANGUAGE plpython3u 'pass'", "execute plpython3u"},
    {"CALL refund(1)", "execute public.refund"},
    {"CALL missing(1)", "execute ?missing"},
    {"SELECT refund(1)", "execute public.refund"},
    {"SELECT missing(1)", "execute ?missing"},
    {"SELECT * FROM orders WHERE refund(id)", "execute public.refund; read public.orders"},
    {"SELECT * FROM refund(1)", "execute public.refund"},
    {"SELECT (1).refund", "execute public.refund"},
    {"SELECT o.refund FROM orders o", "execute public.refund; read public.orders"},
    {"SELECT (1).lo_unlink", "update pg_catalog.pg_largeobject"},
    {"SELECT pg_terminate_backend(1)", "execute pg_catalog.pg_terminate_backend"},
    {"SELECT pg_sleep(1)", "execute pg_catalog.pg_sleep"},
    {"SELECT pg_read_file('/etc/passwd')", "external pg_catalog.pg_read_file"},
    {"SELECT pg_ls_dir('.')", "external pg_catalog.pg_ls_dir"},
    {"SELECT lo_import('/etc/passwd')", "external pg_catalog.lo_import"},
    {"SELECT lo_get(1)", "read pg_catalog.pg_largeobject"},
    {"SELECT pg_stat_get_activity(NULL)", "read pg_catalog.pg_stat_activity"},
    {"SELECT query_to_xml('DELETE FROM orders', true, true, '')", "unknown query_to_xml"},
    {"SELECT dblink('host=x', 'SELECT 1')", "execute ?dblink"},
    {"LOAD 'x'", "external file.x"},
};

constexpr Case definitions[] = {
    {"CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT now(), n int CHECK (n > 0))", "create public.t"},
    {"CREATE TEMP TABLE t (id int)", "create pg_temp.t"},
    {"CREATE TABLE reporting.t (LIKE orders)", "create reporting.t; read public.orders"},
    {"CREATE TABLE t PARTITION OF orders DEFAULT", "alter public.orders; create public.t"},
    {"CREATE VIEW v AS SELECT * FROM orders", "create public.v; read public.orders"},
    {"CREATE INDEX i ON orders (total)", "create public.i,public.orders"},
    {"CREATE TRIGGER g BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refund()", "create public.orders"},
    {"CREATE RULE r AS ON INSERT TO orders DO ALSO DELETE FROM jobs", "create public.orders; read public.jobs"},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM orders; SELECT 1'", "create public.f"},
    {"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", "create public.f"},
    {"CREATE SCHEMA s", "create schema.s"},
    {"CREATE SCHEMA s CREATE TABLE t (id int)", "create s.t,schema.s"},
    {"CREATE SEQUENCE q", "create public.q"},
    {"CREATE TYPE e AS ENUM ('a')", "create public.e"},
    {"CREATE DATABASE d", "create database.d"},
    {"ALTER TABLE orders ADD COLUMN x int", "alter public.orders"},
    {"ALTER TABLE orders RENAME TO x", "alter public.orders"},
    {"ALTER TABLE orders SET SCHEMA reporting", "alter public.orders"},
    {"ALTER TABLE orders OWNER TO app", "alter public.orders"},
    {"COMMENT ON TABLE orders IS 'x'", "alter public.orders"},
    {"COMMENT ON COLUMN orders.total IS 'x'", "alter public.orders"},
    {"ALTER FUNCTION refund(int) IMMUTABLE", "alter public.refund"},
    {"DROP TABLE orders, reporting.orders CASCADE", "drop public.orders,reporting.orders"},
    {"DROP TABLE IF EXISTS missing", "drop ?missing"},
    {"DROP VIEW order_view", "drop public.order_view"},
    {"DROP FUNCTION refund(int)", "drop public.refund"},
    {"DROP SCHEMA reporting CASCADE", "drop reporting.*,schema.reporting"},
    {"DROP DATABASE d", "drop database.d"},
    {"DROP TRIGGER g ON orders", "drop public.orders"},
    {"GRANT SELECT ON orders TO app", "grant public.orders"},
    {"REVOKE ALL ON ALL TABLES IN SCHEMA reporting FROM app", "grant reporting.*"},
    {"GRANT admin TO app", "grant role.admin"},
    {"CREATE ROLE r", "grant role.r"},
    {"ALTER ROLE r SUPERUSER", "grant role.r"},
    {"DROP ROLE r", "grant role.r"},
    {"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app", "grant privileges.default"},
    {"ALTER SYSTEM SET work_mem = '1MB'", "grant setting.work_mem"},
    {"SECURITY LABEL ON TABLE orders IS 'x'", "grant public.orders"},
    {"CREATE SERVER s FOREIGN DATA WRAPPER f", "external server.s"},
    {"ALTER SERVER s OPTIONS (SET host 'x')", "external server.s"},
    {"CREATE USER MAPPING FOR app SERVER s", "external server.s"},
    {"CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "external subscription.s"},
    {"CREATE TABLESPACE t LOCATION '/x'", "external tablespace.t"},
    {"DROP TABLESPACE t", "external tablespace.t"},
    {"CREATE EXTENSION dblink", "create extension.dblink; external extension.dblink"},
    {"CREATE FOREIGN TABLE f (id int) SERVER s", "create public.f; external server.s"},
    {"ALTER TABLE ONLY", "unknown ALTER TABLE ONLY"},
    {"SELEC 1.5", "unknown SELEC 1\\.5"},
};

INSTANTIATE_TEST_SUITE_P(Reads, Effects, testing::ValuesIn(reads));
INSTANTIATE_TEST_SUITE_P(Writes, Effects, testing::ValuesIn(writes));
INSTANTIATE_TEST_SUITE_P(Transfers, Effects, testing::ValuesIn(transfers));
INSTANTIATE_TEST_SUITE_P(Sessions, Effects, testing::ValuesIn(sessions));
INSTANTIATE_TEST_SUITE_P(Executions, Effects, testing::ValuesIn(executions));
INSTANTIATE_TEST_SUITE_P(Definitions, Effects, testing::ValuesIn(definitions));

}  // namespace
}  // namespace assent::sql::test
