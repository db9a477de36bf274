"""The record: written before a command is forwarded, readable after kill -9, checkable by others, and worth a refusal when it
cannot be written."""

import random
import re
import shutil
import subprocess
import sys
import time

import harness
import throwaway

LOAD = """
    import random
    from contextlib import suppress
    with connect() as c:
        say(ready=True)
        n = {first}
        while True:
            n += 1
            with suppress(psycopg.errors.UniqueViolation):
                c.execute("INSERT INTO orders VALUES (%s, 1, 1, 'placed', now()) /* load-{mark}-%s */" % (n, n))
"""


class Records(harness.EndToEnd):
    def session_of(self, text):
        found = [entry for entry in self.assent.ask("search", text) if entry["session"]]
        self.assertTrue(found, f"nothing found for {text!r}")
        return found[0]["session"]

    def test_a_session_can_be_listed_searched_and_replayed(self):
        self.psql_rows("SELECT id, city FROM customers WHERE id = 7", "SELECT 'a-rare-word'", name="nightly-replay")
        self.psql("DROP TABLE payments", name="nightly-replay")
        self.assertIn("nightly-replay", self.assent.cli("sessions", "--json").stdout)
        shown = self.assent.cli("replay", self.session_of("a-rare-word")).stdout
        self.assertIn("SELECT id, city FROM customers WHERE id =", shown)
        denied = self.assent.cli("replay", self.session_of("DROP TABLE payments")).stdout
        self.assertIn("deny", denied.lower())
        self.assertIn("no-destructive-ddl", denied)

    def test_no_secret_and_no_masked_value_is_in_the_folder(self):
        raw = self.postgres.sql("SELECT national_id || ' ' || card_number FROM customers WHERE id = 9", "shop").split()
        self.psql_rows("SELECT national_id, card_number FROM customers WHERE id = 9")
        self.psql_rows("SELECT * FROM customers")
        self.assent.stop()
        try:
            for path in self.assent.state.rglob("*"):
                if path.is_file():
                    data = path.read_bytes()
                    for secret in (throwaway.PASSWORD, *raw):
                        self.assertNotIn(secret.encode(), data, path)
        finally:
            self.assent.start()

    def test_the_log_verifies_and_one_changed_byte_is_found(self):
        self.psql_rows("SELECT 'to be changed', count(*) FROM orders")
        self.assent.restart()
        done = self.assent.cli("verify", "--json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        records, key = self.assent.state / "records", self.assent.state / "keys/log.pub"
        for _ in range(8):
            copy = throwaway.folder() / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(records, copy)
            unchanged = self.assent.cli("verify", "--folder", copy, "--key", key)
            self.assertEqual(unchanged.returncode, 0, unchanged.stdout + unchanged.stderr)
            file = max((path for path in copy.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
            data = bytearray(file.read_bytes())
            at = random.randrange(len(data))
            data[at] ^= 1
            file.write_bytes(data)
            with self.subTest(file=file.name, at=at):
                done = self.assent.cli("verify", "--folder", copy, "--key", key)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertRegex(done.stdout + done.stderr, r"\d")

    def test_a_cut_tail_is_found_with_a_checkpoint_kept_elsewhere(self):
        self.psql_rows("SELECT 1")
        self.assent.restart()
        records, key = self.assent.state / "records", self.assent.state / "keys/log.pub"
        old = throwaway.folder() / "old"
        shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(records, old)
        self.psql_rows("SELECT 2")
        self.assent.restart()
        kept = next(path for path in records.rglob("*checkpoint*") if path.is_file())
        done = self.assent.cli("verify", "--folder", records, "--key", key, "--checkpoint", kept)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = self.assent.cli("verify", "--folder", old, "--key", key, "--checkpoint", kept)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)

    def test_the_agent_cannot_read_the_record(self):
        done = self.assent.agent("ls", self.assent.state / "records")
        self.assertNotEqual(done.returncode, 0)
        done = self.assent.agent(throwaway.BUILD / "userspace/cli/assent", "search", "SELECT")
        self.assertNotEqual(done.returncode, 0)

    def test_no_command_is_forwarded_without_its_record_under_kill_9(self):
        for round_ in range(5):
            agents = [self.start_script(LOAD.format(first=1_000_000 * (round_ * 2 + n + 1), mark=round_ * 2 + n)) for n in range(2)]
            for agent in agents:
                agent.next()
            time.sleep(random.uniform(0.2, 1.2))
            self.assent.kill()
            for agent in agents:
                agent.process.wait(20)
            self.assent.start()
        forwarded = set(re.findall(r"/\* (load-\d+-\d+) \*/", self.postgres.server_log()))
        self.assertGreater(len(forwarded), 20)
        self.assertEqual(self.assent.cli("verify").returncode, 0)
        self.assent.stop()
        recorded = set()
        for path in (self.assent.state / "records").rglob("*"):
            if path.is_file():
                recorded |= set(re.findall(r"/\* (load-\d+-\d+) \*/", path.read_bytes().decode("latin-1")))
        self.assent.start()
        self.assertEqual(forwarded - recorded, set())
        print(f"{len(forwarded)} commands at the server, {len(recorded)} in the record", file=sys.stderr)


class FullDisk(harness.EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.disk = throwaway.folder() / "small-disk"
        cls.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0755", "assent-test", cls.disk], check=True)
        cls.unmount = throwaway.cleanup().add(lambda: subprocess.run(["umount", cls.disk], check=True))
        cls.extra_settings = {"state": str(cls.disk / "state")}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.unmount()

    def test_a_full_disk_denies_and_an_emptied_one_recovers(self):
        agent = self.start_script("""
            with connect() as c:
                for line in sys.stdin:
                    try:
                        say(rows=c.execute("INSERT INTO orders VALUES (%s, 1, 1, 'placed', now())" % line).rowcount)
                    except psycopg.Error as e:
                        say(**error_of(e))
        """, stdin=-1)

        def insert(number):
            agent.tell(number)
            return agent.next()

        self.assertEqual(insert(80001), {"rows": 1})
        filler = self.disk / "filler"
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            except OSError:
                pass
        refusal = throwaway.wait_until(lambda: (lambda answer: answer if "sqlstate" in answer else None)(insert(random.randrange(10**6, 10**9))), 20,
                                       "commands are denied")
        self.assert_refused(refusal, cause="records", retry="later")
        self.assertFalse(self.server_ran("(80002,"))
        self.assertIn("sqlstate", insert(80002))
        self.assertFalse(self.server_ran("(80002,"))
        filler.unlink()
        throwaway.wait_until(lambda: "rows" in insert(random.randrange(10**6, 10**9)), 30, "commands are taken again")
        self.assertEqual(self.assent.cli("verify").returncode, 0)


if __name__ == "__main__":
    harness.main()
