"""The three ways to one database that are compared: direct, through pgbouncer (session pooling), through assent."""

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import throwaway  # noqa: E402

POLICY = """
version: 1
for: {{agents: [bench], targets: [bench-db]}}
agents:
  bench: [{{run: bench, runners: [root]}}]
targets:
  bench-db:
    protocol: postgres
    addresses: ["127.0.0.1:{port}"]
rules:
  - {{name: everything-of-pgbench, operations: [read, writes, transaction, lock, export, maintenance], objects: ["public.*"], verdict: allow}}
masks:
  - {{name: numbers, columns: [public.people.national_id], method: {{partial: {{keep_last: 4}}}}, unproven: mask}}
"""

PEOPLE = """
CREATE TABLE people AS
SELECT n AS id, 'Name ' || n AS name, 'person' || n || '@example.com' AS email, lpad((n * 7919 % 1000000000)::text, 9, '0') AS national_id,
       (n % 100000) / 100.0 AS balance, timestamptz '2026-01-01 00:00+00' + n * interval '1 minute' AS since
FROM generate_series(1, 100000) AS n;
ANALYZE people;
"""


def cpu_seconds(pid):
    """User and system time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


class Direct:
    name = "direct"
    pid = None

    def __init__(self, postgres):
        self.port = postgres.port
        self.environment = {**os.environ, "PGPASSWORD": throwaway.PASSWORD, "PGSSLMODE": "disable"}

    def run(self, *command, timeout=300):
        done = subprocess.run(list(map(str, command)), env=self.environment, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {done.stderr[-2000:]}")
        return done.stdout

    def start(self, *command):
        process = subprocess.Popen(list(map(str, command)), env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        throwaway.cleanup().add(throwaway.stop_process, process)
        return process


class PgBouncer(Direct):
    name = "pgbouncer"

    def __init__(self, postgres):
        super().__init__(postgres)
        self.port = throwaway.free_port()
        home = throwaway.folder() / "pgbouncer"
        home.mkdir()
        (home / "users").write_text(f'"bench" "{throwaway.PASSWORD}"\n')
        (home / "pgbouncer.ini").write_text(f"""[databases]
bench = host=127.0.0.1 port={postgres.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
auth_type = scram-sha-256
auth_file = {home}/users
pool_mode = session
max_client_conn = 2000
default_pool_size = 1100
unix_socket_dir =
ignore_startup_parameters = extra_float_digits
""")
        log = open(home / "log", "wb")
        self.process = subprocess.Popen(["/usr/sbin/pgbouncer", "-q", home / "pgbouncer.ini"], stdout=log, stderr=log, user="postgres", group="postgres",
                                        extra_groups=[], preexec_fn=throwaway._die_with_parent)
        throwaway.cleanup().add(throwaway.stop_process, self.process)
        self.pid = self.process.pid


class ThroughAssent(Direct):
    """The agent connects to the database's own address: nothing of its command differs from Direct's."""

    name = "assent"

    def __init__(self, postgres):
        super().__init__(postgres)
        self.assent = throwaway.Assent({"bench.yaml": POLICY.format(port=postgres.port)}, name="bench", threads=0)
        self.pid = self.assent.process.pid

    def run(self, *command, timeout=300):
        done = self.assent.agent(*command, name="bench", environment=self.environment | self.assent.environment, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {done.stderr[-2000:]}\n{self.assent.daemon_log()[-2000:]}")
        return done.stdout

    def start(self, *command):
        return self.assent.start_agent(*command, name="bench", environment=self.environment | self.assent.environment, stdin=subprocess.PIPE,
                                       stderr=None)


def make_systems(scale):
    """The database with pgbench's tables and 100,000 people, and the three ways to it."""
    postgres = throwaway.Postgres(settings={"max_connections": 2600, "shared_buffers": "1GB", "max_wal_size": "4GB", "fsync": "on"})
    postgres.sql(f"CREATE ROLE bench LOGIN PASSWORD '{throwaway.PASSWORD}'; CREATE DATABASE bench OWNER bench;")
    direct = Direct(postgres)
    direct.run(throwaway.postgres_bin() / "pgbench", "-i", "-q", "-s", scale, "-h", "127.0.0.1", "-p", postgres.port, "-U", "bench", "bench")
    postgres.sql("SET ROLE bench;" + PEOPLE, "bench")
    systems = [direct, PgBouncer(postgres), ThroughAssent(postgres)]
    for system in systems:
        throwaway.wait_until(lambda system=system: _answers(system), 20, f"{system.name} answers")
    return systems


def _answers(system):
    try:
        return system.run("psql", "-XAtc", "SELECT 1", "-h", "127.0.0.1", "-p", system.port, "-U", "bench", "bench").strip() == "1"
    except RuntimeError as error:
        _answers.last = error
        return False
