"""The daemon dies: agents meet a closed door, never the open network and never somebody else's listener; a new one takes over."""

import socket
import subprocess

import harness
import throwaway

TRY = """
import socket, sys
try:
    s = socket.create_connection(("127.0.0.1", {port}), 5)
    print("connected", s.recv(100))
except (ConnectionRefusedError, ConnectionResetError):
    print("refused")  # reset: the kernel was still taking the dead daemon's ring apart, and its listener with it
"""


class Restart(harness.EndToEnd):
    policy = harness.POLICY.replace("approvals:", "  - {name: naps, operations: [execute], objects: [pg_catalog.pg_sleep], verdict: allow}\napprovals:")

    def try_to_connect(self):
        """An agent that was started while the daemon lived, and connects when told to."""
        return self.assent.start_agent("/usr/bin/python3", "-c", "import sys; print('ready', flush=True); sys.stdin.readline()\n" +
                                       TRY.format(port=self.postgres.port), stdin=subprocess.PIPE)

    def test_killed_then_refused_then_taken_over(self):
        self.assertEqual(self.psql_rows("SELECT 1"), ["1"])
        agents = [self.try_to_connect() for _ in range(2)]
        for agent in agents:
            self.assertEqual(agent.stdout.readline(), "ready\n")
        self.assent.kill()
        out, _ = agents[0].communicate("\n", timeout=20)
        self.assertEqual(out.strip(), "refused")

        # Somebody without privilege tries to take the proxy's place, and gets neither the port nor a connection.
        thief = subprocess.run(["/usr/bin/python3", "-c", f"import socket; socket.create_server(('127.0.0.1', {self.assent.ports[0]}))"],
                               user="nobody", capture_output=True, text=True)
        self.assertIn("PermissionError", thief.stderr)

        self.assent.start()
        out, _ = agents[1].communicate("\n", timeout=20)
        self.assertNotIn("refused", out)
        self.assertEqual(self.psql_rows("SELECT 1"), ["1"])

    def test_a_session_whose_daemon_was_killed_is_told_as_cut(self):
        agent = self.start_script("""
            with connect() as c:
                c.execute("SELECT 'before the crash'")
                say(ready=True)
                sys.stdin.readline()
        """, stdin=subprocess.PIPE)
        self.assertEqual(agent.next(), {"ready": True})
        session = self.assent.ask("sessions", "--live")[-1]["session"]
        throwaway.wait_until(lambda: "before the crash" in self.assent.cli("replay", session).stdout, 10, "it is recorded")
        self.assertIn("the session is open", self.assent.cli("replay", session).stdout)
        self.assent.kill()
        self.assent.start()
        agent.kill()
        row = next(row for row in self.assent.ask("sessions") if row["session"] == session)
        self.assertNotIn("closed", row)
        self.assertLess(row["opened"], row["cut_after"])
        self.assertLess(row["cut_after"], row["cut"])
        line = next(line for line in self.assent.cli("sessions").stdout.splitlines() if session in line)
        self.assertRegex(line, r" cut .*cut: assentd was killed or crashed")
        story = self.assent.cli("replay", session).stdout
        self.assertIn("cut: assentd was killed or crashed", story)
        self.assertNotIn("the session is open", story)
        self.assertEqual(self.assent.ask("replay", session)[-1]["type"], "cut")

    def test_sigterm_lets_a_running_command_end(self):
        agent = self.start_script("""
            with connect() as c:
                say(ready=True)
                say(slept=c.execute("SELECT count(*) FROM pg_sleep(2)").fetchone()[0])
        """)
        self.assertEqual(agent.next(), {"ready": True})
        throwaway.wait_until(lambda: "pg_sleep" in self.postgres.sql("SELECT string_agg(query, ' ') FROM pg_stat_activity WHERE state = 'active' AND "
                                                                    "pid <> pg_backend_pid()"), 10, "the command runs")
        self.assertEqual(self.assent.stop(), 0)
        self.assertEqual(agent.next(), {"slept": 1})
        self.assent.start()

    def test_the_control_socket_and_the_ports_come_back(self):
        for _ in range(3):
            self.assent.restart()
            self.assertEqual(self.psql_rows("SELECT count(*) FROM orders"), ["1000"])

    def test_a_stranger_at_the_proxys_port_gets_nothing(self):
        with socket.create_connection(("127.0.0.1", self.assent.ports[0]), 5) as stranger:
            stranger.settimeout(5)
            stranger.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
            try:
                self.assertEqual(stranger.recv(100), b"")
            except ConnectionResetError:
                pass

    def test_after_detach_the_way_is_open_and_it_is_recorded(self):
        done = self.assent.cli("detach", "--reason", "an end to end test")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("an end to end test", self.assent.cli("search", "an end to end test", "--json").stdout)
        self.assent.restart()
        self.assertEqual(self.psql_rows("SELECT count(*) FROM orders"), ["1000"])


if __name__ == "__main__":
    harness.main()
