"""A held command waits for people, runs once when they say yes, and never when they do not."""

import json
import subprocess
import time

import harness
import throwaway

UPDATE = "UPDATE orders SET status = 'returned' WHERE id = {}"

RUN_ONE = """
    with connect() as c:
        c.add_notice_handler(lambda n: say(notice=n.message_primary, detail=n.message_detail))
        try:
            cur = c.execute({statement!r}, {values!r})
            say(rows=cur.rowcount)
        except psycopg.Error as e:
            say(**error_of(e))
        say(alive=c.execute("SELECT 1").fetchone()[0])
"""


class Holds(harness.EndToEnd):
    def start_update(self, number, values=None, statement=None, **rest):
        return self.start_script(RUN_ONE.format(statement=statement or UPDATE.format(number), values=values), **rest)

    def status_of(self, number):
        return self.postgres.sql(f"SELECT status FROM orders WHERE id = {number}", "shop")

    def test_approved_while_it_waits_it_runs(self):
        agent = self.start_update(11, purpose="returns of January")
        hold = self.wait_for_hold("id = 11")
        notice = agent.next()
        self.assertIn(hold["id"], notice["notice"] + (notice["detail"] or ""))
        self.assertFalse(self.server_ran(UPDATE.format(11)))
        for wanted in ("nightly", "shop-db", "returns of January", "changes-need-a-dba"):
            self.assertIn(wanted, json.dumps(hold))
        self.assertEqual(self.approve(hold).returncode, 0)
        self.assertEqual(agent.next(), {"rows": 1})
        self.assertEqual(agent.next(), {"alive": 1})
        self.assertEqual(self.status_of(11), "returned")

    def test_bound_values_are_shown_to_the_reviewer(self):
        agent = self.start_update(0, values=("returned", 12), statement="UPDATE orders SET status = %t WHERE id = %t")
        hold = self.wait_for_hold("status = $1")
        self.assertIn("12", json.dumps(hold["parameters"]))
        self.assertIn("returned", json.dumps(hold["parameters"]))
        self.assertEqual(self.approve(hold).returncode, 0)
        agent.next()
        self.assertEqual(agent.next(), {"rows": 1})

    def test_values_in_binary_format_are_shown_as_what_they_stand_for(self):
        agent = self.start_script("""
            import datetime
            with connect() as c:
                c.execute("UPDATE orders SET status = 'x' WHERE id = %b AND placed_at < %b AND id <> ALL (%b)",
                          (15, datetime.datetime(2001, 2, 3, tzinfo=datetime.timezone.utc), [7, 300]))
                say(done=True)
        """)
        hold = self.wait_for_hold("id <> ALL")
        self.assertEqual(hold["parameters"], ["15 (int2)", "'2001-02-03 00:00:00+00' (timestamptz)", "'{7,300}' (int2[])"])
        self.assertEqual(self.approve(hold).returncode, 0)
        self.assertTrue(agent.next()["done"])

    def test_denied_by_a_reviewer(self):
        agent = self.start_update(13)
        hold = self.wait_for_hold("id = 13")
        agent.next()
        self.assertEqual(self.deny(hold).returncode, 0)
        self.assert_refused(agent.next(), cause="reviewer", retry="never")
        self.assertEqual(agent.next(), {"alive": 1})
        self.assertFalse(self.server_ran(UPDATE.format(13)))

    def test_after_the_wait_the_hold_lives_on_and_a_retry_runs_once(self):
        agent = self.start_update(14)
        hold = self.wait_for_hold("id = 14")
        agent.next()
        refusal = agent.next()
        self.assert_refused(refusal, retry="after-approval")
        self.assertIn(hold["id"], refusal["message"] + refusal["detail"] + refusal["hint"])
        agent.finish()
        self.assertEqual(self.approve(hold).returncode, 0)
        again = self.start_update(14)
        self.assertEqual(again.next(), {"rows": 1})
        third = self.start_update(14)
        other = self.wait_for_hold("id = 14")
        self.assertNotEqual(other["id"], hold["id"], "an approval is good once")
        self.deny(other)
        third.kill()

    def test_an_approval_is_for_those_values_only(self):
        agent = self.start_update(15)
        hold = self.wait_for_hold("id = 15")
        agent.kill()
        self.assertEqual(self.approve(hold).returncode, 0)
        other = self.start_update(16)
        self.assertNotEqual(self.wait_for_hold("id = 16")["id"], hold["id"])
        other.kill()
        self.assertFalse(self.server_ran(UPDATE.format(16)))

    def test_an_agent_that_vanishes_runs_nothing(self):
        agent = self.start_update(17)
        hold = self.wait_for_hold("id = 17")
        agent.kill()
        self.approve(hold)
        time.sleep(1)
        self.assertFalse(self.server_ran(UPDATE.format(17)))
        self.assertEqual(self.psql_rows("SELECT 1"), ["1"])

    def test_a_cancel_takes_the_command_back(self):
        said = self.script("""
            import threading
            with connect() as c:
                threading.Timer(1.0, c.cancel).start()
                try:
                    c.execute("UPDATE orders SET status = 'returned' WHERE id = 18")
                except psycopg.Error as e:
                    say(sqlstate=e.sqlstate)
                say(alive=c.execute("SELECT 1").fetchone()[0])
        """)
        self.assertEqual(said[0]["sqlstate"], "57014")
        self.assertEqual(said[1]["alive"], 1)
        self.assertFalse(self.server_ran(UPDATE.format(18)))
        self.assertFalse([hold for hold in self.holds() if hold["state"] == "waiting" and "id = 18" in hold["text"]])

    def test_a_hold_is_decided_once(self):
        agent = self.start_update(19)
        hold = self.wait_for_hold("id = 19")
        self.assertEqual(self.deny(hold).returncode, 0)
        self.assertNotEqual(self.approve(hold).returncode, 0)
        agent.kill()

    def test_every_end_is_recorded_once_also_over_restarts(self):
        def ends():
            self.assent.restart()  # what is recorded is on disk, and a start looks for what is not
            done = subprocess.run([throwaway.SOURCE / "tests/support/read_log.py", self.assent.state / "records", "--leaves"], capture_output=True,
                                  text=True)
            leaves = [json.loads(line) for line in done.stdout.splitlines()]
            return sorted((leaf["hold"], leaf["state"]) for leaf in leaves if leaf.get("type") == "hold.ended")

        known = set(ends())
        expected = []
        for number, answer in ((41, self.approve), (42, self.deny)):
            agent = self.start_update(number)
            hold = self.wait_for_hold(f"id = {number}")
            answer(hold)
            agent.finish()
            expected.append((hold["id"], "used" if number == 41 else "denied"))
        agent = self.start_update(43)
        hold = self.wait_for_hold("id = 43")
        agent.finish()  # the hold lives on
        policy = self.fill(self.policy)
        self.assent.write_policies({"shop.yaml": policy.replace("users: [root, backup]", "users: [backup]")})
        self.assertEqual(self.assent.cli("policy", "reload").returncode, 0)
        try:
            agent = self.start_update(43)
            throwaway.wait_until(lambda: any(h["state"] == "revoked" for h in self.holds("--all")), 15, "the hold is revoked")
            agent.finish()
        finally:
            self.assent.write_policies({"shop.yaml": policy})
            self.assertEqual(self.assent.cli("policy", "reload").returncode, 0)
        expected.append((hold["id"], "revoked"))
        self.assertEqual([end for end in ends() if end not in known], sorted(expected))
        self.assertEqual([end for end in ends() if end not in known], sorted(expected))

    def test_it_survives_a_restart(self):
        agent = self.start_update(20)
        hold = self.wait_for_hold("id = 20")
        self.assent.kill()
        agent.kill()
        self.assent.start()
        self.assertEqual([found["state"] for found in self.holds() if found["id"] == hold["id"]], ["waiting"])
        self.assertEqual(self.approve(hold).returncode, 0)
        self.assent.restart()
        again = self.start_update(20)
        self.assertEqual(again.next(), {"rows": 1})

    def test_it_survives_an_upgrade_that_does_not_wait_for_it(self):
        agent = self.start_update(96)
        hold = self.wait_for_hold("id = 96")
        agent.next()
        pid = self.assent.process.pid
        done = self.assent.cli("upgrade", "--drain", "0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.assent.ask("status")["pid"], pid)
        agent.kill()
        self.assertEqual(self.wait_for_hold("id = 96")["id"], hold["id"])
        self.assertEqual(self.approve(hold).returncode, 0)
        agent = self.start_update(96)
        self.assertEqual(agent.next(), {"rows": 1})
        self.assertEqual(self.status_of(96), "returned")

    def test_in_a_transaction_that_has_written_it_is_denied(self):
        done = self.psql("BEGIN", "INSERT INTO orders VALUES (60001, 1, 1, 'placed', now())", UPDATE.format(21), "COMMIT")
        self.assertIn("assent", done.stderr)
        self.assertIn("ROLLBACK", done.stdout)

    def test_a_reviewer_sees_since_when_its_transaction_keeps_locks(self):
        agent = self.start_script("""
            with connect(autocommit=False) as c:
                c.execute("SELECT count(*) FROM customers")
                try:
                    say(rows=c.execute("UPDATE orders SET status = 'returned' WHERE id = 22").rowcount)
                except psycopg.Error as e:
                    say(**error_of(e))
        """)
        hold = self.wait_for_hold("id = 22")
        shown = self.assent.ask("holds", "show", hold["id"])
        self.assertTrue(shown["is_in_transaction"])
        self.assertLess(shown["in_transaction_since"], shown["opened"])
        self.assertIn("SELECT count(*) FROM customers", shown["before"][-1])
        self.assertIn(f"since {shown['in_transaction_since']}", self.assent.cli("holds", "show", hold["id"]).stdout)
        self.approve(hold)
        agent.finish()

    def estimate_of(self, text):
        return self.assent.ask("holds", "show", self.wait_for_hold(text)["id"])["estimate"]

    def test_a_reviewer_sees_how_many_rows_the_planner_expects(self):
        for values, statement in ((None, "UPDATE orders SET status = status WHERE status = 'placed' AND id > 0"),
                                  ((-1, "placed"), "UPDATE orders SET status = status WHERE id > %t AND status = %t"),
                                  ((-2, "placed"), "UPDATE orders SET status = status WHERE id > %b AND status = %b")):
            with self.subTest(values=values):
                agent = self.start_update(0, values=values, statement=statement)
                hold = self.wait_for_hold("status = status")
                rows = self.estimate_of("status = status")["rows"]
                self.assertEqual([(each["operation"], each["relation"]) for each in rows], [("update", "orders")])
                self.assertTrue(100 < rows[0]["rows"] < 400, "about one in five of a thousand")
                self.assertIn(f"update orders: about {rows[0]['rows']} rows", self.assent.cli("holds", "show", hold["id"]).stdout)
                self.approve(hold)
                agent.finish()

    def test_what_cannot_be_estimated_says_why_and_goes_on(self):
        lock = subprocess.Popen([throwaway.postgres_bin() / "psql", "-Xq", "-h", self.postgres.folder, "-p", str(self.postgres.port), "-U", "postgres", "shop"],
                                stdin=subprocess.PIPE, text=True)
        lock.stdin.write("BEGIN; LOCK TABLE payments;\n")
        lock.stdin.flush()
        throwaway.wait_until(lambda: self.postgres.sql("SELECT 1 FROM pg_locks WHERE relation = 'payments'::regclass", "shop"), 10, "the lock")
        agent = self.start_script("""
            with connect(autocommit=False) as c:
                c.execute("SELECT count(*) FROM customers")
                try:
                    c.execute("DELETE FROM payments WHERE id = 41")
                except psycopg.Error as e:
                    say(**error_of(e))
                say(status=c.info.transaction_status.name)
        """)
        hold = self.wait_for_hold("id = 41")
        self.assertEqual(self.estimate_of("id = 41"), {"rows": [], "why_not": "the server did not plan it"})
        self.assertIn("not estimated: the server did not plan it", self.assent.cli("holds", "show", hold["id"]).stdout)
        lock.communicate("ROLLBACK;\n", timeout=10)
        self.approve(hold)
        self.assertEqual(agent.next(), {"status": "INTRANS"})
        agent.finish()
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM payments WHERE id = 41", "shop"), "0")

    def test_hidden_writes_are_held_too(self):
        for statement in ("EXPLAIN ANALYZE DELETE FROM payments WHERE id = 3",
                          "WITH gone AS (DELETE FROM payments WHERE id = 3 RETURNING *) SELECT * FROM gone",
                          "COPY (DELETE FROM payments WHERE id = 3 RETURNING id) TO STDOUT"):
            with self.subTest(statement=statement):
                agent = self.start_update(0, statement=statement)
                hold = self.wait_for_hold("id = 3")
                self.assertEqual(self.deny(hold).returncode, 0)
                agent.kill()
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM payments WHERE id = 3", "shop"), "1")

    def test_text_of_an_agent_cannot_speak_to_the_reviewers_terminal(self):
        agent = self.start_update(0, statement="UPDATE orders SET status = 'returned' WHERE id = 22 -- \x1b[2J\u202egnitiaw")
        hold = self.wait_for_hold("id = 22")
        shown = self.assent.cli("holds").stdout
        self.assertNotIn("\x1b[2J", shown)
        self.assertNotIn("\u202e", shown)
        self.deny(hold)
        agent.kill()


class People(harness.EndToEnd):
    def hold_one(self, number, **rest):
        agent = self.start_script(RUN_ONE.format(statement=UPDATE.format(number), values=None), **rest)
        return agent, self.wait_for_hold(f"id = {number}")

    def test_reviewers_in_decide_may_answer(self):
        for number, user in ((31, "backup"), (32, "www-data")):  # one by name, one by group
            with self.subTest(user=user):
                agent, hold = self.hold_one(number)
                done = self.approve(hold, user=user)
                self.assertEqual(done.returncode, 0, done.stderr)
                agent.next()
                self.assertEqual(agent.next(), {"rows": 1})

    def test_others_may_not(self):
        agent, hold = self.hold_one(33)
        for user in ("games", "nobody"):
            with self.subTest(user=user):
                done = self.approve(hold, user=user)
                self.assertEqual(done.returncode, 4, done.stdout + done.stderr)
        self.assertEqual(self.wait_for_hold("id = 33")["id"], hold["id"])
        self.deny(hold)
        agent.kill()

    def test_who_says_to_be_logged_in_as_a_reviewer_is_not_one(self):
        # A process without a login uid may write itself any.
        agent, hold = self.hold_one(37)
        for verb in (("approve", hold["id"], "--reason", "me"), ("holds",), ("sessions",), ("search", "orders"), ("replay", hold["session"])):
            with self.subTest(verb=verb[0]):
                done = self.assent.cli(*verb, user="games", login="backup")
                self.assertEqual(done.returncode, 4, done.stdout + done.stderr)
        self.deny(hold)
        agent.kill()

    def test_the_agents_own_uid_may_not_though_it_is_a_reviewer(self):
        agent, hold = self.hold_one(34, user="backup")
        self.assertEqual(self.approve(hold, user="backup").returncode, 4)
        self.deny(hold)
        agent.kill()

    def test_nobody_may_from_inside_a_governed_cgroup(self):
        agent, hold = self.hold_one(35)
        done = self.assent.agent(throwaway.BUILD / "userspace/cli/assent", "approve", hold["id"], "--reason", "me", name="nightly-2", user="backup")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.wait_for_hold("id = 35")["id"], hold["id"])
        self.deny(hold)
        agent.kill()

    def test_who_decided_is_recorded(self):
        agent, hold = self.hold_one(36)
        self.approve(hold, user="backup")
        agent.next()
        agent.next()
        self.assertIn("approved by backup", self.assent.cli("replay", hold["session"]).stdout)


class Reloaded(harness.EndToEnd):
    def setUp(self):
        self.assent.write_policies({"shop.yaml": self.fill(self.policy)})
        self.assent.ask("policy", "reload")

    def test_who_may_no_longer_approve_approves_nothing(self):
        agent = self.start_script(RUN_ONE.format(statement=UPDATE.format(51), values=None))
        hold = self.wait_for_hold("id = 51")
        agent.next()
        others = self.policy.replace("users: [root", "users: [games")
        self.assertNotEqual(others, self.policy)
        self.assent.write_policies({"shop.yaml": self.fill(others)})
        self.assent.ask("policy", "reload")
        self.approve(hold)
        told = agent.next()
        self.assertIn("rules have changed", told["message"])
        self.assertEqual(agent.next(), {"alive": 1})
        self.assertFalse(self.server_ran(UPDATE.format(51)))
        again = self.start_script(RUN_ONE.format(statement=UPDATE.format(51), values=None))
        self.assertNotEqual(self.wait_for_hold("id = 51")["id"], hold["id"])
        again.kill()


class Deadline(harness.EndToEnd):
    policy = harness.POLICY.replace("wait: 4s", "wait: 1s").replace("deadline: 60s", "deadline: 3s")

    def test_a_hold_that_nobody_answers_expires(self):
        agent = self.start_script(RUN_ONE.format(statement=UPDATE.format(41), values=None))
        hold = self.wait_for_hold("id = 41")
        agent.finish()
        throwaway.wait_until(lambda: any(found["id"] == hold["id"] and found["state"] == "expired" for found in self.holds("--all")),
                             10, "the hold expires")
        self.assertNotEqual(self.approve(hold).returncode, 0)
        again = self.start_script(RUN_ONE.format(statement=UPDATE.format(41), values=None))
        self.assertNotEqual(self.wait_for_hold("id = 41")["id"], hold["id"])
        again.kill()
        self.assertFalse(self.server_ran(UPDATE.format(41)))


if __name__ == "__main__":
    harness.main()
