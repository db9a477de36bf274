"""Throw-away PostgreSQL servers, an assentd and governed agents on this machine, for tests, benchmarks and the quickstart.

Everything lives below one temporary folder, one cgroup and one bpf mount of its own, and is undone on every way out: normal
exit, an exception, SIGINT, SIGTERM, SIGHUP. Needs root, /usr/bin/python3 and PostgreSQL of Debian; uses loopback only.
"""

import atexit
import contextlib
import ctypes
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ASSENT_BUILD", SOURCE / "build" / "release"))
PASSWORD = "tea-and-biscuits"  # of the database users of throw-away servers


class Cleanup:
    """What has to be undone, last made first undone; once, whatever ends the process."""

    def __init__(self):
        self._steps = []
        self._owner = os.getpid()
        atexit.register(self.run)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupted)

    def _interrupted(self, number, _frame):
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)
        sys.stdout.flush()
        sys.exit(128 + number)  # atexit runs the steps

    def add(self, step, *arguments):
        """Remembers step(*arguments); gives something to call to do it now."""
        entry = [step, arguments]
        self._steps.append(entry)

        def now():
            if entry in self._steps:
                self._steps.remove(entry)
                step(*arguments)

        return now

    def run(self):
        if os.getpid() != self._owner:
            return  # a fork: not its business
        while self._steps:
            step, arguments = self._steps.pop()
            try:
                step(*arguments)
            except Exception as error:  # the rest has to be undone all the same
                print(f"cleaning up: {step.__qualname__}: {error}", file=sys.stderr)


_cleanup = None


def cleanup():
    global _cleanup
    if _cleanup is None:
        _cleanup = Cleanup()
    return _cleanup


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG, for when this process is killed and cannot clean up


def _become(user, login=None):
    """Turns this process, just forked, into one of another unix user, logged in as that user (or `login`) where the kernel lets root say so."""
    person = pwd.getpwnam(user)
    with contextlib.suppress(OSError):
        Path("/proc/self/loginuid").write_text(str(pwd.getpwnam(login or user).pw_uid))
    os.setgroups(os.getgrouplist(user, person.pw_gid))
    os.setgid(person.pw_gid)
    os.setuid(person.pw_uid)


def be_plain_root():
    """Forgets who called sudo and who logged in, so that this process and what it starts is root and nobody else to assent."""
    for name in [name for name in os.environ if name.startswith("SUDO_")]:
        del os.environ[name]
    login = Path("/proc/self/loginuid")
    if login.exists() and login.read_text() not in ("0", "4294967295"):
        login.write_text("0")


def wait_until(is_done, seconds, what):
    """Polls is_done() until it gives something true, and gives that."""
    end = time.monotonic() + seconds
    while True:
        result = is_done()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def free_port(low=15000, high=32000):
    """A TCP port of 127.0.0.1 that nobody uses now, below those that the kernel gives to whoever connects.

    LANE, 0 or 1: of two tests that run at once each takes other ones.
    """
    import random

    lane = os.environ.get("LANE")
    for _ in range(1000):
        port = random.randint(low, high)
        if lane is not None:
            port = port - port % 2 + int(lane)
        with socket.socket() as probe, socket.socket(socket.AF_INET6) as probe6:
            try:
                probe.bind(("127.0.0.1", port))
                probe6.bind(("::1", port))
                return port
            except OSError:
                continue
    raise OSError(f"no free port between {low} and {high}")


def _is_dead(pid):
    return not Path(f"/proc/{pid}").exists()


def sweep():
    """Undoes what a process of this kind left that was killed and could not clean up. Unmounting detaches what was pinned."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place = Path(line.split()[4])
        owner = re.match(rf"{tempfile.gettempdir()}/assent-(\d+)-", f"{place}")
        if owner and _is_dead(owner.group(1)):
            subprocess.run(["umount", "--lazy", place], check=False)
    for path in cgroup_root().glob("assent_test_*"):
        if _is_dead(path.name.split("_")[2]):
            remove_cgroup(path)
    for path in Path(tempfile.gettempdir()).glob("assent-*-*"):
        owner = re.match(r"assent-(\d+)-", path.name)
        if owner and _is_dead(owner.group(1)):
            shutil.rmtree(path, ignore_errors=True)


def folder():
    """The temporary folder of this process; readable by everybody, so that agents of other users can look up."""
    if not hasattr(folder, "path"):
        sweep()
        folder.path = Path(tempfile.mkdtemp(prefix=f"assent-{os.getpid()}-"))
        folder.path.chmod(0o755)
        cleanup().add(shutil.rmtree, folder.path, True)
    return folder.path


def stop_process(process, number=signal.SIGTERM, seconds=30):
    """Ends a child by its id, harder when it does not go."""
    if process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def postgres_bin():
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not versions:
        raise FileNotFoundError("no PostgreSQL server below /usr/lib/postgresql; tools/test installs one")
    return versions[-1].parent


class Postgres:
    """A server of its own, run as the user postgres, that listens on 127.0.0.1 and ::1 with SCRAM passwords."""

    def __init__(self, name="pg", settings=None, tls=None):
        self.port = free_port()
        self.folder = folder() / name
        self.data, self.log = self.folder / "data", self.folder / "server.log"
        self._user = pwd.getpwnam("postgres")
        self._process = None
        self._make()
        options = {
            "port": self.port, "listen_addresses": "127.0.0.1,::1", "unix_socket_directories": str(self.folder),
            "fsync": "off", "max_connections": 200, "shared_buffers": "128MB", "log_line_prefix": "%m [%p] ", "timezone": "UTC",
        }
        if tls:
            options |= {"ssl": "on", "ssl_cert_file": str(tls[0]), "ssl_key_file": str(tls[1])}
        options |= settings or {}
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            for key, value in options.items():
                file.write(f"{key} = '{value}'\n")
        self.start()

    def _make(self):
        self.folder.mkdir()
        password = self.folder / "password"
        password.write_text(PASSWORD)
        for path in (self.folder, password):
            os.chown(path, self._user.pw_uid, self._user.pw_gid)
        done = subprocess.run(
            [postgres_bin() / "initdb", "-D", self.data, "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--locale=C.UTF-8",
             "--no-sync"], **self._as_user(), capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"initdb: {done.stderr}")
        # The tests' own look at the database goes past passwords, by the socket in a folder that only root can enter.
        hba = self.data / "pg_hba.conf"
        hba.write_text("local all all trust\n" + hba.read_text())

    def _as_user(self):
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": [], "cwd": self.folder}

    def start(self):
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen([postgres_bin() / "postgres", "-D", self.data], stdout=log, stderr=log,
                                             preexec_fn=_die_with_parent, **self._as_user())
        self._undo = cleanup().add(stop_process, self._process, signal.SIGINT)
        wait_until(self._answers, 30, "PostgreSQL answers")

    def _answers(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended:\n{self.log.read_text()[-2000:]}")
        done = subprocess.run([postgres_bin() / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)])
        return done.returncode == 0

    def stop(self):
        self._undo()

    def sql(self, text, database="postgres", user="postgres"):
        """Runs SQL directly, past assent; gives unaligned rows as one string."""
        done = subprocess.run([postgres_bin() / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port), "-U", user,
                               "-d", database], input=text, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def server_log(self):
        return self.log.read_text(errors="replace")


def cgroup_root():
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] == "cgroup2":
            return Path(fields[4])
    raise FileNotFoundError("no cgroup 2 is mounted")


def remove_cgroup(path):
    """Ends what is left in a cgroup of ours and removes it with everything below."""
    if not path.is_dir():
        return
    below = sorted((entry for entry in path.rglob("*") if entry.is_dir()), key=lambda entry: -len(entry.parts))
    for group in [*below, path]:
        for _ in range(100):
            pids = (group / "cgroup.procs").read_text().split() if group.is_dir() else []
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            try:
                group.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.05)


class Assent:
    """An assentd with settings, state, cgroups and a bpf mount of its own."""

    prefix = []  # put before the daemon and every agent: another view of the files, say
    run_options = ()  # more of `assent run`

    def __init__(self, policies, name="assent", threads=1, decide=None, extra_settings=None, start=True, binary=None):
        """policies: {file name: YAML text}; decide: the settings' decide; extra_settings: {key: YAML text}; binary: another assentd."""
        self.binary = binary or BUILD / "userspace/app/assentd"
        self.name = f"assent_test_{os.getpid()}_{name}"  # no dash: systemd would nest the slice
        self.folder = folder() / name
        self.folder.mkdir()
        self.state, self.run_folder = Path((extra_settings or {}).get("state", self.folder / "state")), self.folder / "run"
        self.policies, self.config, self.log = self.folder / "policies", self.folder / "assent.yaml", self.folder / "assentd.log"
        self.bpffs = self.folder / "bpf"
        self.slice = f"{self.name}.slice"
        self.cgroup, self.daemon_cgroup = cgroup_root() / self.slice, cgroup_root() / f"{self.name}_daemon"
        self.ports = [free_port(600, 1000)]
        self.environment = {**os.environ, "ASSENT_CONFIG": str(self.config)}
        self.process = None
        for path in (self.policies, self.bpffs):
            path.mkdir()
        self.write_policies(policies)
        self._write_settings(threads, decide or {"users": ["root"], "groups": []}, extra_settings or {})
        self._prepare_kernel()
        if start:
            self.start()

    def write_policies(self, policies):
        for old in self.policies.glob("*.yaml"):
            if old.name not in policies:
                old.unlink()
        for name, text in policies.items():
            (self.policies / name).write_text(text)

    def _write_settings(self, threads, decide, extra):
        settings = {
            "version": "1", "policies": str(self.policies), "state": str(self.state), "run": str(self.run_folder),
            "govern": json.dumps({"slices": [self.slice]}), "decide": json.dumps({kind: names for kind, names in decide.items() if names}),
            "proxy": json.dumps({"ports": self.ports, "threads": threads}), "bpffs": str(self.bpffs),
            # New cgroups are watched for only: the gate would be on the cgroups of the whole machine.
            "kernel": "{accept: [no-lsm], new_cgroups: watch}",  # the kernel of a build machine may not take such programs
            # The temporary folder may stand on a small disk.
            "records": "{durability: {writes: strict, reads: 100ms}, max_size: 2GiB, reserve: 16MiB, retain: 400d}",
        } | extra
        self.config.write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))

    def _prepare_kernel(self):
        subprocess.run(["mount", "-t", "bpf", "bpf", self.bpffs], check=True)
        steps = [(self._unmount,), (remove_cgroup, self.daemon_cgroup), (remove_cgroup, self.cgroup), (self._detach,)]
        self._undo_kernel = [cleanup().add(*step) for step in steps][::-1]
        self.daemon_cgroup.mkdir()

    def _unmount(self):
        subprocess.run(["umount", self.bpffs], check=True)

    def _detach(self):
        if (self.bpffs / "assent").is_dir():
            self.cli("detach", "--reason", "the end of a test")
            shutil.rmtree(self.bpffs / "assent", ignore_errors=True)  # unlinking a pin detaches it

    def start(self):
        def enter_cgroup():
            _die_with_parent()
            (self.daemon_cgroup / "cgroup.procs").write_text(str(os.getpid()))

        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.prefix, self.binary, "--config", self.config], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, preexec_fn=enter_cgroup)
        self._undo = cleanup().add(stop_process, self.process)
        wait_until(self._answers, 30, f"assentd answers\n{self.daemon_log()}")

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"assentd ended with {self.process.returncode}:\n{self.daemon_log()[-4000:]}")
        return (self.run_folder / "control.sock").exists() and self.cli("status", "--json").returncode != 3  # 3: nobody answers

    def daemon_log(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self):
        """SIGTERM, and waits for the drain; gives the exit status."""
        self._undo()
        return self.process.returncode

    def close(self):
        """Undoes everything of this daemon now."""
        self.stop()
        for undo in self._undo_kernel:
            undo()

    def kill(self):
        """SIGKILL: what is pinned stays."""
        self.process.kill()
        self.process.wait(30)

    def restart(self):
        self.stop()
        self.start()

    def cli(self, *arguments, user=None, login=None, timeout=60, program="assent"):
        """Runs `assent` as root or as another user, who may say to be logged in as a third; gives the finished process."""
        command = [str(BUILD / "userspace/cli" / program), *map(str, arguments)]
        become = (lambda: _become(user, login)) if user is not None else None
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                              preexec_fn=become)

    def ask(self, *arguments, **options):
        """Runs a verb with --json and gives its answer; an error is an exception."""
        done = self.cli(*arguments, "--json", **options)
        if done.returncode != 0:
            raise RuntimeError(f"assent {' '.join(map(str, arguments))}: {done.returncode}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def run_command(self, *command, name="nightly", user="nobody", purpose=None):
        """The argument list that starts a command as a governed agent."""
        purposes = ["--purpose", purpose] if purpose else []
        return [*self.prefix, str(BUILD / "userspace/cli/assent"), "run", "--name", name, "--user", user, *purposes, *map(str, self.run_options),
                "--", *map(str, command)]

    def agent(self, *command, name="nightly", user="nobody", purpose=None, timeout=60, environment=None, input=None):
        """Runs a command as a governed agent to its end."""
        return subprocess.run(self.run_command(*command, name=name, user=user, purpose=purpose), capture_output=True, text=True, timeout=timeout,
                              env={**self.environment, **(environment or {})}, **({"input": input} if input is not None else
                                                                                  {"stdin": subprocess.DEVNULL}))

    def start_agent(self, *command, name="nightly", user="nobody", purpose=None, environment=None, **pipes):
        """Starts a command as a governed agent and leaves it running; it is ended with everything else."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | pipes
        process = subprocess.Popen(self.run_command(*command, name=name, user=user, purpose=purpose),
                                   env={**self.environment, **(environment or {})}, preexec_fn=_die_with_parent, **pipes)
        cleanup().add(stop_process, process)
        return process


def make_shop(postgres):
    """The database shop, with the user shop_app that applications and agents log in as."""
    postgres.sql("CREATE DATABASE shop")
    postgres.sql((SOURCE / "tests/support/shop.sql").read_text(), "shop")
    postgres.sql(f"ALTER ROLE shop_app PASSWORD '{PASSWORD}'")
