"""What a name means is what it means when its statement runs: not before an earlier statement of the same text, of the same
transaction or of the same pipeline has changed it."""

import harness


class Names(harness.EndToEnd):
    policy = harness.POLICY.replace('objects: ["public.*"], verdict: allow}', 'objects: ["public.*", "other.*"], verdict: allow}').replace(
        "rules:\n", 'rules:\n  - {name: paths, operations: [session], objects: [setting.search_path], verdict: allow}\n')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.postgres.sql("CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO shop_app;"
                         "CREATE TABLE other.customers (id int, card_number text); INSERT INTO other.customers VALUES (7, 'of other');"
                         "GRANT SELECT ON other.customers TO shop_app", "shop")
        cls.card = cls.postgres.sql("SELECT card_number FROM customers WHERE id = 7", "shop")

    def test_a_name_behind_a_change_of_the_path_is_not_resolved(self):
        ask = "SELECT card_number FROM customers WHERE id = 7"
        for change in ("SET search_path = other", "SET LOCAL search_path = other", "SELECT set_config('search_path', 'other', false)",
                       "RESET ALL", "BEGIN; SET LOCAL search_path = other; COMMIT"):
            with self.subTest(change=change):
                done = self.psql(f"{change}; {ask}")
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertIn("assent", done.stderr)
                self.assertNotIn(self.card, done.stdout)
        self.assertEqual(self.psql_rows("SET search_path = other; SELECT card_number FROM other.customers")[-1:], ["of other"])
        self.assertEqual(self.psql_rows("SET search_path = other", ask)[-1:], ["of other"])

    def test_harmless_statements_leave_names_alone(self):
        for before in ("BEGIN", "SELECT 1", "SET timezone = 'UTC'", "INSERT INTO payments VALUES (90001, 1, 1, 'card', now())", "SELECT id FROM orders WHERE id = 1"):
            with self.subTest(before=before):
                self.assertEqual(self.psql_rows(f"{before}; SELECT count(*) FROM customers")[-1:], ["200"])

    def test_the_end_of_a_transaction_brings_the_old_path_back(self):
        said = self.script("""
            with connect() as c:
                def tried(text):
                    try:
                        return c.pgconn.exec_(text.encode()).get_value(0, 0).decode()
                    except Exception:
                        return "nothing"
                for end in ("COMMIT", "ROLLBACK", "ROLLBACK TO s"):
                    c.execute("BEGIN")
                    c.execute("SAVEPOINT s")
                    c.execute("SET LOCAL search_path = other")
                    inside = c.execute("SELECT card_number FROM customers WHERE id = 7").fetchone()[0]
                    text = f"{end}; SELECT card_number FROM customers WHERE id = 7"
                    result = c.pgconn.exec_(text.encode())
                    together = result.error_message.decode()
                    if c.info.transaction_status.name != "IDLE":
                        c.execute("ROLLBACK")
                    say(inside=inside, together=together, after=c.execute("SELECT card_number FROM customers WHERE id = 7").fetchone()[0])
        """)
        for one in said:
            self.assertEqual(one["inside"], "of other")
            self.assertIn("assent", one["together"])
            self.assertNotIn("of other", one["after"])
            self.assertNotEqual(one["after"], self.card)

    def test_a_sync_ends_an_implicit_transaction_and_its_path(self):
        said = self.script("""
            c = psycopg.pq.PGconn.connect(DSN.encode())
            c.enter_pipeline_mode()
            for turn in range(20):
                c.send_query_params(b"SET LOCAL search_path = other", [])
                c.send_query_params(b"SELECT card_number FROM customers WHERE id = 7", [])
                c.pipeline_sync()
                c.send_query_params(b"SELECT card_number FROM customers WHERE id = 7", [])
                c.pipeline_sync()
                values = []
                syncs = 0
                while syncs < 2:
                    result = c.get_result()
                    if result is None:
                        continue
                    syncs += result.status == psycopg.pq.ExecStatus.PIPELINE_SYNC
                    if result.status == psycopg.pq.ExecStatus.TUPLES_OK:
                        values.append(result.get_value(0, 0).decode())
                say(inside=values[0], outside=values[-1], count=len(values))
        """)
        for one in said:
            self.assertEqual(one["inside"], "of other")
            self.assertNotEqual(one["outside"], self.card)
            self.assertNotEqual(one["outside"], "of other")


if __name__ == "__main__":
    harness.main()
