"""Several people: stages, quorums, escalation, widened approvals that can be revoked, and glass that is broken."""

import json
import subprocess
import time

import harness
import throwaway

UPDATE = "UPDATE orders SET status = 'returned' WHERE id = {}"

RUN_ONE = """
    with connect() as c:
        try:
            say(rows=c.execute({statement!r}).rowcount)
        except psycopg.Error as e:
            say(**error_of(e))
"""

APPROVALS = """
approvals:
  dba:
    wait: 20s
    deadline: 120s
    stages:
      - {reviewers: {users: [backup, games]}}
      - {reviewers: {users: [games, news, proxy], groups: [www-data]}, quorum: 2}
"""


def policy_with(approvals):
    head, rest = harness.POLICY.split("approvals:")
    return head + approvals.strip() + "\nmasks:" + rest.split("masks:")[1]


class Chains(harness.EndToEnd):
    policy = policy_with(APPROVALS)
    decide = {"users": ["root", "backup", "games", "news", "proxy"], "groups": ["www-data"]}

    def start_update(self, number, statement=None):
        return self.start_script(RUN_ONE.format(statement=statement or UPDATE.format(number)))

    def leaves(self, kind):
        done = subprocess.run([throwaway.SOURCE / "tests/support/read_log.py", self.assent.state / "records", "--leaves"], capture_output=True,
                              text=True)
        return [leaf for leaf in map(json.loads, done.stdout.splitlines()) if leaf.get("type") == kind]

    def wait_for_leaf(self, kind, fits):
        return throwaway.wait_until(lambda: next((leaf for leaf in self.leaves(kind) if fits(leaf)), None), 15, f"a record {kind}")

    def answer(self, hold, user, verb="approve", code=0, *more):
        done = self.assent.cli(verb, hold["id"], "--reason", f"{user} says so", *more, user=user)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr


class Stages(Chains):
    def test_stages_in_order_quorums_of_distinct_persons(self):
        agent = self.start_update(11)
        hold = self.wait_for_hold("id = 11")
        self.assertIn("not your turn", self.answer(hold, "news", code=4))
        self.assertIn("not a reviewer", self.answer(hold, "root", "approve", 4), "root is nobody special")
        self.assertIn("stage 2 of 2, 0 of 2", self.answer(hold, "games"))
        self.assertIn("still waits for", self.answer(hold, "games", code=4), "games is named by both stages and counts once")
        self.assertIn("stage 2 of 2, 1 of 2", self.answer(hold, "news"))
        self.assertIn("still waits for", self.answer(hold, "news", code=4))
        self.assertFalse(self.server_ran(UPDATE.format(11)))
        shown = self.assent.cli("holds", "show", hold["id"]).stdout
        self.assertIn("stage 1 of 2: given by games", shown)
        self.assertIn("1 of 2 persons", shown)
        self.answer(hold, "www-data")
        self.assertEqual(agent.next(), {"rows": 1})
        decided = [leaf for leaf in self.leaves("hold.decided") if leaf["hold"] == hold["id"]]
        self.assertEqual([(leaf["person"], leaf["stages"], leaf["state"]) for leaf in decided],
                         [("games", ["dba/1"], "waiting"), ("news", ["dba/2"], "waiting"), ("www-data", ["dba/2"], "approved")])

    def test_one_denial_ends_it(self):
        agent = self.start_update(12)
        hold = self.wait_for_hold("id = 12")
        self.answer(hold, "backup")
        self.answer(hold, "proxy", "deny")
        self.assert_refused(agent.next(), cause="reviewer", retry="never")
        self.answer(hold, "news", code=1)

    def test_half_of_it_before_a_restart_and_half_after(self):
        agent = self.start_update(13)
        hold = self.wait_for_hold("id = 13")
        self.answer(hold, "backup")
        self.answer(hold, "news")
        self.assent.kill()
        agent.kill()
        self.assent.start()
        self.assertIn("still waits for", self.answer(hold, "news", code=4))
        self.answer(hold, "proxy")
        again = self.start_update(13)
        self.assertEqual(again.next(), {"rows": 1})


class Escalation(Chains):
    policy = policy_with("""
approvals:
  dba:
    wait: 20s
    deadline: 120s
    stages: [{reviewers: {users: [backup]}, escalate: {after: 4s, to: {users: [news]}}}]
""")

    def test_at_its_time_also_over_a_restart(self):
        agent = self.start_update(21)
        hold = self.wait_for_hold("id = 21")
        self.assertIn("not a reviewer", self.answer(hold, "news", code=4))
        self.assertIn("also news", self.assent.cli("holds", "show", hold["id"]).stdout)
        self.assent.kill()
        agent.kill()
        time.sleep(4)
        self.assent.start()
        escalated = self.wait_for_leaf("hold.escalated", lambda leaf: leaf["hold"] == hold["id"])
        self.assertEqual((escalated["approval"], escalated["stage"], escalated["users"]), ("dba", 1, ["news"]))
        self.assertIn("escalated to news", self.assent.cli("holds", "show", hold["id"]).stdout)
        self.answer(hold, "news")
        again = self.start_update(21)
        self.assertEqual(again.next(), {"rows": 1})


class Widened(Chains):
    policy = harness.POLICY.replace("wait: 4s", "wait: 20s")
    decide = harness.DECIDE

    def approvals(self, *more):
        return self.assent.ask("approvals", *more)

    def widen(self, hold, *more):
        done = self.assent.cli("approve", hold["id"], "--shape", "--for", "5m", "--reason", "the import", *more, user="backup")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def test_it_releases_what_waits_and_lets_the_same_statement_through_until_revoked(self):
        agents = [self.start_update(number) for number in (31, 32)]
        holds = [self.wait_for_hold(f"id = {number}") for number in (31, 32)]
        self.assertEqual(holds[0]["shape"], holds[1]["shape"])
        grouped = self.assent.cli("holds").stdout
        self.assertRegex(grouped, r"h-\w+ +2 +nightly")
        done = self.widen(holds[0])
        self.assertIn("releases 1 other", done.stderr, "said beforehand")
        self.assertEqual([agent.next() for agent in agents], [{"rows": 1}, {"rows": 1}])
        self.assertEqual(self.script(RUN_ONE.format(statement=UPDATE.format(33))), {"rows": 1})
        other = self.start_update(34, "DELETE FROM payments WHERE id = 34")
        self.assertEqual(self.wait_for_hold("DELETE FROM payments WHERE id = 34")["state"], "waiting")
        other.kill()
        listed = self.approvals()
        self.assertEqual([(one["used"], one["given_by"], one["state"]) for one in listed], [(3, "backup", "in force")])
        released = [leaf for leaf in self.leaves("flow.event") if leaf.get("event") == "released" and leaf.get("grant") == listed[0]["id"]]
        self.assertEqual(len(released), 3, "each use is recorded")

        busy = self.start_script("""
            with connect(autocommit=False) as c:
                say(rows=c.execute("UPDATE orders SET status = 'returned' WHERE id = 35").rowcount)
                sys.stdin.readline()
                try:
                    c.execute("SELECT 1")
                except psycopg.Error as e:
                    say(**error_of(e))
        """)
        self.assertEqual(busy.next(), {"rows": 1})
        done = self.assent.cli("revoke", listed[0]["id"], "--reason", "wrong rows", user="backup")
        self.assertEqual(done.returncode, 0, done.stderr)
        busy.tell()
        told = busy.next()
        self.assertIn("revoked: wrong rows", told["message"])
        busy.kill()
        self.assertEqual(self.postgres.sql("SELECT status FROM orders WHERE id = 35", "shop") == "returned", False, "it was rolled back")
        waiting = self.start_update(36)
        self.deny(self.wait_for_hold("id = 36"))
        waiting.kill()
        self.assertEqual(self.approvals(), [])
        self.assertEqual(self.wait_for_leaf("grant.revoked", lambda leaf: True)["person"], "backup")

    def test_so_many_times_and_no_more(self):
        agent = self.start_update(41, "UPDATE orders SET status = 'lost' WHERE id = 41")
        self.widen(self.wait_for_hold("id = 41"), "--times", "2")
        self.assertEqual(agent.next(), {"rows": 1})
        self.assent.restart()
        self.assertEqual(self.script(RUN_ONE.format(statement="UPDATE orders SET status = 'lost' WHERE id = 42")), {"rows": 1})
        third = self.start_update(0, "UPDATE orders SET status = 'lost' WHERE id = 43")
        self.deny(self.wait_for_hold("id = 43"))
        third.kill()

    def test_under_a_policy_that_denies_it_opens_nothing(self):
        agent = self.start_update(0, "DELETE FROM orders WHERE id = 51")
        self.widen(self.wait_for_hold("id = 51"))
        agent.next()
        policy = self.fill(self.policy)
        self.assent.write_policies({"shop.yaml": policy.replace("operations: [drop, alter, truncate]", "operations: [drop, delete]")})
        try:
            self.assertEqual(self.assent.cli("policy", "reload").returncode, 0)
            self.assert_refused(self.script(RUN_ONE.format(statement="DELETE FROM orders WHERE id = 52")))
        finally:
            self.assent.write_policies({"shop.yaml": policy})
            self.assertEqual(self.assent.cli("policy", "reload").returncode, 0)


class Glass(Chains):
    policy = policy_with("""
approvals:
  dba:
    wait: 20s
    deadline: 120s
    stages: [{reviewers: {users: [backup]}}]
    break_glass: {for: 10m}
""")
    decide = harness.DECIDE

    def test_at_once_loud_and_reviewed_afterwards(self):
        agent = self.start_update(61)
        hold = self.wait_for_hold("id = 61")
        self.assertIn("BREAKS THE GLASS", self.assent.cli("holds", "show", hold["id"]).stdout)
        self.assertNotEqual(self.assent.cli("approve", hold["id"], user="backup").returncode, 0, "not without a reason")
        self.assertIn("THE GLASS IS BROKEN", self.answer(hold, "backup"))
        self.assertEqual(agent.next(), {"rows": 1})
        self.assertEqual(self.script(RUN_ONE.format(statement="DELETE FROM payments WHERE id = 61")), {"rows": 1}, "whatever it sends")
        status = self.assent.cli("status")
        self.assertEqual(status.returncode, 1)
        self.assertIn("GLASS BROKEN", status.stdout)
        self.assertIn("GLASS BROKEN", self.assent.daemon_log())
        broken = self.wait_for_leaf("glass.broken", lambda leaf: leaf["hold"] == hold["id"])
        self.assertEqual((broken["person"], broken["reason"]), ("backup", "backup says so"))
        self.assertEqual(self.assent.cli("revoke", broken["grant"]).returncode, 0)
        waiting = self.start_update(62)
        self.deny(self.wait_for_hold("id = 62"), user="backup")
        waiting.kill()
        self.assertIn("not reviewed", self.assent.cli("status").stdout, "it is asked about until somebody has")
        self.assertEqual(self.assent.cli("review", broken["grant"], "--reason", " ").returncode, 2)
        self.assertEqual(self.assent.cli("review", broken["grant"], "--reason", "only id 61").returncode, 0)
        self.assertNotIn("GLASS", self.assent.cli("status").stdout)
        self.assertEqual(self.wait_for_leaf("glass.reviewed", lambda leaf: True)["review"], "only id 61")


if __name__ == "__main__":
    harness.main()
