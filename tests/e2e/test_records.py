"""The record: written before a command is forwarded, readable after kill -9, checkable by others, and worth a refusal when it
cannot be written."""

import contextlib
import json
import random
import re
import shutil
import subprocess
import sys
import threading
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


def ends_out_of_order(assent):
    return [found for found in assent.ask("search", "did not stop in order") if found["type"] == "daemon.degraded"]


class Records(harness.EndToEnd):
    def session_of(self, text):
        found = [entry for entry in self.assent.ask("search", text) if entry["session"]]
        self.assertTrue(found, f"nothing found for {text!r}")
        return found[0]["session"]

    def test_a_session_can_be_listed_searched_and_replayed(self):
        self.psql_rows("SELECT id, city FROM customers WHERE id = 7", "SELECT 'a-rare-word'", name="nightly-replay")
        self.psql("DROP TABLE payments", name="nightly-replay")
        self.assertIn("nightly-replay", self.assent.cli("sessions", "--json").stdout)
        session = self.session_of("a-rare-word")
        listed = next(entry for entry in self.assent.ask("sessions") if entry["session"] == session)
        self.assertEqual(listed["commands"], 2, "the start-up is none")
        shown = self.assent.cli("replay", session).stdout
        self.assertIn("; 2 commands,", shown)
        self.assertIn("SELECT id, city FROM customers WHERE id =", shown)
        denied = self.assent.cli("replay", self.session_of("DROP TABLE payments")).stdout
        self.assertIn("deny", denied.lower())
        self.assertIn("no-destructive-ddl", denied)

    def test_an_open_session_is_followed_until_it_closes(self):
        agent = self.start_script("""
            with connect() as c:
                c.execute("SELECT 'before-it-was-followed'")
                say(ready=True)
                for line in sys.stdin:
                    c.execute("SELECT '" + line.strip() + "'")
                    say(done=True)
        """, stdin=-1)
        agent.next()
        session = throwaway.wait_until(lambda: self.assent.ask("search", "before-it-was-followed", "--verdict", "allow"), 10, "it is recorded")[0]["session"]
        command = [throwaway.BUILD / "userspace/cli/assent", "replay", session, "--follow", "--json"]
        follower = subprocess.Popen(command, env=self.assent.environment, stdout=subprocess.PIPE, text=True)
        try:
            seen = []

            def read_until(text):
                while text not in (line := follower.stdout.readline()):
                    self.assertTrue(line, f"it ended before {text!r}: {seen}")
                    seen.append(json.loads(line))

            read_until("before-it-was-followed")
            for n in range(3):
                agent.tell(f"while-followed-{n}")
                agent.next()
                read_until(f"while-followed-{n}")
            agent.process.stdin.close()
            read_until("flow.closed")
            self.assertEqual(follower.wait(10), 0)
            numbers = [event["seq"] for event in seen]
            self.assertEqual(numbers, sorted(set(numbers)))
        finally:
            follower.kill()
            follower.wait()
        shown = self.assent.cli("replay", session, "--follow").stdout  # one that has closed is told, and that is all
        self.assertIn("while-followed-2", shown)
        self.assertIn("closed:", shown)

    def test_what_is_shown_can_be_narrowed(self):
        self.psql("SELECT 'narrow-me'", "TRUNCATE orders /* narrow-me */", name="nightly-narrow")
        throwaway.wait_until(lambda: len(self.assent.ask("search", "narrow-me")) >= 2, 10, "both are recorded")

        def found(*options):
            done = self.assent.cli("search", "narrow-me", "--json", *options)
            return [match for match in json.loads(done.stdout) if match["type"] == "command"]

        self.assertEqual(len(found("--verdict", "deny")), 1)
        self.assertEqual(len(found("--verdict", "allow")), 1)
        self.assertEqual(len(found("--verdict", "hold")), 0)
        self.assertEqual(len(found("--target", "shop-db")), 2)
        self.assertEqual(found("--target", "other-db"), [])
        self.assertEqual(found("--until", "1h"), [])
        self.assertEqual(len(found("--since", "1h", "--agent", "nightly-narrow")), 2)
        self.assertEqual(len(found("--verdict", "deny", "--limit", "1")), 1)
        session = found()[0]["session"]
        listed = [entry["session"] for entry in self.assent.ask("sessions", "--verdict", "deny", "--limit", "1000")]
        self.assertIn(session, listed)
        self.assertNotIn(session, [entry["session"] for entry in self.assent.ask("sessions", "--verdict", "hold")])
        self.assertEqual(self.assent.ask("sessions", "--until", "1h"), [])
        for wrong in (("--since", "yesterday"), ("--since", "1h", "--until", "2h"), ("--verdict", "maybe"), ("--limit", "0"), ("--until", "")):
            with self.subTest(wrong=wrong):
                for verb in (("sessions",), ("search", "x")):
                    done = self.assent.cli(*verb, *wrong, "--json")
                    self.assertIn(done.returncode, (2, 0, 1) if wrong[1] == "" else (2,), done.stderr)
                    if done.returncode == 2:
                        self.assertIn("error", json.loads(done.stderr))

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
        self.assertEqual(len(ends_out_of_order(self.assent)), 5, "each kill is told by the start after it, and no stop in order is")
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

    def tearDown(self):
        (self.disk / "filler").unlink(missing_ok=True)

    def fill_disk(self):
        filler = self.disk / "filler"
        for size in (1 << 16, 1 << 12, 1):
            with open(filler, "ab", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
        return filler

    def fill_disk_and_wait(self):
        filler = self.fill_disk()
        throwaway.wait_until(lambda: not self.status()["records"]["is_available"], 20, "records cannot be written")
        self.fill_disk()  # what was given back meanwhile
        return filler

    def status(self):
        return json.loads(self.assent.cli("status", "--json").stdout)

    def unclosed(self):
        return {session["session"] for session in self.assent.ask("sessions", "--limit", "1000") if "closed" not in session}

    def test_sessions_that_end_while_the_disk_is_full_are_closed_in_the_record(self):
        lost = self.unclosed()  # by another test's stop
        agents = [self.start_script("""
            c = connect()
            say(rows=c.execute("INSERT INTO orders VALUES (%d, 1, 1, 'placed', now())").rowcount)
            sys.stdin.readline()
            try:
                c.execute("INSERT INTO orders VALUES (0, 1, 1, 'placed', now())")
            except psycopg.Error as e:
                say(**error_of(e))
            c.close()
            for n in range(2):
                try:
                    connect()
                except psycopg.Error as e:
                    say(refused=str(e))
        """ % (70001 + n), stdin=-1) for n in range(3)]
        for agent in agents:
            self.assertEqual(agent.next(), {"rows": 1})
        before = len(self.assent.ask("sessions", "--limit", "1000"))
        filler = self.fill_disk_and_wait()
        for agent in agents[1:]:
            agent.tell()
            self.assert_refused(agent.next(), cause="records", retry="later")
            for _ in range(2):
                self.assertIn("assent", agent.next()["refused"])
            agent.finish()
        agents[0].kill()
        time.sleep(6)  # longer than a flow stays that has ended
        self.assertEqual(self.status()["flows"], 0)
        filler.unlink()
        throwaway.wait_until(lambda: self.unclosed() <= lost, 20, "every session is closed in the record")
        # Four that were refused, and libpq tries some again without TLS.
        self.assertGreaterEqual(len(self.assent.ask("sessions", "--limit", "1000")), before + 4)
        self.assertEqual(self.assent.cli("verify").returncode, 0)

    def test_a_stop_while_the_disk_is_full_is_told_by_the_next_start(self):
        # Its outcome comes when the disk is full, with 64 KiB of its result: too much for what is left of a page or two.
        agent = self.start_script("""
            c = connect()
            c.pgconn.send_query(b"SELECT a.* FROM orders a, orders b LIMIT 300000")
            say(ready=True)
            sys.stdin.readline()
            while c.pgconn.get_result():
                pass
        """, stdin=-1)
        agent.next()
        filler = self.fill_disk_and_wait()
        agent.tell()
        agent.finish()
        is_stopped = threading.Event()

        def keep_full():
            while not is_stopped.is_set():
                self.fill_disk()

        filling = threading.Thread(target=keep_full)
        filling.start()
        self.assertEqual(self.assent.stop(), 0)
        is_stopped.set()
        filling.join()
        self.assertRegex(self.assent.daemon_log(), r"[1-9]\d* records could not be written before the stop")
        filler.unlink()
        self.assent.start()
        self.assertEqual(len(ends_out_of_order(self.assent)), 1)
        self.assertEqual(self.assent.cli("verify").returncode, 0)
        self.assent.restart()
        self.assertEqual(len(ends_out_of_order(self.assent)), 1)

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
        filler = self.fill_disk()
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
