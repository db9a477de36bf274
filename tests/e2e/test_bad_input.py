"""Bad bytes from both sides: a clear error, a record of it, and a daemon that goes on."""

import socket
import struct
import threading

import harness
import throwaway

RAW = """
    import socket, struct
    parts = dict(p.split("=", 1) for p in DSN.split())
    def dial():
        s = socket.create_connection((parts["host"], int(parts["port"])), 10)
        s.settimeout(20)
        return s
    def startup(**options):
        body = b"".join(k.encode() + b"\\0" + v.encode() + b"\\0" for k, v in options.items()) + b"\\0"
        return struct.pack("!II", len(body) + 8, 196608) + body
    def rest(s):
        data = b""
        try:
            while part := s.recv(65536):
                data += part
        except OSError as e:
            data += type(e).__name__.encode()
        return data.decode("latin-1")
"""


class Agents(harness.EndToEnd):
    def tearDown(self):
        self.assertIsNone(self.assent.process.poll(), "assentd is alive")
        self.assertEqual(self.psql_rows("SELECT count(*) FROM orders"), ["1000"])

    def raw(self, text, **rest):
        return self.script(RAW + text, **rest)

    def test_malformed_startups_are_closed(self):
        said = self.raw("""
    for data in (b"\\0" * 8, b"\\xff" * 64, struct.pack("!II", 4, 196608), struct.pack("!II", 2**31 - 1, 196608), b"GET / HTTP/1.1\\r\\n\\r\\n",
                 struct.pack("!II", 20000, 196608) + b"a" * 19992, struct.pack("!II", 9, 196608) + b"x", startup(user="shop_app\\n")[:-1],
                 struct.pack("!II", 8, 0x00020000), startup(user="shop_app", database="shop", replication="database")):
        with dial() as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            say(answer=rest(s)[:300])
        """)
        self.assertEqual(len(said), 10)
        self.assertNotIn("AuthenticationOk", str(said))

    def test_messages_before_their_time_or_of_no_type_are_closed(self):
        said = self.raw("""
    for early in (b"Q\\0\\0\\0\\x0dSELECT 1\\0", b"\\x01\\0\\0\\0\\4", b"X\\0\\0\\0\\4", b"F\\0\\0\\0\\4"):
        with dial() as s:
            s.sendall(startup(user="shop_app", database="shop") + early)
            say(answer=rest(s)[:500])
    import psycopg
    for message in (b"\\x02\\0\\0\\0\\4", b"Q\\x7f\\xff\\xff\\xffSELECT 1", b"Q\\0\\0\\0\\3", b"B\\0\\0\\0\\5a", b"P\\0\\0\\0\\x06a\\0", b"R\\0\\0\\0\\4", b"Q\\0\\0\\0\\x0cSELECT 1"):
        c = connect()
        s = socket.socket(fileno=os.dup(c.fileno()))
        s.settimeout(20)
        s.setblocking(True)
        s.sendall(message + b"S\\0\\0\\0\\4")
        say(closed=rest(s)[-400:])
        """)
        self.assertEqual(len(said), 11)
        self.assertIn("violation", self.assent.cli("search", "violation", "--json").stdout.lower() + "")

    def test_ten_megabytes_of_statement_are_refused_by_name_of_the_limit(self):
        said = self.script("""
            with connect() as c:
                try:
                    c.execute("SELECT '" + "x" * 10_000_000 + "'")
                    say(passed=True)
                except psycopg.Error as e:
                    say(**error_of(e))
                say(alive=c.execute("SELECT 1").fetchone()[0])
        """)
        self.assertIn("assent", said[0]["message"])
        self.assertIn("longer than 1048576 bytes", said[0]["message"])
        self.assertEqual(said[1]["alive"], 1)

    def test_deep_expressions_do_not_kill_the_parser(self):
        said = self.script("""
            for text in ("SELECT " + "(" * 20000 + "1" + ")" * 20000, "SELECT " + "1+" * 50000 + "1", "SELECT " + "-" * 1 + "- 1",
                         "SELECT " + "NOT " * 50000 + "true", "SELECT CASE WHEN true THEN " * 3000 + "1" + " END" * 3000):
                with connect() as c:
                    try:
                        c.execute(text)
                        say(ran=True)
                    except psycopg.Error as e:
                        say(sqlstate=e.sqlstate)
        """)
        self.assertEqual(len(said), 5)

    def test_65535_parameters(self):
        said = self.script("""
            import psycopg.pq as pq
            with connect() as c:
                for count in (65535, 40000):
                    text = "SELECT count(*) FROM orders WHERE id IN (" + ",".join(f"${i + 1}" for i in range(count)) + ")"
                    r = c.pgconn.exec_params(text.encode(), [str(i).encode() for i in range(count)])
                    say(status=r.status, value=r.get_value(0, 0), error=r.error_message.decode()[:200])
        """)
        for answer in said:
            self.assertTrue(answer["value"] or "assent" in answer["error"], answer)

    def test_a_thousand_connections_opened_and_dropped(self):
        self.raw("""
    for n in range(1000):
        s = dial()
        if n % 3 == 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if n % 3 == 1:
            s.sendall(startup(user="shop_app", database="shop")[: n % 40])
        s.close()
    say(done=True)
        """, seconds=120)
        throwaway.wait_until(lambda: int(self.postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app'")) == 0, 20,
                             "no connection is left behind")

    def test_slow_and_split_bytes_are_understood(self):
        said = self.raw("""
    with dial() as s:
        for byte in startup(user="shop_app", database="shop"):
            s.sendall(bytes([byte]))
            time.sleep(0.001)
        say(first=s.recv(1).decode())
        """)
        self.assertEqual(said["first"], "R")

    def test_ssl_and_gss_requests_are_answered(self):
        said = self.raw("""
    for code in (80877103, 80877104):
        with dial() as s:
            s.sendall(struct.pack("!II", 8, code))
            say(answer=s.recv(1).decode())
    with dial() as s:  # what follows before the answer was read would be a smuggled start
        s.sendall(struct.pack("!II", 8, 80877103) + startup(user="shop_app", database="shop"))
        say(answer=rest(s)[:200])
        """)
        self.assertIn(said[0]["answer"], "NS")
        self.assertEqual(said[1]["answer"], "N")


class LyingServer(harness.EndToEnd):
    """A server that is none: what it says wrongly must not reach the agent as data, nor stop the daemon."""

    policy = harness.POLICY.replace('"[::1]:@PORT@"', '"127.0.0.1:@LIAR@"')

    @classmethod
    def fill(cls, policy):
        if not hasattr(cls, "liar"):
            cls.liar = socket.create_server(("127.0.0.1", 0))
            cls.answers = []
            threading.Thread(target=cls.serve, daemon=True).start()
        return super().fill(policy).replace("@LIAR@", str(cls.liar.getsockname()[1]))

    @classmethod
    def serve(cls):
        while True:
            try:
                peer, _ = cls.liar.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(10)
                try:
                    size, code = struct.unpack("!II", peer.recv(8))
                    peer.recv(size - 8)
                    peer.sendall(cls.answers.pop(0))
                    while peer.recv(65536):
                        pass
                except (OSError, struct.error, IndexError):
                    continue

    @classmethod
    def tearDownClass(cls):
        cls.liar.close()
        super().tearDownClass()

    def test_lies_about_lengths(self):
        hello = b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I"
        for lie in (b"R\0\0\0\0", b"R\xff\xff\xff\xff", b"\0\0\0\0\0\0\0\0", b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x04", hello + b"D\x7f\xff\xff\xff\0\1",
                    b"HTTP/1.1 200 OK\r\n\r\n", b"E\0\0\0\x06XX", b"R\0\0\0\x09\0\0\0\x0axx", b"R\0\0\0\x08\0\0\0\0" + b"K\0\0\0\x05\1"):
            with self.subTest(lie=lie):
                self.answers.append(lie)
                done = self.psql("SELECT 1", dsn=self.dsn(port=self.liar.getsockname()[1], connect_timeout=8), timeout=40)
                self.assertNotEqual(done.returncode, 0)
                self.assertIsNone(self.assent.process.poll())
        self.assertEqual(self.psql_rows("SELECT count(*) FROM orders"), ["1000"])


if __name__ == "__main__":
    harness.main()
