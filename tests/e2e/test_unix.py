"""Unix sockets: those of targets are judged like any connection, every other is refused."""

import os
import socket
import subprocess

import harness
from harness import throwaway

POLICY = harness.POLICY.replace('"[::1]:@PORT@"]', '"[::1]:@PORT@", "unix:@FOLDER@/pg-UnixSockets/.s.PGSQL.@PORT@"]')

# Tries to connect and says the error's name, or what came.
TRY = """
import errno, socket, sys
def attempt(address, kind=socket.SOCK_STREAM, how="connect"):
    s = socket.socket(socket.AF_UNIX, kind)
    s.settimeout(10)
    try:
        if how == "sendto":
            s.sendto(b"out", address)
        else:
            s.connect(address)
            if kind == socket.SOCK_DGRAM: s.send(b"out")
    except OSError as e:
        return errno.errorcode[e.errno]
    return "open"
"""


class Outside:
    """Listeners of somebody who is not governed."""

    def __init__(self, folder):
        self.path, self.abstract, self.datagrams = str(folder / "outside.sock"), f"assent-outside-{os.getpid()}", str(folder / "datagrams.sock")
        self.stream, self.hidden = (socket.socket(socket.AF_UNIX) for _ in range(2))
        self.datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.stream.bind(self.path)
        self.hidden.bind("\0" + self.abstract)
        self.datagram.bind(self.datagrams)
        for path in (self.path, self.datagrams):
            os.chmod(path, 0o777)
        for listener in (self.stream, self.hidden):
            listener.listen(8)
        for each in (self.stream, self.hidden, self.datagram):
            each.setblocking(False)

    def reached(self):
        """What arrived at any of them."""
        found = []
        for listener in (self.stream, self.hidden):
            try:
                found.append(listener.accept()[0])
            except BlockingIOError:
                pass
        try:
            found.append(self.datagram.recv(100))
        except BlockingIOError:
            pass
        return found

    def close(self):
        for each in (self.stream, self.hidden, self.datagram):
            each.close()


class UnixSockets(harness.EndToEnd):
    policy = POLICY

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        hba = cls.postgres.data / "pg_hba.conf"
        hba.write_text("local shop nobody,backup peer\n" + hba.read_text())
        cls.postgres.sql("CREATE ROLE nobody LOGIN; CREATE ROLE backup LOGIN; SELECT pg_reload_conf()")
        cls.postgres.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO nobody, backup", "shop")
        cls.outside = Outside(throwaway.folder())

    @classmethod
    def tearDownClass(cls):
        cls.outside.close()
        super().tearDownClass()

    @property
    def socket(self):
        return f"{self.postgres.folder}/.s.PGSQL.{self.postgres.port}"

    def local(self, **changes):
        return self.dsn(host=str(self.postgres.folder), **changes)

    def attempt(self, *calls, agent="nobody"):
        text = TRY + "".join(f"\nprint({call})" for call in calls)
        done = self.assent.agent("/usr/bin/python3", "-c", text, user=agent)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def test_the_socket_of_a_target_is_judged_and_masked(self):
        rows = self.psql_rows("SELECT card_number FROM customers WHERE id = 1", dsn=self.local())
        self.assertEqual(rows, ["[redacted]"])
        done = self.psql("DROP TABLE customers", dsn=self.local())
        self.assertIn("assent denied this command", done.stderr)
        sessions = self.assent.ask("sessions")
        self.assertIn(f"unix:{self.socket}", [session["asked_for"] for session in sessions])

    def test_a_held_command_waits_there_too(self):
        script = self.start_script(f"""
            with psycopg.connect({self.local()!r}, autocommit=True) as c:
                say(rows=c.execute("UPDATE orders SET status = status WHERE id = 1").rowcount)
        """)
        self.approve(self.wait_for_hold("UPDATE orders"))
        self.assertEqual(script.next(), {"rows": 1})

    def test_the_server_sees_the_agents_own_user(self):
        self.assertEqual(self.psql_rows("SELECT current_user", dsn=self.local(user="nobody")), ["nobody"])
        done = self.psql("SELECT 1", dsn=self.local(user="backup"))
        self.assertIn("Peer authentication failed", done.stderr)

    def test_a_socket_that_the_agent_may_not_open_stays_closed_to_it(self):
        os.chmod(self.socket, 0o700)
        try:
            done = self.psql("SELECT 1", dsn=self.local())
            self.assertIn("Permission denied", done.stderr)
        finally:
            os.chmod(self.socket, 0o777)

    def test_every_other_socket_is_refused(self):
        outside = self.outside
        answers = self.attempt(
            f"attempt({outside.path!r})", f"attempt('\\0' + {outside.abstract!r})", f"attempt({outside.datagrams!r}, socket.SOCK_DGRAM)",
            f"attempt({outside.datagrams!r}, socket.SOCK_DGRAM, 'sendto')", f"attempt({outside.path!r}, socket.SOCK_SEQPACKET)",
            f"attempt({self.socket!r}, socket.SOCK_DGRAM)")
        self.assertEqual(answers, ["EPERM"] * 6)
        self.assertEqual(outside.reached(), [])
        found = throwaway.wait_until(lambda: self.assent.ask("search", outside.path), 15, "the attempt's record")
        self.assertIn("attempt", {record["type"] for record in found})

    def test_other_spellings_lead_nowhere(self):
        link = throwaway.folder() / "link.sock"
        link.symlink_to(self.outside.path)
        folder, name = os.path.split(self.socket)
        answers = self.attempt(
            f"attempt({str(link)!r})", f"attempt('/' + {self.socket!r})", f"attempt({folder!r} + '/./' + {name!r})",
            f"__import__('os').chdir({folder!r}) or attempt({name!r})")
        self.assertEqual(answers, ["EPERM"] * 4)

    def test_the_proxys_own_sockets_are_not_open_to_agents_nor_of_use_to_others(self):
        door = next((self.assent.run_folder / "unix").iterdir())
        self.assertEqual(self.attempt(f"attempt({str(door)!r})"), ["EPERM"])
        with socket.socket(socket.AF_UNIX) as direct:
            direct.settimeout(10)
            direct.connect(str(door))
            self.assertEqual(direct.recv(1), b"")

    def test_the_control_socket_is_not_a_way_out_of_a_mount_namespace(self):
        self.assertIn("nightly", self.assent.agent(*self.whoami()).stdout)
        control = self.assent.run_folder / "control.sock"
        self.assert_closed_under_mounts(control, control)

    def test_neither_is_a_target_whose_proxy_is_mounted_over(self):
        for door in (self.assent.run_folder / "unix").iterdir():
            self.assert_closed_under_mounts(door, self.socket)

    def assert_closed_under_mounts(self, mounted_over, asked_for):
        program = throwaway.folder() / "attempt.py"
        program.write_text(TRY + f"\nprint(attempt({str(asked_for)!r}))")
        done = self.assent.agent("unshare", "-Urm", "sh", "-c", f"mount --bind {self.outside.path} {mounted_over} && exec /usr/bin/python3 {program}")
        self.assertEqual(done.stdout.split(), ["EPERM"], done.stderr)
        self.assertEqual(self.outside.reached(), [])

    def whoami(self):
        return [str(throwaway.BUILD / "userspace/cli/assent"), "whoami"]

    def test_a_running_statement_is_cancelled(self):
        said = self.script(f"""
            import threading
            with psycopg.connect({self.local()!r}, autocommit=True) as c:
                timer = threading.Timer(1, c.cancel)
                timer.start()
                try:
                    c.execute("SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f")
                    say(ran=True)
                except psycopg.Error as e:
                    say(sqlstate=e.sqlstate)
        """)
        self.assertEqual(said, {"sqlstate": "57014"})


class Later(harness.EndToEnd):
    """What changes while agents are there."""

    def test_a_reload_opens_a_socket_and_a_dead_daemon_closes_it(self):
        dsn = self.dsn(host=str(self.postgres.folder))
        self.assertIn("Operation not permitted", self.psql("SELECT 1", dsn=dsn).stderr)
        self.assent.write_policies({"shop.yaml": self.fill(POLICY).replace("pg-UnixSockets", "pg-Later")})
        self.assertEqual(self.assent.cli("policy", "reload").returncode, 0)
        self.assertEqual(self.psql_rows("SELECT 1", dsn=dsn), ["1"])
        agent = self.start_script(f"""
            import sys
            for line in sys.stdin:
                try:
                    with psycopg.connect({dsn!r}) as c: rows = c.execute("SELECT 1").fetchall()
                    say(rows=rows)
                except psycopg.Error as e: say(error=str(e))
        """, stdin=subprocess.PIPE)
        agent.tell("go")
        self.assertEqual(agent.next(), {"rows": [[1]]})
        self.assent.kill()

        def is_refused():
            agent.tell("go")  # while the kernel takes the dead daemon's listener apart, a connection is closed instead
            return "Connection refused" in agent.next()["error"]
        throwaway.wait_until(is_refused, 10, "the connection is refused")
        self.assent.start()
        agent.tell("go")
        self.assertEqual(agent.next(), {"rows": [[1]]})


class Unlisted(harness.EndToEnd):
    """Where the settings let every other socket pass."""

    extra_settings = {"unix_sockets": "{unlisted: pass}"}

    def test_it_passes_and_the_record_says_so(self):
        folder = throwaway.folder() / "outside"
        folder.mkdir()
        outside = Outside(folder)
        try:
            done = self.assent.agent("/usr/bin/python3", "-c", TRY + f"\nprint(attempt({outside.path!r}))")
            self.assertEqual(done.stdout.split(), ["open"], done.stderr)
            reached = outside.reached()
            self.assertEqual(len(reached), 1)
            reached[0].close()
        finally:
            outside.close()
        self.assertIn("unix sockets", self.assent.cli("status").stdout)


if __name__ == "__main__":
    harness.main()
