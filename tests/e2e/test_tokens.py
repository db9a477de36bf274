"""Agents with tokens of a real provider: whom they act for decides what they may, and until when."""

import json
import os
import subprocess
import time

import harness
import identity_provider
import throwaway

PEOPLE = {"ana": {"email": "ana@example.com"}, "bob": {"email": "bob@example.com"}}

POLICY = """
version: 1
for: {agents: [bots], targets: [shop-db]}
agents:
  bots:
    - {token: {issuer: "@ISSUER@", claims: {groups: [bots]}}}
  for-ana:
    - {run: "nightly*", runners: [root], token: {issuer: "@ISSUER@", claims: {sub: ana}}}
  any-run:
    - {run: "nightly*", runners: [root]}
targets:
  shop-db:
    protocol: postgres
    addresses: ["127.0.0.1:@PORT@"]
    databases: [shop]
rules:
  - {name: reads, operations: [read, transaction], objects: [public.orders], verdict: allow}
  - {name: changes, operations: [update], objects: [public.orders], verdict: hold, approval: dba}
  - {name: of-ana, agents: [for-ana], operations: [read], objects: [public.payments], verdict: allow}
  - {name: without-any-token, agents: [any-run], operations: [read, transaction], objects: [public.customers], verdict: allow}
approvals:
  dba:
    wait: 20s
    deadline: 60s
    stages: [{reviewers: {users: [root]}, quorum: 1}]
"""

STEPS = """
    with connect() as c:
        say(ready=True)
        for line in sys.stdin:
            try:
                cur = c.execute(line)
                say(rows=cur.rowcount)
            except psycopg.Error as e:
                say(**error_of(e))
"""


class WithProvider(harness.EndToEnd):
    """One provider for the class; `identity` is the settings' key with @ISSUER@ and @CA@."""

    identity = "{issuers: [{issuer: '@ISSUER@', audience: assent, ca: '@CA@'}], clock_skew: 0s}"
    people = PEOPLE
    ttl = 600
    id_ttl = 600

    @classmethod
    def setUpClass(cls):
        cls.idp = identity_provider.Provider(cls.people, ttl=cls.ttl, id_ttl=cls.id_ttl, name=f"idp-{cls.__name__}")
        cls.extra_settings = {"identity": cls.fill_identity(cls.identity)} | cls.more_settings()
        cls.policy = cls.policy.replace("@ISSUER@", cls.idp.issuer)
        super().setUpClass()

    @classmethod
    def more_settings(cls):
        return {}

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.idp.stop()

    @classmethod
    def fill_identity(cls, text):
        return text.replace("@ISSUER@", cls.idp.issuer).replace("@CA@", str(cls.idp.ca)).replace("@FOLDER@", str(throwaway.folder()))

    def setUp(self):
        self.token_file = throwaway.folder() / f"token-{self.id()}"
        self.assent.run_options = ()

    def with_token(self, token):
        """Agents from here on have this token in a file."""
        identity_provider.rewrite(self.token_file, token)
        self.assent.run_options = ("--token-file", self.token_file)

    def until_it_is_taken(self):
        """Keys that nobody knew are asked for, but not by each token that comes."""
        throwaway.wait_until(lambda: self.assent.agent("true").returncode == 0, 25, "the token is taken")

    def start_steps(self):
        agent = self.start_script(STEPS, stdin=subprocess.PIPE)
        self.assertEqual(agent.next(), {"ready": True})
        return agent

    def step(self, agent, line):
        agent.tell(line)
        return agent.next()

    def until(self, agent, line, is_wanted, seconds=20):
        """Sends a command until its answer is wanted: tokens are taken up within a second or so."""
        return throwaway.wait_until(lambda: next(filter(is_wanted, [self.step(agent, line)]), None), seconds, f"another answer to {line}")

    def records(self, kind, text=""):
        found = json.loads(self.assent.cli("search", text or "agent", "--json").stdout or "[]")
        return [match for match in found if match["type"] == kind]


class Tokens(WithProvider):
    policy = POLICY

    def test_each_algorithm_lets_an_agent_in(self):
        for algorithm in ("ES256", "ES384", "EdDSA", "RS256", "PS256"):
            with self.subTest(algorithm):
                self.with_token(self.idp.machine_token(algorithm))
                self.assertEqual(self.psql_rows("SELECT count(*) > 0 FROM orders"), ["t"])

    def test_without_a_token_it_is_another_agent(self):
        refused = self.psql("SELECT count(*) FROM orders")
        self.assertNotEqual(refused.returncode, 0)
        self.assertEqual(self.psql_rows("SELECT count(*) > 0 FROM customers"), ["t"])

    def test_whom_it_acts_for_is_shown_and_recorded_and_the_token_is_nowhere(self):
        token = self.idp.exchanged_token("ana", "build-runner")
        self.with_token(token)
        done = self.assent.agent(throwaway.BUILD / "userspace/cli/assent", "whoami", "--json")
        shown = json.loads(done.stdout)
        self.assertEqual(shown["token"]["acting"], "ana, by agent-ES256, by build-runner")
        self.assertTrue(shown["token"]["good"])
        self.assertIn("for-ana", shown["agents"])
        self.assertEqual(self.psql_rows("SELECT count(*) >= 0 FROM payments"), ["t"])
        text = self.assent.cli("sessions", "--json").stdout
        session = max((each for each in json.loads(text) if each["commands"] > 0), key=lambda each: each["opened"])
        replay = self.assent.cli("replay", session["session"], "--json").stdout
        opened = next(record for record in json.loads(replay) if record["type"] == "flow.opened")
        self.assertEqual([opened["agent"]["token"]["sub"]] + [one["sub"] for one in opened["agent"]["token"]["act"]],
                         ["ana", "agent-ES256", "build-runner"])
        secret = token.split(".")[2]
        for folder, folders, names in os.walk(self.assent.folder):
            folders[:] = [name for name in folders if not os.path.ismount(os.path.join(folder, name))]  # the one of BPF
            for name in filter(lambda name: os.path.isfile(os.path.join(folder, name)), names):
                with open(os.path.join(folder, name), "rb") as file:
                    self.assertNotIn(secret.encode(), file.read(), name)
        self.assertNotIn(secret, replay + text + self.assent.daemon_log())

    def test_forged_tokens_start_nothing(self):
        good = self.idp.machine_token()
        for name, token in identity_provider.forged(good).items():
            with self.subTest(name):
                self.with_token(token)
                done = self.assent.agent("true")
                self.assertEqual(done.returncode, 125, done.stderr)
                self.assertNotIn(token[-20:] or "never", done.stderr)
        self.with_token(good)
        self.assertEqual(self.assent.agent("true").returncode, 0)

    def test_tokens_of_others_start_nothing(self):
        other = identity_provider.Provider({}, name=f"other-{self.id()}")
        self.addCleanup(other.stop)
        self.with_token(other.machine_token())
        done = self.assent.agent("true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("not in `identity`", done.stderr)
        self.token_file.unlink()
        self.assertEqual(self.assent.agent("true").returncode, 125)

    def test_a_user_may_not_have_files_read_that_they_cannot_read(self):
        identity_provider.rewrite(self.token_file, self.idp.machine_token())  # root's, mode 0600
        done = self.assent.cli("run", "--name", "nightly", "--token-file", self.token_file, "--", "true", user="backup")
        self.assertEqual(done.returncode, 125)
        self.assertIn("Permission denied", done.stderr)

    def test_a_file_that_changes_is_taken_up_while_the_session_is_open(self):
        self.with_token(self.idp.exchanged_token("ana"))
        agent = self.start_steps()
        self.assertIn("rows", self.step(agent, "SELECT id FROM payments"))
        identity_provider.rewrite(self.token_file, self.idp.exchanged_token("bob"))
        refused = self.until(agent, "SELECT id FROM payments", lambda said: "sqlstate" in said)
        self.assert_refused(refused)
        self.assertIn("rows", self.step(agent, "SELECT id FROM orders"))
        self.token_file.write_text("nothing of the kind")
        refused = self.until(agent, "SELECT id FROM orders", lambda said: "sqlstate" in said)
        self.assert_refused(refused, cause="token", retry="after-login")
        identity_provider.rewrite(self.token_file, self.idp.exchanged_token("ana"))
        self.until(agent, "SELECT id FROM payments", lambda said: "rows" in said)
        agent.kill()

    def test_an_approval_is_for_whom_the_agent_acts_for(self):
        update = "UPDATE orders SET status = 'returned' WHERE id = 41"
        self.with_token(self.idp.exchanged_token("ana"))
        first = self.start_steps()
        first.tell(update)
        hold = self.wait_for_hold("id = 41")
        first.kill()
        self.assertEqual(self.approve(hold).returncode, 0)
        self.with_token(self.idp.exchanged_token("bob"))
        second = self.start_steps()
        second.tell(update)
        self.assertNotEqual(self.wait_for_hold("id = 41")["id"], hold["id"])
        second.kill()
        self.with_token(self.idp.exchanged_token("ana"))  # a new token for the same person
        third = self.start_steps()
        self.assertEqual(self.step(third, update), {"rows": 1})
        third.kill()

    def test_keys_that_are_rotated_while_it_runs(self):
        self.with_token(self.idp.machine_token())
        agent = self.start_steps()
        self.assertIn("rows", self.step(agent, "SELECT 1"))
        self.idp.keys(rotate=["ES256", "ES384", "EdDSA", "RS256", "PS256"])
        identity_provider.rewrite(self.token_file, self.idp.machine_token("EdDSA"))
        for _ in range(10):  # what it has goes on, also while the provider may not be asked for a moment
            time.sleep(0.5)
            self.assertIn("rows", self.step(agent, "SELECT 1"))
        self.until_it_is_taken()
        agent.kill()

    def test_a_provider_that_is_down_stops_nobody_who_is_known(self):
        token = self.idp.machine_token()
        self.with_token(token)
        self.assertEqual(self.psql_rows("SELECT 1 FROM orders LIMIT 1"), ["1"])
        self.idp.stop()
        try:
            self.assertEqual(self.psql_rows("SELECT 1 FROM orders LIMIT 1"), ["1"])
            self.with_token(identity_provider.forged(token)["unknown-key"])
            self.assertEqual(self.assent.agent("true").returncode, 125)
        finally:
            self.idp.start()
        self.with_token(self.idp.machine_token())
        self.until_it_is_taken()

    def test_login_from_inside(self):
        assent = str(throwaway.BUILD / "userspace/cli/assent")
        identity_provider.rewrite(self.token_file, self.idp.exchanged_token("ana"))
        self.token_file.chmod(0o644)
        tried = self.assent.agent("sh", "-c", f"{assent} login --token-file {self.token_file} && {assent} whoami --json")
        self.assertEqual(tried.returncode, 0, tried.stderr)
        shown = json.loads(tried.stdout[tried.stdout.index("{"):])
        self.assertEqual(shown["token"]["sub"], "ana")
        given = self.assent.agent(assent, "login", "--token-file", "-", "--json", input=self.idp.exchanged_token("bob"))
        self.assertEqual(json.loads(given.stdout)["sub"], "bob", given.stderr)
        forged = identity_provider.forged(self.idp.machine_token())["other-key"]
        self.assertEqual(self.assent.agent(assent, "login", "--token-file", "-", input=forged).returncode, 4)
        self.assertEqual(self.assent.cli("login", "--token-file", self.token_file).returncode, 4, "root is no agent")
        self.with_token(self.idp.machine_token())
        kept = self.assent.agent(assent, "login", "--token-file", "-", input=self.idp.exchanged_token("bob"))
        self.assertEqual(kept.returncode, 4)
        self.assertIn(str(self.token_file), kept.stderr)

    def test_bindings_live_through_a_restart(self):
        assent = str(throwaway.BUILD / "userspace/cli/assent")
        identity_provider.rewrite(self.token_file, self.idp.exchanged_token("ana"))
        self.token_file.chmod(0o644)
        agent = self.start_script(f"""
            import subprocess
            say(code=subprocess.run(["{assent}", "login", "--token-file", "{self.token_file}"], capture_output=True).returncode)
            sys.stdin.readline()
            print(subprocess.run(["{assent}", "whoami", "--json"], capture_output=True, text=True).stdout.replace("\\n", ""), flush=True)
        """, stdin=subprocess.PIPE)
        self.assertEqual(agent.next(), {"code": 0})
        self.assent.restart()
        agent.tell()
        shown = agent.next()
        self.assertEqual((shown["token"]["sub"], shown["token"]["good"]), ("ana", True))
        agent.kill()

    def test_the_token_of_a_unit_is_where_the_settings_say(self):
        unit = self.assent.cgroup / "agent-7.service"
        unit.mkdir()
        self.addCleanup(throwaway.remove_cgroup, unit)
        file = throwaway.folder() / "unit-agent-7.service"
        file.write_text(self.idp.machine_token())
        file.chmod(0o600)

        def enter():
            (unit / "cgroup.procs").write_text(str(os.getpid()))
            throwaway._become("nobody")

        def ask():
            return subprocess.run(["setpriv", "--no-new-privs", "psql", "-XAt", "-c", "SELECT count(*) > 0 FROM orders", self.dsn()],
                                  capture_output=True, text=True, preexec_fn=enter, timeout=60)

        done = ask()
        self.assertEqual((done.returncode, done.stdout), (0, "t\n"), done.stderr)
        file.write_text("")
        refused = throwaway.wait_until(lambda: next(filter(lambda done: done.returncode != 0, [ask()]), None), 20, "a refusal")
        self.assertIn("is empty", refused.stderr)

    identity = """{issuers: [{issuer: '@ISSUER@', audience: assent, ca: '@CA@'}], clock_skew: 0s,
        units: [{unit: "agent-*.service", file: "@FOLDER@/unit-{unit}"}]}""".replace("\n", " ")


class Expiry(WithProvider):
    policy = POLICY
    ttl = 8

    def test_new_commands_are_denied_and_a_new_token_lets_it_go_on(self):
        self.with_token(self.idp.machine_token())
        agent = self.start_steps()
        self.assertIn("rows", self.step(agent, "SELECT id FROM orders"))
        self.step(agent, "BEGIN")
        self.assertIn("rows", self.step(agent, "SELECT id FROM orders"))
        refused = self.until(agent, "SELECT id FROM orders", lambda said: "sqlstate" in said)
        self.assert_refused(refused, cause="token", retry="after-login")
        self.assertIn("expired at", refused["message"])
        self.assertIn(str(self.token_file), refused["hint"])
        identity_provider.rewrite(self.token_file, self.idp.machine_token())
        self.until(agent, "ROLLBACK", lambda said: "sqlstate" not in said)
        self.assertIn("rows", self.step(agent, "SELECT id FROM orders"))
        agent.kill()
        throwaway.wait_until(lambda: "has expired" in self.assent.daemon_log(), 10, "a word in the log")

    def test_a_held_command_does_not_outlive_the_token(self):
        self.with_token(self.idp.machine_token())
        agent = self.start_steps()
        agent.tell("UPDATE orders SET status = 'x' WHERE id = 51")
        hold = self.wait_for_hold("id = 51")
        time.sleep(self.ttl + 1)
        self.approve(hold)
        self.assert_refused(agent.next(), cause="token", retry="after-login")
        self.assertFalse(self.server_ran("WHERE id = 51"))
        agent.kill()

    def test_an_expired_token_starts_nothing(self):
        token = self.idp.machine_token()
        time.sleep(self.ttl + 1)
        self.with_token(token)
        done = self.assent.agent("true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("expired at", done.stderr)


class Finishing(WithProvider):
    policy = POLICY
    ttl = 6
    identity = "{issuers: [{issuer: '@ISSUER@', audience: assent, ca: '@CA@'}], clock_skew: 0s, at_expiry: finish-transactions}"

    def test_an_open_transaction_may_end(self):
        self.with_token(self.idp.machine_token())
        agent = self.start_steps()
        self.step(agent, "BEGIN")
        self.assertIn("rows", self.step(agent, "SELECT id FROM orders"))
        time.sleep(self.ttl + 1)
        self.assertIn("rows", self.step(agent, "SELECT id FROM orders"))
        self.assertIn("rows", self.step(agent, "COMMIT"))
        self.assert_refused(self.step(agent, "SELECT id FROM orders"), cause="token", retry="after-login")
        agent.kill()


class DeviceLogin(WithProvider):
    policy = POLICY
    identity = """{issuers: [{issuer: '@ISSUER@', audience: assent, ca: '@CA@', agents_login: {client_id: assent-agent, scopes: [run],
        resource: "https://assent.example/"}}]}""".replace("\n", " ")

    def test_a_person_lets_an_agent_act_for_them(self):
        assent = str(throwaway.BUILD / "userspace/cli/assent")
        agent = harness.Script(self.assent.start_agent(assent, "login", "--json"))
        asked = agent.next(30)
        self.idp.enter_code(asked["verification_uri_complete"] or asked["verification_uri"], "ana")
        answer = agent.next(30)
        self.assertEqual((answer["sub"], answer["issuer"]), ("ana", self.idp.issuer))
        self.assertNotIn("access_token", answer)


if __name__ == "__main__":
    harness.main()
