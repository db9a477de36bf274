"""What every end to end test starts from: one PostgreSQL with the shop, one assentd, agents by `assent run`."""

import json
import os
import select
import subprocess
import sys
import textwrap
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import throwaway  # noqa: E402

POLICY = """
version: 1
for: {agents: [nightly], targets: [shop-db]}
agents:
  nightly:
    - {run: "nightly*", runners: [root]}
targets:
  shop-db:
    protocol: postgres
    addresses: ["127.0.0.1:@PORT@", "[::1]:@PORT@"]
    databases: [shop]
rules:
  - {name: reads, operations: [read, transaction, lock], objects: ["public.*"], verdict: allow}
  - {name: new-orders, operations: [insert, import], objects: [public.orders, public.payments], verdict: allow}
  - {name: exports, operations: [export], objects: ["public.*"], verdict: allow}
  - {name: changes-need-a-dba, operations: [update, delete], objects: ["public.*"], verdict: hold, approval: dba}
  - {name: no-destructive-ddl, operations: [drop, alter, truncate], verdict: deny,
     message: Schema changes go through the migration pipeline.}
approvals:
  dba:
    wait: 4s
    deadline: 60s
    stages: [{reviewers: {users: [root, backup], groups: [www-data]}, quorum: 1}]
masks:
  - {name: national-ids, columns: [public.customers.national_id], method: {partial: {keep_last: 4}}, unproven: mask}
  - {name: cards, columns: [public.customers.card_number], method: redact, unproven: mask}
"""

DECIDE = {"users": ["root", "backup"], "groups": ["www-data"]}

# What the scripts of agents start with; `say` prints one JSON object a line.
PRELUDE = """
import json, os, sys, time
import psycopg
DSN = os.environ["DSN"]
def connect(**options):
    return psycopg.connect(DSN, **({"autocommit": True} | options))
def say(**values):
    print(json.dumps(values, default=str), flush=True)
def error_of(error):
    d = error.diag
    return {"sqlstate": error.sqlstate, "message": d.message_primary, "detail": d.message_detail, "hint": d.message_hint}
"""


class Script:
    """A running agent that speaks JSON lines."""

    def __init__(self, process):
        self.process = process
        self._rest = b""

    def next(self, seconds=20):
        """The next object that it says."""
        end = time.monotonic() + seconds
        output = self.process.stdout.fileno()
        while b"\n" not in self._rest:
            if not select.select([output], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"the agent said nothing within {seconds} s")
            data = os.read(output, 65536)
            if not data:
                self.process.wait(10)
                raise AssertionError(f"the agent ended with {self.process.returncode}: {self.process.stderr.read()}")
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def tell(self, line=""):
        """Writes a line to its standard input."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def finish(self, seconds=30):
        """Waits for its end; an error in the script is an error of the test."""
        self.process.wait(seconds)
        if self.process.returncode != 0:
            raise AssertionError(f"the agent ended with {self.process.returncode}: {self.process.stderr.read()}")


class EndToEnd(unittest.TestCase):
    """Subclasses may change the policy, the server's settings and assentd's before setUpClass runs."""

    policy = POLICY
    postgres_settings = {"log_statement": "all"}
    postgres_tls = None
    threads = 1
    extra_settings = {}
    decide = DECIDE
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.postgres = throwaway.Postgres(name=f"pg-{cls.__name__}", settings=cls.postgres_settings, tls=cls.postgres_tls)
        throwaway.make_shop(cls.postgres)
        cls.assent = throwaway.Assent({"shop.yaml": cls.fill(cls.policy)}, name=cls.__name__.lower(), threads=cls.threads, decide=cls.decide,
                                      extra_settings=cls.extra_settings)

    @classmethod
    def tearDownClass(cls):
        cls.assent.close()
        cls.postgres.stop()

    @classmethod
    def fill(cls, policy):
        return policy.replace("@PORT@", str(cls.postgres.port)).replace("@FOLDER@", str(throwaway.folder()))

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before and hasattr(self, "assent"):
            print(f"--- assentd's log, {self.id()}\n{self.assent.daemon_log()[-6000:]}", file=sys.stderr)
            print(f"--- PostgreSQL's log\n{self.postgres.server_log()[-2000:]}\n---", file=sys.stderr)

    def dsn(self, **changes):
        parts = {"host": "127.0.0.1", "port": self.postgres.port, "dbname": "shop", "user": "shop_app", "password": throwaway.PASSWORD,
                 "connect_timeout": 10} | changes
        return " ".join(f"{key}={value}" for key, value in parts.items())

    # An agent that is psql: gives the finished process.
    def psql(self, *statements, name="nightly", options=(), dsn=None, **rest):
        commands = [part for statement in statements for part in ("-c", statement)]
        return self.assent.agent("psql", "-XAt", *options, *commands, dsn or self.dsn(), name=name, **rest)

    def psql_rows(self, *statements, **rest):
        done = self.psql(*statements, **rest)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    # An agent that is a Python script with psycopg 3: gives what it said.
    def script(self, text, seconds=60, **rest):
        done = self.assent.agent("/usr/bin/python3", "-c", PRELUDE + textwrap.dedent(text), environment={"DSN": self.dsn()}, timeout=seconds, **rest)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        return said[0] if len(said) == 1 else said

    def start_script(self, text, **rest):
        process = self.assent.start_agent("/usr/bin/python3", "-c", PRELUDE + textwrap.dedent(text), environment={"DSN": self.dsn()}, **rest)
        return Script(process)

    def holds(self, *options):
        return self.assent.ask("holds", *options)

    def wait_for_hold(self, text, seconds=15):
        """The waiting hold whose command contains `text`."""
        return throwaway.wait_until(
            lambda: next((hold for hold in self.holds() if hold["state"] == "waiting" and text in hold["text"]), None), seconds,
            f"a hold of {text!r}")

    def approve(self, hold, **options):
        return self.assent.cli("approve", hold["id"], "--reason", "a test says so", **options)

    def deny(self, hold, **options):
        return self.assent.cli("deny", hold["id"], "--reason", "a test says no", **options)

    def server_ran(self, text):
        """Whether the database's own log shows a statement; what assent asks about it is not it."""
        return any(text in line for line in self.postgres.server_log().splitlines()
                   if ("statement:" in line or "execute" in line) and "execute assent question/" not in line)

    def assert_refused(self, error, cause="rule", retry="never"):
        self.assertEqual(error["sqlstate"], "42501", error)
        self.assertIn("assent", error["message"])
        self.assertIn(f"cause={cause}", error["detail"])
        self.assertIn(f"retry={retry}", error["detail"])


def main():
    if os.geteuid() != 0:
        sys.exit("end to end tests load BPF programs: run them as root")
    missing = [name for name in ("userspace/app/assentd", "userspace/cli/assent") if not (throwaway.BUILD / name).exists()]
    if missing:
        sys.exit(f"not built in {throwaway.BUILD}: {', '.join(missing)}")
    subprocess.run(["/usr/bin/python3", "-c", "import psycopg"], check=True)
    throwaway.be_plain_root()
    unittest.main(module="__main__", verbosity=2)
