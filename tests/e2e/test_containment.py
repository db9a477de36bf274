"""Agents that this host cannot contain: their connections are refused, with a record that says why."""

import os
import subprocess

import harness
import throwaway

# Speaks first, as clients of PostgreSQL do, and says what came back.
ASK_FOR_TLS = """
import os, socket, sys
print(os.getuid(), flush=True)
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
client.sendall(bytes.fromhex("0000000804d2162f"))
try:
    print(client.recv(1) or "closed")
except ConnectionError:
    print("closed")
"""


class Uncontained(harness.EndToEnd):
    def as_unit(self, *prefix):
        """Runs the client in the governed slice as a unit would: nothing is taken from it that `prefix` does not take."""
        cgroup = self.assent.cgroup / "agent.service"
        cgroup.mkdir(exist_ok=True)

        def enter():
            throwaway._die_with_parent()
            (cgroup / "cgroup.procs").write_text(str(os.getpid()))

        done = subprocess.run([*prefix, "/usr/bin/python3", "-c", ASK_FOR_TLS, str(self.postgres.port)], preexec_fn=enter, capture_output=True,
                              text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def wait_for_refusal(self, why):
        """A flow was refused for this reason, as recorded: soon, since nobody waits for such a record."""
        def find():
            done = subprocess.run([throwaway.SOURCE / "tests/support/read_log.py", self.assent.state / "records", "--leaves"], capture_output=True,
                                  text=True, timeout=30)
            return any("flow.refused" in line and why in line for line in done.stdout.splitlines())
        throwaway.wait_until(find, 10, f"a record of a refusal because of {why}")

    def test_root_is_refused(self):
        self.assertEqual(self.as_unit(), ["0", "closed"])
        self.wait_for_refusal("capabilities that can undo its governing: CAP_CHOWN")

    def test_an_ordinary_user_who_could_become_root_is_refused(self):
        self.assertEqual(self.as_unit("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"), ["65534", "closed"])
        self.wait_for_refusal("setuid programs could make the agent root")

    def test_one_who_cannot_is_answered(self):
        said = self.as_unit("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs")
        self.assertNotEqual(said[1], "closed")


class Accepted(Uncontained):
    """The same agents where the settings accept them by name."""

    extra_settings = {"kernel": "{accept: [no-lsm, root-agents, new-privileges]}"}

    def test_root_is_refused(self):
        self.assertNotEqual(self.as_unit()[1], "closed")

    def test_an_ordinary_user_who_could_become_root_is_refused(self):
        self.assertNotEqual(self.as_unit("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")[1], "closed")


if __name__ == "__main__":
    harness.main()
