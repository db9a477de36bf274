"""TLS on both sides, and passwords: passed through, or assent's own."""

import datetime
import os
import pwd

import harness
import throwaway
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificates(name):
    """A CA and a server certificate for `name`, as files ca.pem, server.pem, server.key."""
    folder = throwaway.folder() / "certificates"
    folder.mkdir(exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)

    def make(subject, issuer, key, issuer_key, extensions):
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
                   .not_valid_after(now + datetime.timedelta(days=2)))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(issuer_key, hashes.SHA256())

    def subject(common_name):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = make(subject("a test's CA"), subject("a test's CA"), ca_key, ca_key, [x509.BasicConstraints(ca=True, path_length=None)])
    server = make(subject(name), subject("a test's CA"), key, ca_key, [x509.SubjectAlternativeName([x509.DNSName(name)])])
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(server.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (folder / "server.key").chmod(0o640)
    os.chown(folder / "server.key", 0, pwd.getpwnam("postgres").pw_gid)
    return folder


class Tls(harness.EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.tls = make_certificates("payments-db.test")
        cls.postgres_tls = (cls.tls / "server.pem", cls.tls / "server.key")
        secret = throwaway.folder() / "secret"
        secret.touch(mode=0o600)
        secret.write_text(throwaway.PASSWORD + "\n")
        super().setUpClass()

    def use_target(self, tls="", credential=False):
        policy = self.fill(self.policy)
        extra = (f"    tls: {tls}\n" if tls else "") + ("    credential: shop\n" if credential else "")
        policy = policy.replace("    databases: [shop]\n", "    databases: [shop]\n" + extra)
        if credential:
            policy += f"credentials:\n  shop:\n    postgres: {{user: shop_app, password: {{file: {throwaway.folder()}/secret}}}}\n"
        self.assent.write_policies({"shop.yaml": policy})
        done = self.assent.cli("policy", "reload")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_upstream_tls_is_used_and_the_name_is_checked(self):
        self.use_target(f"{{upstream: verify-full, ca: {self.tls}/ca.pem, name: payments-db.test}}")
        self.assertEqual(self.psql_rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), ["t"])

    def test_another_name_is_refused(self):
        self.use_target(f"{{upstream: verify-full, ca: {self.tls}/ca.pem, name: orders-db.test}}")
        done = self.psql("SELECT 1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("assent", done.stderr)
        self.assertIn("certificate", done.stderr.lower())

    def test_another_ca_is_refused(self):
        self.use_target("{upstream: verify-full, ca: /etc/ssl/certs/ca-certificates.crt, name: payments-db.test}")
        done = self.psql("SELECT 1")
        self.assertNotEqual(done.returncode, 0)

    def test_scram_passes_through_to_a_plain_and_to_a_tls_upstream(self):
        for tls in ("", "{upstream: require}"):
            with self.subTest(tls=tls):
                self.use_target(tls)
                self.assertEqual(self.psql_rows("SELECT current_user"), ["shop_app"])
                self.assertNotEqual(self.psql("SELECT 1", dsn=self.dsn(password="wrong")).returncode, 0)

    def test_a_client_that_insists_on_tls_is_told_of_credential(self):
        self.use_target("{upstream: require}")
        done = self.psql("SELECT 1", dsn=self.dsn(sslmode="require"))
        self.assertNotEqual(done.returncode, 0)
        # libpq says nothing more after our 'N', so the record has to say what to do.
        throwaway.wait_until(lambda: any("credential" in session.get("why", "") and "sslmode" in session["why"]
                                         for session in self.assent.ask("sessions")), 10, "the record names the reason and `credential`")

    def test_a_credential_that_cannot_be_read_is_told_to_agent_record_and_administrator(self):
        secret = throwaway.folder() / "secret"
        self.addCleanup(secret.chmod, 0o600)
        self.use_target(f"{{upstream: verify-full, ca: {self.tls}/ca.pem, name: payments-db.test}}", credential=True)
        self.assertEqual(self.assent.cli("status").returncode, 0)
        secret.chmod(0o644)
        for mode in ("disable", "require"):
            with self.subTest(mode=mode):
                done = self.psql("SELECT 1", dsn=self.dsn(sslmode=mode), options=("-v", "VERBOSITY=verbose"))
                self.assertEqual(done.returncode, 2)
                for word in ("assent", "credential 'shop'", "target 'shop-db'", "cause=credential", "retry=later", "assent status"):
                    self.assertIn(word, done.stderr)
                self.assertNotIn(str(secret), done.stderr)
                self.assertNotIn(throwaway.PASSWORD, done.stderr)
        said = self.script("""
            try:
                connect()
            except psycopg.Error as e:
                say(message=str(e))
        """)
        self.assertIn("credential 'shop'", said["message"])
        throwaway.wait_until(lambda: [found for found in self.assent.ask("search", "credential_failed") if found["type"] == "flow.event"], 10,
                             "it is recorded")
        denied = [found for found in self.assent.ask("search", "credential cannot be read", "--verdict", "deny")]
        self.assertTrue(denied)
        status = self.assent.cli("status")
        self.assertEqual(status.returncode, 1)
        self.assertIn(str(secret), status.stdout)
        check = self.assent.cli("policy", "check", self.assent.policies)
        self.assertEqual(check.returncode, 0, "the policy is right; the host is not")
        self.assertIn(str(secret), check.stderr)
        self.assertNotIn(throwaway.PASSWORD, check.stdout + check.stderr + status.stdout)
        secret.chmod(0o600)
        self.assertEqual(self.psql_rows("SELECT 1"), ["1"])

    def test_what_is_wrong_with_the_target_is_told_and_recorded(self):
        closed = throwaway.free_port()
        cases = {
            "TLS that the policy does not trust": (f"{{upstream: verify-full, ca: {self.tls}/ca.pem, name: orders-db.test}}", None,
                                                   ("could not trust target 'shop-db'", "cause=target", "retry=never", "certificate"), "tls_failed"),
            "nobody listens": ("", closed, ("could not connect to target 'shop-db'", "Connection refused", "cause=target", "retry=later"),
                               "target_failed"),
        }
        for name, (tls, port, words, event) in cases.items():
            with self.subTest(name):
                self.use_target(tls)
                if port:
                    policy = self.fill(self.policy).replace(f'"[::1]:{self.postgres.port}"', f'"127.0.0.1:{port}"')
                    self.assent.write_policies({"shop.yaml": policy})
                    self.assertEqual(self.assent.cli("policy", "reload").returncode, 0)
                done = self.psql("SELECT 1", dsn=self.dsn(**({"port": port} if port else {})))
                self.assertEqual(done.returncode, 2)
                for word in ("assent", "HINT", *words):
                    self.assertIn(word, done.stderr)
                throwaway.wait_until(lambda: [found for found in self.assent.ask("search", event) if found["type"] == "flow.event"], 10,
                                     "it is recorded")

    def test_with_a_credential_the_agent_needs_no_password_and_may_use_tls(self):
        self.use_target(f"{{upstream: verify-full, ca: {self.tls}/ca.pem, name: payments-db.test}}", credential=True)
        for mode in ("disable", "prefer", "require"):
            for password in ("wrong", throwaway.PASSWORD):
                with self.subTest(mode=mode, password=password):
                    self.assertEqual(self.psql_rows("SELECT current_user", dsn=self.dsn(sslmode=mode, password=password)), ["shop_app"])
        said = self.script("""
            import ssl
            with psycopg.connect(DSN, sslmode="require", password="x") as c:
                say(ssl=c.pgconn.ssl_in_use, rows=len(c.execute("SELECT * FROM orders").fetchall()))
        """)
        self.assertEqual(said, {"ssl": True, "rows": 1000})


if __name__ == "__main__":
    harness.main()
