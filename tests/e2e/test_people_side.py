"""What somebody tries on the people's side: to have something approved that is not what runs, to count twice, to answer for others, to wear them out."""

import itertools
import json
import os
import pwd
import select
import subprocess
import textwrap
import time
import unicodedata

import harness
import identity_provider
import test_reviewers
import test_tokens
import throwaway

UPDATE = "UPDATE orders SET status = 'returned' WHERE id = {}"

RUN = """
    with connect() as c:
        for statement in {before!r}:
            c.execute(statement)
        try:
            say(rows=c.execute({statement!r}.replace("@FILLER@", {filler}), {values!r}).rowcount)
        except psycopg.Error as e:
            say(**error_of(e))
"""


# Says each line of its input to the control socket, and prints what comes back to each.
SPEAK = """
import socket, sys
link = socket.socket(socket.AF_UNIX)
link.settimeout(20)
link.connect(sys.argv[1])
answers = link.makefile("rb")
for line in sys.stdin:
    link.sendall(line.encode())
    print(answers.readline().decode().strip())
"""


def as_lines(requests):
    return "".join((request if isinstance(request, str) else json.dumps(request)) + "\n" for request in requests)


class PeopleSide(harness.EndToEnd):
    def start_command(self, statement, values=None, before=(), dsn=None, filler="''", **rest):
        """An agent that runs the statements of `before`, and then the one that is to be held; it says what became of that. `filler`: an expression
        for what stands at @FILLER@, where that is too much for a command line."""
        where = f"    DSN = {dsn!r}\n" if dsn else ""
        return self.start_script(where + RUN.format(before=list(before), statement=statement, values=values, filler=filler), **rest)

    def approve_widely(self, hold, **rest):
        return self.assent.cli("approve", hold["id"], "--shape", "--for", "10m", "--yes", "--reason", "a test says so", **rest)

    def hold_and_leave(self, text, *command, **rest):
        """The hold of an agent that sent its command and is gone."""
        agent = self.start_command(*command, **rest)
        hold = self.wait_for_hold(text)
        agent.kill()
        throwaway.wait_until(lambda: not self.assent.ask("holds", "show", hold["id"])["is_agent_connected"], 15, "the daemon knows that it is gone")
        return hold

    def approved_and_left(self, text, *command, **rest):
        """A hold that was approved when its agent had gone: the same command runs once when it is sent again."""
        hold = self.hold_and_leave(text, *command, **rest)
        done = self.approve(hold)
        self.assertEqual(done.returncode, 0, done.stderr)
        return hold

    def assert_held_anew(self, agent, text, *known):
        """That the agent's command waits for an answer of its own, whatever was approved before; gives its hold."""
        ids = {hold["id"] for hold in known}

        def found():
            new = [hold for hold in self.holds() if hold["state"] == "waiting" and text in hold["text"] and hold["id"] not in ids]
            if not new and select.select([agent.process.stdout], [], [], 0)[0]:
                self.fail(f"it was not held: {agent.next()}")
            return new and new[0]

        hold = throwaway.wait_until(found, 20, f"a hold of {text!r} besides {sorted(ids)}")
        agent.kill()
        return hold

    def speak(self, *requests, user="games"):
        """What the daemon answers to requests, or to texts that may be none, of a user of this host: nothing of the CLI stands before it."""
        done = subprocess.run(["/usr/bin/python3", "-c", SPEAK, self.assent.run_folder / "control.sock"], input=as_lines(requests), capture_output=True,
                              text=True, timeout=60, preexec_fn=lambda: throwaway._become(user))
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def speak_as_agent(self, *requests, **rest):
        """The same from inside an agent that is not the one that waits."""
        done = self.assent.agent("/usr/bin/python3", "-c", SPEAK, self.assent.run_folder / "control.sock", input=as_lines(requests), name="nightly-2", **rest)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def state_of(self, hold):
        return self.assent.ask("holds", "show", hold["id"])["state"]

    def value(self, sql, database="shop"):
        return self.postgres.sql(sql, database)


class WhatIsApproved(PeopleSide):
    """An approval is for one command of one agent at one place, whole and as it was shown, and until its deadline."""

    policy = """
version: 1
for: {agents: [nightly], targets: [shop-db, shop-copy]}
agents:
  nightly: [{run: "nightly*", runners: [root]}]
targets:
  shop-db: {protocol: postgres, addresses: ["127.0.0.1:@PORT@"], databases: [shop, archive]}
  shop-copy: {protocol: postgres, addresses: ["[::1]:@PORT@"], databases: [shop]}
rules:
  - {name: reads, operations: [read, transaction], objects: ["public.*", "sandbox.*"], verdict: allow}
  - {name: own-tables, operations: [create, drop], objects: ["sandbox.*"], verdict: allow}
  - {name: changes, operations: [update], objects: ["public.*", "sandbox.*"], verdict: hold, approval: dba}
  - {name: deletes, operations: [delete], objects: [public.payments], verdict: hold, approval: quick}
approvals:
  dba: {wait: 30s, deadline: 60s, stages: [{reviewers: {users: [root]}}]}
  quick: {wait: 2s, deadline: 5s, stages: [{reviewers: {users: [root]}}]}
"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.postgres.sql("CREATE SCHEMA sandbox AUTHORIZATION shop_app; ALTER ROLE shop_app SET search_path = sandbox, public", "shop")
        cls.postgres.sql(f"CREATE ROLE shop_other LOGIN PASSWORD '{throwaway.PASSWORD}' IN ROLE shop_app; "
                         "ALTER ROLE shop_other SET search_path = sandbox, public", "shop")
        cls.postgres.sql("CREATE DATABASE archive TEMPLATE shop")

    def test_a_long_command_is_shown_to_its_last_letter(self):
        text = UPDATE.format(21) + " /* @FILLER@ */ OR id = 22"
        agent = self.start_command(text, filler="'every word of it. ' * 50_000")
        hold = self.wait_for_hold("id = 21")
        self.assertEqual(hold["text"], text.replace("@FILLER@", "every word of it. " * 50_000))
        self.assertTrue(hold["is_text_whole"])
        self.assertIn("OR id = 22", self.assent.cli("holds", "show", hold["id"]).stdout)
        line = next(line for line in self.assent.cli("holds", "--each").stdout.splitlines() if line.startswith(hold["id"]))
        self.assertNotIn("OR id = 22", line)
        self.assertIn("…", line, "what is cut says so")
        self.assertEqual(self.approve(hold).returncode, 0)
        self.assertEqual(agent.next(), {"rows": 2})

    def test_a_command_that_cannot_be_shown_whole_is_refused(self):
        # Each of these is shown as eight characters.
        agent = self.start_command(UPDATE.format(23) + " /* @FILLER@ */", filler="chr(1) * 500_000")
        said = agent.next()
        self.assert_refused(said, retry="later")
        self.assertIn("too large to be shown whole", said["message"])
        self.assertFalse(self.server_ran("id = 23"))

    def test_two_connections_with_the_same_command_and_one_approval_run_it_once(self):
        before = float(self.value("SELECT total FROM orders WHERE id = 24"))
        statement = "UPDATE orders SET total = total + 1 WHERE id = 24"
        agents = [self.start_script(f"""
            with connect() as c:
                c.add_notice_handler(lambda n: say(notice=n.message_primary))
                try:
                    say(rows=c.execute({statement!r}).rowcount)
                except psycopg.Error as e:
                    say(**error_of(e))
        """) for _ in range(2)]
        notices = {agent.next()["notice"] for agent in agents}
        self.assertEqual(len(notices), 1, "both wait for the same hold")
        hold = self.wait_for_hold("id = 24")
        self.assertIn(hold["id"], notices.pop())
        self.assertEqual(self.approve(hold).returncode, 0)
        said = [agent.next() for agent in agents]
        self.assertEqual(said.count({"rows": 1}), 1, said)
        self.assert_refused(next(one for one in said if "rows" not in one), retry="later")
        self.assertEqual(float(self.value("SELECT total FROM orders WHERE id = 24")), before + 1)

    def test_other_values_of_the_same_statement_wait_for_their_own_answer(self):
        statement = "UPDATE orders SET status = %t WHERE id::text || %t = %t"
        first = self.approved_and_left("id::text ||", statement, ("paid", "", "31"))
        self.assertEqual(first["parameters"], ["'paid'", "''", "'31'"])
        known = [first]
        for values in (("paid", "", "32"), ("paid", "3", "1"), ("paid", None, "31"), ("placed", "", "31"), ("paid", "31", "")):
            with self.subTest(values=values):
                known.append(self.assert_held_anew(self.start_command(statement, values), "id::text ||", *known))
        self.assertFalse(self.server_ran("id::text ||"))
        self.assertEqual(self.start_command(statement, ("paid", "", "31")).next(), {"rows": 1}, "and the one that was approved runs")

    def test_a_prepared_name_is_approved_as_the_statement_that_it_stands_for(self):
        one = "PREPARE change (int) AS UPDATE orders SET status = 'shipped' WHERE id = $1"
        all_of_them = "PREPARE change (int) AS UPDATE orders SET status = 'shipped' WHERE id <> $1 OR true"
        before = self.value("SELECT count(*) FROM orders WHERE status = 'shipped' OR id IN (33, 35)")
        for text in ("EXECUTE change(33)", "EXPLAIN ANALYZE EXECUTE change(33)"):
            with self.subTest(text):
                first = self.approved_and_left(text, text, before=[one])
                self.assert_held_anew(self.start_command(text, before=[all_of_them]), text, first)
        with self.subTest("approved more widely"):
            agent = self.start_command("EXECUTE change(35)", before=[one])
            first = self.wait_for_hold("EXECUTE change(35)")
            self.assertEqual(self.approve_widely(first).returncode, 0)
            self.assertEqual(agent.next(), {"rows": 1})
            self.assert_held_anew(self.start_command("EXECUTE change(35)", before=[all_of_them]), "EXECUTE change(35)", first)
        self.assertEqual(self.value("SELECT count(*) FROM orders WHERE status = 'shipped' OR id IN (33, 35)"), before)

    def test_a_reviewer_sees_what_a_prepared_name_stands_for(self):
        many = ["PREPARE gone (int) AS UPDATE orders SET status = 'shipped' WHERE id = $1", *(f"SELECT {number}" for number in range(20))]
        hold = self.hold_and_leave("EXECUTE gone(34)", "EXECUTE gone(34)", before=many)
        self.assertIn("UPDATE orders SET status = 'shipped' WHERE id = $1", self.assent.cli("holds", "show", hold["id"]).stdout)

    def test_a_name_that_led_to_the_agents_own_table_does_not_lead_elsewhere_once_approved(self):
        update = UPDATE.format(41)
        first = self.approved_and_left(update, update, before=["CREATE TABLE sandbox.orders AS SELECT * FROM public.orders"])
        self.assertEqual(first["effects"], ["update sandbox.orders"])
        before = self.value("SELECT status FROM public.orders WHERE id = 41")
        try:
            self.assert_held_anew(self.start_command(update, before=["DROP TABLE sandbox.orders"]), update, first)
        finally:
            self.value("DROP TABLE IF EXISTS sandbox.orders")
        self.assertEqual(self.value("SELECT status FROM public.orders WHERE id = 41"), before)

    def test_a_name_that_leads_elsewhere_while_its_command_waits_is_not_followed(self):
        update = "UPDATE orders SET status = 'returned' WHERE id = 42"
        before = self.value("SELECT status FROM public.orders WHERE id = 42")
        agent = self.start_command(update, before=["CREATE TABLE sandbox.orders AS SELECT * FROM public.orders"])
        try:
            hold = self.wait_for_hold(update)
            self.assertEqual(hold["effects"], ["update sandbox.orders"])
            self.psql_rows("DROP TABLE sandbox.orders")
            self.assertEqual(self.approve(hold).returncode, 0)
            said = agent.next()
        finally:
            self.value("DROP TABLE IF EXISTS sandbox.orders")
        self.assertEqual(self.value("SELECT status FROM public.orders WHERE id = 42"), before, said)
        self.assertNotIn("rows", said)

    def test_a_lock_does_not_keep_names_from_being_asked_for_again(self):
        update = "UPDATE orders SET status = 'returned' WHERE id = 43"
        before = self.value("SELECT status FROM public.orders WHERE id = 43")
        self.value("CREATE TABLE sandbox.orders AS SELECT * FROM public.orders; ALTER TABLE sandbox.orders OWNER TO shop_app")
        try:
            other = self.start_script("""
                with connect() as c:
                    c.execute("BEGIN")
                    c.execute("DROP TABLE sandbox.orders")
                    say(locked=True)
                    sys.stdin.readline()
                    c.execute("COMMIT")
                    say(gone=True)
            """, stdin=subprocess.PIPE)
            self.assertEqual(other.next(), {"locked": True})
            agent = self.start_command(update)
            hold = self.wait_for_hold(update)
            self.assertEqual(hold["effects"], ["update sandbox.orders"])
            self.assertIn("did not plan", self.assent.ask("holds", "show", hold["id"])["estimate"]["why_not"], "the lock is in its way")
            other.tell()
            self.assertEqual(other.next(), {"gone": True})
            self.assertEqual(self.approve(hold).returncode, 0)
            said = agent.next()
        finally:
            self.value("DROP TABLE IF EXISTS sandbox.orders")
        self.assertEqual(self.value("SELECT status FROM public.orders WHERE id = 43"), before, said)
        self.assertNotIn("rows", said)

    def test_the_row_of_a_cursor_is_approved_and_not_that_of_another(self):
        update = "UPDATE public.orders SET status = 'returned' WHERE CURRENT OF here"

        def at(number):
            return ["BEGIN", f"DECLARE here CURSOR FOR SELECT id FROM public.orders WHERE id = {number}", "FETCH here"]

        first = self.approved_and_left(update, update, before=at(47))
        self.assert_held_anew(self.start_command(update, before=at(48)), update, first)
        self.assertFalse(self.server_ran(update))

    def test_a_value_is_read_as_it_was_when_it_was_approved(self):
        readings = {  # what a session may set without anybody's approval, and a value that is another one then
            "a date": ("SET datestyle = 'ISO, DMY'", "SET datestyle = 'ISO, MDY'", "placed_at < '07/02/2026'"),
            "a time": ("SET timezone = 'UTC'", "SET timezone = 'Pacific/Kiritimati'", "placed_at < '2026-02-01 00:00'"),
            "an interval": ("SET intervalstyle = 'postgres'", "SET intervalstyle = 'sql_standard'", "placed_at < timestamptz '2026-02-01Z' + '-1 1:00:00'"),
        }
        for what, (approved, sent, condition) in readings.items():
            with self.subTest(what):
                update = f"UPDATE orders SET status = 'paid' WHERE {condition}"
                first = self.approved_and_left(update, update, before=[approved])
                self.assert_held_anew(self.start_command(update, before=[sent]), update, first)
        with self.subTest("letters"):
            update = "UPDATE orders SET status = 'paid' WHERE id = 49 AND %t <> ''"
            first = self.approved_and_left("id = 49", update, ["\u00e9"])
            again = self.start_command(update, ["\u00c3\u00a9"], dsn=self.dsn(client_encoding="LATIN1"))  # the same bytes
            self.assert_held_anew(again, "id = 49", first)

    def test_it_is_good_for_its_own_place_and_agent_alone(self):
        update = "UPDATE orders SET status = 'placed' WHERE id = 43"
        known = [self.approved_and_left(update, update)]
        elsewhere = {
            "target": {"dsn": self.dsn(host="::1")},
            "database": {"dsn": self.dsn(dbname="archive")},
            "role": {"dsn": self.dsn(user="shop_other")},
            "agent": {"name": "nightly-2"},
            "user": {"user": "games"},
            "in a transaction": {"before": ["BEGIN"]},
        }
        for what, change in elsewhere.items():
            with self.subTest(what):
                known.append(self.assert_held_anew(self.start_command(update, **change), update, *known))
        self.value("ALTER ROLE shop_app SET search_path = public")
        try:
            with self.subTest("search path"):
                known.append(self.assert_held_anew(self.start_command(update), update, *known))
        finally:
            self.value("ALTER ROLE shop_app SET search_path = sandbox, public")
        self.assertFalse(self.server_ran(update))
        self.assertEqual(self.start_command(update).next(), {"rows": 1}, "it was good all the time")

    def test_it_is_good_until_its_deadline_and_not_later(self):
        delete = "DELETE FROM payments WHERE id = 44"
        hold = self.approved_and_left(delete, delete)
        throwaway.wait_until(lambda: self.state_of(hold) == "expired", 15, "the deadline")
        self.assert_held_anew(self.start_command(delete), delete, hold)
        self.assertFalse(self.server_ran(delete))

    def test_it_is_good_on_its_own_host_alone(self):
        update = "UPDATE orders SET status = 'placed' WHERE id = 45"
        hold = self.approved_and_left(update, update)
        other = throwaway.Assent({"shop.yaml": self.fill(self.policy)}, name="another_host", decide=self.decide)
        self.addCleanup(other.close)
        self.assent = other
        try:
            theirs = self.assert_held_anew(self.start_command(update), update, hold)
            self.assertEqual(self.approve(hold).returncode, 1, "nor does an answer mean anything there")
            self.assertEqual(self.state_of(theirs), "waiting")
        finally:
            del self.assent
        self.assertFalse(self.server_ran(update))
        self.assertEqual(self.start_command(update).next(), {"rows": 1})


class OnTheWire(PeopleSide):
    """The control socket is open to everybody: what counts is who the kernel says asks, not what they write."""

    policy = harness.POLICY.replace("wait: 4s", "wait: 30s")

    def assert_not_decided(self, hold, answers):
        for answer in answers:
            self.assertFalse(answer["ok"], answer)
        self.assertEqual(self.state_of(hold), "waiting")

    def forged(self, hold):
        """Answers to a hold that pretend to come from somebody who may give them."""
        approve = {"verb": "approve", "id": hold["id"], "reason": "forged"}
        root = {"uid": 0, "login_uid": 0, "name": "root", "groups": ["www-data"], "is_governed": False, "issuer": "", "scopes": []}
        return [
            approve,
            approve | root,
            approve | {"person": root, "peer": root, "user": "root", "as": "root", "decided_by": "root"},
            approve | {"state": "approved", "digest": hold["digest"], "approved": ["dba"], "acts": [{"person": "root", "approves": True}]},
            approve | {"is_trial": True},
            approve | {"shape": {"for_s": 600}},
            approve | {"token": ""},
            approve | {"token": "root"},
            approve | {"token": root},
            approve | {"token": None},
            {"verb": "deny", "id": hold["id"], "approves": True},
            {"verb": "use", "id": hold["id"]},
            {"verb": "hold.decided", "hold": hold["id"], "state": "approved", "person": "root"},
            {"next": {"hold": approve}},
            {"ok": True, "answer": hold | {"state": "approved", "decided_by": "root"}},
            [approve],
            '{"verb": "holds", "verb": "approve", "id": "%s"}' % hold["id"],
            '{"verb": "approve", "id": "h-", "id": "%s"}' % hold["id"],
        ]

    def test_no_stranger_writes_an_answer_that_counts(self):
        agent = self.start_command(UPDATE.format(51))
        hold = self.wait_for_hold("id = 51")
        forged = self.forged(hold)
        for request in forged:
            with self.subTest(request=request):
                self.assert_not_decided(hold, self.speak(request))
        self.assertFalse(self.server_ran("id = 51"))
        # The same words by somebody who may say them.
        self.assertTrue(self.speak(forged[1], user="backup")[0]["ok"])
        self.assertEqual(agent.next(), {"rows": 1})
        self.assertEqual(self.assent.ask("holds", "show", hold["id"])["decided_by"], "backup")

    def test_no_agent_writes_one_whoever_it_runs_as(self):
        agent = self.start_command(UPDATE.format(52))
        hold = self.wait_for_hold("id = 52")
        forged = self.forged(hold)
        for user in ("nobody", "backup"):
            with self.subTest(user=user):
                answers = self.speak_as_agent(*forged, user=user)
                self.assertEqual(len(answers), len(forged))
                self.assert_not_decided(hold, answers)
        self.assertFalse(self.server_ran("id = 52"))
        self.approve(hold)
        self.assertEqual(agent.next(), {"rows": 1})

    def test_a_try_by_a_reviewer_decides_nothing(self):
        agent = self.start_command(UPDATE.format(53))
        hold = self.wait_for_hold("id = 53")
        for verb in ("approve", "deny"):
            answer = self.speak({"verb": verb, "id": hold["id"], "is_trial": True}, user="backup")[0]
            self.assertEqual((answer["ok"], answer["answer"]["state"]), (True, "waiting"))
        self.assertEqual(self.state_of(hold), "waiting")
        self.assertEqual(self.approve(hold).returncode, 0)
        self.assertEqual(agent.next(), {"rows": 1})

    def test_an_answer_that_is_said_again_answers_nothing_else(self):
        statement = "UPDATE orders SET total = total + 1 WHERE id = 54"
        total = float(self.value("SELECT total FROM orders WHERE id = 54"))
        agent = self.start_command(statement)
        answer = {"verb": "approve", "id": self.wait_for_hold("id = 54")["id"], "reason": "once"}
        self.assertTrue(self.speak(answer, user="backup")[0]["ok"])
        self.assertEqual(agent.next(), {"rows": 1})
        agent.finish()
        again = self.start_command(statement)
        hold = self.wait_for_hold("id = 54")
        for said in self.speak(answer, answer, user="backup"):
            self.assertEqual((said["ok"], said["error"]["code"]), (False, "not_found"))
        self.assent.kill()
        again.kill()
        self.assent.start()
        self.assertFalse(self.speak(answer, user="backup")[0]["ok"])
        self.assertEqual(self.state_of(hold), "waiting")
        self.assertEqual(float(self.value("SELECT total FROM orders WHERE id = 54")), total + 1)

    def test_nobody_but_root_reads_or_writes_where_answers_are_kept(self):
        stores = [str(self.assent.state / name) for name in ("holds.sqlite", "holds.sqlite-wal")]
        tries = f"""
import os
for path in {stores!r}:
    for flags in (os.O_RDONLY, os.O_RDWR):
        try:
            os.close(os.open(path, flags))
            print("opened", path, flags)
        except PermissionError:
            pass
"""
        outside = subprocess.run(["/usr/bin/python3", "-c", tries], capture_output=True, text=True, preexec_fn=lambda: throwaway._become("backup"))
        inside = self.assent.agent("/usr/bin/python3", "-c", tries)
        self.assertEqual([(done.returncode, done.stdout) for done in (outside, inside)], [(0, "")] * 2, outside.stderr + inside.stderr)
        self.assertEqual(subprocess.run(["/usr/bin/python3", "-c", tries], capture_output=True, text=True).stdout.count("opened"), 4, "root may")


PEOPLE = {name: {"email": f"{name}@example.com", "email_verified": True, "groups": groups, "host_user": user} for name, groups, user in (
    ("ana", ["dba"], "root"),  # who starts the agents of these tests, unless they say otherwise
    ("bea", ["dba", "security"], "backup"),
    ("cid", ["dba"], "news"),
    ("dan", ["security"], "proxy"))}

SEATS = {"ana": "lp", "bea": "games", "cid": "man", "dan": "mail"}  # users of this host that nobody is

COUNTED = """
version: 1
for: {agents: [nightly], targets: [shop-db]}
agents:
  nightly: [{run: "nightly*", runners: [root, backup, proxy]}]
targets:
  shop-db: {protocol: postgres, addresses: ["127.0.0.1:@PORT@"], databases: [shop]}
rules:
  - {name: one-agrees, operations: [update], objects: [public.orders], verdict: hold, approval: one}
  - {name: two-agree, operations: [delete], objects: [public.payments], verdict: hold, approval: two}
  - {name: reads, operations: [read], objects: ["public.*"], verdict: allow}
approvals:
  one: {wait: 30s, deadline: 120s, stages: [{reviewers: {groups: [dba, security]}}]}
  two:
    wait: 30s
    deadline: 120s
    stages: [{reviewers: {groups: [dba, security], users: ["bea@example.com", "unix:backup", "unix:news"]}, quorum: 2}]
"""

DELETE = "DELETE FROM payments WHERE id = {}"


class WithReviewers(PeopleSide, test_tokens.WithProvider):
    policy = COUNTED
    people = PEOPLE
    decide = {"users": ["root", "backup", "news"], "groups": []}
    places = itertools.count()
    identity = """{local_reviewers: allow, clock_skew: 0s, issuers: [{issuer: '@ISSUER@', ca: '@CA@', audience: assent,
        reviewers: {client_id: assent-cli, unix_claim: host_user, scopes: [openid, email, groups, host, offline_access]}}]}""".replace("\n", " ")

    def logged_in(self, person, user=None):
        """A login of a person, at a place of its own: whom this host takes whoever sits there for says nothing."""
        login = test_reviewers.Login(self, person, user or SEATS[person])
        login.state = login.state.rename(f"{login.state}-{next(self.places)}")
        login.file = login.state / "assent/login.json"
        code, _, errors = login.log_in()
        self.assertEqual(code, 0, errors)
        return login

    def start_for(self, person, statement, **rest):
        """An agent that a person of this host started with sudo."""
        script = harness.PRELUDE + textwrap.dedent(RUN.format(before=[], statement=statement, values=None, filler="''"))
        environment = {"DSN": self.dsn(), "SUDO_UID": str(pwd.getpwnam(PEOPLE[person]["host_user"]).pw_uid)}
        return harness.Script(self.assent.start_agent("/usr/bin/python3", "-c", script, environment=environment, **rest))

    def answer(self, login, hold, *more, verb="approve"):
        done = login.cli(verb, hold["id"], "--reason", "of a test", *more)
        return done.returncode, done.stdout + done.stderr


class CountedOnce(WithReviewers):
    """A quorum is of persons: not of groups, logins, places or ways to be known."""

    def test_a_person_of_two_groups_counts_once_wherever_they_answer(self):
        agent = self.start_command(DELETE.format(61))
        hold = self.wait_for_hold("id = 61")
        bea = self.logged_in("bea")
        code, said = self.answer(bea, hold)
        self.assertEqual(code, 0, said)
        self.assertIn("1 of 2", said)
        self.assertIn("still waits for", self.answer(bea, hold)[1])
        # Another login of hers at another place, where another user of the host sits; and the user of the host that she is.
        elsewhere = self.logged_in("bea", "list")
        self.assertNotEqual(elsewhere.tokens()["id_token"], bea.tokens()["id_token"])
        code, said = self.answer(elsewhere, hold)
        self.assertEqual(code, 4, said)
        self.assertIn("still waits for", said)
        for user in ("backup", "news"):  # known in another way: nobody can tell that it is somebody else
            done = self.assent.cli("approve", hold["id"], "--reason", "again", user=user)
            self.assertEqual(done.returncode, 4, done.stdout)
            self.assertIn("still waits for", done.stderr)
        self.assertFalse(self.server_ran(DELETE.format(61)))
        code, said = self.answer(self.logged_in("dan"), hold)
        self.assertEqual(code, 0, said)
        self.assertEqual(agent.next(), {"rows": 1})
        shown = self.assent.ask("holds", "show", hold["id"])
        self.assertEqual([(act["person"], act["subject"]) for act in shown["acts"]], [("bea@example.com", "bea"), ("dan@example.com", "dan")])

    def test_a_person_counts_once_with_sudo_and_without(self):
        agent = self.start_for("dan", DELETE.format(62))
        hold = self.wait_for_hold("id = 62")
        self.assertEqual(self.assent.cli("approve", hold["id"], user="backup", login="backup").returncode, 0)
        done = self.assent.cli("approve", hold["id"], user="root", login="backup")
        self.assertEqual(done.returncode, 4, done.stdout)
        self.assertIn("still waits for", done.stderr)
        self.assertEqual(self.state_of(hold), "waiting")
        done = self.assent.cli("approve", hold["id"], user="root", login="news")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(agent.next(), {"rows": 1})


class NobodysOwn(WithReviewers):
    """Whoever is behind an agent does not let it through, in none of the ways in which they can be behind it."""

    def test_not_the_person_that_it_acts_for_nor_one_who_acts_for_it(self):
        self.with_token(self.idp.exchanged_token("bea", "cid"))
        agent = self.start_command(UPDATE.format(71))
        hold = self.wait_for_hold("id = 71")
        self.assertEqual([one["subject"] for one in self.assent.ask("holds", "show", hold["id"])["acts_for"]], ["bea", "agent-ES256", "cid"])
        for person in ("bea", "cid"):
            code, said = self.answer(self.logged_in(person), hold)
            self.assertEqual(code, 4, said)
            self.assertIn("acts for you", said)
        self.assertEqual(self.state_of(hold), "waiting")
        code, said = self.answer(self.logged_in("dan"), hold)
        self.assertEqual(code, 0, said)
        self.assertEqual(agent.next(), {"rows": 1})

    def test_not_with_a_wider_approval_that_they_gave_for_somebody_elses(self):
        agent = self.start_for("ana", UPDATE.format(72))
        hold = self.wait_for_hold("id = 72")
        own = self.start_for("bea", UPDATE.format(73))
        own_hold = self.wait_for_hold("id = 73")
        bea = self.logged_in("bea")
        code, said = self.answer(bea, own_hold)
        self.assertEqual(code, 4, said)
        self.assertIn("you started this agent", said)
        code, said = self.answer(bea, hold, "--shape", "--for", "10m", "--yes")
        self.assertEqual(code, 0, said)
        self.assertEqual(agent.next(), {"rows": 1})
        with self.subTest("her own that waits"):
            self.assertEqual(self.state_of(own_hold), "waiting", said)
        own.kill()
        with self.subTest("her own that comes later"):
            self.assert_held_anew(self.start_for("bea", UPDATE.format(74)), "id = 74")
        self.assertFalse(self.server_ran("id = 74"))
        with self.subTest("somebody else's goes on"):
            self.assertEqual(self.start_for("ana", UPDATE.format(75)).next(), {"rows": 1})


class Impostors(WithReviewers):
    """Tokens that nobody was given for this, said straight to the daemon: nothing of the CLI stands before it."""

    def assert_all_refused(self, hold, tokens):
        self.assertTrue(tokens)
        for name, token in tokens.items():
            with self.subTest(name):
                answer = self.speak({"verb": "approve", "id": hold["id"], "token": token})[0]
                self.assertFalse(answer["ok"], answer)
                self.assertEqual(self.state_of(hold), "waiting")

    def id_token_for_another_client(self, person):
        """A good ID token of the same provider and person, for the program that agents log in with."""
        asked = self.idp.post("/device/auth", {"client_id": "assent-agent", "scope": "openid email groups host"})
        self.idp.enter_code(asked["verification_uri_complete"], person)
        fields = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": asked["device_code"], "client_id": "assent-agent"}
        return self.idp.post("/token", fields)["id_token"]

    def test_no_answer_by_a_token_that_is_forged_confused_or_for_another_audience(self):
        agent = self.start_command(UPDATE.format(81))
        hold = self.wait_for_hold("id = 81")
        good = self.logged_in("bea").tokens()["id_token"]
        self.assert_all_refused(hold, identity_provider.forged(good))
        self.assert_all_refused(hold, identity_provider.confused(good, self.idp.public_keys()))
        others = {"of another client": self.id_token_for_another_client("bea"), "of an agent that acts for her": self.idp.exchanged_token("bea"),
                  "of a machine": self.idp.machine_token()}
        self.assertEqual({name: identity_provider.payload_of(token)["aud"] for name, token in others.items()},
                         {"of another client": "assent-agent", "of an agent that acts for her": "assent", "of a machine": "assent"})
        self.assertEqual(identity_provider.payload_of(others["of another client"])["email"], "bea@example.com")
        self.assert_all_refused(hold, others)
        self.assertFalse(self.server_ran("id = 81"))
        # From inside an agent not even the good one, and outside it is all that it takes.
        request = {"verb": "approve", "id": hold["id"], "token": good}
        stolen = self.speak_as_agent(request)[0]
        self.assertFalse(stolen["ok"], stolen)
        self.assertEqual(self.state_of(hold), "waiting")
        answer = self.speak(request)[0]
        self.assertTrue(answer["ok"], answer)
        self.assertEqual(agent.next(), {"rows": 1})
        self.assertEqual(self.assent.ask("holds", "show", hold["id"])["decided_by"], "bea@example.com")

    def test_no_agent_starts_with_a_token_that_is_confused_or_for_another_audience(self):
        good = self.idp.machine_token("RS256")
        bad = identity_provider.confused(good, self.idp.public_keys())
        bad |= {"of a person": self.id_token_for_another_client("bea"), "of a reviewer": self.logged_in("bea").tokens()["id_token"]}
        for name, token in bad.items():
            with self.subTest(name):
                self.with_token(token)
                done = self.assent.agent("true")
                self.assertEqual(done.returncode, 125, done.stdout + done.stderr)
        self.with_token(good)
        self.assertEqual(self.assent.agent("true").returncode, 0)


class Expired(WithReviewers):
    id_ttl = 6  # seconds that a login is good for

    def test_no_answer_by_a_token_that_has_expired(self):
        agent = self.start_command(UPDATE.format(82))
        hold = self.wait_for_hold("id = 82")
        old = self.logged_in("bea").tokens()["id_token"]
        self.assertEqual(self.speak({"verb": "hold", "id": hold["id"], "token": old})[0]["ok"], True, "it was good")
        throwaway.wait_until(lambda: time.time() > identity_provider.payload_of(old)["exp"], 20, "its end")
        for verb in ("approve", "deny", "hold"):
            answer = self.speak({"verb": verb, "id": hold["id"], "token": old})[0]
            self.assertEqual((answer["ok"], answer["error"]["code"]), (False, "denied"), answer)
            self.assertIn("expired", answer["error"]["message"])
        self.assertEqual(self.state_of(hold), "waiting")
        fresh = self.logged_in("dan").tokens()["id_token"]
        self.assertTrue(self.speak({"verb": "approve", "id": hold["id"], "token": fresh})[0]["ok"])
        self.assertEqual(agent.next(), {"rows": 1})


# Marks that turn text around, move a cursor or colour it, and a page's own; each of them where an agent writes.
TURNING = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
TERMINAL = "\x1b[2J\x1b]0;all is well\x07\x1b[8m\x9b2J\x08\x08\x08\r\x7f"
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"
# Characters of the category of marks that are drawn nevertheless: signs before numbers, and the like.
DRAWN = {0x0600, 0x0601, 0x0602, 0x0603, 0x0604, 0x0605, 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD}


def unseen():
    """Every character that Unicode calls a control, a mark of format, or an end of a line or paragraph, and that nobody sees."""
    return [chr(code) for code in range(1, 0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp") and code not in DRAWN]


class WhatPeopleLookAt(PeopleSide):
    """What an agent writes is shown as text, in each of the places where people look at it, and hides nothing."""

    policy = harness.POLICY.replace("wait: 4s", "wait: 30s")

    def views(self, hold, grant):
        """{place: what a person sees there} of an agent whose hold was approved more widely."""
        session = hold["session"]
        commands = {
            "holds": ("holds", "--all"), "holds as JSON": ("holds", "--all", "--json"), "a hold": ("holds", "show", hold["id"]),
            "a hold as JSON": ("holds", "show", hold["id"], "--json"), "approvals": ("approvals", "--all"), "sessions": ("sessions",),
            "a replay": ("replay", session), "a replay as JSON": ("replay", session, "--json"), "a search": ("search", "orders"),
            "a search as JSON": ("search", "orders", "--json"), "status": ("status",), "revoked": ("revoke", grant),
        }
        out = {}
        for place, command in commands.items():
            done = self.assent.cli(*command)
            out[place] = done.stdout + done.stderr
        return out

    def assert_shows_nothing_of(self, characters, views):
        for place, text in views.items():
            with self.subTest(place):
                self.assertTrue(text)
                self.assertEqual([f"U+{ord(one):04X}" for one in characters if one in text and one not in "\n\t"], [])

    def shown_to_people(self, number, hostile):
        """An agent whose every word is hostile is held, watched, approved and looked at; gives the views."""
        watch = subprocess.Popen([throwaway.BUILD / "userspace/cli/assent", "holds", "--watch"], env=self.assent.environment, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(throwaway.stop_process, watch)
        agent = self.start_command(f"{UPDATE.format(number)} /* the end {hostile} */", purpose=f"it says {hostile}", before=[f"SELECT 'before {hostile}'"])
        hold = self.wait_for_hold(f"id = {number}")
        seen = b""
        while f"id = {number}".encode() not in seen.partition(b"the command:")[2]:
            self.assertTrue(select.select([watch.stdout], [], [], 20)[0], seen)
            seen += os.read(watch.stdout.fileno(), 65536)
        done = self.assent.cli("approve", hold["id"], "--shape", "--for", "10m", "--reason", f"he said {hostile}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(agent.next(), {"rows": 1})
        agent.finish()
        grant = self.assent.ask("approvals")[0]["id"]
        views = {"the watch": seen.decode(errors="replace"), "the approval": done.stdout + done.stderr} | self.views(hold, grant)
        self.assertIn("the end", views["a hold"])
        return hold, views

    def test_nothing_turns_moves_or_colours_what_a_reviewer_reads(self):
        hold, views = self.shown_to_people(91, TURNING + TERMINAL + MARKUP)
        self.assert_shows_nothing_of([one for one in unseen() if one in TURNING + TERMINAL], views)
        self.assertIn("\\u{202E}", views["a hold"])
        self.assertIn("\\u{001B}[2J", views["a hold"])
        self.assertIn(MARKUP, views["a hold"], "as it was written")
        self.assertIn("cannot be seen are written as", views["a hold"])
        self.assertTrue(hold["has_escapes"])

    def test_no_character_that_nobody_sees_goes_unmarked(self):
        _, views = self.shown_to_people(92, "".join(one for one in unseen() if one not in "\n\t"))
        self.assert_shows_nothing_of(unseen(), views)


# Many connections, each of which sends one command after the other, and none of which is ever the same.
FLOOD = """
    connections = [connect() for _ in range({connections})]
    number = 0
    for _ in range({rounds}):
        for c in connections:
            number += 1
            c.pgconn.send_query(b"UPDATE orders SET status = 'returned' WHERE id = %d" % (1_000_000 + number))
        details = {{}}
        for c in connections:
            while result := c.pgconn.get_result():
                detail = psycopg.errors.error_from_result(result).diag
                kind = "over" if "too many open holds" in detail.message_primary else "held" if "holds this command" in detail.message_primary else "?"
                details[kind] = details.get(kind, 0) + 1
        say(**details)
"""


class Flood(PeopleSide):
    """An agent that asks without end is stopped, and does not hide what others ask."""

    policy = harness.POLICY.replace("wait: 4s", "wait: 1s").replace("deadline: 60s", "deadline: 20m")
    most = 1000  # that one agent may have open: limits.h

    def test_thousands_of_holds_are_bounded_one_line_and_in_nobodys_way(self):
        agent = self.start_script(FLOOD.format(connections=120, rounds=9))
        said = [agent.next(60) for _ in range(9)]
        agent.finish()
        self.assertEqual(sum(one.get("held", 0) for one in said), self.most, said)
        self.assertEqual(sum(one.get("over", 0) for one in said), 9 * 120 - self.most, said)
        self.assertFalse([one for one in said if "?" in one], said)
        self.assertEqual(len(self.holds()), self.most)
        other = self.start_command(UPDATE.format(93), name="nightly-2", purpose="a real one")
        hold = throwaway.wait_until(lambda: next((one for one in self.holds() if one["agent"] == "nightly-2"), None), 20, "the other's hold")
        lines = [line for line in self.assent.cli("holds").stdout.splitlines() if line.startswith("h-")]
        self.assertEqual(len(lines), 2, "many of the same are one thing to look at")
        self.assertRegex(lines[0], rf"^h-\w+ +{self.most} +nightly ")
        self.assertRegex(lines[1], rf"^{hold['id']} +1 +nightly-2 ")
        self.assertEqual(self.approve(hold).returncode, 0)
        said = other.next()
        self.assertEqual(said if "rows" in said else self.start_command(UPDATE.format(93), name="nightly-2").next(), {"rows": 1})
        # A restart gives it no room either, and what waits it may ask for again.
        self.assent.restart()
        self.assertIn("too many open holds", self.start_command(UPDATE.format(94)).next()["message"])
        self.assertIn("holds this command", self.start_command(UPDATE.format(1_000_001)).next()["message"])
        self.assertEqual(self.assent.cli("suspend", "nightly", "--reason", "it floods").returncode, 0)
        self.assertIn("suspended: it floods", self.psql("SELECT 1").stderr)
        self.assertFalse(self.server_ran("id = 94"))


if __name__ == "__main__":
    harness.main()
