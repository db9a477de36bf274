"""Compares PostgreSQL's regression suite direct and through assent: `regression.py SOURCE_FOLDER [TEST…]`, by tools/regression."""

import difflib
import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path

import harness
import throwaway

# Everything is allowed, also what is not understood, and the relations that no wildcard covers.
POLICY = """
version: 1
agents:
  suite: [{run: suite, runners: [root]}]
targets:
  suite-db: {protocol: postgres, addresses: ["127.0.0.1:@PORT@"]}
rules:
  - {name: everything, agents: [any], targets: [any], operations: [any], objects: [any], verdict: allow}
  - name: everything-else
    agents: [any]
    targets: [any]
    operations: [any]
    objects: ["@catalog", pg_catalog.pg_statistic, pg_catalog.pg_stats, pg_catalog.pg_statistic_ext_data, "pg_catalog.pg_stats_ext*",
              pg_catalog.pg_stat_activity, pg_catalog.pg_authid, pg_catalog.pg_shadow, pg_catalog.pg_largeobject]
    verdict: allow
"""


def readable_copy(source):
    """The suite where the server's user can read it, with its library built."""
    suite = throwaway.folder() / "suite"
    shutil.copytree(source / "src/test/regress", suite)
    # The server reads and writes below the suite's folders itself.
    include = subprocess.run([throwaway.postgres_bin() / "pg_config", "--includedir-server"], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", f"-I{include}", suite / "regress.c", "-o", suite / "regress.so"], check=True)
    return suite


def run_suite(suite, name, tests, start):
    """Runs pg_regress on a fresh server; gives {test: output}. `start(postgres, command)` runs the command to its end."""
    postgres = throwaway.Postgres(name, settings={"max_prepared_transactions": 10, "shared_buffers": "128MB"})
    out = throwaway.folder() / f"out-{name}"
    out.mkdir()
    user = pwd.getpwnam("postgres")
    os.chown(out, user.pw_uid, user.pw_gid)
    pg_regress = throwaway.postgres_bin().parent / "lib/pgxs/src/test/regress/pg_regress"
    which = tests or [f"--schedule={suite}/parallel_schedule"]
    command = [pg_regress, f"--inputdir={suite}", f"--outputdir={out}", f"--dlpath={suite}", f"--bindir={throwaway.postgres_bin()}",
               "--host=127.0.0.1", f"--port={postgres.port}", "--user=postgres", "--max-connections=4", *which]
    done = start(postgres, list(map(str, command)))
    (throwaway.folder() / f"{name}.log").write_text(done.stdout + done.stderr)
    tail = [line for line in done.stdout.splitlines() if re.search(r"tests? (passed|failed)", line)]
    print(f"{name}: {tail[-1].strip() if tail else done.stderr[-500:]}", flush=True)
    postgres.stop()
    return {path.name: path.read_text(errors="replace") for path in (out / "results").rglob("*.out")}


def directly(postgres, command):
    user = pwd.getpwnam("postgres")
    return subprocess.run(command, user=user.pw_uid, group=user.pw_gid, extra_groups=[], capture_output=True, text=True,
                          env={**os.environ, "PGPASSWORD": throwaway.PASSWORD, "HOME": "/tmp"})


def through_assent(postgres, command):
    assent = throwaway.Assent({"suite.yaml": POLICY.replace("@PORT@", str(postgres.port))}, name="regression", threads=2)
    try:
        return assent.agent(*command, name="suite", user="postgres", timeout=1800, environment={"PGPASSWORD": throwaway.PASSWORD, "HOME": "/tmp"})
    finally:
        assent.close()


def main():
    source, tests = Path(sys.argv[1]), sys.argv[2:]
    throwaway.be_plain_root()
    suite = readable_copy(source)
    first = run_suite(suite, "direct", tests, directly)
    again = run_suite(suite, "direct-again", tests, directly)
    ours = run_suite(suite, "assent", tests, through_assent)
    keep = throwaway.SOURCE / "build/regression"
    shutil.rmtree(keep, ignore_errors=True)
    keep.mkdir(parents=True)
    different = 0
    for name in sorted(first):
        if ours.get(name) == first[name] or ours.get(name) == again.get(name):
            continue
        is_noise = first[name] != again.get(name)
        lines = list(difflib.unified_diff(first[name].splitlines(), ours.get(name, "").splitlines(), f"direct/{name}", f"assent/{name}", n=3, lineterm=""))
        (keep / f"{name}.diff").write_text("\n".join(lines) + "\n")
        changed = sum(1 for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))
        print(f"{name}: {changed} lines differ{' (two direct runs differ too)' if is_noise else ''}")
        different += 0 if is_noise else 1
    print(f"{len(first)} tests, {different} with results that differ from direct; diffs in build/regression/")
    return 1 if different else 0


if __name__ == "__main__":
    assert harness  # its import has put tests/support on the path
    sys.exit(main())
