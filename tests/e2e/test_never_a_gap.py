"""An agent connects 200 times a second, each time to another address of a host behind a veth pair, where every packet is captured, while assentd
is upgraded to other programs and back, restarted and killed. Not one connection reaches that host without a record on disk; an upgrade refuses
none. `test_never_a_gap.py --long` goes on for ten minutes."""

import ipaddress
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
import unittest

import harness
import throwaway

RATE, PORT = 200, 7000
CALM = 1.5  # seconds of connections before, between and after what is done to assentd
NETWORK = ipaddress.ip_network("198.18.128.0/17")  # of the one for benchmarks (RFC 2544), and nowhere else
OURS, THEIRS = "198.18.0.1", "198.18.0.2"
POLICY = f"""
version: 1
for: {{agents: [steady], targets: [far]}}
agents:
  steady: [{{run: steady, runners: [root]}}]
targets:
  far:
    protocol: tcp
    addresses: ["{NETWORK}:{PORT}"]
rules:
  - {{name: everything, operations: [connect], objects: [any], verdict: allow}}
"""
SUPPORT = throwaway.SOURCE / "tests/support"


class FarHost:
    """A network namespace at the other end of a veth pair, in which everything of NETWORK is answered, and captured."""

    def __init__(self):
        self.name, self.ours, self.theirs = f"assent-far-{os.getpid()}", f"asn{os.getpid()}", f"asf{os.getpid()}"
        self.ip("netns", "add", self.name)
        self._undo = throwaway.cleanup().add(subprocess.run, ["ip", "netns", "delete", self.name])  # the pair goes with it
        self.ip("link", "add", self.ours, "type", "veth", "peer", "name", self.theirs, "netns", self.name)
        self.ip("address", "add", f"{OURS}/30", "dev", self.ours)
        self.ip("link", "set", self.ours, "up")
        for words in (f"address add {THEIRS}/30 dev {self.theirs}", f"link set {self.theirs} up", "link set lo up",
                      f"route add local {NETWORK} dev lo"):
            self.ip("-n", self.name, *words.split())
        self.ip("route", "add", f"{NETWORK}", "via", THEIRS)

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    def start(self):
        self.process = subprocess.Popen(["ip", "netns", "exec", self.name, "/usr/bin/python3", SUPPORT / "far_side.py", self.theirs, str(PORT)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        throwaway.cleanup().add(throwaway.stop_process, self.process)
        assert self.process.stdout.readline() == "ready\n"

    def finish(self):
        """What arrived since start()."""
        out, _ = self.process.communicate(timeout=60)
        return json.loads(out)

    def close(self):
        self._undo()


class NeverAGap(unittest.TestCase):
    rounds = 1
    first = 0  # place of the next address that nobody has connected to

    @classmethod
    def setUpClass(cls):
        cls.far = FarHost()
        cls.binaries = {"ours": throwaway.BUILD / "userspace/app/assentd", "next": throwaway.BUILD / "tests/upgrade/assentd_next",
                        "other": throwaway.BUILD / "tests/upgrade/assentd_other"}
        cls.installed = throwaway.folder() / "assentd"
        cls.install("ours")
        cls.assent = throwaway.Assent({"far.yaml": POLICY}, name="gap", threads=2, binary=cls.installed)

    @classmethod
    def tearDownClass(cls):
        cls.assent.close()
        cls.far.close()

    @classmethod
    def install(cls, which):
        """As a package manager does: the new file takes the place of the one that runs."""
        fresh = cls.installed.with_suffix(".new")
        shutil.copy(cls.binaries[which], fresh)
        os.replace(fresh, cls.installed)

    def under_load(self, *steps):
        """Takes the steps while the agent connects; gives what the agent and the far host saw, and when each step began and ended."""
        self.far.start()
        agent = self.assent.start_agent("/usr/bin/python3", SUPPORT / "steady_agent.py", str(NETWORK), str(self.first), str(PORT), str(RATE),
                                        name="steady", stdin=subprocess.PIPE)
        self.assertEqual(agent.stdout.readline(), "ready\n", agent.stderr)
        agent.stdin.write("\n")
        agent.stdin.flush()
        time.sleep(CALM)
        times = []
        for step in steps:
            begun = time.monotonic()
            step()
            times.append((begun, time.monotonic()))
            time.sleep(CALM)
        out, errors = agent.communicate(timeout=60)
        self.assertEqual(agent.returncode, 0, errors)
        seen = json.loads(out)
        type(self).first += len(seen)
        return seen, self.far.finish(), times

    def flows_on_record(self):
        """{address asked for: flows whose connect was recorded as forwarded}, read by other code than assent's."""
        done = subprocess.run([SUPPORT / "read_log.py", self.assent.state / "records", "--leaves"], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        asked, flows = {}, {}
        for line in done.stdout.splitlines():
            leaf = json.loads(line)
            if leaf.get("type") == "flow.opened":
                asked[leaf["session"]] = leaf["asked_for"].rsplit(":", 1)[0]
            if leaf.get("type") == "command" and leaf.get("kind") == "startup" and leaf.get("enforced") == "allow":
                flows[asked[leaf["session"]]] = flows.get(asked[leaf["session"]], 0) + 1
        return flows

    def check(self, what, seen, far, times, may_fail):
        """Nothing arrived unrecorded, or past the proxy; only in `may_fail` did anything but "ok" happen, and then a refusal."""
        self.assertEqual(far["dropped"], 0)
        self.assertEqual(far["others"], [])
        flows = self.flows_on_record()
        for address, ports in far["arrived"].items():
            self.assertLessEqual(len(ports), flows.get(address, 0), f"{address} was reached from {ports} and {flows.get(address, 0)} flows are recorded")
        for address, lines in far["said"].items():
            self.assertEqual(lines, [address])
        failed = [entry for entry in seen if entry[1] != "ok"]
        for address, outcome, started, _, took in failed:
            self.assertIn(outcome, ("refused", "reset", "closed"), (address, outcome))
            self.assertTrue(any(started + took >= begun and started <= ended + 0.1 for begun, ended in may_fail),
                            f"{what}: {address} was {outcome} {started - times[0][0]:.3f} s after the first step, took {took:.3f}\n"
                            + self.assent.daemon_log()[-3000:])
        served = [entry for entry in seen if entry[1] == "ok"]
        self.assertGreater(len(served), CALM * len(times) * RATE / 4, "most are served while nothing is done to assentd")
        counts = {outcome: sum(1 for entry in failed if entry[1] == outcome) for outcome in sorted({entry[1] for entry in failed})}
        pause = max(entry[4] for entry in served)
        median = statistics.median(entry[4] for entry in served)
        print(f"\n{what}: {len(seen)} connections, {len(served)} served, {counts or 'none refused'}; {len(far['arrived'])} addresses reached, all recorded; "
              f"longest wait {pause * 1000:.0f} ms, median {median * 1000:.1f} ms; steps took "
              + ", ".join(f"{ended - begun:.2f} s" for begun, ended in times), flush=True)

    def upgrade(self, which):
        self.install(which)
        done = self.assent.cli("upgrade", timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr + self.assent.daemon_log()[-3000:])

    def restart(self, how, which):
        self.install(which)
        how()
        self.assent.start()

    def test_an_upgrade_and_the_way_back_refuse_nobody(self):
        for _ in range(self.rounds):
            pid = self.assent.process.pid
            seen, far, times = self.under_load(lambda: self.upgrade("next"), lambda: self.upgrade("ours"))
            self.check("upgrade and back", seen, far, times, [])
            self.assertEqual(self.assent.ask("status")["pid"], pid)
            self.assertEqual(self.assent.process.poll(), None)

    def test_killed_and_restarted_with_other_programs(self):
        for _ in range(self.rounds):
            seen, far, times = self.under_load(lambda: self.restart(self.assent.kill, "ours"), lambda: self.restart(self.assent.stop, "next"),
                                               lambda: self.restart(self.assent.kill, "other"), lambda: self.upgrade("ours"))
            self.check("kill, restart, kill, upgrade from another state", seen, far, times, times)

    def test_a_signal_upgrades_too(self):
        before = self.assent.ask("status")
        self.assent.process.send_signal(signal.SIGUSR2)
        throwaway.wait_until(lambda: self.assent.ask("status")["since"] != before["since"], 20, "another daemon answers")
        self.assertEqual(self.assent.ask("status")["pid"], before["pid"])

    def test_a_program_that_would_not_start_is_not_upgraded_to(self):
        before = self.assent.ask("status")
        broken = self.installed.with_suffix(".new")
        broken.write_text("#!/bin/sh\necho 'the moon is full' >&2\nexit 1\n")
        broken.chmod(0o755)
        os.replace(broken, self.installed)
        done = self.assent.cli("upgrade")
        self.install("ours")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("the moon is full", done.stderr)
        self.assertEqual(self.assent.ask("status")["since"], before["since"])
        refused = self.assent.cli("upgrade", user="nobody")
        self.assertEqual(refused.returncode, 4, refused.stderr)


if __name__ == "__main__":
    if "--long" in sys.argv:
        sys.argv.remove("--long")
        NeverAGap.rounds = 40
    harness.main()
