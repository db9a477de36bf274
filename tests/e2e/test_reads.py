"""An agent reads: it gets its rows, and masked columns only masked, whatever way it asks."""

import re

import harness

NATIONAL_ID = re.compile(r"\d{3}-\d{2}-\d{4}")
CARD = re.compile(r"4\d{3}-\d{4}-\d{4}-\d{4}")


class Reads(harness.EndToEnd):
    def setUp(self):
        self.raw_id, self.raw_card = self.postgres.sql("SELECT national_id, card_number FROM customers WHERE id = 7", "shop").split("|")

    def assert_clean(self, text):
        self.assertNotRegex(text, NATIONAL_ID)
        self.assertNotRegex(text, CARD)
        self.assertNotIn(self.raw_card[-9:], text)

    def test_plain_rows_are_the_databases_own(self):
        rows = self.psql_rows("SELECT id, name, city FROM customers ORDER BY id LIMIT 3")
        self.assertEqual(rows, self.postgres.sql("SELECT id, name, city FROM customers ORDER BY id LIMIT 3", "shop").splitlines())

    def test_masked_columns_keep_what_the_policy_says(self):
        row = self.psql_rows("SELECT national_id, card_number FROM customers WHERE id = 7")[0]
        national_id, card = row.split("|")
        self.assertTrue(national_id.endswith(self.raw_id[-4:]))
        self.assertNotEqual(national_id, self.raw_id)
        self.assert_clean(row)
        self.assertNotEqual(card, self.raw_card)

    def test_the_data_is_followed_and_not_the_label(self):
        for statement in (
            "SELECT national_id AS city FROM customers WHERE id = 7",
            "SELECT upper(national_id) FROM customers WHERE id = 7",
            "SELECT 'x' || card_number FROM customers WHERE id = 7",
            "SELECT substr(card_number, 1, 12) FROM customers WHERE id = 7",
            "SELECT reverse(card_number) FROM customers WHERE id = 7",
            "SELECT c FROM customers c WHERE id = 7",
            "SELECT c.*::text FROM customers c WHERE id = 7",
            "SELECT row_to_json(c) FROM customers c WHERE id = 7",
            "SELECT to_jsonb(c) ->> 'card_number' FROM customers c WHERE id = 7",
            "SELECT array_agg(card_number) FROM customers WHERE id = 7",
            "SELECT string_agg(national_id, ',') FROM customers",
            "WITH w AS (SELECT card_number AS c FROM customers WHERE id = 7) SELECT c FROM w",
            "SELECT (SELECT card_number FROM customers WHERE id = 7)",
            "SELECT name FROM customers WHERE id = 7 UNION ALL SELECT card_number FROM customers WHERE id = 7",
            "SELECT x FROM (SELECT card_number FROM customers WHERE id = 7) AS s(x)",
            "SELECT * FROM customers WHERE id = 7",
            "TABLE customers",
            "SELECT max(card_number) FROM customers",
            "SELECT CASE WHEN id > 0 THEN card_number END FROM customers WHERE id = 7",
            "SELECT v FROM customers, LATERAL (VALUES (card_number)) AS l(v) WHERE id = 7",
        ):
            with self.subTest(statement=statement):
                done = self.psql(statement)
                self.assert_clean(done.stdout + done.stderr)
                self.assertNotIn(self.raw_card[::-1], done.stdout)

    def test_what_is_proved_clean_is_passed(self):
        self.assertEqual(self.psql_rows("SELECT count(*) FROM customers"), ["200"])
        self.assertEqual(self.psql_rows("SELECT id * 2, upper(city) FROM customers WHERE id = 7"),
                         self.postgres.sql("SELECT id * 2, upper(city) FROM customers WHERE id = 7", "shop").splitlines())
        self.assertEqual(self.psql_rows("SELECT count(*) FROM order_totals"), ["200"])

    def test_a_server_error_does_not_quote_a_masked_value(self):
        done = self.psql("SELECT card_number::integer FROM customers WHERE id = 7")
        self.assertNotEqual(done.returncode, 0)
        self.assert_clean(done.stdout + done.stderr)
        done = self.psql("SELECT 1 / (CASE WHEN card_number LIKE '4%' THEN 0 ELSE 1 END) FROM customers WHERE id = 7")
        self.assert_clean(done.stdout + done.stderr)

    def test_extended_protocol_text_and_binary(self):
        said = self.script("""
            with connect() as c:
                for binary in (False, True):
                    cur = c.cursor(binary=binary)
                    cur.execute("SELECT id, name, national_id, card_number FROM customers WHERE id = %s", (7,))
                    say(row=cur.fetchone())
        """)
        for answer in said:
            self.assertEqual(answer["row"][0], 7)
            self.assertTrue(answer["row"][2].endswith(self.raw_id[-4:]))
            self.assert_clean(str(answer["row"]))

    def test_named_cursors_and_fetch(self):
        said = self.script("""
            with connect(autocommit=False) as c:
                cur = c.cursor("walk")
                cur.execute("SELECT id, card_number FROM customers ORDER BY id")
                say(rows=[r for r in cur][:20])
        """)
        self.assertEqual(len(said["rows"]), 20)
        self.assert_clean(str(said))

    def test_pipeline_keeps_order(self):
        said = self.script("""
            with connect() as c, c.pipeline():
                cursors = [c.execute("SELECT %s::int, city FROM customers WHERE id = %s", (i, i)) for i in range(1, 51)]
                say(ids=[cur.fetchone()[0] for cur in cursors])
        """)
        self.assertEqual(said["ids"], list(range(1, 51)))

    def test_prepared_statements_that_are_run_often(self):
        said = self.script("""
            with connect(prepare_threshold=1) as c:
                seen = {c.execute("SELECT card_number FROM customers WHERE id = %s", (i,)).fetchone()[0] for i in range(1, 20)}
                say(seen=sorted(seen))
        """)
        self.assert_clean(str(said))

    def test_the_agent_sees_the_address_it_asked_for(self):
        done = self.psql("SELECT 1", "\\conninfo")
        self.assertIn(str(self.postgres.port), done.stdout)
        said = self.script("""
            import socket
            port = int(dict(p.split("=", 1) for p in DSN.split())["port"])
            with socket.create_connection(("127.0.0.1", port)) as s:
                say(peer=s.getpeername())
        """)
        self.assertEqual(said["peer"], ["127.0.0.1", self.postgres.port])

    def test_ipv6_and_mapped_addresses(self):
        for host in ("::1", "::ffff:127.0.0.1", "localhost"):
            with self.subTest(host=host):
                self.assertEqual(self.psql_rows("SELECT count(*) FROM orders", dsn=self.dsn(host=host)), ["1000"])

    def test_psql_introspection_works(self):
        for command in ("\\d", "\\d customers", "\\dt", "\\dn", "\\l", "\\df", "\\du"):
            with self.subTest(command=command):
                done = self.psql(command)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_wrong_password_is_the_databases_own_error(self):
        done = self.psql("SELECT 1", dsn=self.dsn(password="wrong"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("password authentication failed", done.stderr)


if __name__ == "__main__":
    harness.main()
