"""Something is held, and people learn of it: by webhook, by mail, by a program of theirs; the daemon waits for none of them."""

import base64
import email
import email.policy
import hashlib
import hmac
import json
import os
import shutil
import subprocess

import harness
import throwaway
from receivers import MailServer, WebhookServer

USER = "games"
HELD = """
    with connect() as c:
        try:
            say(rows=c.execute({!r}).rowcount)
        except psycopg.Error as e:
            say(**error_of(e))
"""
URL = "https://assent.example:7443"
POLICY = harness.POLICY.replace("operations: [update, delete]", "operations: [update]").replace("rules:", """rules:
  - {name: deletes-escalate, operations: [delete], objects: [public.payments], verdict: hold, approval: oncall}
  - {name: emergencies, operations: [delete], objects: [public.orders], verdict: hold, approval: glass}""").replace("approvals:", """approvals:
  oncall:
    wait: 20s
    deadline: 60s
    stages: [{reviewers: {users: [backup]}, escalate: {after: 2s, to: {users: [root]}}}]
  glass:
    wait: 20s
    deadline: 60s
    stages: [{reviewers: {users: [root]}}]
    break_glass: {for: 5m}""")


def certificates(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "mail.key", "-out",
                    folder / "mail.pem", "-subj", "/CN=localhost", "-days", "2", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    (folder / "mail.pem").chmod(0o644)
    return folder / "mail.pem", folder / "mail.key"


class Notices(harness.EndToEnd):
    policy = POLICY

    @classmethod
    def setUpClass(cls):
        folder = throwaway.folder() / "receivers"
        folder.mkdir()
        cls.web = WebhookServer()
        cls.mail = MailServer(*certificates(folder))
        cls.said = folder / "said"
        program = folder / "program"
        program.write_text(f'#!/bin/sh\n{{ id -un; echo "$1 $2"; cat; }} >> {cls.said}\n')
        program.chmod(0o755)
        cls.said.touch(mode=0o666)
        cls.said.chmod(0o666)
        for name, text in (("key", "a key of tests"), ("password", "a password of tests"), ("url", f"http://127.0.0.1:{cls.web.port}/teams")):
            (folder / name).write_text(text + "\n")
            (folder / name).chmod(0o600)
        hooks = [
            {"name": "plain", "url": f"http://127.0.0.1:{cls.web.port}/json", "secret": {"file": str(folder / "key")},
             "events": ["opened", "decided", "ended", "escalated", "suspended", "broke_glass"]},
            {"name": "slack", "url": f"http://127.0.0.1:{cls.web.port}/slack", "form": "slack", "text": "true"},
            {"name": "teams", "url": {"file": str(folder / "url")}, "form": "teams"},
        ]
        mail = {"server": f"localhost:{cls.mail.port}", "from": "assent@example.com", "to": ["dba@example.com", "oncall@example.com"], "user": "assent",
                "password": {"file": str(folder / "password")}, "ca": str(folder / "mail.pem"), "text": "true"}
        cls.extra_settings = {
            "notify": json.dumps({"user": USER, "webhooks": hooks, "mail": mail, "exec": str(program)}),
            "console": json.dumps({"public_url": URL}),
        }
        cls.state = folder / "state"
        super().setUpClass()
        cls.start_notifier()

    @classmethod
    def start_notifier(cls):
        cls.state.mkdir(exist_ok=True)
        shutil.chown(cls.state, USER, USER)
        with open(cls.assent.folder / "notify.log", "ab") as log:
            cls.notifier = subprocess.Popen([throwaway.BUILD / "userspace/notify/assent-notify", "--config", cls.assent.config], stdout=log, stderr=log,
                                            env={**os.environ, "STATE_DIRECTORY": str(cls.state)}, preexec_fn=throwaway._die_with_parent)
        cls.stop_notifier = throwaway.cleanup().add(throwaway.stop_process, cls.notifier)
        throwaway.wait_until(lambda: cls.assent.ask("status")["notices"]["is_watched"], 20, "the notifier watches")

    @classmethod
    def tearDownClass(cls):
        cls.stop_notifier()
        super().tearDownClass()
        cls.mail.stop()
        cls.web.stop()

    def hold_one(self, number, text="returned"):
        agent = self.start_script(HELD.format(f"UPDATE orders SET status = '{text}' WHERE id = {number}"), purpose="<!channel> @here")
        return agent, self.wait_for_hold(f"id = {number}")["id"]

    def of_hold(self, hold, path):
        return [body for body in self.web.bodies(path) if hold in json.dumps(body)]

    def wait_for(self, hold, path, count=1):
        return throwaway.wait_until(lambda: len(self.of_hold(hold, path)) >= count and self.of_hold(hold, path), 15, f"{count} notices at {path}")

    def status(self):
        return {each["channel"]: each for each in self.assent.ask("status")["notices"]["channels"]}

    def test_everybody_is_told_in_their_own_form(self):
        agent, hold = self.hold_one(71, text="secret <b>")
        plain = self.wait_for(hold, "/json")[0]
        self.assertEqual((plain["event"], plain["link"], plain["hold"]["agent"]), ("opened", f"{URL}/holds/{hold}", "nightly"))
        self.assertNotIn("secret", json.dumps(plain), "the command is not told where that was not asked for")
        headers, body = next((headers, body) for path, headers, body in self.web.requests if path == "/json" and hold in body)
        time, mark = (part.split("=", 1)[1] for part in headers["Assent-Signature"].split(","))
        self.assertEqual(mark, hmac.new(b"a key of tests", f"{time}.{body}".encode(), hashlib.sha256).hexdigest())
        slack = json.dumps(self.wait_for(hold, "/slack")[0])
        self.assertIn("secret", slack)
        self.assertNotIn("<!channel>", slack)
        teams = self.wait_for(hold, "/teams")[0]
        self.assertEqual(teams["attachments"][0]["content"]["actions"][0]["url"], f"{URL}/holds/{hold}")
        self.assertNotIn("secret", json.dumps(teams))
        mail = throwaway.wait_until(lambda: next((each for each in self.mail.messages if hold in base64_text(each["text"])), None), 15, "a mail")
        self.assertEqual((mail["tls"], mail["login"], mail["to"]), (True, "assent", ["dba@example.com", "oncall@example.com"]))
        message = email.message_from_string(mail["text"], policy=email.policy.default)
        self.assertIn(hold, message["Subject"])
        self.assertIn(f"{URL}/holds/{hold}", message.get_content())
        self.assertIn("secret <b>", message.get_content())
        said = throwaway.wait_until(lambda: self.said.read_text() if hold in self.said.read_text() else None, 15, "the program ran")
        lines = said[: said.index(hold)].splitlines()
        self.assertEqual(lines[-2:], [USER, "opened "], "as the notifier's user, with the event and the hold")
        self.assertEqual(self.deny_(hold), 0)
        events = [each["event"] for each in self.wait_for(hold, "/json", 2)]
        self.assertEqual(events[:2], ["opened", "decided"])
        self.assertEqual(len(self.of_hold(hold, "/slack")), 1, "only what it names")
        agent.kill()

    def deny_(self, hold):
        return self.assent.cli("deny", hold, "--reason", "a test says no").returncode

    def test_an_escalation_is_told(self):
        agent = self.start_script(HELD.format("DELETE FROM payments WHERE id = 81"))
        hold = self.wait_for_hold("id = 81")["id"]
        told = self.wait_for(hold, "/json", 2)
        self.assertEqual([each["event"] for each in told], ["opened", "escalated"])
        self.assertIn("still waits", told[1]["headline"])
        self.deny_(hold)
        self.assertEqual([each["event"] for each in self.wait_for(hold, "/json", 3)], ["opened", "escalated", "decided"])
        agent.kill()

    def test_broken_glass_is_told_with_its_reason(self):
        agent = self.start_script(HELD.format("DELETE FROM orders WHERE id = 82"))
        hold = self.wait_for_hold("id = 82")["id"]
        self.assertEqual(self.assent.cli("approve", hold, "--reason", "the disk is full").returncode, 0)
        told = {each["event"]: each for each in self.wait_for(hold, "/json", 3)}
        self.assertLessEqual({"opened", "decided", "broke_glass"}, set(told))
        self.assertEqual((told["broke_glass"]["message"], told["broke_glass"]["hold"]["agent"]), ("the disk is full", "nightly"))
        agent.finish()
        grant = next(each["id"] for each in json.loads(self.assent.cli("status", "--json").stdout)["approvals"])
        self.assertEqual(self.assent.cli("revoke", grant).returncode, 0)
        self.assertEqual(self.assent.cli("review", grant, "--reason", "only the one order went").returncode, 0)

    def test_a_suspended_agent_is_told_of(self):
        self.assertEqual(self.assent.cli("suspend", "nightly", "--reason", "too many deletes").returncode, 0)
        told = throwaway.wait_until(lambda: [each for each in self.web.bodies("/json") if each["event"] == "suspended"], 15, "a notice")
        self.assertEqual((told[0]["agent"], told[0]["by"], told[0]["message"]), ("nightly", "root", "too many deletes"))
        self.assertEqual(self.assent.cli("resume", "nightly").returncode, 0)

    def test_what_fails_is_tried_again_shown_and_recorded(self):
        self.web.statuses[:] = [500] * 6  # for three webhooks, twice
        agent, hold = self.hold_one(72)
        throwaway.wait_until(lambda: any(each["is_failing"] for each in self.status().values()), 15, "a failure is shown")
        self.assertIn("it answered 500", json.dumps(self.status()))
        for path in ("/json", "/slack", "/teams"):
            self.wait_for(hold, path, 2)
        throwaway.wait_until(lambda: not any(each["is_failing"] for each in self.status().values()), 15, "it works again")
        shown = self.assent.cli("status").stdout
        self.assertIn("webhook plain", shown)
        found = self.assent.cli("search", "notices are").stdout
        self.assertIn("not delivered", found)
        self.assertIn("delivered again", found)
        self.deny_(hold)
        agent.kill()

    def test_a_restart_of_either_side_tells_of_everything_once(self):
        first, one = self.hold_one(73)
        self.wait_for(one, "/json")
        type(self).stop_notifier()
        second, two = self.hold_one(74)
        type(self).start_notifier()
        self.wait_for(two, "/json")
        self.assertEqual(len(self.of_hold(one, "/json")), 1)
        self.assent.restart()
        throwaway.wait_until(lambda: self.assent.ask("status")["notices"]["is_watched"], 20, "the notifier is back")
        third, three = self.hold_one(75)
        self.wait_for(three, "/json")
        self.assertEqual([each["event"] for each in self.of_hold(two, "/json")].count("opened"), 1)
        for agent in (first, second, third):
            agent.kill()

    def test_nobody_else_takes_notices(self):
        for user in ("backup", "nobody"):
            done = subprocess.run(["/usr/bin/python3", "-c", f"""
import json, os, socket, pwd
user = pwd.getpwnam({user!r})
os.setgroups([]); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
for verb in ("notices", "notices.report"):
    s = socket.socket(socket.AF_UNIX)
    s.connect({str(self.assent.run_folder / 'control.sock')!r})
    s.sendall(json.dumps({{"verb": verb, "channel": "x", "is_failing": False}}).encode() + b"\\n")
    print(json.loads(s.makefile().readline())["error"]["code"])
"""], capture_output=True, text=True)
            self.assertEqual(done.stdout.split(), ["denied", "denied"], done.stderr)


class WithoutTls(harness.EndToEnd):
    """A mail server that offers no TLS gets nothing, and that is shown."""

    @classmethod
    def setUpClass(cls):
        folder = throwaway.folder() / "clear"
        folder.mkdir()
        cls.mail = MailServer(*certificates(folder), mode="plain")
        cls.extra_settings = {"notify": json.dumps(
            {"user": USER, "mail": {"server": f"localhost:{cls.mail.port}", "from": "a@example.com", "to": ["b@example.com"]}})}
        super().setUpClass()
        cls.notifier = subprocess.Popen([throwaway.BUILD / "userspace/notify/assent-notify", "--config", cls.assent.config], stderr=subprocess.DEVNULL,
                                        preexec_fn=throwaway._die_with_parent)
        cls.undo = throwaway.cleanup().add(throwaway.stop_process, cls.notifier)

    @classmethod
    def tearDownClass(cls):
        cls.undo()
        super().tearDownClass()
        cls.mail.stop()

    def test_a_mail_is_not_sent_in_the_clear(self):
        throwaway.wait_until(lambda: self.assent.ask("status")["notices"]["is_watched"], 20, "the notifier watches")
        agent = self.start_script(HELD.format("UPDATE orders SET status = 'x' WHERE id = 76"))
        self.wait_for_hold("id = 76")
        channels = throwaway.wait_until(lambda: self.assent.ask("status")["notices"]["channels"], 15, "the failure is shown")
        self.assertTrue(channels[0]["is_failing"], channels)
        self.assertEqual(self.mail.messages, [])
        agent.kill()


def base64_text(message):
    head, _, body = message.partition("\n\n") if "\r\n\r\n" not in message else message.partition("\r\n\r\n")
    return head + base64.b64decode(body).decode(errors="replace")


if __name__ == "__main__":
    harness.main()
