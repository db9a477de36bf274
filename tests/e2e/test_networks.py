"""Agents in network namespaces of their own, as containers have: intercepted, recorded and answered the same."""

import ctypes
import json
import os
import subprocess
import time

import harness
import resolvers
import throwaway

NEAR, FAR = "10.231.9.1", "10.231.9.2"  # this host's end of the wire, and the container's
CLONE_NEWNET = 0x40000000


def ip(*arguments, inside=None):
    entering = ["nsenter", "-t", str(inside), "-n"] if inside else []
    subprocess.run([*entering, "ip", *arguments], check=True)


class Container:
    """A network namespace with a wire to this host's; it ends with its first process."""

    def __init__(self, is_wired=True):
        self.process = subprocess.Popen(["unshare", "-n", "sleep", "3600"], preexec_fn=throwaway._die_with_parent)
        throwaway.cleanup().add(throwaway.stop_process, self.process)
        self.pid = self.process.pid
        own = os.stat("/proc/self/ns/net").st_ino
        throwaway.wait_until(lambda: self.inode != own, 10, "a network namespace")
        ip("link", "set", "lo", "up", inside=self.pid)
        if not is_wired:
            return
        ip("link", "add", "wire0", "type", "veth", "peer", "name", "wire1", "netns", str(self.pid))
        ip("address", "add", f"{NEAR}/30", "dev", "wire0")
        ip("link", "set", "wire0", "up")
        ip("address", "add", f"{FAR}/30", "dev", "wire1", inside=self.pid)
        ip("link", "set", "wire1", "up", inside=self.pid)

    @property
    def inode(self):
        return os.stat(f"/proc/{self.pid}/ns/net").st_ino

    def prefix(self):
        return ["nsenter", "-t", str(self.pid), "-n", "--"]

    def stop(self):
        throwaway.stop_process(self.process)


class Networks(harness.EndToEnd):
    policy = harness.POLICY.replace('"127.0.0.1:@PORT@", "[::1]:@PORT@"', f'"{NEAR}:@PORT@", "db.container.test:@PORT@"')
    postgres_settings = {**harness.EndToEnd.postgres_settings, "listen_addresses": f"127.0.0.1,{NEAR}"}

    @classmethod
    def setUpClass(cls):
        cls.container = Container()
        cls.resolver = resolvers.Dnsmasq(f"{NEAR} db.container.test\n", name="container")
        cls.extra_settings = {"dns": json.dumps({"resolvers": [f"127.0.0.1:{cls.resolver.port}"]})}
        super().setUpClass()
        hba = cls.postgres.data / "pg_hba.conf"
        hba.write_text(f"host all all {NEAR}/30 scram-sha-256\n" + hba.read_text())
        cls.postgres.sql("SELECT pg_reload_conf()")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.resolver.stop()
        cls.container.stop()

    def in_container(self, container, *command, **rest):
        """What `assent run` gives when it is started inside."""
        run = self.assent.run_command(*command)
        return subprocess.run([*container.prefix(), *run], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                              env=self.assent.environment, **rest)

    def psql_in(self, container, statement, host=NEAR):
        return self.in_container(container, "psql", "-XAt", "-c", statement, self.dsn(host=host))

    def unit_in(self, container, statement, host=NEAR):
        """A process that is put into a governed cgroup by somebody else, as a container's is: nobody has prepared anything."""
        cgroup = self.assent.cgroup / "container.scope"
        cgroup.mkdir(exist_ok=True)

        def enter():
            (cgroup / "cgroup.procs").write_text(str(os.getpid()))

        command = [*container.prefix(), "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs", "--bounding-set=-all",
                   "psql", "-XAt", "-c", statement, self.dsn(host=host)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, preexec_fn=enter)

    def test_commands_are_judged_masked_and_recorded(self):
        done = self.psql_in(self.container, "SELECT national_id FROM customers ORDER BY id LIMIT 1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith("*"), done.stdout)
        refused = self.psql_in(self.container, "DROP TABLE orders")
        self.assertIn("assent denied", refused.stderr)
        log = self.postgres.server_log()
        self.assertNotIn("DROP TABLE", log)
        # Records of the other tests' sessions may come later.
        mine = [record for record in self.leaves("flow.opened") if record["agent"].get("network") == self.container.inode]
        self.assertGreaterEqual(len(mine), 2)
        self.assertEqual({record["asked_for"] for record in mine}, {f"{NEAR}:{self.postgres.port}"})
        self.assertEqual({record["agent"]["name"] for record in mine}, {"nightly"})

    def leaves(self, kind):
        done = subprocess.run([throwaway.SOURCE / "tests/support/read_log.py", self.assent.state / "records", "--leaves"], capture_output=True,
                              text=True, timeout=30)
        leaves = [json.loads(line) for line in done.stdout.splitlines() if kind in line]
        return [leaf for leaf in leaves if leaf.get("type") == kind]

    def test_names_lead_to_targets(self):
        resolv = throwaway.folder() / "resolv.conf"
        resolv.write_text("nameserver 9.9.9.9\n")
        # A container has its own resolver, which is never asked.
        script = f"mount --bind {resolv} /etc/resolv.conf && exec \"$@\""
        done = subprocess.run([*self.container.prefix(), "unshare", "-m", "sh", "-c", script, "sh",
                               *self.assent.run_command("psql", "-XAt", "-c", "SELECT count(*) FROM orders", self.dsn(host="db.container.test"))],
                              capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, env=self.assent.environment)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "1000"), done.stderr)
        lookups = [record for record in self.leaves("lookup") if record.get("name") == "db.container.test"]
        self.assertTrue(lookups)
        self.assertEqual({record["asked"] for record in lookups}, {"9.9.9.9:53"})
        self.assertEqual({record["network"] for record in lookups}, {self.container.inode})

    def test_a_namespace_without_a_route_has_assent_as_its_only_way(self):
        alone = Container(is_wired=False)
        done = self.psql_in(alone, "SELECT count(*) FROM orders")
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "1000"), done.stderr)
        alone.stop()

    def test_its_loopback_is_not_this_hosts(self):
        done = self.psql_in(self.container, "SELECT 1", host="127.0.0.1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("Operation not permitted", done.stderr)

    def test_a_process_that_nobody_announced_waits_for_the_daemon(self):
        fresh = Container(is_wired=False)
        done = self.unit_in(fresh, "SELECT count(*) FROM orders")
        # No policy knows this agent; but its connection has come to assent, which says so.
        self.assertIn("assent denied", done.stderr)
        fresh.stop()

    def test_with_the_daemon_killed_an_impostor_receives_nothing(self):
        self.assertEqual(self.psql_in(self.container, "SELECT 1").returncode, 0)
        self.assent.kill()
        impostor = subprocess.Popen([*self.container.prefix(), "/usr/bin/python3", "-c", IMPOSTOR, json.dumps(self.assent.ports)],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        throwaway.cleanup().add(throwaway.stop_process, impostor)
        self.assertEqual(impostor.stdout.readline().strip(), "there")
        done = self.unit_in(self.container, "SELECT 1")
        self.assertIn("Operation not permitted", done.stderr)
        said, _ = impostor.communicate("end\n", timeout=20)
        self.assertEqual(said.strip(), "nobody came")
        # Without it: refused, as on the host.
        time.sleep(5)
        self.assertIn("Connection refused", self.unit_in(self.container, "SELECT 1").stderr)
        self.assent.start()
        self.assertEqual(self.psql_in(self.container, "SELECT 1").returncode, 0)


IMPOSTOR = """
import json, select, socket, sys
ends = []
for port in json.loads(sys.argv[1]):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        one = socket.socket(family)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((address, port))
        one.listen()
        ends.append(one)
print("there", flush=True)
sys.stdin.readline()
print("somebody came" if select.select(ends, [], [], 0)[0] else "nobody came")
"""


def enter_own_network():
    """The wire and its addresses are this test's alone, and go with it."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    ip("link", "set", "lo", "up")


if __name__ == "__main__":
    if os.geteuid() == 0:
        enter_own_network()
    harness.main()
