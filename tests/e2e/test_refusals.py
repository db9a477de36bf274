"""What no policy allows is refused with an error like any other: the connection, its transaction and its pipeline go on as after
an error of the database."""

import harness
import throwaway


class Refusals(harness.EndToEnd):
    def test_drop_table_is_denied_at_once_and_says_why(self):
        said = self.script("""
            with connect() as c:
                started = time.monotonic()
                try:
                    c.execute("DROP TABLE orders")
                except psycopg.Error as e:
                    say(**error_of(e), seconds=time.monotonic() - started)
                say(orders=c.execute("SELECT count(*) FROM orders").fetchone()[0])
        """)
        self.assert_refused(said[0])
        self.assertIn("Schema changes go through the migration pipeline.", said[0]["message"] + said[0]["detail"])
        self.assertIn("no-destructive-ddl", said[0]["detail"])
        self.assertTrue(said[0]["hint"])
        self.assertLess(said[0]["seconds"], 2)
        self.assertEqual(said[1]["orders"], 1000)
        self.assertFalse(self.server_ran("DROP TABLE orders"))

    def test_what_no_rule_covers_is_denied(self):
        for statement in ("INSERT INTO customers VALUES (999)", "CREATE TABLE mine (a int)", "SELECT pg_read_file('/etc/passwd')",
                          "COPY orders TO PROGRAM 'cat'", "SET ROLE postgres", "ALTER SYSTEM SET work_mem = '1GB'", "DO $$ BEGIN END $$",
                          "SELECT * FROM pg_authid", "VACUUM orders", "SELECT 1; DROP TABLE orders", "DROP/**/TABLE orders",
                          "EXPLAIN ANALYZE DELETE FROM orders", "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
                          "SELECT query_to_xml('DELETE FROM orders', true, true, '')", "not sql at all"):
            with self.subTest(statement=statement):
                if statement.startswith(("EXPLAIN ANALYZE DELETE", "WITH gone")):
                    continue  # held, not denied: see test_holds
                done = self.psql(statement)
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertIn("assent", done.stderr)
                self.assertFalse(self.server_ran(statement))

    def test_words_in_text_do_not_matter(self):
        self.assertEqual(self.psql_rows("SELECT 'DROP TABLE orders' AS delete"), ["DROP TABLE orders"])
        self.assertEqual(self.psql("EXPLAIN DELETE FROM orders WHERE id = 1").returncode, 0)

    def test_a_transaction_is_aborted_by_a_refusal(self):
        said = self.script("""
            with psycopg.connect(DSN) as c:
                c.execute("SELECT 1")
                try:
                    c.execute("DROP TABLE orders")
                except psycopg.Error as e:
                    say(**error_of(e), status=c.info.transaction_status.name)
                try:
                    c.execute("SELECT 2")
                except psycopg.Error as e:
                    say(sqlstate=e.sqlstate)
                c.rollback()
                say(status=c.info.transaction_status.name, again=c.execute("SELECT 3").fetchone()[0])
        """)
        self.assert_refused(said[0])
        self.assertEqual(said[0]["status"], "INERROR")
        self.assertEqual(said[1]["sqlstate"], "25P02")
        self.assertEqual(said[2], {"status": "IDLE", "again": 3})

    def test_a_commit_after_a_refusal_is_a_rollback(self):
        before = self.postgres.sql("SELECT count(*) FROM orders WHERE id = 50001", "shop")
        done = self.psql("BEGIN", "INSERT INTO orders VALUES (50001, 1, 1, 'placed', now())", "TRUNCATE orders", "COMMIT")
        self.assertIn("ROLLBACK", done.stdout)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM orders WHERE id = 50001", "shop"), before)

    def test_savepoints_work_around_a_refusal(self):
        done = self.psql("BEGIN", "SAVEPOINT s", "DROP TABLE orders", "ROLLBACK TO s", "SELECT 41 + 1", "COMMIT")
        self.assertIn("42", done.stdout.splitlines())
        self.assertIn("COMMIT", done.stdout)

    def test_a_pipeline_skips_to_its_sync(self):
        said = self.script("""
            with connect() as c:
                with c.pipeline() as p:
                    first = c.execute("SELECT 1")
                    denied = c.execute("DROP TABLE orders")
                    skipped = c.execute("SELECT 2")
                    p_error = None
                    try:
                        p.sync()
                        denied.fetchone()
                    except psycopg.Error as e:
                        p_error = e
                    say(first=first.fetchone()[0], sqlstate=p_error.sqlstate)
                    try:
                        skipped.fetchone()
                    except psycopg.Error as e:
                        say(skipped=type(e).__name__)
                say(after=c.execute("SELECT 3").fetchone()[0])
        """)
        self.assertEqual(said[0], {"first": 1, "sqlstate": "42501"})
        self.assertIn(said[1]["skipped"], ("PipelineAborted", "ProgrammingError"))
        self.assertEqual(said[2]["after"], 3)

    def test_many_statements_in_one_query_are_judged_together(self):
        done = self.psql("INSERT INTO orders VALUES (50002, 1, 1, 'placed', now()); DROP TABLE orders; SELECT 1")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM orders WHERE id = 50002", "shop"), "0")

    def test_sql_prepare_and_execute(self):
        done = self.psql("PREPARE p AS SELECT count(*) FROM orders WHERE id = $1", "EXECUTE p(7)")
        self.assertIn("1", done.stdout.splitlines(), done.stderr)
        done = self.psql("PREPARE p AS DELETE FROM nowhere", "EXECUTE p")
        self.assertNotEqual(done.returncode, 0)

    def test_the_connection_survives_a_thousand_refusals(self):
        said = self.script("""
            with connect() as c:
                refused = 0
                for _ in range(1000):
                    try:
                        c.execute("DROP TABLE orders")
                    except psycopg.errors.InsufficientPrivilege:
                        refused += 1
                say(refused=refused, alive=c.execute("SELECT 1").fetchone()[0])
        """)
        self.assertEqual(said, {"refused": 1000, "alive": 1})

    def test_a_target_that_no_policy_names_is_refused(self):
        with self.subTest("a closed door"):
            done = self.assent.agent("/usr/bin/python3", "-c", """
import socket
try:
    s = socket.create_connection(("192.0.2.1", 9), 5)
    s.settimeout(5)
    print("closed" if s.recv(1) == b"" else "data")
except OSError as e:
    print("refused")
""")
            self.assertIn(done.stdout.strip(), ("refused", "closed"), done.stderr)
        with self.subTest("a client of PostgreSQL is told so in its protocol"):
            done = self.psql("SELECT 1", dsn=self.dsn(host="192.0.2.1"))
            self.assertEqual(done.returncode, 2)
            for word in ("assent denied this connection", "192.0.2.1", "cause=rule", "retry=never", "HINT", "assent whoami"):
                self.assertIn(word, done.stderr)
            throwaway.wait_until(lambda: [found for found in self.assent.ask("search", "no target of the policy", "--verdict", "deny")], 10,
                                 "it is recorded")
        with self.subTest("another database of the target"):
            done = self.psql("SELECT 1", dsn=self.dsn(dbname="postgres"))
            self.assertEqual(done.returncode, 2)
            for word in ("assent denied", "no database 'postgres'", "HINT"):
                self.assertIn(word, done.stderr)


class ReloadOfPolicies(harness.EndToEnd):
    def test_prepared_statements_are_judged_again_under_the_new_policy(self):
        agent = self.start_script("""
            with connect(prepare_threshold=0) as c:
                say(rows=c.execute("SELECT count(*) FROM orders WHERE id > %s", (0,)).fetchone()[0])
                sys.stdin.readline()
                try:
                    c.execute("SELECT count(*) FROM orders WHERE id > %s", (0,))
                    say(passed=True)
                except psycopg.Error as e:
                    say(**error_of(e))
        """, stdin=-1)
        self.assertEqual(agent.next()["rows"], 1000)
        self.assent.write_policies({"shop.yaml": self.fill(self.policy).replace('objects: ["public.*"], verdict: allow}\n  - {name: new',
                                                                                'objects: [public.customers], verdict: allow}\n  - {name: new')})
        self.assent.ask("policy", "reload")
        agent.tell()
        self.assert_refused(agent.next())
        agent.finish()
        self.assent.write_policies({"shop.yaml": self.fill(self.policy)})
        self.assent.ask("policy", "reload")

    def test_a_broken_policy_leaves_the_old_one_in_force(self):
        self.assent.write_policies({"shop.yaml": self.fill(self.policy) + "\nrules_of_thumb: []\n"})
        done = self.assent.cli("policy", "reload")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, r"shop\.yaml:\d+:\d+: .*rules_of_thumb")
        self.assertEqual(self.psql_rows("SELECT count(*) FROM orders"), ["1000"])
        self.assertIn("rules_of_thumb", self.assent.cli("status").stdout)
        with self.subTest("a restart takes the last good set"):
            self.assent.restart()
            self.assertEqual(self.psql_rows("SELECT count(*) FROM orders"), ["1000"])
        self.assent.write_policies({"shop.yaml": self.fill(self.policy)})
        self.assent.ask("policy", "reload")


class Observing(harness.EndToEnd):
    policy = harness.POLICY + "observe:\n  - {agents: [nightly], targets: [shop-db], until: 2099-12-31}\n"

    def test_what_would_be_denied_or_masked_is_passed_and_recorded(self):
        self.assertEqual(self.psql("CREATE TABLE scratch (a int)", "DROP TABLE scratch").returncode, 0)
        row = self.psql_rows("SELECT national_id FROM customers WHERE id = 7")[0]
        self.assertEqual(row, self.postgres.sql("SELECT national_id FROM customers WHERE id = 7", "shop"))
        session = self.assent.ask("search", "DROP TABLE scratch")[0]["session"]
        self.assertIn("would", self.assent.cli("replay", session).stdout)
        self.assertIn("2099-12-31", self.assent.cli("status").stdout)


if __name__ == "__main__":
    harness.main()
