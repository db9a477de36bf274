"""The console, as a process of an ordinary user, with a provider whose people it knows."""

import json
import os
import pwd
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import throwaway

USER = "games"  # no right to anything, and no agent of these tests

PEOPLE = {
    "ana": {"email": "ana@example.com", "email_verified": True, "groups": ["dba"]},
    "dan": {"email": "dan@example.com", "email_verified": True, "groups": ["dba"]},
    "rita": {"email": "rita@example.com", "email_verified": True, "groups": ["payments"]},
    "vic": {"email": "vic@example.com", "email_verified": True, "groups": ["auditors"]},
    "out": {"email": "out@example.com", "email_verified": True, "groups": []},
}


def settings(provider, port):
    """What the settings say of the console: who looks, who answers, and where they sign in."""
    issuer = {"issuer": provider.issuer, "ca": str(provider.ca), "reviewers": {"client_id": "assent-cli", "scopes": ["openid", "email", "groups"]}}
    return {
        "console": json.dumps({"listen": f"127.0.0.1:{port}", "public_url": f"https://localhost:{port}", "user": USER}),
        "identity": json.dumps({"issuers": [issuer], "local_reviewers": "allow"}),  # so that tests can tidy up as root
        "view": json.dumps({"groups": ["auditors"]}),
    }


class Console:
    def __init__(self, assent, port):
        self.url, self.port = f"https://localhost:{port}", port
        self.log = assent.folder / "console.log"
        self.config = assent.config
        self.tls = ssl._create_unverified_context()  # its own authority is looked at by a test of its own
        self.start()

    def start(self):
        user = pwd.getpwnam(USER)

        def become():
            throwaway._die_with_parent()
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)

        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([throwaway.BUILD / "userspace/console/assent-console", "--config", self.config], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, preexec_fn=become)
        self._undo = throwaway.cleanup().add(throwaway.stop_process, self.process)
        throwaway.wait_until(self._answers, 20, f"the console answers\n{self.log.read_text()}")

    def stop(self):
        self._undo()

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the console ended with {self.process.returncode}:\n{self.log.read_text()}")
        try:
            return self.ask("/api/v1/providers")[0] == 200
        except OSError:
            return False

    def ask(self, path, token=None, method="GET", body=None, headers=None):
        """One request without a browser: (status, headers, what came)."""
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode())
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.tls), _Stay)
        for _ in range(50):
            try:
                with opener.open(request, timeout=20) as answer:
                    return answer.status, answer.headers, answer.read().decode()
            except urllib.error.HTTPError as error:
                if error.code != 429:
                    return error.code, error.headers, error.read().decode()
                time.sleep(0.2)
        raise AssertionError("it never stopped refusing")

    def json(self, path, **rest):
        status, _, text = self.ask(path, **rest)
        return status, json.loads(text)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


SIGN_IN = """
  // `given.url` is a page of the console; the provider's own pages ask for a name, and whether the console may know it.
  await page.goto(given.url);
  await page.getByRole("link", { name: /^Sign in/ }).click();
  await page.locator("input[name=login]").fill(given.person);
  await page.locator("input[name=password]").fill("any");
  await page.locator("button[type=submit]").click();
  for (let i = 0; i < 3 && !page.url().startsWith(given.origin); ++i) {
    await page.locator("button[type=submit]").click();
    await page.waitForLoadState();
  }
  await page.waitForURL((url) => url.origin === given.origin && !url.pathname.startsWith("/sign-in"));
  await page.locator("nav.rail").waitFor();
  return page.url();
"""


def sign_in(browser, console, person, path="/", page="main"):
    """Gives where the person came out."""
    return browser.run(SIGN_IN, page=page, url=console.url + path, person=person, origin=console.url)
