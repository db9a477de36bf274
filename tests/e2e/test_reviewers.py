"""Reviewers who log in with a real provider: what they decide is theirs, and a name in a token is nobody of this host."""

import json
import os
import stat
import subprocess
import time

import harness
import identity_provider
import test_tokens
import throwaway

PEOPLE = {
    "u-ana": {"email": "ana@example.com", "email_verified": True, "groups": ["dba"]},
    "u-bob": {"email": "bob@example.com", "email_verified": True, "groups": ["others"]},
    "u-mallory": {"email": "root", "email_verified": True, "groups": ["root", "www-data"]},
    "u-rooty": {"email": "root", "email_verified": True, "groups": ["others", "root"]},
    "u-unverified": {"email": "ana@example.com", "email_verified": False, "groups": ["dba"]},
}

POLICY = harness.POLICY.replace("{users: [root, backup], groups: [www-data]}", "{users: [ana@example.com], groups: [dba]}")
POLICY = POLICY.replace("wait: 4s", "wait: 30s")


class Login:
    """A person at a terminal: their own place for the login, and a unix user who need not be in `decide`."""

    def __init__(self, test, person, user="backup"):
        self.test, self.person, self.user = test, person, user
        self.state = throwaway.folder() / f"state-{test.id()}-{person}"
        self.state.mkdir(mode=0o700)
        self.file = self.state / "assent/login.json"
        os.chown(self.state, *self._ids())
        throwaway.folder().chmod(0o711)

    def _ids(self):
        import pwd
        entry = pwd.getpwnam(self.user)
        return entry.pw_uid, entry.pw_gid

    def cli(self, *arguments):
        before = self.test.assent.environment
        self.test.assent.environment = before | {"XDG_STATE_HOME": str(self.state)}
        try:
            return self.test.assent.cli(*arguments, user=self.user)
        finally:
            self.test.assent.environment = before

    def log_in(self):
        """The device flow; gives what the last line said."""
        process = subprocess.Popen([str(throwaway.BUILD / "userspace/cli/assent"), "login", "--json"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=lambda: throwaway._become(self.user),
                                   env=self.test.assent.environment | {"XDG_STATE_HOME": str(self.state)})
        throwaway.cleanup().add(throwaway.stop_process, process)
        script = harness.Script(process)
        asked = script.next(30)
        self.test.idp.enter_code(asked["verification_uri_complete"], self.person)
        process.wait(40)
        out = script._rest.decode() + process.stdout.read()
        return process.returncode, out, process.stderr.read()

    def tokens(self):
        return json.loads(self.file.read_text())

    def replace(self, **changes):
        self.file.write_text(json.dumps(self.tokens() | changes))


class Reviewers(test_tokens.WithProvider):
    policy = POLICY
    people = PEOPLE
    identity = """{issuers: [{issuer: '@ISSUER@', ca: '@CA@', reviewers: {client_id: assent-cli, groups: [dba, others],
        scopes: [openid, email, groups, offline_access]}}],
        clock_skew: 0s}""".replace("\n", " ")

    def held(self, number):
        agent = self.start_script(f"""
            with connect() as c:
                try:
                    say(rows=c.execute("UPDATE orders SET status = 'returned' WHERE id = {number}").rowcount)
                except psycopg.Error as e:
                    say(**error_of(e))
        """)
        return agent, throwaway.wait_until(lambda: self.hold_of(f"id = {number}"), 15, "a hold")

    def hold_of(self, text):
        done = self.assent.cli("holds", "--json")
        return next((hold for hold in json.loads(done.stdout or "[]") if hold["state"] == "waiting" and text in hold["text"]), None)

    def test_a_person_logs_in_decides_and_is_recorded(self):
        ana = Login(self, "u-ana")
        code, out, errors = ana.log_in()
        self.assertEqual(code, 0, errors)
        self.assertNotIn("id_token", out)
        self.assertEqual(stat.S_IMODE(ana.file.stat().st_mode), 0o600)
        who = json.loads(ana.cli("whoami", "--json").stdout)
        self.assertEqual(who["person"], {"name": "ana@example.com", "groups": ["dba"], "issuer": self.idp.issuer, "subject": "u-ana"})
        agent, hold = self.held(11)
        done = ana.cli("approve", hold["id"], "--reason", "seen")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(agent.next(), {"rows": 1})
        found = json.loads(self.assent.cli("search", "u-ana", "--json").stdout or "[]")
        decided = [match for match in found if match["type"] == "hold.decided"]
        self.assertEqual(len(decided), 1, found)
        log = b"".join(path.read_bytes() for path in (self.assent.state / "records").glob("*.seg"))
        self.assertIn(self.idp.issuer.encode(), log)
        token = ana.tokens()["id_token"]
        self.assertNotIn(token.split(".")[2].encode(), log)
        self.assertNotIn(token.split(".")[2], self.assent.daemon_log())
        self.assertEqual(ana.cli("logout").returncode, 0)
        self.assertFalse(ana.file.exists())

    def test_whoever_is_no_reviewer_decides_nothing(self):
        agent, hold = self.held(12)
        self.assertIn("unix_claim", self.assent.cli("status").stdout, "it is said what the provider does not tell")
        bob = Login(self, "u-bob")
        self.assertEqual(bob.log_in()[0], 0)
        self.assertEqual(bob.cli("approve", hold["id"]).returncode, 4)
        self.assertEqual(self.assent.cli("approve", hold["id"]).returncode, 4, "root of this host is no reviewer here")
        agent.kill()

    def test_root_in_a_token_is_nobody(self):
        agent, hold = self.held(13)
        mallory = Login(self, "u-mallory")
        code, _, errors = mallory.log_in()
        self.assertEqual(code, 4)
        self.assertIn("none of the groups", errors)
        rooty = Login(self, "u-rooty")
        self.assertEqual(rooty.log_in()[0], 0)
        for verb in (("approve", hold["id"]), ("deny", hold["id"]), ("policy", "reload"), ("detach", "--reason", "x")):
            self.assertEqual(rooty.cli(*verb).returncode, 4, verb)
        agent.kill()

    def test_an_address_that_was_never_verified_is_no_name(self):
        code, _, errors = Login(self, "u-unverified").log_in()
        self.assertEqual(code, 4)
        self.assertIn("never verified", errors)

    def test_forged_id_tokens_decide_nothing(self):
        agent, hold = self.held(14)
        ana = Login(self, "u-ana")
        self.assertEqual(ana.log_in()[0], 0)
        good = ana.tokens()["id_token"]
        for name, token in identity_provider.forged(good).items():
            with self.subTest(name):
                ana.replace(id_token=token, refresh_token="")
                done = ana.cli("approve", hold["id"])
                self.assertNotEqual(done.returncode, 0)
                self.assertNotIn(token[-20:] or "never", done.stderr)
        ana.replace(id_token=good)
        self.assertEqual(ana.cli("deny", hold["id"], "--reason", "no").returncode, 0)
        self.assert_refused(agent.next(), cause="reviewer")

    def test_a_login_that_others_may_read_is_not_used(self):
        ana = Login(self, "u-ana")
        self.assertEqual(ana.log_in()[0], 0)
        ana.file.chmod(0o644)
        done = ana.cli("holds")
        self.assertEqual(done.returncode, 4)
        self.assertIn("not yours alone", done.stderr)


class KnownHere(test_tokens.WithProvider):
    """The provider says which users of this host its people are, so whoever started an agent is known whatever they log in with."""

    policy = POLICY
    people = {name: claims | users for name, claims, users in (
        ("u-ana", PEOPLE["u-ana"], {"host_user": "root"}),  # who starts the agents of these tests
        ("u-dan", PEOPLE["u-ana"] | {"email": "dan@example.com"}, {"host_user": "backup"}),
        ("u-eve", PEOPLE["u-ana"] | {"email": "eve@example.com"}, {}))}
    identity = Reviewers.identity.replace("groups: [dba, others],", "unix_claim: host_user,").replace("groups,", "groups, host,", 1)
    held, hold_of = Reviewers.held, Reviewers.hold_of

    def test_nobody_approves_for_an_agent_that_they_started(self):
        agent, hold = self.held(15)
        ana, dan, eve = (Login(self, person) for person in ("u-ana", "u-dan", "u-eve"))
        self.assertEqual((ana.log_in()[0], dan.log_in()[0]), (0, 0))
        code, _, errors = eve.log_in()
        self.assertEqual(code, 4)
        self.assertIn("which user of this host you are", errors)
        done = ana.cli("approve", hold["id"])
        self.assertEqual(done.returncode, 4)
        self.assertIn("you started this agent", done.stderr)
        self.assertEqual(dan.cli("approve", hold["id"]).returncode, 0)
        self.assertEqual(agent.next(), {"rows": 1})
        self.assertNotIn("unix_claim", self.assent.cli("status").stdout)

    def test_they_may_refuse_it(self):
        agent, hold = self.held(16)
        ana = Login(self, "u-ana")
        self.assertEqual(ana.log_in()[0], 0)
        self.assertEqual(ana.cli("deny", hold["id"], "--reason", "mine, and wrong").returncode, 0)
        self.assert_refused(agent.next(), cause="reviewer")


class Refreshing(test_tokens.WithProvider):
    policy = POLICY
    people = PEOPLE
    id_ttl = 33
    identity = Reviewers.identity

    def test_a_login_goes_on_by_its_refresh_token(self):
        ana = Login(self, "u-ana")
        self.assertEqual(ana.log_in()[0], 0)
        first = ana.tokens()
        time.sleep(5)  # less than half a minute is left of it
        self.assertEqual(json.loads(ana.cli("whoami", "--json").stdout)["person"]["name"], "ana@example.com")
        second = ana.tokens()
        self.assertNotEqual(first["id_token"], second["id_token"])
        ana.replace(refresh_token="nothing of the kind", id_token=first["id_token"])
        time.sleep(5)
        done = ana.cli("whoami")
        self.assertEqual(done.returncode, 4)
        self.assertIn("has ended", done.stderr)


if __name__ == "__main__":
    harness.main()
