"""Agents that wait well, and what keeps the others from wearing people out."""

import json
import textwrap

import harness
import throwaway

LIMITED = harness.POLICY.replace(
    '{name: reads, operations: [read, transaction, lock], objects: ["public.*"], verdict: allow}',
    '{name: reads, operations: [read, transaction, lock], objects: ["public.*"], verdict: allow}\n'
    '  - {name: few-exports, operations: [export], objects: [public.orders], verdict: allow, limit: {commands: 3, per: 1h, then: deny}}\n'
    '  - {name: few-inserts, operations: [insert], objects: [public.orders], verdict: allow, limit: {commands: 2, per: 1h, then: hold}, approval: dba}')

INSERT = "INSERT INTO orders VALUES ({}, 1, 1, 'placed', now())"

RUN = """
    with connect() as c:
        for statement in {statements!r}:
            try:
                say(rows=c.execute(statement).rowcount)
            except psycopg.Error as e:
                say(**error_of(e))
"""


class Limits(harness.EndToEnd):
    policy = LIMITED

    def test_beyond_its_limit_a_command_is_denied_also_after_a_restart(self):
        copy = ["COPY (SELECT id FROM orders WHERE id = 1) TO STDOUT"] * 4
        run = textwrap.dedent("""
            with connect() as c:
                for statement in %r:
                    try:
                        with c.cursor().copy(statement) as copy:
                            for _ in copy: pass
                        say(done=True)
                    except psycopg.Error as e:
                        say(**error_of(e))
        """)
        said = self.script(run % copy)
        self.assertEqual(said[:3], [{"done": True}] * 3)
        self.assert_refused(said[3], cause="limit", retry="later")
        self.assertIn("few-exports", said[3]["message"])
        self.assent.restart()
        self.assert_refused(self.script(run % copy[:1]), cause="limit", retry="later")

    def test_or_held(self):
        agent = self.start_script(RUN.format(statements=[INSERT.format(number) for number in (70001, 70002, 70003)]))
        self.assertEqual([agent.next(), agent.next()], [{"rows": 1}] * 2)
        hold = self.wait_for_hold("70003")
        self.assertIn("2 commands", hold["message"])
        self.assertEqual(self.approve(hold).returncode, 0)
        self.assertEqual(agent.next(), {"rows": 1})


class Suspended(harness.EndToEnd):
    def suspended(self):
        return json.loads(self.assent.cli("status", "--json").stdout)["suspended"]

    def test_by_a_person_until_resumed_also_over_a_restart(self):
        agent = self.start_script("""
            with connect() as c:
                for _ in range(2):
                    try:
                        say(one=c.execute("SELECT 1").fetchone()[0])
                    except psycopg.Error as e:
                        say(**error_of(e))
                    sys.stdin.readline()
        """)
        self.assertEqual(agent.next(), {"one": 1})
        self.assertEqual(self.assent.cli("suspend", "nightly", user="games").returncode, 4)
        self.assertEqual(self.assent.cli("suspend", "nightly", "--reason", "wrong rows", user="backup").returncode, 0)
        agent.tell()
        self.assert_refused(agent.next(), cause="suspended", retry="later")
        agent.kill()
        self.assent.restart()
        refused = self.psql("SELECT 1")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("suspended: wrong rows (by backup)", refused.stderr)
        status = self.assent.cli("status")
        self.assertIn("SUSPENDED", status.stdout)
        self.assertEqual(status.returncode, 1)
        self.assertEqual(self.assent.cli("resume", "nightly", "--reason", "fixed", user="backup").returncode, 0)
        self.assertEqual(self.psql_rows("SELECT 1"), ["1"])
        self.assertEqual(self.assent.cli("resume", "nightly").returncode, 1)

    def test_an_approved_command_of_a_suspended_agent_does_not_run(self):
        agent = self.start_script(RUN.format(statements=["UPDATE orders SET status = 'returned' WHERE id = 81"]))
        hold = self.wait_for_hold("id = 81")
        self.assertEqual(self.assent.cli("suspend", "nightly").returncode, 0)
        try:
            self.assertEqual(self.approve(hold).returncode, 0)
            self.assert_refused(agent.next(), cause="suspended", retry="later")
            self.assertFalse(self.server_ran("id = 81"))
        finally:
            self.assertEqual(self.assent.cli("resume", "nightly").returncode, 0)

    def test_people_who_deny_too_often_suspend_it(self):
        for number in range(91, 96):
            agent = self.start_script(RUN.format(statements=[f"UPDATE orders SET status = 'returned' WHERE id = {number}"]))
            self.deny(self.wait_for_hold(f"id = {number}"))
            self.assert_refused(agent.next(), cause="reviewer", retry="never")
            agent.finish()
        self.assertIn("suspended: 5 denials within 60 s (by assent)", self.psql("SELECT 1").stderr)
        self.assertEqual([one["agent"] for one in self.suspended()], ["nightly"])
        throwaway.wait_until(lambda: "SUSPENDED: agent nightly" in self.assent.daemon_log(), 10, "the journal says so")
        self.assent.restart()
        self.assertEqual([one["agent"] for one in self.suspended()], ["nightly"])
        self.assertEqual(self.assent.cli("resume", "nightly").returncode, 0)


class SuspendedByRules(harness.EndToEnd):
    extra_settings = {"suspend": "{denials: 3, within: 60s, of: all}"}

    def test_rules_count_where_the_settings_say_so(self):
        said = self.script(RUN.format(statements=["DROP TABLE orders"] * 3 + ["SELECT 1"]))
        self.assert_refused(said[2])
        self.assert_refused(said[3], cause="suspended", retry="later")


# What a language model's tool loop would do, without the model: it reads the error, does something else, waits, and retries.
PATIENT = """
    import re, subprocess
    assent = os.environ["ASSENT_CLI"]
    change = "UPDATE orders SET status = 'returned' WHERE id = 101"
    me = json.loads(subprocess.run([assent, "whoami", "--json"], capture_output=True, text=True).stdout)
    say(whoami=me)
    with connect() as c:
        try:
            c.execute(change)
            say(error="it was not held")
        except psycopg.Error as e:
            error = error_of(e)
            say(**error)
        hold = re.search(r"hold=(h-\\w+)", error["detail"]).group(1)
        assert "retry=after-approval" in error["detail"] and f"assent holds wait {hold}" in error["hint"], error
        say(meanwhile=c.execute("SELECT count(*) FROM orders").fetchone()[0])
        me = json.loads(subprocess.run([assent, "whoami", "--json"], capture_output=True, text=True).stdout)
        say(holds=[one["id"] for one in me["holds"]], refused=[one["what"] for one in me["refusals"]])
        still = subprocess.run([assent, "holds", "wait", hold, "--timeout", "1"], capture_output=True, text=True)
        say(still=still.returncode)
        waited = subprocess.run([assent, "holds", "wait", hold], capture_output=True, text=True)
        say(waited=waited.returncode)
        if waited.returncode == 0:
            say(rows=c.execute(change).rowcount)
"""


class Waiting(harness.EndToEnd):
    policy = harness.POLICY.replace("wait: 4s", "wait: 1s").replace("deadline: 60s", "deadline: 20s")

    def start_patient(self, text=PATIENT, **rest):
        script = harness.PRELUDE + textwrap.dedent(text)
        environment = {"DSN": self.dsn(), "ASSENT_CLI": str(throwaway.BUILD / "userspace/cli/assent")}
        return harness.Script(self.assent.start_agent("/usr/bin/python3", "-c", script, environment=environment, **rest))

    def test_a_scripted_agent_does_something_else_waits_and_succeeds(self):
        agent = self.start_patient()
        me = agent.next()["whoami"]
        self.assertTrue(me["governed"])
        self.assertEqual([target["name"] for target in me["targets"]], ["shop-db"])
        rules = {rule["name"]: rule for rule in me["rules"]}
        self.assertEqual((rules["changes-need-a-dba"]["verdict"], rules["changes-need-a-dba"]["approval"]), ("hold", "dba"))
        self.assertEqual([mask["name"] for mask in me["masks"]], ["cards", "national-ids"])
        self.assertTrue(me["how_to_ask"])
        self.assert_refused(agent.next(), retry="after-approval")
        hold = self.wait_for_hold("id = 101")
        self.assertGreater(agent.next()["meanwhile"], 0)
        known = agent.next()
        self.assertEqual(known["holds"], [hold["id"]])
        self.assertIn("id = 101", known["refused"][0])
        self.assertEqual(agent.next(), {"still": 10})
        self.assertEqual(self.approve(hold).returncode, 0)
        self.assertEqual(agent.next(), {"waited": 0})
        self.assertEqual(agent.next(), {"rows": 1})

    def test_denied_and_expired_are_told_apart(self):
        for answer, code in ((self.deny, 4), (lambda hold: None, 5)):
            agent = self.start_patient(PATIENT.replace("101", "10{}".format(code)))
            hold = self.wait_for_hold(f"id = 10{code}")
            answer(hold)
            said = agent.next(60)
            while "waited" not in said:
                said = agent.next(60)
            self.assertEqual(said, {"waited": code})
            agent.kill()

    def test_a_refused_connection_is_among_the_last_refusals(self):
        said = self.start_patient("""
            import subprocess
            try:
                psycopg.connect(DSN.replace("127.0.0.1", "127.0.0.9"))
            except psycopg.Error as e:
                say(failed=str(e))
            me = json.loads(subprocess.run([os.environ["ASSENT_CLI"], "whoami", "--json"], capture_output=True, text=True).stdout)
            say(refused=[(one["what"], one["detail"]) for one in me["refusals"]])
        """)
        said.next()
        what, detail = said.next()["refused"][0]
        self.assertIn("connect to 127.0.0.9", what)
        self.assertIn("cause=", detail)


if __name__ == "__main__":
    harness.main()
