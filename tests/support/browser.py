"""A real browser (Debian's Chromium, by npm's playwright-core) that tests speak to in JavaScript."""

import hashlib
import json
import select
import shutil
import subprocess

import throwaway

SOURCE = throwaway.SOURCE / "tests/support/browser"


def installed():
    """The folder with the driver and its package, installed once for a build as the lock file says."""
    folder = throwaway.BUILD / "browser-driver"
    folder.mkdir(exist_ok=True)
    digest = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "installed"
    for name in ("package.json", "package-lock.json", ".npmrc", "driver.mjs"):
        shutil.copy(SOURCE / name, folder / name)
    if not stamp.exists() or stamp.read_text() != digest:
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        stamp.write_text(digest)
    return folder


class Browser:
    def __init__(self, timeout_s=15):
        self.timeout_s = timeout_s
        options = {"program": shutil.which("chromium"), "timeout_ms": timeout_s * 1000}
        self.process = subprocess.Popen(["node", installed() / "driver.mjs", json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, preexec_fn=throwaway._die_with_parent)
        self._undo = throwaway.cleanup().add(throwaway.stop_process, self.process)

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)

    def run(self, script, page="main", **given):
        """Runs the text as the body of an asynchronous function of (page, open, state, given, browser); gives what it returns."""
        self.process.stdin.write(json.dumps({"script": script, "page": page, "with": given}) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], 6 * self.timeout_s)[0]:
            raise AssertionError(f"the browser does not answer to\n{script}")
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"{answer['error']}\n{script}")
        return answer["value"]
