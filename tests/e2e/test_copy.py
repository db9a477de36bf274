"""COPY both ways: what is allowed is passed whole, masked columns masked, in text, CSV and binary."""

import harness


class Copy(harness.EndToEnd):
    def test_out_is_the_databases_own(self):
        rows = self.psql_rows("COPY orders TO STDOUT")
        self.assertEqual(rows, self.postgres.sql("COPY orders TO STDOUT", "shop").splitlines())

    def test_out_of_masked_columns_is_masked_in_every_format(self):
        raw = self.postgres.sql("SELECT card_number FROM customers WHERE id = 7", "shop")
        for form in ("TEXT", "CSV", "CSV, HEADER, QUOTE '''', FORCE_QUOTE *", "BINARY", "TEXT, DELIMITER ','"):
            for source in ("customers", "customers (id, card_number)", "(SELECT id, card_number FROM customers)", "(SELECT c FROM customers c)"):
                with self.subTest(form=form, source=source):
                    form_text = form if form.startswith(("CSV", "TEXT", "BINARY")) else f"FORMAT {form}"
                    said = self.script(f"""
                        with connect() as c:
                            data = b""
                            try:
                                with c.cursor().copy({f"COPY {source} TO STDOUT (FORMAT {form_text})"!r}) as copy:
                                    for part in copy:
                                        data += bytes(part)
                                say(size=len(data), leaked={raw!r} in data.decode("latin-1"))
                            except psycopg.errors.InsufficientPrivilege as e:
                                say(size=1, leaked={raw!r} in str(e))
                            say(alive=c.execute("SELECT 1").fetchone()[0])
                    """)
                    self.assertFalse(said[0]["leaked"])
                    self.assertGreater(said[0]["size"], 0)
                    self.assertEqual(said[1]["alive"], 1)

    def test_a_copy_gives_what_the_select_gives(self):
        rows = self.psql_rows("SELECT id, national_id, card_number, name FROM customers ORDER BY id")
        query = "(SELECT id, national_id, card_number, name FROM customers ORDER BY id)"
        self.assertEqual(self.psql_rows(f"COPY {query} TO STDOUT (DELIMITER '|')"), rows)
        self.assertEqual(self.psql_rows(f"COPY {query} TO STDOUT"), [row.replace("|", "\t") for row in rows])
        self.assertEqual(self.psql_rows(f"COPY {query} TO STDOUT (FORMAT csv, HEADER)"),
                         ["id,national_id,card_number,name"] + [row.replace("|", ",") for row in rows])
        self.assertEqual(self.psql_rows("COPY customers (id, card_number) TO STDOUT CSV QUOTE '~' FORCE QUOTE card_number")[0], "1,~[redacted]~")

    def test_the_extended_protocol_copies_too(self):
        said = self.script("""
            c = psycopg.pq.PGconn.connect(DSN.encode())
            c.send_query_params(b"COPY (SELECT card_number FROM customers WHERE id = 7) TO STDOUT (FORMAT csv, HEADER)", [])
            c.get_result()
            data = b""
            while (part := c.get_copy_data(0))[0] > 0:
                data += bytes(part[1])
            say(data=data.decode(), status=c.get_result().status)
        """)
        self.assertEqual(said["data"], "card_number\n[redacted]\n")

    def test_in_goes_through_whole(self):
        said = self.script("""
            with connect() as c:
                with c.cursor().copy("COPY payments (id, order_id, amount, method, paid_at) FROM STDIN") as copy:
                    for n in range(70000, 90000):
                        copy.write_row((n, 2, 1.5, "card", "2026-02-01"))
                say(count=c.execute("SELECT count(*) FROM payments WHERE id >= 70000").fetchone()[0])
        """)
        self.assertEqual(said["count"], 20000)

    def test_in_that_is_not_allowed_is_refused_before_a_byte_is_sent(self):
        said = self.script("""
            with connect() as c:
                try:
                    with c.cursor().copy("COPY customers FROM STDIN") as copy:
                        copy.write_row((1000, "a", "b", "c", "d", "e"))
                    say(passed=True)
                except psycopg.Error as e:
                    say(**error_of(e))
                say(alive=c.execute("SELECT 1").fetchone()[0])
        """)
        self.assert_refused(said[0])
        self.assertEqual(said[1]["alive"], 1)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM customers", "shop"), "200")

    def test_a_copy_that_the_client_gives_up_leaves_the_connection_usable(self):
        said = self.script("""
            with connect() as c:
                try:
                    with c.cursor().copy("COPY payments FROM STDIN") as copy:
                        copy.write_row((99999, 2, 1, "card", "2026-02-01"))
                        raise RuntimeError("changed my mind")
                except (RuntimeError, psycopg.errors.QueryCanceled):
                    pass
                say(count=c.execute("SELECT count(*) FROM payments WHERE id = 99999").fetchone()[0])
        """)
        self.assertEqual(said["count"], 0)

    def test_files_and_programs_of_the_server_are_external(self):
        for statement in ("COPY orders TO '/tmp/x'", "COPY orders FROM PROGRAM 'id'", "COPY (SELECT 1) TO PROGRAM 'id'"):
            done = self.psql(statement)
            self.assertIn("assent", done.stderr)


if __name__ == "__main__":
    harness.main()
