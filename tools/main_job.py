"""The story that tools/quickstart tells, on the running system: every line below a `$` is what that command printed."""

import os
import pwd
import shlex
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
import throwaway  # noqa: E402

AGENT_USER = "assent-demo"
IS_TERMINAL = sys.stdout.isatty()


def bold(text):
    return f"\033[1m{text}\033[0m" if IS_TERMINAL else text


class Story:
    def __init__(self, answers_yes, keeps):
        self.answers_yes, self.keeps = answers_yes, keeps
        self.number = 0

    def step(self, title):
        self.number += 1
        print(f"\n{bold(f'{self.number}. {title}')}", flush=True)

    def show(self, shown, done, expected=(0,)):
        """Prints a command as one would type it and what it really printed; another exit status than expected ends the story."""
        self.print_command(shown)
        self.print_output(done.stdout)
        self.print_output(done.stderr)
        if done.returncode not in expected:
            sys.exit(f"quickstart: that ended with {done.returncode}; assentd's log:\n{self.assent.daemon_log()[-3000:]}")
        return done

    @staticmethod
    def print_command(shown):
        print(f"  {bold('$ ' + shown)}", flush=True)

    @staticmethod
    def print_output(text):
        for line in (text or "").rstrip("\n").splitlines():
            print(f"  {line}", flush=True)

    def assent_verb(self, *arguments, expected=(0,)):
        return self.show("assent " + shlex.join(map(str, arguments)), self.assent.cli(*arguments), expected)

    # What the agent does is psql, as it always was: it is told nothing of assent.
    def psql(self, sql):
        return ["psql", "-X", "-h", "127.0.0.1", "-p", str(self.postgres.port), "-U", "shop_app", "-d", "shop", "-c", sql]

    def agent(self, sql, expected=(0,)):
        return self.show(f"psql -h 127.0.0.1 -p {self.postgres.port} -U shop_app shop -c {shlex.quote(sql)}",
                         self.assent.agent(*self.psql(sql), name="nightly", user=AGENT_USER, environment={"PGPASSWORD": throwaway.PASSWORD}), expected)

    def start(self):
        self.step("A database: customers with national ids and card numbers, orders, payments")
        self.postgres = throwaway.Postgres("postgres")
        throwaway.make_shop(self.postgres)
        tables = "SELECT version(); SELECT count(*) || ' customers' FROM customers; SELECT count(*) || ' orders' FROM orders; " \
                 "SELECT count(*) || ' payments' FROM payments"
        self.print_output(self.postgres.sql(tables, "shop"))
        self.step("assentd, with the sample policies")
        ensure_agent_user()
        person = person_here()
        self.assent = throwaway.Assent(sample_policies(self.postgres.port, person), name="quickstart", decide={"users": [person], "groups": []})
        self.assent_verb("policy", "check")
        self.assent_verb("status")

    def read_and_be_refused(self):
        self.step(f"The agent `nightly` (psql, as the user {AGENT_USER}, in a governed cgroup) reads: masked columns come masked")
        self.agent("SELECT id, name, national_id, card_number, city FROM customers ORDER BY id LIMIT 4")
        self.step("It tries to drop a table: denied at once")
        self.agent("DROP TABLE orders", expected=(1,))

    def be_held(self):
        self.step("It runs an UPDATE: held until a person answers")
        sql = "UPDATE orders SET status = 'returned' WHERE id = 42"
        self.print_command(f"psql -h 127.0.0.1 -p {self.postgres.port} -U shop_app shop -c {shlex.quote(sql)}")
        process = self.assent.start_agent(*self.psql(sql), name="nightly", user=AGENT_USER, purpose="returns of the week",
                                          environment={"PGPASSWORD": throwaway.PASSWORD}, stderr=subprocess.STDOUT)
        hold = self.find_hold()
        self.print_output(self.notice_of(process))
        self.assent_verb("holds", "show", hold["id"])
        self.answer(hold)
        print("  and the agent's psql, which was waiting:", flush=True)
        self.print_output(process.communicate(timeout=90)[0])

    def find_hold(self):
        def waiting():
            return next((hold for hold in self.assent.ask("holds") if hold["state"] == "waiting"), None)

        return throwaway.wait_until(waiting, 20, "the command is held")

    @staticmethod
    def notice_of(process):
        """What psql has printed so far: the notice that its command waits."""
        os.set_blocking(process.stdout.fileno(), False)
        time.sleep(0.3)
        text = process.stdout.read() or ""
        os.set_blocking(process.stdout.fileno(), True)
        return text

    def answer(self, hold):
        verb = "approve"
        if not self.answers_yes:
            if not sys.stdin.isatty():
                sys.exit("quickstart: nobody is at the terminal to answer; use --yes")
            reply = input("  Approve it? [y/n] ").strip().lower()
            verb = "approve" if reply in ("y", "yes") else "deny"
        self.assent_verb(verb, hold["id"], "--reason", "seen in the quickstart")

    def look_back(self):
        self.step("What happened, from the record")
        self.assent_verb("sessions")
        found = next(entry for entry in self.assent.ask("search", "UPDATE orders") if entry["session"])
        self.assent_verb("replay", found["session"])

    def verify(self):
        self.step("The log is whole, and one edited byte of a copy is found")
        throwaway.wait_until(lambda: self.assent.ask("status")["records"]["last_checkpoint"], 30, "assentd signs a checkpoint")
        self.assent_verb("verify")
        records, copy = self.assent.state / "records", throwaway.folder() / "copy-of-records"
        self.print_command(f"cp -r {records} {copy}")
        subprocess.run(["cp", "-r", records, copy], check=True)
        file = max((path for path in copy.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        data = bytearray(file.read_bytes())
        at = data.find(b"42")
        at = at if at >= 0 else len(data) // 2
        before = data[at]
        data[at] ^= 1
        file.write_bytes(data)
        print(f"  byte {at} of {file.name}: {chr(before)!r} became {chr(data[at])!r}")
        self.assent_verb("verify", "--folder", copy, "--key", self.assent.state / "keys/log.pub", expected=(1,))

    def keep(self):
        print(f"\n{bold('Everything runs on, until Ctrl-C.')} In another terminal, as root:")
        build = os.path.relpath(throwaway.BUILD)
        print(f"""  export ASSENT_CONFIG={self.assent.config} PGPASSWORD={throwaway.PASSWORD}
  export PATH=$PATH:{throwaway.BUILD}/userspace/cli     # {build}
  assent run --name nightly --user {AGENT_USER} -- psql -h 127.0.0.1 -p {self.postgres.port} -U shop_app shop
  assent holds --watch""", flush=True)
        while True:
            time.sleep(3600)


def ensure_agent_user():
    """The agent's unix user, made for this run when it does not exist: an agent is never root, nor the person who answers for it."""
    try:
        pwd.getpwnam(AGENT_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", AGENT_USER], check=True)
        throwaway.cleanup().add(lambda: subprocess.run(["userdel", AGENT_USER], check=True, stderr=subprocess.DEVNULL))


def person_here():
    """The unix user who sits at this terminal: whom the kernel knows to have logged in, else the one who runs this."""
    try:
        login = int(Path("/proc/self/loginuid").read_text())
        return pwd.getpwuid(login if login != 2**32 - 1 else os.getuid()).pw_name
    except (OSError, ValueError, KeyError):
        return pwd.getpwuid(os.getuid()).pw_name


def sample_policies(port, person):
    """The shop's files of policies/, with this database's port and the person at this terminal in them."""
    files = {}
    for name in ("shop.yaml", "migrations.yaml"):
        text = (throwaway.SOURCE / "policies" / name).read_text()
        files[name] = text.replace(":5432", f":{port}").replace("users: [root]", f"users: [{person}]")
    return files


def main():
    started = time.monotonic()
    for name in [name for name in os.environ if name.startswith("SUDO_")]:
        del os.environ[name]  # the person is who logged in, or root
    story = Story("--yes" in sys.argv, "--keep" in sys.argv)
    story.start()
    story.read_and_be_refused()
    story.be_held()
    story.look_back()
    story.verify()
    print(f"\n{bold('Done')} in {time.monotonic() - started:.0f} seconds.", flush=True)
    if story.keeps:
        story.keep()
    return 0


if __name__ == "__main__":
    sys.exit(main())
