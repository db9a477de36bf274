"""What is put under governing while it runs, and containers that wait until they are governed."""

import json
import os
import shutil
import socket
import subprocess
import threading

import harness
import throwaway

ROUNDS = 5

HOLD = """
import os, socket, sys
open({members!r}, "w").write(str(os.getpid()))
s = socket.create_connection(("127.0.0.1", {port}), 5)
print("connected", flush=True)
try:
    print("end" if s.recv(1) == b"" else "data", flush=True)
except OSError as error:
    print(error.strerror, flush=True)
"""


class Target:
    """A service that no policy lists; whoever gets there went past assent."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.accepted = self.socket.getsockname()[1], []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self.socket.accept()
            connection.sendall(b"x")
            self.accepted.append(connection)


class Govern(harness.EndToEnd):
    def setUp(self):
        self.unit = throwaway.cgroup_root() / f"{self.assent.name}_unit"
        self.unit.mkdir()
        self.addCleanup(throwaway.remove_cgroup, self.unit)

    def path(self, cgroup):
        return "/" + str(cgroup.relative_to(throwaway.cgroup_root()))

    def test_connections_of_a_running_unit_are_reset_and_told(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        port = server.getsockname()[1]
        agent = subprocess.Popen(["/usr/bin/python3", "-c", HOLD.format(members=str(self.unit / "cgroup.procs"), port=port)],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(agent.stdout.close)
        self.addCleanup(agent.wait, 10)
        self.addCleanup(agent.kill)
        peer, _ = server.accept()
        self.addCleanup(peer.close)
        self.assertEqual(agent.stdout.readline(), "connected\n")
        done = self.assent.cli("govern", "--cgroup", self.path(self.unit))
        self.assertEqual((done.returncode, done.stdout), (0, f"governed: {self.path(self.unit)}\n"), done.stderr)
        self.assertIn(self.path(self.unit), self.assent.ask("status")["governed"])
        peer.settimeout(5)
        with self.assertRaises(ConnectionResetError):
            peer.recv(1)
        self.assertEqual(agent.stdout.readline(), "Software caused connection abort\n")

        def found():
            told = json.loads(self.assent.cli("search", f"127.0.0.1:{port}", "--json").stdout or "[]")
            return [match for match in told if match["type"] == "socket.before"]

        matches = throwaway.wait_until(found, 10, "the record")
        self.assertEqual(len(matches), 1)
        self.assertEqual(matches[0]["agent"], self.path(self.unit))
        shown = next(each for each in self.assent.ask("status")["sockets_before"] if each["cgroup"] == self.path(self.unit))
        self.assertEqual((shown["ended"], shown["left"]), (1, 0))
        self.assertIn("1 ended, 0 left", self.assent.cli("status").stdout)
        # A daemon that starts again finds it governed, and nothing is from before.
        self.assent.restart()
        self.assertIn(self.path(self.unit), self.assent.ask("status")["governed"])
        self.assertEqual(self.assent.ask("status")["sockets_before"], [])

    def test_only_root_and_no_agent_says_who_is_governed(self):
        done = self.assent.cli("govern", "--cgroup", self.path(self.unit), user="nobody")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertEqual(self.assent.cli("govern", "--cgroup", self.path(self.unit) + "_not").returncode, 1)
        self.assertEqual(self.assent.cli("govern", "--cgroup", self.path(self.assent.daemon_cgroup)).returncode, 2)
        self.assertEqual(self.assent.cli("govern", "--unit", "no-such.service").returncode, 1)
        self.assertEqual(self.assent.cli("govern", "--oci-hook").returncode, 2)  # nothing on the standard input

    def container(self, port, number):
        """Runs a container whose first act is to connect, and which is governed by a hook before; gives the finished runtime."""
        bundle = throwaway.folder() / f"bundle-{number}"
        for each in ("rootfs/bin", "rootfs/proc", "rootfs/dev", "rootfs/sys", "state"):
            (bundle / each).mkdir(parents=True)
        shutil.copy(throwaway.BUILD / "tests/kernel/first_act", bundle / "rootfs/bin")
        hook = {"path": str(throwaway.BUILD / "userspace/cli/assent"), "args": ["assent", "govern", "--oci-hook"],
                "env": [f"ASSENT_CONFIG={self.assent.config}"]}
        (bundle / "config.json").write_text(json.dumps({
            "ociVersion": "1.0.2", "root": {"path": "rootfs", "readonly": True}, "hooks": {"createRuntime": [hook]},
            "process": {"user": {"uid": 65534, "gid": 65534}, "args": ["/bin/first_act", str(port)], "cwd": "/", "noNewPrivileges": True},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {"cgroupsPath": f"{self.path(self.unit)}/c{number}", "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc")]},
        }))
        root = throwaway.cgroup_root()
        mount = f"mount --rbind {root} /sys/fs/cgroup && " if str(root) != "/sys/fs/cgroup" else ""
        command = f"{mount}exec crun --cgroup-manager=cgroupfs --root {bundle}/state run -b {bundle} assent-{os.getpid()}-{number}"
        return subprocess.run(["unshare", "--mount", "sh", "-c", command], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    def test_a_container_waits_until_it_is_governed_and_does_not_run_without_the_daemon(self):
        target = Target()
        for number in range(ROUNDS):
            done = self.container(target.port, number)
            # The proxy takes the connection, knows no such target, and closes it.
            self.assertIn("connected, then", done.stdout, done.stderr + self.assent.daemon_log()[-2000:])
            self.assertNotIn("served", done.stdout)
        self.assertEqual(target.accepted, [])
        self.assent.kill()
        done = self.container(target.port, ROUNDS)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "")
        self.assertEqual(target.accepted, [])
        self.assent.start()


if __name__ == "__main__":
    harness.main()
