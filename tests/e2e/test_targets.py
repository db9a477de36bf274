"""Targets by name, and targets that are not databases."""

import socket
import subprocess
import threading

import harness
import throwaway


class Names(harness.EndToEnd):
    """`localhost` stands in /etc/hosts of every machine."""

    policy = harness.POLICY.replace('"127.0.0.1:@PORT@", "[::1]:@PORT@"', '"localhost:@PORT@"')

    def test_a_name_of_the_hosts_file_is_a_target(self):
        self.assertEqual(self.psql_rows("SELECT count(*) FROM orders", dsn=self.dsn(host="localhost")), ["1000"])


class Resolved(harness.EndToEnd):
    """A resolver of its own on a loopback address, seen by the daemon and the agents through a private /etc/resolv.conf."""

    policy = harness.POLICY.replace('"127.0.0.1:@PORT@", "[::1]:@PORT@"', '"shop-db.test:@PORT@"')

    @classmethod
    def setUpClass(cls):
        folder = throwaway.folder()
        (folder / "resolv.conf").write_text("nameserver 127.0.0.77\noptions timeout:2 attempts:2\n")
        cls.dns = subprocess.Popen(["/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--listen-address=127.0.0.77", "--bind-interfaces",
                                    "--no-resolv", "--no-hosts", "--address=/shop-db.test/127.0.0.1", "--address=/other.test/127.0.0.1", "--pid-file="],
                                   stderr=subprocess.DEVNULL, preexec_fn=throwaway._die_with_parent)
        cls.stop_dns = throwaway.cleanup().add(throwaway.stop_process, cls.dns)
        throwaway.Assent.prefix = ["unshare", "--mount", "sh", "-c", f'mount --bind {folder}/resolv.conf /etc/resolv.conf && exec "$@"', "sh"]
        try:
            super().setUpClass()
        except BaseException:
            throwaway.Assent.prefix = []
            raise

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        throwaway.Assent.prefix = []
        cls.stop_dns()

    def test_an_address_that_a_name_led_to_is_the_target(self):
        self.assertEqual(self.psql_rows("SELECT count(*) FROM orders", dsn=self.dsn(host="shop-db.test")), ["1000"])
        self.assertIn("shop-db.test", self.assent.cli("search", "shop-db.test", "--json").stdout)


class Relayed(harness.EndToEnd):
    """`protocol: tcp`: not understood, but relayed and recorded by flow."""

    policy = harness.POLICY.replace("rules:", """  model-api:
    protocol: tcp
    addresses: ["127.0.0.1:@ECHO@"]
rules:
  - {name: the-model, targets: [model-api], operations: [connect], objects: [any], verdict: allow}""")

    @classmethod
    def fill(cls, policy):
        if not hasattr(cls, "echo"):
            cls.echo = socket.create_server(("127.0.0.1", 0))
            threading.Thread(target=cls.serve, daemon=True).start()
        return super().fill(policy).replace("@ECHO@", str(cls.echo.getsockname()[1]))

    @classmethod
    def serve(cls):
        while True:
            try:
                peer, _ = cls.echo.accept()
            except OSError:
                return

            def answer(peer=peer):
                with peer:
                    while data := peer.recv(65536):
                        peer.sendall(data)
                    peer.sendall(b"bye")

            threading.Thread(target=answer, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.echo.close()
        super().tearDownClass()

    def test_bytes_both_ways_with_half_close_and_a_record(self):
        said = self.script(f"""
            import socket, threading, hashlib
            s = socket.create_connection(("127.0.0.1", {self.echo.getsockname()[1]}), 10)
            data = os.urandom(1 << 20) * 8
            def send():
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            threading.Thread(target=send).start()
            got = bytearray()
            while part := s.recv(1 << 16):
                got += part
            say(same=got[:-3] == data, end=bytes(got[-3:]).decode())
        """)
        self.assertEqual(said, {"same": True, "end": "bye"})
        self.assertIn("model-api", self.assent.cli("sessions", "--json").stdout)


class Status(harness.EndToEnd):
    def test_the_verbs_that_look(self):
        agent = self.start_script("""
            with connect() as c:
                say(pid=c.info.backend_pid)
                sys.stdin.readline()
        """, stdin=-1, name="nightly-long")
        agent.next()
        status = self.assent.ask("status")
        self.assertTrue(status)
        self.assertIn("nightly-long", self.assent.cli("sessions").stdout)
        for verb in (("status",), ("doctor",), ("policy", "builtin"), ("policy", "check"), ("holds",), ("verify",)):
            with self.subTest(verb=verb):
                done = self.assent.cli(*verb)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertTrue(done.stdout.strip())
        said = self.assent.agent(throwaway.BUILD / "userspace/cli/assent", "whoami", name="nightly-who")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("nightly-who", said.stdout)
        sessions = self.assent.ask("sessions")
        sessions = sessions["sessions"] if isinstance(sessions, dict) else sessions
        number = next(session for session in sessions if "nightly-long" in str(session))
        done = self.assent.cli("end", number["session"] if "session" in number else number["id"])
        self.assertEqual(done.returncode, 0, done.stderr)
        throwaway.wait_until(lambda: self.postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app'") == "0", 10, "it is closed")

    def test_a_run_name_may_be_claimed_by_its_runners_only(self):
        done = self.assent.agent("true", name="somebody-else")
        self.assertNotEqual(done.returncode, 0)

    def test_a_run_has_no_privilege_and_only_governed_sockets(self):
        done = self.assent.agent("grep", "-E", "NoNewPrivs|CapEff|CapBnd|CapPrm", "/proc/self/status")
        fields = dict(line.split(":\t") for line in done.stdout.splitlines())
        self.assertEqual(fields["NoNewPrivs"], "1")
        self.assertEqual(int(fields["CapEff"], 16) | int(fields["CapPrm"], 16), 0)
        said = self.assent.agent("/usr/bin/python3", "-c", """
import socket
for family, kind in ((socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_VSOCK, socket.SOCK_STREAM), (socket.AF_ALG, socket.SOCK_SEQPACKET),
                     (socket.AF_INET, socket.SOCK_RAW), (socket.AF_NETLINK, socket.SOCK_RAW)):
    try:
        socket.socket(family, kind).close()
        print(family.name, "open")
    except OSError as e:
        print(family.name, "refused")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    s.sendto(b"x", ("127.0.0.1", 9999))
    print("UDP open")
except OSError:
    print("UDP refused")
""")
        for family in ("AF_PACKET", "AF_VSOCK", "AF_ALG", "AF_INET", "UDP"):
            self.assertIn(f"{family} refused", said.stdout)


if __name__ == "__main__":
    harness.main()
