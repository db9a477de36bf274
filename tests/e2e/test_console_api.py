"""Programs that use the API by tokens: what the description says is what comes, and scopes are what bounds them."""

import json
import re
import urllib.request

import harness
from openapi import Description
from test_console import InABrowser


class Api(InABrowser):
    def token(self, name, *scopes, **rest):
        options = [part for scope in scopes for part in ("--scope", scope)]
        return self.assent.ask("token", "create", name, *options, **rest)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = Description(cls.console)

    def test_every_answer_is_as_it_is_described(self):
        agent, hold = self.hold_one(61)
        self.psql_rows("SELECT 1")
        everything = self.token("everything", "holds", "records", "policy", "status", "end")["token"]
        session = self.assent.ask("holds", "show", hold)["session"]
        seen = set()
        for path, methods in self.api.paths.items():
            for method, operation in methods.items():
                kind = operation["responses"]["200"]["content"]
                if "application/json" not in kind or operation["operationId"] in ("approve", "deny", "endSession", "revoke", "review", "suspend", "resume"):
                    continue
                real = path.replace("{id}", hold if path.startswith("/holds") else session) + ("?text=orders" if path == "/search" else "")
                body = {"agent": "nightly", "target": "shop-db", "sql": "DROP TABLE orders"} if method == "post" else None
                status, answer = self.console.json("/api/v1" + real, token=everything, method=method.upper(), body=body)
                with self.subTest(path=path):
                    self.assertEqual(status, 200, answer)
                    self.api.validate(operation, status, answer)
                    seen.add(operation["operationId"])
        self.assertLessEqual({"me", "listHolds", "showHold", "listSessions", "replay", "search", "policy", "explain", "status", "providers"}, seen)
        # What is refused is described as well.
        show = self.api.paths["/holds/{id}"]["get"]
        for path, wanted in (("holds/h-zzzzzz", 404), ("nothing", 404), ("holds?state=some", 400)):
            status, answer = self.console.json(f"/api/v1/{path}", token=everything)
            self.assertEqual(status, wanted)
            self.api.validate(show, status, answer)
        # No token answers a hold, whatever its scopes.
        for verb in ("approve", "deny"):
            self.assertEqual(self.console.ask(f"/api/v1/holds/{hold}/{verb}", token=everything, method="POST", body={})[0], 403)
        self.assertEqual(self.assent.ask("holds", "show", hold)["state"], "waiting")
        status, answer = self.console.json(f"/api/v1/sessions/{session}/end", token=everything, method="POST", body={"reason": "by a program"})
        self.assertEqual((status, answer["session"]), (200, session))
        self.api.validate(self.api.paths["/sessions/{id}/end"]["post"], status, answer)
        agent.kill()

    def test_every_route_is_described(self):
        source = (harness.throwaway.SOURCE / "userspace/console/api.cc").read_text()
        routes = {(method.lower(), f"/{path}") for method, path in re.findall(r'\{"(GET|POST)", "([^"]+)", &Api', source)}
        described = {(method, path) for path, methods in self.api.paths.items() for method in methods}
        self.assertEqual(described - routes, {("get", "/providers"), ("get", "/openapi.json")})
        self.assertEqual(routes - described, set())

    def test_a_token_may_do_what_its_scopes_say_until_it_is_revoked(self):
        made = self.token("dashboard", "holds", "status")
        token = made["token"]
        allowed = {path: self.console.ask(f"/api/v1/{path}", token=token)[0] for path in
                   ("me", "holds", "status", "sessions", "search?text=a", "policy")}
        self.assertEqual(allowed, {"me": 200, "holds": 200, "status": 200, "sessions": 403, "search?text=a": 403, "policy": 403})
        self.assertEqual(self.console.json("/api/v1/me", token=token)[1]["may"], {"view": True, "decide": False, "end": False, "review": False})
        stored = (self.assent.state / "api-tokens.json").read_text()
        self.assertNotIn(token, stored)
        self.assertNotIn(token[7:], stored)
        listed = self.assent.ask("token", "list")
        self.assertIn("dashboard", [each["name"] for each in listed])
        self.assertNotIn("sha256", json.dumps(listed))
        self.assent.restart()
        self.assertEqual(self.console.ask("/api/v1/holds", token=token)[0], 200)
        self.assent.ask("token", "revoke", made["id"])
        self.assertEqual(self.console.ask("/api/v1/holds", token=token)[0], 403)
        found = self.assent.cli("search", made["id"]).stdout
        self.assertGreaterEqual(found.count("administered"), 2, "making and revoking are recorded")

    def test_tokens_are_made_by_root_and_named_once(self):
        for wanted, *arguments in ((2, "create", "a", "--scope", "approve"), (2, "create", "no/name", "--scope", "holds"), (1, "revoke", "nothing")):
            self.assertEqual(self.assent.cli("token", *arguments).returncode, wanted, arguments)
        self.assertEqual(self.assent.cli("token", "create", "c", "--scope", "holds", user="backup").returncode, 4)
        self.token("twice", "holds")
        self.assertEqual(self.assent.cli("token", "create", "twice", "--scope", "holds").returncode, 2)

    def test_events_come_to_programs_too(self):
        token = self.token("watcher", "holds")["token"]
        agent, hold = self.hold_one(62)
        asked = urllib.request.Request(self.console.url + "/api/v1/holds/events", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked, context=self.console.tls, timeout=20) as stream:
            lines = []
            while not lines or "listed" not in lines[-1]:
                lines.append(stream.readline().decode().strip())
        self.assertTrue(any(hold in line for line in lines), lines)
        agent.kill()


if __name__ == "__main__":
    harness.main()
