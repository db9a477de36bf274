"""Measures in short interleaved rounds and takes medians, so that what else the machine does hits all three alike."""

import json
import re
import statistics
import sys
import time
from pathlib import Path

import report
from systems import cpu_seconds, make_systems, resident_bytes, throwaway

OUT = throwaway.SOURCE / "build/benchmarks"

CLIENTS = (1, 8, 64)
WORKLOADS = [(f"{protocol} -S, {clients}", ["-S", "-M", protocol], clients, 1) for protocol in ("simple", "extended", "prepared") for clients in CLIENTS]
WORKLOADS += [(f"TPC-B, {clients}", ["-M", "simple"], clients, 7) for clients in CLIENTS]
CONNECTS = "connect, SELECT 1, close; 8"

# 100,000 rows taken by libpq alone: no time goes into turning them into Python objects. Prints seconds.
FETCH = """
import sys, time, psycopg
port, sql, binary, times = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with psycopg.connect(host="127.0.0.1", port=port, dbname="bench", user="bench", autocommit=True) as c:
    for _ in range(times):
        started = time.perf_counter()
        r = c.pgconn.exec_params(sql.encode(), None, result_format=binary)
        if r.ntuples != 100000:
            sys.exit(f"{r.ntuples} rows: {r.error_message.decode()}")
        print(time.perf_counter() - started)
"""

IDLE = """
import resource, sys, psycopg
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
port, count = int(sys.argv[1]), int(sys.argv[2])
kept = []
for _ in range(count):
    c = psycopg.connect(host="127.0.0.1", port=port, dbname="bench", user="bench", autocommit=True)
    c.execute("SELECT 1").fetchone()
    kept.append(c)
print("open", flush=True)
sys.stdin.readline()
"""


class Measured:
    """Samples by (what, system)."""

    def __init__(self):
        self.rates, self.cpu = {}, {}

    def add_rate(self, what, system, value):
        self.rates.setdefault((what, system.name), []).append(value)

    def add_cpu(self, what, system, seconds, queries):
        if system.pid and queries:
            self.cpu.setdefault((what, system.name), []).append(seconds / queries * 1e6)

    def medians(self):
        return ({key: statistics.median(values) for key, values in self.rates.items()},
                {key: statistics.median(values) for key, values in self.cpu.items()})


def pgbench(system, options, clients, seconds):
    """One round: transactions a second, how many there were, and the proxy's CPU seconds."""
    before = cpu_seconds(system.pid) if system.pid else 0
    out = system.run(throwaway.postgres_bin() / "pgbench", "-n", "-h", "127.0.0.1", "-p", system.port, "-U", "bench", "-c", clients, "-j",
                     min(clients, 2), "-T", seconds, *options, "bench")
    after = cpu_seconds(system.pid) if system.pid else 0
    failed = re.search(r"number of failed transactions: (\d+)", out)
    if failed and failed.group(1) != "0":
        raise RuntimeError(f"{system.name}: {out}")
    rate = float(re.search(r"tps = ([\d.]+)", out).group(1))
    count = int(re.search(r"actually processed: (\d+)", out).group(1))
    return rate, count, after - before


def measure_pgbench(systems, measured, rounds, seconds, progress):
    select_one = throwaway.folder() / "select-one.sql"
    select_one.write_text("SELECT 1;\n")
    workloads = WORKLOADS + [(CONNECTS, ["-C", "-f", str(select_one)], 8, 1)]
    for round_ in range(rounds):
        for what, options, clients, queries in workloads:
            for system in systems:
                rate, count, cpu = pgbench(system, options, clients, seconds)
                measured.add_rate(what, system, rate)
                measured.add_cpu(what, system, cpu, count * queries)
            progress(f"round {round_ + 1} of {rounds}: {what}")


def measure_rows(systems, measured, rounds, progress):
    selections = {"plain": "SELECT id, name, email, balance, since FROM people", "masked": "SELECT id, name, email, national_id, balance FROM people"}
    for round_ in range(rounds):
        for kind, sql in selections.items():
            for binary, form in ((0, "text"), (1, "binary")):
                what = f"100,000 rows, {kind}, {form}"
                for system in systems:
                    out = system.run("/usr/bin/python3", "-c", FETCH, system.port, sql, binary, 3)
                    for line in out.split():
                        measured.add_rate(what, system, 100_000 / float(line))
        progress(f"round {round_ + 1} of {rounds}: rows")


def measure_memory(systems, flows=1000):
    """Resident bytes a flow, of proxies, over a start that has already served some."""
    result = {}
    for system in systems:
        if system.pid is None:
            continue
        for count in (50, flows):
            before = resident_bytes(system.pid)
            process = system.start("/usr/bin/python3", "-c", IDLE, system.port, count)
            if process.stdout.readline() != "open\n":
                raise RuntimeError(f"{system.name}: {flows} connections could not be opened")
            time.sleep(1)
            result[system.name] = (resident_bytes(system.pid) - before) / count
            process.stdin.close()
            process.wait(60)
            time.sleep(2)
    return result


def main():
    is_quick = "--quick" in sys.argv
    rounds, seconds = (3, 2) if is_quick else (5, 4)
    started = time.monotonic()

    def progress(text):
        print(f"[{int(time.monotonic() - started) // 60:02d}:{int(time.monotonic() - started) % 60:02d}] {text}", flush=True)

    throwaway.be_plain_root()
    progress("a database, pgbouncer, assentd")
    systems = make_systems(scale=64)  # pgbench: no smaller than the clients, or they wait for each other
    measured = Measured()
    measure_pgbench(systems, measured, rounds, seconds, progress)
    measure_rows(systems, measured, rounds, progress)
    progress("1,000 idle flows")
    memory = measure_memory(systems)
    rates, cpu = measured.medians()
    OUT.mkdir(parents=True, exist_ok=True)
    names = [workload[0] for workload in WORKLOADS] + [CONNECTS]
    text, is_met = report.markdown(names, rates, cpu, memory, rounds, seconds)
    (OUT / "benchmarks.md").write_text(text)
    (OUT / "benchmarks.json").write_text(json.dumps({"rates": [[*key, value] for key, value in rates.items()], "memory": memory,
                                                     "cpu": [[*key, value] for key, value in cpu.items()]}, indent=1))
    report.plot(names, rates, OUT / "benchmarks.svg")
    print(text)
    progress(f"written to {Path(OUT).relative_to(throwaway.SOURCE)}/benchmarks.md, .json and .svg")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
