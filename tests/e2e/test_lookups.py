"""Agents' lookups: whatever resolver they ask, assent answers, as the host's resolver would, or refuses."""

import json
import random
import string

import harness
import resolvers
import throwaway
from resolvers import make_query

ANY_RESOLVER = "8.8.8.8"  # nobody's, here

RECORDS = [
    "compare.test. 3600 IN SOA ns.compare.test. admin.compare.test. 7 3600 600 86400 300", "compare.test. 3600 IN NS ns.compare.test.",
    "compare.test. 3600 IN MX 10 mail.compare.test.", "compare.test. 3600 IN MX 20 mail2.compare.test.", "compare.test. 3600 IN CAA 0 issue \"ca.test\"",
    "compare.test. 3600 IN TXT \"v=spf1 -all\"", "ns.compare.test. 3600 IN A 10.1.0.1", "host.compare.test. 3600 IN A 10.1.0.2",
    "host.compare.test. 3600 IN A 10.1.0.3", "host.compare.test. 60 IN AAAA fd00::1:2", "six.compare.test. 60 IN AAAA fd00::1:3",
    "alias.compare.test. 300 IN CNAME host.compare.test.", "_pg._tcp.compare.test. 3600 IN SRV 1 2 5432 host.compare.test.",
    "_pg._tcp.compare.test. 3600 IN SRV 2 2 5433 host.compare.test.", "www.compare.test. 3600 IN HTTPS 1 . alpn=h2,h3 ipv4hint=10.1.0.4",
    "_dns.compare.test. 3600 IN SVCB 1 host.compare.test. alpn=dot port=853", "naptr.compare.test. 3600 IN NAPTR 1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b.test!\" .",
    "ssh.compare.test. 3600 IN SSHFP 1 1 123456789abcdef67890123456789abcdef67890", "_443._tcp.compare.test. 3600 IN TLSA 3 1 1 0102030405060708",
    "where.compare.test. 3600 IN LOC 40 26 0 N 3 42 0 W 650m", "pc.compare.test. 3600 IN HINFO \"PC\" \"Linux\"", "who.compare.test. 3600 IN RP a.test. b.test.",
    "_ftp._tcp.compare.test. 3600 IN URI 10 1 \"ftp://ftp.test\"", "2.0.1.10.in-addr.arpa. 3600 IN PTR host.compare.test.",
    *(f"many.compare.test. 3600 IN A 10.2.{i // 250}.{i % 250}" for i in range(100)),
    *(f"some.compare.test. 3600 IN A 10.3.0.{i}" for i in range(40)),
    *(f"long.compare.test. 3600 IN TXT \"{i:03}{'x' * 200}\"" for i in range(12)),
    *(f"h{i}.compare.test. 3600 IN A 10.4.0.{i}" for i in range(40)),
]
EVIL = ["evil.test. 3600 IN A 10.6.6.6", "evil.test. 3600 IN TXT \"orders\"", "evil.test. 3600 IN HTTPS 1 . alpn=h2 ech=c2VjcmV0IGtleQ== ipv6hint=fd00::1:4"]
ZONES = {"compare.test.": "static", "10.in-addr.arpa.": "static", "evil.test.": "redirect"}

# Asks as the agent that it runs in; what it is told comes as JSON: [[transport, query in hexadecimal], …].
ASK = f"""
import json, sys
sys.path.insert(0, {str(throwaway.SOURCE / "tests/support")!r})
import resolvers
out = []
for transport, query in json.load(sys.stdin):
    try:
        out.append(resolvers.exchange(({ANY_RESOLVER!r}, 53), bytes.fromhex(query), transport).hex())
    except OSError as error:
        out.append(type(error).__name__)
print(json.dumps(out))
"""


class Lookups(harness.EndToEnd):
    """unbound is what the host's resolver would be."""

    dns = {}

    @classmethod
    def setUpClass(cls):
        cls.unbound = resolvers.Unbound(ZONES, [*RECORDS, *EVIL], name=f"unbound-{cls.__name__}")
        cls.extra_settings = {"dns": json.dumps({"resolvers": [f"127.0.0.1:{cls.unbound.port}"]} | cls.dns)}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.unbound.stop()

    def ask(self, queries, **rest):
        """The answers that an agent gets, or the names of errors; `queries` are (transport, bytes)."""
        done = self.assent.agent("/usr/bin/python3", "-c", ASK, input=json.dumps([[transport, query.hex()] for transport, query in queries]), **rest)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [answer if answer.endswith("Error") or answer == "timeout" else bytes.fromhex(answer) for answer in json.loads(done.stdout)]

    def ask_one(self, name, kind="A", transport="udp", edns=1232, **rest):
        return self.ask([(transport, make_query(name, kind, edns=edns, **rest))])[0]

    def lookups(self, text):
        """The records of lookups that contain a text."""
        found = self.assent.cli("search", text, "--json").stdout
        return [record for record in json.loads(found or "[]") if record["type"] == "lookup"]


class Compared(Lookups):
    """A few hundred queries, each to unbound itself and through assent: the same bytes."""

    dns = {"types": [kind for kind in resolvers.TYPES if kind not in ("AXFR",)], "queries": {"per_minute": 100000},
           "names": {"per_hour": 10000, "per_domain": 10000}, "ech": "keep"}

    def queries(self):
        names = ["compare.test", "ns.compare.test", "host.compare.test", "six.compare.test", "alias.compare.test", "_pg._tcp.compare.test", "www.compare.test",
                 "_dns.compare.test", "naptr.compare.test", "ssh.compare.test", "_443._tcp.compare.test", "where.compare.test", "pc.compare.test",
                 "who.compare.test", "_ftp._tcp.compare.test", "2.0.1.10.in-addr.arpa", "many.compare.test", "some.compare.test", "long.compare.test"]
        kinds = [kind for kind in resolvers.TYPES if kind not in ("AXFR", "DS", "DNSKEY", "DNAME", "NULL", "SPF", "CERT")]
        for name in names:
            for kind in kinds:
                yield "udp", make_query(name, kind)
        for name in (*names, "nothing.compare.test", "elsewhere.example", "", "WwW.CoMpArE.tEsT", "h1.Compare.Test"):
            for kind in ("A", "AAAA", "TXT", "HTTPS"):
                for edns in (None, 512, 1232, 4096):
                    yield "udp", make_query(name, kind, edns=edns)
                yield "tcp", make_query(name, kind, edns=1232)
                yield "tcp", make_query(name, kind)
        for i in range(40):
            yield "udp", make_query(f"h{i}.compare.test", "A", edns=1232, dnssec=i % 2 == 0, flags=resolvers.RD | (0, resolvers.AD, resolvers.CD)[i % 3])
            yield "udp", make_query(f"h{i}.compare.test", "A", flags=0)

    def test_the_answers_are_the_resolvers_own(self):
        queries = [(transport, query[2:]) for transport, query in self.queries()]
        queries = [(transport, number.to_bytes(2, "big") + query) for number, (transport, query) in enumerate(queries, 1)]
        self.assertGreater(len(queries), 800)
        expected = [resolvers.exchange(self.unbound.address, query, transport) for transport, query in queries]
        answers = self.ask(queries, timeout=120)
        self.assertGreater(sum(resolvers.is_truncated(one) for one in expected), 5)
        self.assertGreater(sum(len(one) > 512 for one in expected), 5)
        self.assertGreater(len({one[3] & 15 for one in expected}), 1)
        for (transport, query), wanted, answer in zip(queries, expected, answers):
            with self.subTest(transport=transport, query=query):
                self.assertEqual(answer, wanted)

    def test_dig_and_the_c_library_work(self):
        for options in ([], ["+tcp"], ["+noedns"], ["+bufsize=4096"], ["+dnssec"], ["+nocookie"], ["+subnet=10.0.0.0/8"], ["-4", "+ignore", "+short"]):
            with self.subTest(options=options):
                done = self.assent.agent("dig", f"@{ANY_RESOLVER}", "+tries=1", "+time=5", *options, "host.compare.test", "A")
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertIn("10.1.0.3", done.stdout)
                self.assertNotIn("reply from unexpected source", done.stdout + done.stderr)
        # Truncated over UDP: asked again over TCP.
        done = self.assent.agent("dig", f"@{ANY_RESOLVER}", "+noedns", "+short", "many.compare.test", "A")
        self.assertEqual(len(done.stdout.split()), 100, done.stdout)
        done = self.assent.agent("dig", f"@{ANY_RESOLVER}", "-x", "10.1.0.2", "+short")
        self.assertEqual(done.stdout.strip(), "host.compare.test.")
        done = self.assent.agent("getent", "ahosts", "host.compare.test")
        self.assertIn("10.1.0.2", done.stdout, done.stderr)
        self.assertIn("fd00::1:2", done.stdout)
        done = self.assent.agent("getent", "ahostsv4", "many.compare.test")
        self.assertEqual(len({line.split()[0] for line in done.stdout.splitlines()}), 100)


class Limited(Lookups):
    """What the policy says of names that are no target's: as it is without any settings."""

    policy = harness.POLICY.replace('addresses: ["127.0.0.1', 'addresses: ["listed.evil.test:@PORT@", "127.0.0.1')

    def test_other_types_are_refused_and_say_why(self):
        for kind in ("TXT", "NULL", "ANY", "AXFR", "DNSKEY"):
            for transport in ("udp", "tcp"):
                with self.subTest(kind=kind, transport=transport):
                    answer = self.ask_one("www.evil.test", kind, transport)
                    self.assertEqual(resolvers.code_of(answer), resolvers.REFUSED)
                    number, text = resolvers.extended_error(answer)
                    self.assertEqual(number, 18)
                    self.assertIn("assent", text)
        self.assertEqual(resolvers.code_of(self.ask_one("www.evil.test")), resolvers.NOERROR)
        self.assertTrue(self.lookups("dns.types"))
        # A target's own name carries nothing, whatever is asked of it; but not a whole zone.
        self.assertEqual(resolvers.code_of(self.ask_one("listed.evil.test", "TXT")), resolvers.NOERROR)
        self.assertEqual(resolvers.code_of(self.ask_one("listed.evil.test", "AXFR", "tcp")), resolvers.REFUSED)

    def test_servers_cannot_be_asked_for_in_secret(self):
        self.assertIn(b"secret key", resolvers.exchange(self.unbound.address, make_query("www.evil.test", "HTTPS", edns=1232)))
        for transport in ("udp", "tcp"):
            answer = self.ask_one("www.evil.test", "HTTPS", transport)
            self.assertEqual(resolvers.code_of(answer), resolvers.NOERROR)
            self.assertNotIn(b"secret key", answer)
            self.assertIn(b"\2h2", answer)
        done = self.assent.agent("dig", f"@{ANY_RESOLVER}", "+short", "www.evil.test", "HTTPS")
        self.assertIn("alpn=\"h2\"", done.stdout)
        self.assertNotIn("ech=", done.stdout)

    def test_what_leaks_through_names_is_bounded(self):
        letters = string.ascii_lowercase + "234567"
        made = random.Random(7)
        chunks = ["".join(made.choices(letters, k=60)) for _ in range(400)]
        long = self.ask([("udp", make_query(f"{one}.evil.test", "A", edns=1232)) for one in chunks[:20]])
        self.assertEqual({resolvers.code_of(one) for one in long}, {resolvers.REFUSED})
        self.assertEqual({resolvers.extended_error(one)[0] for one in long}, {15})
        answers = self.ask([("udp", make_query(f"{one[:12]}.evil.test", "A", edns=1232)) for one in chunks])
        passed = [one for one in answers if resolvers.code_of(one) == resolvers.NOERROR]
        self.assertLessEqual(len(passed), 120)
        self.assertGreater(len(passed), 100)
        refused = next(one for one in answers if resolvers.code_of(one) == resolvers.REFUSED)
        self.assertIn("dns.names.per_domain", resolvers.extended_error(refused)[1])
        # Another agent is another matter.
        self.assertEqual(resolvers.code_of(self.ask_one("fresh.evil.test")), resolvers.NOERROR)

    def test_each_lookup_is_on_record(self):
        self.ask_one("wanted.evil.test")
        self.ask_one("unwanted.evil.test", "TXT", "tcp")
        found = throwaway.wait_until(lambda: self.lookups("unwanted.evil.test"), 10, "the record")
        self.assertEqual(found[0]["agent"], "nightly")
        for agent, is_found in (("nightly", True), ("nobody", False)):
            self.assertEqual(bool(json.loads(self.assent.cli("search", "wanted.evil.test", "--agent", agent, "--json").stdout)), is_found)
        status = json.loads(self.assent.cli("status", "--json").stdout)["dns"]
        self.assertGreater(status["queries"], 0)
        self.assertGreater(status["refused"], 0)
        self.assertEqual([(one["address"], one["is_healthy"]) for one in status["resolvers"]], [(f"127.0.0.1:{self.unbound.port}", True)])
        self.assertIn("resolvers", self.assent.cli("status").stdout)

    def test_bad_queries_are_refused(self):
        plain = make_query("www.evil.test", "A")
        for query, code in ((plain + b"x", resolvers.FORMERR), (plain[:-1], resolvers.FORMERR), (b"\0\1\x28\0" + plain[4:], resolvers.NOTIMP),
                            (make_query("www.evil.test", "A", edns=1232, version=1), resolvers.NOERROR)):
            for transport in ("udp", "tcp"):
                with self.subTest(query=query, transport=transport):
                    self.assertEqual(resolvers.code_of(self.ask([(transport, query)])[0]), code)

    def test_nothing_but_dns_gets_through(self):
        said = self.script("""
            import socket
            out = {}
            for port in (443, 853, 5353, 8443):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.connect(("8.8.8.8", port))
                    try:
                        out[f"udp {port}"] = s.send(b"x" * 1200)
                    except OSError as error:
                        out[f"udp {port}"] = error.strerror
            for port in (443, 853):
                with socket.socket() as s:
                    s.settimeout(10)
                    s.connect(("8.8.8.8", port))
                    try:
                        s.sendall(b"\\x16\\x03\\x01")
                        out[f"tcp {port}"] = s.recv(1).hex()
                    except OSError as error:
                        out[f"tcp {port}"] = ""
            say(**out)
        """)
        for port in (443, 853, 5353, 8443):
            self.assertEqual(said[f"udp {port}"], "Operation not permitted")
        self.assertEqual((said["tcp 443"], said["tcp 853"]), ("", ""))


class Failing(Lookups):
    """The first of two resolvers is not there."""

    @classmethod
    def setUpClass(cls):
        cls.dead = throwaway.free_port()
        cls.second = resolvers.Dnsmasq("10.7.0.1 there.test\n", name="second")
        cls.dns = {"resolvers": [f"127.0.0.1:{cls.dead}", f"127.0.0.1:{cls.second.port}"]}
        super().setUpClass()

    def test_the_next_one_is_asked_and_without_any_there_is_an_error(self):
        self.assertIn(bytes((10, 7, 0, 1)), self.ask_one("there.test"))
        self.assertIn(bytes((10, 7, 0, 1)), self.ask_one("there.test", transport="tcp"))
        self.second.stop()
        for transport in ("udp", "tcp"):
            answer = self.ask_one("there.test", transport=transport)
            self.assertEqual(resolvers.code_of(answer), resolvers.SERVFAIL)
            self.assertIn("assent", resolvers.extended_error(answer)[1])
        states = json.loads(self.assent.cli("status", "--json").stdout)["dns"]["resolvers"]
        self.assertGreater(states[0]["failed"], 0)
        self.assertFalse(states[0]["is_healthy"])


class Rotating(harness.EndToEnd):
    """A target that is known by its name only, and moves."""

    policy = harness.POLICY.replace('"127.0.0.1:@PORT@", "[::1]:@PORT@"', '"db.rotating.test:@PORT@"')

    @classmethod
    def setUpClass(cls):
        cls.resolver = resolvers.Dnsmasq("127.0.0.1 db.rotating.test\n127.0.0.1 other.test\n", name="rotating")
        cls.extra_settings = {"dns": json.dumps({"resolvers": [f"127.0.0.1:{cls.resolver.port}"]})}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.resolver.stop()

    def test_it_is_found_wherever_its_name_leads(self):
        count = "SELECT count(*) FROM orders"
        self.assertEqual(self.psql_rows(count, dsn=self.dsn(host="db.rotating.test")), ["1000"])
        # Another name at the same address, and the address itself, are no target for an agent that never asked.
        for host in ("other.test", "127.0.0.1"):
            done = self.psql(count, dsn=self.dsn(host=host))
            self.assertNotEqual(done.returncode, 0, done.stdout)
            self.assertIn("assent", done.stderr)
        self.resolver.change("::1 db.rotating.test\n")
        throwaway.wait_until(lambda: self.psql(count, dsn=self.dsn(host="db.rotating.test")).returncode == 0, 10, "the new address")
        self.assertIn("::1", self.assent.agent("getent", "ahosts", "db.rotating.test").stdout)

    def test_with_the_daemon_killed_there_are_no_answers(self):
        agent = self.start_script("""
            import socket
            def tried():
                try:
                    return socket.getaddrinfo("db.rotating.test", 5432)[0][4][0]
                except OSError as error:
                    return type(error).__name__
            say(before=tried())
            sys.stdin.readline()
            say(dead=tried())
            sys.stdin.readline()
            say(after=tried())
        """, stdin=-1)
        self.assertIn(agent.next()["before"], ("127.0.0.1", "::1"))
        self.assent.kill()
        agent.tell()
        self.assertEqual(agent.next(60)["dead"], "gaierror")
        self.assent.start()
        agent.tell()
        self.assertIn(agent.next()["after"], ("127.0.0.1", "::1"))
        agent.finish()


if __name__ == "__main__":
    harness.main()
