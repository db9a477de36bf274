"""An agent with a schema of its own, in which it may make and change what it likes: nothing it makes there reaches beyond it."""

import textwrap

import harness

# Views, rules, triggers, operators and functions are all made with `create`; calling the functions is another matter.
WORKSHOP = """rules:
  - {name: paths, operations: [session], objects: [setting.search_path, setting.client_encoding], verdict: allow}
  - {name: workshop, operations: [create, insert, update, delete, read], objects: ["workshop.*", "pg_temp.*"], verdict: allow}
"""


BY_ANOTHER_ADDRESS = """targets:
  shop-by-another-address:
    protocol: postgres
    addresses: ["[::1]:@PORT@"]
"""


# Messages of the protocol, as no client library sends them.
MESSAGES = r"""
import socket, struct
one = connect(sslmode="disable")
wire = socket.socket(fileno=os.dup(one.fileno()))
text = lambda words: words.encode() + b"\0"
parse = lambda name, query: (b"P", text(name) + text(query) + b"\0\0")
bind = lambda portal, name: (b"B", text(portal) + text(name) + bytes(6))
execute = lambda portal: (b"E", text(portal) + bytes(4))
sync = (b"S", b"")
def exact(size):
    data = b""
    while len(data) < size:
        data += wire.recv(size - len(data)) or exit("closed")
    return data
def ask(*messages):
    wire.settimeout(10)
    wire.sendall(b"".join(kind + struct.pack("!I", len(body) + 4) + body for kind, body in messages))
    answer = []
    while not answer or answer[-1][0] != "Z":
        kind = exact(1).decode()
        answer.append((kind, exact(struct.unpack("!I", exact(4))[0] - 4).decode(errors="replace")))
    return answer
"""


class OwnSchema(harness.EndToEnd):
    policy = (harness.POLICY.replace("rules:\n", WORKSHOP, 1)
              .replace(', "[::1]:@PORT@"]', "]").replace("targets:\n", BY_ANOTHER_ADDRESS, 1)
              .replace("targets: [shop-db]", "targets: [shop-db, shop-by-another-address]")
              .replace("columns: [public.customers.card_number]", 'columns: [public.customers.card_number, "public.guests.número"]'))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.postgres.sql("CREATE SCHEMA workshop AUTHORIZATION shop_app;"
                         'CREATE TABLE guests (id int, "número" text); INSERT INTO guests VALUES (1, \'4000-secret\');'
                         'GRANT SELECT ON guests TO shop_app', "shop")
        cls.postgres.sql("SET ROLE shop_app; CREATE TABLE workshop.customers (LIKE public.customers)", "shop")
        cls.postgres.sql("SET ROLE shop_app; CREATE VIEW workshop.orders_view AS SELECT id, status FROM public.orders;"
                         "CREATE VIEW workshop.behind AS SELECT * FROM workshop.orders_view;"
                         "CREATE TABLE workshop.notes (id int, word varchar); INSERT INTO workshop.notes VALUES (1, 'one')", "shop")

    def statuses(self, number):
        return self.postgres.sql(f"SELECT status FROM orders WHERE id = {number}", "shop")

    def test_a_write_to_a_view_is_one_to_what_it_shows(self):
        for number, change in ((201, "UPDATE workshop.orders_view SET status = 'lost' WHERE id = 201"),
                               (202, "DELETE FROM workshop.behind WHERE id = 202")):
            with self.subTest(change=change):
                before = self.statuses(number)
                agent = self.start_script(f"""
                    with connect() as c:
                        try:
                            say(rows=c.execute({change!r}).rowcount)
                        except psycopg.Error as e:
                            say(**error_of(e))
                """, name="nightly-view")
                hold = self.wait_for_hold(f"id = {number}")
                self.assertTrue(any("public.orders" in effect for effect in hold["effects"]), hold["effects"])
                self.assertEqual(self.deny(hold).returncode, 0)
                self.assert_refused(agent.next(), cause="reviewer")
                self.assertEqual(self.statuses(number), before)
        self.assertEqual(self.psql_rows("INSERT INTO workshop.notes VALUES (2, 'two')", name="nightly-view"), ["INSERT 0 1"])

    def test_a_view_made_in_the_same_text(self):
        done = self.psql("CREATE VIEW workshop.fresh AS SELECT id, word FROM workshop.notes; INSERT INTO workshop.fresh VALUES (9, 'nine')",
                         name="nightly-fresh")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("assent", done.stderr)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM pg_class WHERE relname = 'fresh'", "shop"), "0")

    def test_what_would_run_later_is_judged_when_it_is_made(self):
        self.postgres.sql("SET ROLE shop_app; CREATE FUNCTION public.purge() RETURNS trigger LANGUAGE plpgsql AS "
                          "'BEGIN DELETE FROM public.payments; RETURN NEW; END';"
                          "CREATE FUNCTION public.same(varchar, varchar) RETURNS boolean LANGUAGE plpgsql AS "
                          "'BEGIN DELETE FROM public.payments; RETURN true; END'", "shop")
        payments = self.postgres.sql("SELECT count(*) FROM payments", "shop")
        held = self.psql("CREATE RULE r AS ON INSERT TO workshop.notes DO ALSO DELETE FROM public.payments", name="nightly-rule")
        self.assertIn("retry=after-approval", held.stderr)
        for number, made in enumerate((
                "CREATE TRIGGER t BEFORE INSERT ON workshop.notes FOR EACH ROW EXECUTE FUNCTION public.purge()",
                "CREATE OPERATOR workshop.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.same)",
                "CREATE CAST (workshop.notes AS boolean) WITH FUNCTION public.same(varchar, varchar)")):
            with self.subTest(made=made):
                done = self.psql(made, name=f"nightly-later-{number}")
                self.assertIn("cause=rule", done.stderr)
        self.psql_rows("SET search_path = workshop, public", "INSERT INTO workshop.notes VALUES (3, 'three')",
                       "SELECT count(*) FROM workshop.notes WHERE word = word", name="nightly-later")
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM payments", "shop"), payments)

    # One session makes a function that another one's words then mean; the second has read the catalog, or its snapshot has.
    def meet(self, name, before, make, text="SELECT length(word) FROM workshop.notes WHERE id = 1", other="127.0.0.1", **refused):
        said = self.script(f"""
            one, two = connect(host={other!r}), connect()
            two.execute("SET search_path = workshop, public")
            for each in {before!r}:
                two.execute(each)
            say(before=two.execute({text!r}).fetchone()[0])
            one.pgconn.send_query({make!r}.encode())
            time.sleep(0.7)
            try:
                say(after=two.execute({text!r}).fetchone()[0])
            except psycopg.Error as e:
                say(**error_of(e))
            while one.pgconn.get_result():
                pass
            one.execute("SELECT 1")
        """, name=name)
        self.assertEqual(said[0], {"before": 3})
        self.assert_refused(said[1], **refused)

    MAKE = "CREATE OR REPLACE FUNCTION workshop.length(varchar) RETURNS int LANGUAGE sql AS 'SELECT 666'"

    def tearDown(self):
        self.postgres.sql("DROP FUNCTION IF EXISTS workshop.length(varchar)", "shop")
        super().tearDown()

    def test_a_function_made_by_another_session(self):
        self.meet("nightly-plain", [], self.MAKE)

    def test_a_function_that_the_transaction_s_snapshot_does_not_show(self):
        self.meet("nightly-snapshot", ["BEGIN ISOLATION LEVEL REPEATABLE READ"], self.MAKE, cause="names", retry="later")

    def test_a_function_made_by_a_text_that_still_runs(self):
        slow = "SELECT pg_catalog.count(*) FROM pg_catalog.generate_series(1, 12000000)"
        self.meet("nightly-slow", [], f"BEGIN; {self.MAKE}; COMMIT; {slow}")

    def test_settings_are_not_hidden_in_what_runs_later(self):
        hidden = "SELECT set_config('search_path', 'public', false)"
        for number, made in enumerate((f"CREATE VIEW workshop.setting AS {hidden}", f"BEGIN; DECLARE k CURSOR FOR {hidden}",
                                       "CREATE TABLE workshop.setting (a text DEFAULT set_config('search_path', 'public', false))")):
            with self.subTest(made=made):
                self.assertIn("cause=rule", self.psql(made, name=f"nightly-hidden-{number}").stderr)

    def test_names_that_could_not_be_asked_for(self):
        before = self.postgres.sql("SELECT count(*) FROM orders WHERE status = 'gone'", "shop")
        said = self.script("""
            for text in ("ROLLBACK; CREATE TABLE IF NOT EXISTS workshop.x (a int); UPDATE workshop.orders_view SET status = 'gone'",
                         "ROLLBACK; DISCARD PLANS; UPDATE workshop.orders_view SET status = 'gone'"):
                with connect() as c:
                    c.pgconn.exec_(b"BEGIN; SELECT 1/0")
                    say(error=c.pgconn.exec_(text.encode()).error_message.decode())
        """, name="nightly-unasked")
        for one in said:
            self.assertIn("assent", one["error"])
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM orders WHERE status = 'gone'", "shop"), before)

    def test_what_a_rule_leads_to_may_be_replaced(self):
        self.psql_rows("CREATE TABLE workshop.inbox (id int)", "CREATE TABLE workshop.copy AS SELECT id, status FROM public.orders LIMIT 1",
                       "CREATE VIEW workshop.shown AS SELECT id, status FROM workshop.copy",
                       "CREATE RULE passed AS ON INSERT TO workshop.inbox DO ALSO UPDATE workshop.shown SET status = 'passed' WHERE id < 20",
                       "INSERT INTO workshop.inbox VALUES (1)", "CREATE OR REPLACE VIEW workshop.shown AS SELECT id, status FROM public.orders",
                       name="nightly-rules")
        held = self.psql("INSERT INTO workshop.inbox VALUES (2)", name="nightly-rules")
        self.assertIn("retry=after-approval", held.stderr)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM orders WHERE status = 'passed'", "shop"), "0")

    def test_a_migration_in_one_text_passes(self):
        self.psql_rows("BEGIN; CREATE TYPE workshop.mood AS ENUM ('good'); CREATE TABLE workshop.step (id serial PRIMARY KEY, mood workshop.mood);"
                       "CREATE INDEX step_mood ON workshop.step (mood); INSERT INTO workshop.step (mood) VALUES ('good');"
                       "CREATE VIEW workshop.steps AS SELECT 1 AS one; INSERT INTO workshop.step (mood) VALUES ('good'); COMMIT",
                       name="nightly-migration")
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM workshop.step", "shop"), "2")

    def test_a_snapshot_outlives_what_others_make_for_themselves(self):
        said = self.script("""
            one, two = connect(), connect()
            two.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            ask = "SELECT count(*) FROM public.orders"
            say(count=two.execute(ask).fetchone()[0])
            one.execute("CREATE TEMP TABLE mine (id int)")
            say(count=two.execute(ask).fetchone()[0])
            one.execute("CREATE TABLE workshop.ours (id int)")
            try:
                two.execute(ask)
            except psycopg.Error as e:
                say(**error_of(e))
        """, name="nightly-temporary")
        self.assertEqual(said[0], said[1])
        self.assert_refused(said[2], cause="names", retry="later")

    def test_a_portal_is_not_executed_behind_what_it_changes(self):
        said = self.script(MESSAGES + textwrap.dedent("""
            read = "SELECT card_number FROM customers LIMIT 1"
            for change in ("SELECT set_config('search_path', 'public', false)", "SET search_path = public",
                           "CREATE VIEW workshop.later AS SELECT 1 AS one"):
                ask((b"Q", text("SET search_path = workshop")))
                ask((b"Q", text("BEGIN")))
                ask(parse("s", change), bind("c", "s"), sync)
                ask((b"Q", text(read)))
                say(answer=ask(execute("c"), parse("", read), bind("", ""), execute(""), sync), change=change)
                ask((b"Q", text("ROLLBACK")), )
                ask((b"C", b"Ss\\0"), sync)
        """), name="nightly-portal")
        card = self.postgres.sql("SELECT card_number FROM customers LIMIT 1", "shop")
        for one in said:
            with self.subTest(change=one["change"]):
                self.assertNotIn(card, str(one["answer"]))
        self.assertIn("redacted", str(said[0]["answer"]))

    def test_a_transaction_that_began_behind_the_end_of_another(self):
        said = self.script(MESSAGES + textwrap.dedent("""
            read = "SELECT card_number FROM customers LIMIT 1"
            for end in ("ROLLBACK", "COMMIT"):
                ask((b"Q", text("SELECT 1")), (b"Q", text("BEGIN; SET LOCAL search_path = workshop")))
                ask()
                ask((b"Q", text(read)))
                ask((b"Q", text(end)))
                say(answer=ask((b"Q", text(read))))
        """), name="nightly-behind")
        for one in said:
            self.assertIn("redacted", str(one["answer"]))

    def test_targets_may_be_one_database(self):
        self.meet("nightly-two", [], self.MAKE, other="::1")

    def test_names_in_another_encoding(self):
        said = self.script("""
            for encoding in ("UTF8", "LATIN1", "SQL_ASCII"):
                with connect(client_encoding=encoding) as c:
                    c.execute("SET search_path = public")
                    for text in ("SELECT * FROM orders WHERE id = 1", "SELECT * FROM guests"):
                        result = c.pgconn.exec_(text.encode())
                        values = [result.get_value(0, i) for i in range(result.nfields)] if result.ntuples else []
                        say(encoding=encoding, values=[each and each.decode() for each in values], error=result.error_message.decode(errors="replace"))
        """, name="nightly-encoding")
        for one in said:
            self.assertNotIn("4000-secret", str(one))
        by_encoding = {each: [one for one in said if one["encoding"] == each] for each in ("UTF8", "LATIN1", "SQL_ASCII")}
        for encoding in ("UTF8", "SQL_ASCII"):
            self.assertEqual(by_encoding[encoding][1]["values"], ["1", "[redacted]"], by_encoding[encoding])
        self.assertTrue(by_encoding["LATIN1"][0]["values"])
        self.assertIn("assent", by_encoding["LATIN1"][1]["error"])


if __name__ == "__main__":
    harness.main()
