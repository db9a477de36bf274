"""A policy that is reloaded while a cursor or a portal is open: what it gives from then on is what the new policy gives."""

import harness

MASKS = "masks:\n"
CITY = "masks:\n  - {name: cities, columns: [public.customers.city], method: redact, unproven: mask}\n"

# A client that speaks the protocol itself, on a connection that is logged in: portals with names.
PORTALS = """
    import socket, struct
    c = connect(sslmode="disable")
    s = socket.socket(fileno=os.dup(c.fileno()))
    s.setblocking(True)
    s.settimeout(20)
    def message(kind, *parts):
        body = b"".join(parts)
        return kind + struct.pack("!I", len(body) + 4) + body
    def text(value):
        return value.encode() + b"\\0"
    def parse(sql):
        return message(b"P", text(""), text(sql), struct.pack("!H", 0))
    def bind(portal):
        return message(b"B", text(portal), text(""), struct.pack("!HHH", 0, 0, 0))
    def execute(portal, rows):
        return message(b"E", text(portal), struct.pack("!I", rows))
    def close(portal):
        return message(b"C", b"P", text(portal))
    def query(sql):
        return message(b"Q", text(sql))
    SYNC = message(b"S")
    def ask(*messages):
        s.sendall(b"".join(messages))
        data = b""
        while not (data[-6:-1] == b"Z\\0\\0\\0\\5" and data[-1:] in (b"I", b"T", b"E")):
            part = s.recv(65536)
            if not part:
                return "closed: " + data.decode("latin-1")
            data += part
        return data.decode("latin-1")
"""


class Reload(harness.EndToEnd):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.city = cls.postgres.sql("SELECT city FROM customers WHERE id = 7", "shop")

    def setUp(self):
        self.reload(self.policy)

    def reload(self, policy):
        self.assent.write_policies({"shop.yaml": self.fill(policy)})
        self.assent.ask("policy", "reload")

    # Runs `before`, reloads, runs `after`; both give what they say.
    def around(self, policy, before, after):
        agent = self.start_script(PORTALS + f"    say(answer=({before}))\n    sys.stdin.readline()\n    say(answer=({after}))\n", stdin=-1)
        first = agent.next()["answer"]
        self.reload(policy)
        agent.tell()
        second = agent.next()["answer"]
        agent.finish()
        return first, second

    OPEN_PORTAL = 'ask(query("BEGIN")) + ask(parse("SELECT city FROM customers WHERE id = 7 OR id = 7 UNION ALL SELECT city FROM customers WHERE id = 7"),' \
                  ' bind("k"), execute("k", 1), SYNC)'
    OPEN_CURSOR = 'ask(query("BEGIN")) + ask(query("DECLARE k SCROLL CURSOR FOR SELECT city FROM customers WHERE id = 7")) + ask(query("FETCH ALL FROM k"))'

    def test_a_new_mask_is_not_passed_by_a_portal(self):
        for after in ('ask(execute("k", 0), SYNC)', 'ask(query("FETCH ALL FROM k"))'):
            with self.subTest(after=after):
                self.setUp()
                before, behind = self.around(self.policy.replace(MASKS, CITY), self.OPEN_PORTAL, after)
                self.assertIn(self.city, before)
                self.assertNotIn(self.city, behind)
                self.assertIn("open it again", behind)

    def test_a_new_mask_is_not_passed_by_a_cursor_in_sql(self):
        for after in ('ask(query("FETCH FIRST FROM k"))', 'ask(query("FETCH FIRST FROM k;"))', 'ask(execute("k", 0), SYNC)',
                      'ask(parse("FETCH FIRST FROM k"), bind(""), execute("", 0), SYNC)', 'ask(query("SELECT 1; FETCH FIRST FROM k"))'):
            with self.subTest(after=after):
                self.setUp()
                before, behind = self.around(self.policy.replace(MASKS, CITY), self.OPEN_CURSOR, after)
                self.assertIn(self.city, before)
                self.assertNotIn(self.city, behind)

    def test_a_rule_that_is_gone_closes_the_cursor(self):
        denying = self.policy.replace('objects: ["public.*"], verdict: allow}\n  - {name: new', 'objects: [public.orders], verdict: allow}\n  - {name: new')
        before, behind = self.around(denying, self.OPEN_CURSOR, 'ask(query("FETCH FIRST FROM k"))')
        self.assertIn(self.city, before)
        self.assertNotIn(self.city, behind)
        self.assertIn("the policy, or whom the agent acts for, has changed since it was opened", behind)

    def test_a_reload_that_changes_nothing_here_leaves_cursors_open(self):
        for opened, after in ((self.OPEN_CURSOR, 'ask(query("FETCH FIRST FROM k"))'), (self.OPEN_PORTAL, 'ask(execute("k", 0), SYNC)')):
            with self.subTest(after=after):
                self.setUp()
                before, behind = self.around(self.policy + "# a comment\n", opened, after)
                self.assertIn(self.city, before)
                self.assertIn(self.city, behind)

    def test_masks_stay_on_portals_and_cursors(self):
        card = self.postgres.sql("SELECT card_number FROM customers WHERE id = 7", "shop")
        said = self.script(PORTALS + """
    say(answer=ask(query("BEGIN")))
    say(answer=ask(parse("SELECT city FROM customers WHERE id = 7"), bind("k"), SYNC))
    say(answer=ask(query("FETCH ALL FROM k")))
    say(answer=ask(close("k"), SYNC))
    say(answer=ask(parse("SELECT card_number FROM customers WHERE id = 7"), bind("k"), SYNC))
    say(answer=ask(query("FETCH ALL FROM k")))
    say(answer=ask(query("ROLLBACK")))
        """)
        self.assertIn(self.city, str(said))
        self.assertNotIn(card, str(said))


if __name__ == "__main__":
    harness.main()
