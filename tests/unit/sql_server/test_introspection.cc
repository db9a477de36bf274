// What psql, JDBC and others ask of the catalog must stay what it is: reads of names that resolve, nothing unknown.
#include "unit/sql/helpers.h"
#include "unit/sql_server/connection.h"

namespace assent::sql::test {
namespace {

constexpr const char* driver_queries[] = {
    // JDBC: getPrimaryKeys
    "SELECT result.TABLE_CAT, result.TABLE_SCHEM, result.COLUMN_NAME, result.KEY_SEQ FROM (SELECT NULL AS TABLE_CAT, "
    "n.nspname AS "
    "TABLE_SCHEM, ct.relname AS TABLE_NAME, a.attname AS COLUMN_NAME, (information_schema._pg_expandarray(i.indkey)).n AS "
    "KEY_SEQ, "
    "ci.relname AS PK_NAME, information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM FROM "
    "pg_catalog.pg_class ct "
    "JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid) JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid) "
    "JOIN "
    "pg_catalog.pg_index i ON (a.attrelid = i.indrelid) JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid) WHERE "
    "i.indisprimary) "
    "result WHERE result.A_ATTNUM = (result.KEYS).x ORDER BY result.table_name",
    // asyncpg and psycopg: types
    "SELECT t.oid, t.typname, t.typarray, t.typelem, oidvectortypes(NULL) FROM pg_type t JOIN pg_namespace n ON "
    "t.typnamespace = n.oid "
    "WHERE t.oid = to_regtype('int4')::oid ORDER BY t.oid",
    // SQLAlchemy
    "select pg_catalog.version()",
    "select current_schema()",
    "show standard_conforming_strings",
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND "
    "c.relkind in ('r', 'p')",
    "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) "
    "FROM "
    "pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef) AS DEFAULT, a.attnotnull "
    "FROM "
    "pg_catalog.pg_attribute a WHERE a.attrelid = 'shown'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY "
    "a.attnum",
    "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = ANY "
    "(current_schemas(false))",
    // BI tools
    "SELECT obj_description(oid), pg_total_relation_size(oid), has_table_privilege(oid, 'SELECT') FROM pg_class",
    "SELECT name, setting FROM pg_settings WHERE name = 'server_version_num'",
};

// What psql sends for a command of its own.
std::vector<std::string> sent_by_psql(const assent::test::RealServer& server, const std::string& command) {
    const auto output = assent::test::RealServer::psql_at(server.port(), command, "postgres", "-E -qAt").text;
    const std::string head = "********* QUERY **********\n";
    const std::string tail = "\n**************************";
    std::vector<std::string> texts;
    for (std::size_t at = output.find(head); at != std::string::npos; at = output.find(head, at)) {
        at += head.size();
        texts.push_back(output.substr(at, output.find(tail, at) - at));
    }
    return texts;
}

TEST(Introspection, OfPsqlAndDriversOnlyReadsResolvedNames) {
    const assent::test::RealServer server;
    ASSERT_TRUE(server.is_running());
    Connection connection(server, "postgres");
    ASSERT_EQ(connection
                  .run("CREATE TABLE shown (id int PRIMARY KEY, other int REFERENCES shown, note text DEFAULT 'x');"
                       "CREATE VIEW seen AS SELECT id FROM shown; CREATE SEQUENCE counted")
                  .error,
              "");
    std::vector<std::string> texts(std::begin(driver_queries), std::end(driver_queries));
    for (const char* command :
         {"\\d",  "\\d+ shown", "\\d seen", "\\d counted", "\\dt+", "\\di",  "\\dv+ seen", "\\df", "\\dn+", "\\du", "\\l",
          "\\dp", "\\dT",       "\\dx",     "\\sv seen",   "\\dRp", "\\des", "\\ddp",      "\\do", "\\dC",  "\\dD"}) {
        const auto sent = sent_by_psql(server, command);
        EXPECT_FALSE(sent.empty()) << command;
        texts.insert(texts.end(), sent.begin(), sent.end());
    }
    EXPECT_GT(texts.size(), 40U);
    for (const auto& text : texts) {
        SCOPED_TRACE(text);
        Catalog catalog;
        const auto parsed = parse(text);
        ASSERT_EQ(connection.teach(catalog, parsed->relations, parsed->functions), "");
        Environment environment;
        environment.catalog = &catalog;
        const Analysis analysis = analyse(*parsed, environment);
        for (const auto& effect : analysis.effects)
            EXPECT_EQ(model::name_of(effect.operation), "read") << line_of(analysis.effects);
        EXPECT_FALSE(analysis.has_unresolved_names) << line_of(analysis.effects);
    }
}

}  // namespace
}  // namespace assent::sql::test
