"""Installs a build into an empty folder and looks at what is there."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

BUILD, SOURCE = Path(os.environ["ASSENT_BUILD"]), Path(os.environ["ASSENT_SOURCE"])

EXPECTED = [
    "bin/assent",
    "sbin/assentd",
    "sbin/assent-console",
    "sbin/assent-notify",
    "lib/systemd/system/assent-console.service",
    "lib/systemd/system/assent-notify.service",
    "lib/systemd/system/assentd.service",
    "lib/sysusers.d/assent.conf",
    "lib/tmpfiles.d/assent.conf",
    "share/man/man1/assent.1",
    "share/man/man8/assentd.8",
    "share/man/man8/assent-console.8",
    "share/man/man8/assent-notify.8",
    "share/bash-completion/completions/assent",
    "share/doc/assent/README.md",
    "share/doc/assent/LICENSE",
    "share/doc/assent/examples/assent.yaml",
    "share/doc/assent/examples/assent.json",
]


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="assent-install-")
        # Below a folder of its own whatever the prefix is: with /usr the settings go to /etc.
        subprocess.run([os.environ["ASSENT_CMAKE"], "--install", BUILD], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DESTDIR": cls.folder.name})
        prefix = re.search(r"(?m)^CMAKE_INSTALL_PREFIX:\w+=/(.*)", (BUILD / "CMakeCache.txt").read_text()).group(1)
        cls.prefix = Path(cls.folder.name) / prefix
        cls.settings = Path(cls.folder.name) / ("etc" if prefix == "usr" else f"{prefix}/etc") / "assent/assent.yaml"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_installed(self, *arguments):
        return subprocess.run([self.prefix / "bin/assent", *arguments], capture_output=True, text=True, timeout=60)

    def test_everything_is_in_its_place(self):
        missing = [name for name in EXPECTED if not (self.prefix / name).is_file()]
        self.assertTrue(self.settings.is_file())
        self.assertTrue((self.settings.parent / "policies").is_dir())
        self.assertEqual(missing, [])

    def test_every_sample_policy_is_there(self):
        samples = {path.relative_to(SOURCE / "policies") for path in (SOURCE / "policies").rglob("*.yaml")}
        installed = self.prefix / "share/doc/assent/policies"
        self.assertTrue(samples)
        self.assertEqual({path.relative_to(installed) for path in installed.rglob("*.yaml")}, samples)

    def test_the_programs_run_from_there(self):
        for program in ("bin/assent", "sbin/assentd", "sbin/assent-console", "sbin/assent-notify"):
            done = subprocess.run([self.prefix / program, "--help"], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("--config", done.stdout)

    def check_settings(self, settings, policy=""):
        """What the daemon says of settings whose folders are moved below one of this test; None when nothing is wrong."""
        with tempfile.TemporaryDirectory(prefix="assent-settings-") as folder:
            file = Path(folder) / "assent.yaml"
            file.write_text(settings.replace("/etc/assent/policies", f"{folder}/policies").replace("/var/lib/assent", f"{folder}/state")
                            .replace("/run/assent", f"{folder}/run"))
            (Path(folder) / "policies").mkdir()
            if policy:
                (Path(folder) / "policies/policy.yaml").write_text(policy)
            done = subprocess.run([self.prefix / "sbin/assentd", "--check", "--config", file], capture_output=True, text=True, timeout=60)
            return None if done.returncode == 0 else done.stdout + done.stderr

    def examples_of(self, page):
        """The blocks of a manual that are whole files."""
        text = (self.prefix / "share/man" / page).read_text()
        blocks = [block.replace("\\-", "-") for block in re.findall(r"(?ms)^\.nf\n(.*?)^\.fi", text)]
        return [block for block in blocks if block.startswith("version:")]

    def test_the_settings_that_are_installed_start_the_daemon(self):
        self.assertIsNone(self.check_settings(self.settings.read_text()))

    def test_what_the_manuals_show_is_accepted(self):
        (settings,) = self.examples_of("man5/assent.yaml.5")
        self.assertIsNone(self.check_settings(settings))
        (policy,) = self.examples_of("man5/assent-policy.5")
        self.assertIsNone(self.check_settings(settings, policy))

    def test_the_unit_starts_the_daemon_that_was_installed(self):
        unit = (self.prefix / "lib/systemd/system/assentd.service").read_text()
        self.assertRegex(unit, r"(?m)^ExecStart=\S*/assentd")

    def test_nothing_names_the_folder_it_was_built_in(self):
        for path in self.prefix.rglob("*"):
            if path.is_file() and path.parent.name not in ("bin", "sbin"):
                self.assertNotIn(str(SOURCE).encode(), path.read_bytes(), path)

    def test_man_pages_name_every_verb(self):
        page = (self.prefix / "share/man/man1/assent.1").read_text().replace("\\-", "-")
        described = self.run_installed("--help").stdout
        verbs = re.findall(r"(?m)^  ([a-z]+)  +\S", described.split("Examples:")[0])
        self.assertLessEqual({"approve", "sessions", "detach"}, set(verbs))
        self.assertEqual([verb for verb in verbs if not re.search(rf"\b{verb}\b", page)], [])


if __name__ == "__main__":
    unittest.main()
