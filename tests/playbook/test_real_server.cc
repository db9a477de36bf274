// Ordinary clients and a real server with the adapter between them: what the playbooks believe of the protocol is checked
// against those who speak it.
#include <chrono>

#include <gtest/gtest.h>

#include "support/wire_real_server.h"
#include "support/wire_relay.h"

namespace assent::test {
namespace {

using wire::CommandKind;
using wire::CommandSeen;
using wire::Ruling;

const RealServer& server() {
    static const RealServer instance;
    return instance;
}

Ruling forward() {
    Ruling ruling;
    ruling.action = Ruling::Action::forward;
    return ruling;
}

Ruling refuse(std::string message) {
    Ruling ruling;
    ruling.refusal = {
        .code = "42501", .message = std::move(message), .detail = "cause=rule rule=no retry=never", .hint = "Ask somebody."};
    return ruling;
}

RelaySettings to_server() {
    RelaySettings settings;
    settings.target_port = server().port();
    return settings;
}

// Runs a Python program with `port` defined, psycopg imported, and `connect(**more)`.
Output python(int port, const std::string& program) {
    return run_shell("timeout 60 /usr/bin/python3 - <<'THE_END'\nimport psycopg, sys\nport=" + std::to_string(port) +
                     "\ndef connect(**more):\n    return psycopg.connect(f'host=127.0.0.1 port={port} user=postgres "
                     "dbname=postgres sslmode=disable', **more)\n" +
                     program + "\nTHE_END");
}

class RealServerTest : public ::testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(server().is_running()); }
};

TEST_F(RealServerTest, PsqlSpeaksThroughIt) {
    const Relay relay(to_server());
    const auto output = RealServer::psql_at(
        relay.port(), "SELECT 1 + 1;\nSELECT 'a'; SELECT x FROM generate_series(1, 3) x;\n\\d\nSELECT 1/0;\nSELECT 5;");
    EXPECT_EQ(output.text, "2\na\n1\n2\n3\nERROR:  division by zero\n5\n");
}

TEST_F(RealServerTest, CopyGoesBothWays) {
    const Relay relay(to_server());
    const auto output = RealServer::psql_at(
        relay.port(),
        "CREATE TEMP TABLE t (a int, b text);\nCOPY t FROM STDIN;\n1\tone\n2\ttwo\n\\.\nCOPY t TO STDOUT;\n"
        "COPY t FROM STDIN;\nx\ty\n\\.\nSELECT count(*) FROM t;");
    EXPECT_EQ(output.text.substr(0, 12), "1\tone\n2\ttwo\n");
    EXPECT_NE(output.text.find("invalid input syntax for type integer"), std::string::npos);
    EXPECT_TRUE(output.text.ends_with("\n2\n")) << output.text;
}

TEST_F(RealServerTest, EveryKindOfPasswordPasses) {
    std::vector<std::string> methods;
    auto settings = to_server();
    settings.authenticated = [&](std::string_view method) { methods.emplace_back(method); };
    {
        const Relay relay(settings);
        for (const char* user : {"scram_user", "md5_user", "clear_user", "postgres"}) {
            EXPECT_EQ(RealServer::psql_at(relay.port(), "SELECT current_user", user).text, std::string(user) + "\n");
        }
        EXPECT_NE(RealServer::psql_at(relay.port(), "SELECT 1", "refused_user").text.find("pg_hba.conf rejects"),
                  std::string::npos);
    }
    EXPECT_EQ(methods, (std::vector<std::string>{"sasl", "md5", "cleartext", "trust"}));
}

TEST_F(RealServerTest, ACredentialLogsInForTheAgent) {
    for (const char* user : {"scram_user", "md5_user", "clear_user"}) {
        auto settings = to_server();
        settings.options.has_credential = true;
        settings.options.user = user;
        settings.options.password = "secret word";
        settings.options.may_send_clear_password = true;
        const Relay relay(settings);
        EXPECT_EQ(RealServer::psql_at(relay.port(), "SELECT current_user", "nobody").text, std::string(user) + "\n");
    }
}

TEST_F(RealServerTest, AWrongCredentialSaysNothingOfTheRealUser) {
    auto settings = to_server();
    settings.options.has_credential = true;
    settings.options.user = "scram_user";
    settings.options.password = "wrong";
    const Relay relay(settings);
    const auto output = RealServer::psql_at(relay.port(), "SELECT 1", "nobody");
    EXPECT_NE(output.text.find("refused the session that assent asked for"), std::string::npos) << output.text;
    EXPECT_EQ(output.text.find("scram_user"), std::string::npos);
}

constexpr const char* pipeline_program = R"py(
with connect(autocommit=True) as c:
    try:
        with c.pipeline() as p:
            cur = c.cursor()
            cur.execute("create temp table t(i int, s text)")
            for i in range(50):
                cur.execute("insert into t values (%s, %s)", (i, "v" * i))
            p.sync()
            try:  # whichever call meets the error first
                a = c.execute("select count(*) from t")
                b = c.execute("select 1/0")
                d = c.execute("select 3")
                p.sync(); a.fetchone()
                b.fetchone()
            except psycopg.Error as e:
                print(e.sqlstate)
    except psycopg.errors.PipelineAborted:
        pass  # what was behind the error may be met at the end only
    print(c.execute("select i, s from t where i = %s", (3,), binary=True).fetchone())
    with c.cursor(binary=True) as cur:
        for i in range(12):
            cur.execute("select %s::int4, %s::text", (i, "x"), prepare=True)
        print(cur.fetchall())
    with c.cursor() as cur, cur.copy("copy t to stdout (format binary)") as copy:
        copy.set_types(["int4", "text"])
        print(sum(1 for _ in copy.rows()))
    with c.cursor() as cur, cur.copy("copy t from stdin") as copy:
        for i in range(100): copy.write_row((i, "y"))
    print(c.execute("select count(*) from t").fetchone())
    with c.transaction():
        with c.cursor("named") as cur:
            cur.itersize = 10
            cur.execute("select * from generate_series(1,100)")
            print(len(list(cur)))
    try:
        with c.cursor() as cur, cur.copy("copy t from stdin") as copy:
            copy.write("not a number\tx\n")
    except psycopg.Error as e:
        print(e.sqlstate)
    c.add_notify_handler(lambda n: print(n.payload))
    c.execute("listen news"); c.execute("notify news, 'hello'"); c.execute("select 1")
)py";

TEST_F(RealServerTest, PsycopgDoesItsWorst) {
    const Output direct = python(server().port(), pipeline_program);
    ASSERT_EQ(direct.status, 0) << direct.text;
    for (const std::size_t read_size : {std::size_t{65536}, std::size_t{7}, std::size_t{1}}) {
        auto settings = to_server();
        settings.read_size = read_size;
        const Relay relay(settings);
        const Output output = python(relay.port(), pipeline_program);
        EXPECT_EQ(output.text, direct.text);
        EXPECT_EQ(output.status, 0);
    }
}

TEST_F(RealServerTest, RefusalsAreOrdinaryErrors) {
    auto settings = to_server();
    settings.rule = [](const CommandSeen& seen) {
        return seen.text.find("forbidden") != std::string_view::npos && seen.kind != CommandKind::parse
                   ? refuse("assent: no")
                   : forward();
    };
    const Relay relay(settings);
    const auto simple = RealServer::psql_at(
        relay.port(), "SELECT 1;\nSELECT 'forbidden';\nBEGIN;\nSELECT 'forbidden';\nSELECT 2;\nROLLBACK;\nSELECT 3;");
    EXPECT_EQ(simple.text,
              "1\nERROR:  assent: no\nDETAIL:  cause=rule rule=no retry=never\nHINT:  Ask somebody.\nERROR:  assent: "
              "no\nDETAIL:  cause=rule "
              "rule=no retry=never\nHINT:  Ask somebody.\nERROR:  current transaction is aborted, commands ignored until "
              "end of transaction "
              "block\n3\n");
    const auto extended = python(relay.port(), R"py(
c = connect(autocommit=True)
with c.pipeline() as p:
    a = c.execute("select %s::int", (1,)); b = c.execute("select %s::text || 'forbidden'", ("x",)); d = c.execute("select 4")
    try:
        p.sync()
    except psycopg.Error as e:
        print(type(e).__name__, e)
    print(a.fetchone())
print(c.execute("select 5").fetchone(), c.info.transaction_status.name)
)py");
    EXPECT_NE(extended.text.find("assent: no"), std::string::npos) << extended.text;
    EXPECT_NE(extended.text.find("(5,) IDLE"), std::string::npos) << extended.text;
}

TEST_F(RealServerTest, RefusedAtEveryKindOfMessageTheServerFailsIt) {
    for (const CommandKind kind : {CommandKind::query, CommandKind::parse, CommandKind::bind, CommandKind::execute}) {
        auto settings = to_server();
        settings.rule = [kind](const CommandSeen& seen) {
            return seen.kind == kind && seen.text.find("forbidden") != std::string_view::npos ? refuse("assent: no")
                                                                                              : forward();
        };
        const Relay relay(settings);
        const auto output = python(relay.port(), std::string("one = ") + (kind == CommandKind::query ? "()" : "(1,)") + R"py(
c = connect(autocommit=True)
try:
    c.execute("select 'forbidden'" + (", %s::int" if one else ""), one or None)
    print("ran")
except psycopg.Error as e:
    print(e.sqlstate, str(e).splitlines()[0])
print(c.execute("select 5").fetchone(), c.info.transaction_status.name)
)py");
        EXPECT_EQ(output.text, "42501 assent: no\n(5,) IDLE\n") << static_cast<int>(kind);
    }
}

TEST_F(RealServerTest, QuestionsLeaveNothingBehind) {
    int questions = 0;
    std::vector<sql::Row> rows;
    std::map<wire::CommandId, bool> has_asked;
    auto settings = to_server();
    settings.ready = [] {
        return sql::Question{.sql = "SELECT pg_catalog.current_setting($1)", .parameters = {"search_path"}};
    };
    settings.rule = [&](const CommandSeen& seen) {
        if (seen.kind == CommandKind::startup || !seen.can_ask || has_asked[seen.id]) return forward();
        has_asked[seen.id] = true;
        ++questions;
        Ruling ruling;
        ruling.action = Ruling::Action::ask;
        ruling.question = sql::Question{.sql = "SELECT $1::pg_catalog.text, NULL", .parameters = {"x"}};
        return ruling;
    };
    settings.answered = [&](std::vector<sql::Row> answer) { rows.insert(rows.end(), answer.begin(), answer.end()); };
    const Relay relay(settings);
    const auto output = python(relay.port(), std::string(pipeline_program) + R"py(
c = connect(autocommit=True)
print(c.execute("select count(*) from pg_prepared_statements").fetchone())
print(c.execute("select count(*) from pg_cursors where name like 'assent%%'", ()).fetchone())
)py");
    const Output direct = python(server().port(), pipeline_program);
    EXPECT_EQ(output.text, direct.text + "(0,)\n(0,)\n");
    EXPECT_GT(questions, 100);
    ASSERT_GT(rows.size(), 100U);
    EXPECT_EQ(rows[0], sql::Row{"\"$user\", public"});
    EXPECT_EQ(rows[1], (sql::Row{"x", std::nullopt}));
}

TEST_F(RealServerTest, QuestionsThatFailCostTheAgentNothing) {
    int asked = 0;
    int answers = 0;
    std::map<wire::CommandId, bool> has_asked;
    auto settings = to_server();
    settings.rule = [&](const CommandSeen& seen) {
        if (seen.kind == CommandKind::startup || !seen.can_ask || has_asked[seen.id]) return forward();
        has_asked[seen.id] = true;
        Ruling ruling;
        ruling.action = Ruling::Action::ask;
        ruling.question = sql::Question{.sql = ++asked % 2 == 0 ? "SELECT 1 / $1" : "EXPLAIN (FORMAT JSON) SELECT $1 + 1",
                                        .parameters = {std::string(4, '\0')},
                                        .forms = {{.type = 23, .is_binary = true}},
                                        .may_fail = true};
        return ruling;
    };
    settings.answered = [&](const std::vector<sql::Row>& answer) {
        ++answers;
        EXPECT_EQ(answer.size(), 1U);
        EXPECT_NE(answer.at(0).at(0).value_or("").find("Plan Rows"), std::string::npos);
    };
    const Relay relay(settings);
    const std::string program = std::string(pipeline_program) + R"py(
c = connect()
c.execute("create temp table kept (n int)")
c.execute("insert into kept select generate_series(1, 3)")
c.execute("savepoint \"assent question\"")
c.execute("insert into kept values (4)")
c.execute("rollback to savepoint \"assent question\"")
print(c.execute("select sum(n), current_setting('lock_timeout'), current_setting('statement_timeout') from kept").fetchone())
c.commit()
print(c.execute("select current_setting('lock_timeout'), txid_current_if_assigned() is null").fetchone())
c.rollback()
)py";
    const auto output = python(relay.port(), program);
    const Output direct = python(server().port(), program);
    EXPECT_EQ(output.text, direct.text);
    EXPECT_NE(direct.text.find("(6, '0', '0')"), std::string::npos) << direct.text;
    EXPECT_GT(answers, 20);
    EXPECT_GT(asked, 2 * answers);
}

TEST_F(RealServerTest, MasksHoldInEveryFormat) {
    auto settings = to_server();
    const auto masks = std::make_shared<std::vector<model::ResultMasks>>(1);
    masks->front().columns = {{},
                              {.method = {.kind = model::MaskKind::redact}, .masks = {"m"}},
                              {.method = {.kind = model::MaskKind::redact}, .masks = {"m"}}};
    settings.rule = [&](const CommandSeen& seen) {
        Ruling ruling = forward();
        if (seen.text.find("secret") == std::string_view::npos) return ruling;
        ruling.masks = masks;
        model::CopyLayout layout;
        layout.format =
            seen.text.find("binary") != std::string_view::npos ? model::CopyFormat::binary : model::CopyFormat::text;
        layout.types = {23, 25, 23};
        ruling.copies = std::make_shared<std::vector<model::CopyLayout>>(1, layout);
        return ruling;
    };
    const Relay relay(settings);
    const auto output = python(relay.port(), R"py(
c = connect(autocommit=True)
q = "select 1 as a, 'secret'::text as b, 42 as c"
print(c.execute(q).fetchall())
print(c.execute(q, binary=True).fetchall())
print(c.execute(q + " where %s", (True,)).fetchall())
with c.cursor() as cur, cur.copy(f"copy ({q}) to stdout") as copy:
    print([bytes(row) for row in copy])
with c.cursor() as cur, cur.copy(f"copy ({q}) to stdout (format binary)") as copy:
    copy.set_types(["int4", "text", "int4"]); print(list(copy.rows()))
print(c.execute("select 1, 2, 'secret'::text, 4").fetchall())
)py");
    EXPECT_EQ(
        output.text,
        "[(1, '[redacted]', None)]\n[(1, '[redacted]', None)]\n[(1, '[redacted]', None)]\n[b'1\\t[redacted]\\t\\\\N\\n']\n"
        "[(1, '[redacted]', None)]\n[(None, None, None, None)]\n");
}

TEST_F(RealServerTest, CancelReachesTheRightBackend) {
    const Relay relay(to_server());
    const auto output = python(relay.port(), R"py(
import threading, time
c = connect(autocommit=True)
threading.Timer(0.3, c.cancel).start()
try:
    c.execute("select pg_sleep(10)")
except psycopg.Error as e:
    print(e.sqlstate)
print(c.execute("select 1").fetchone())
)py");
    EXPECT_EQ(output.text, "57014\n(1,)\n");
}

TEST_F(RealServerTest, PgbenchRunsInEveryMode) {
    ASSERT_EQ(
        run_shell("pgbench -i -q -s 1 -h 127.0.0.1 -U postgres -p " + std::to_string(server().port()) + " postgres").status,
        0);
    const Relay relay(to_server());
    for (const char* mode : {"simple", "extended", "prepared"}) {
        const auto output = run_shell("timeout 60 pgbench -n -c 2 -t 100 -M " + std::string(mode) +
                                      " -h 127.0.0.1 -U postgres -p " + std::to_string(relay.port()) + " postgres");
        EXPECT_NE(output.text.find("number of failed transactions: 0"), std::string::npos) << output.text;
        EXPECT_NE(output.text.find("processed: 200/200"), std::string::npos) << output.text;
    }
}

}  // namespace
}  // namespace assent::test
