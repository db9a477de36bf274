"""What somebody tries who is not signed in, is somebody else's page, or has somebody else's link."""

import http.server
import socket
import subprocess
import threading

import harness
from test_console import InABrowser


class AgainstTheConsole(InABrowser):
    def cookies(self, page="main"):
        return {cookie["name"]: cookie for cookie in self.browser.run("return page.context().cookies();", page=page)}

    def test_the_session_is_a_cookie_that_no_script_and_no_other_site_has(self):
        self.sign_in()
        cookie = self.cookies()["__Host-assent-session"]
        self.assertTrue(cookie["secure"] and cookie["httpOnly"])
        self.assertEqual((cookie["sameSite"], cookie["path"], cookie["expires"]), ("Strict", "/", -1))
        self.assertNotIn("assent-session", self.browser.run("return page.evaluate(() => document.cookie);"))
        self.assertEqual(self.browser.run("return page.evaluate(() => Object.keys(localStorage).concat(Object.keys(sessionStorage)));"), [])

    def test_an_id_that_was_planted_is_not_the_one_that_is_signed_in(self):
        planted = "f" * 64
        self.browser.run("""await page.context().addCookies([{ name: '__Host-assent-session', value: given.value, url: given.url, secure: true,
                            httpOnly: true, sameSite: 'Strict' }]);""", value=planted, url=self.console.url)
        self.sign_in()
        first = self.cookies()["__Host-assent-session"]["value"]
        self.assertNotEqual(first, planted)
        headers = {"Cookie": f"__Host-assent-session={planted}"}
        self.assertEqual(self.console.ask("/api/v1/me", headers=headers)[0], 401)
        # Signing in again ends the session from before.
        self.browser.run("await page.goto(given.url); await page.locator('nav.rail').waitFor();", url=self.console.url + "/sign-in?return=/")
        self.assertNotEqual(self.cookies()["__Host-assent-session"]["value"], first)
        self.assertEqual(self.console.ask("/api/v1/me", headers={"Cookie": f"__Host-assent-session={first}"})[0], 401)

    def test_signing_out_ends_it_on_this_side(self):
        self.sign_in()
        value = self.cookies()["__Host-assent-session"]["value"]
        self.assertEqual(self.console.ask("/api/v1/me", headers={"Cookie": f"__Host-assent-session={value}"})[0], 200)
        self.browser.run("await page.getByRole('button', { name: 'Sign out' }).click(); await page.getByRole('link', { name: /^Sign in/ }).waitFor();")
        self.assertNotIn("__Host-assent-session", self.cookies())
        self.assertEqual(self.console.ask("/api/v1/me", headers={"Cookie": f"__Host-assent-session={value}"})[0], 401)

    def session(self, person="ana"):
        self.sign_in(person)
        value = next(cookie["value"] for cookie in self.browser.run("return page.context().cookies();") if cookie["name"] == "__Host-assent-session")
        me = self.console.json("/api/v1/me", headers={"Cookie": f"__Host-assent-session={value}"})[1]
        return value, me["csrf"]

    def test_a_change_needs_the_word_of_the_session_and_the_origin_of_the_console(self):
        agent, hold = self.hold_one(41)
        value, csrf = self.session()
        good = {"Cookie": f"__Host-assent-session={value}", "Origin": self.console.url, "X-Assent-CSRF": csrf}
        path = f"/api/v1/holds/{hold}/deny"
        for change in ({"X-Assent-CSRF": ""}, {"X-Assent-CSRF": "0" * 64}, {"Origin": "https://evil.example"}, {"Origin": "null"},
                       {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            self.assertEqual(self.console.ask(path, method="POST", body={}, headers=good | change)[0], 403, change)
        for left_out in ("X-Assent-CSRF", "Origin"):
            headers = {name: each for name, each in good.items() if name != left_out}
            self.assertEqual(self.console.ask(path, method="POST", body={}, headers=headers)[0], 403, left_out)
        self.assertEqual(self.assent.ask("holds", "show", hold)["state"], "waiting")
        status, answer = self.console.json(path, method="POST", body={"reason": "r"}, headers=good)
        self.assertEqual(status, 200, answer)
        self.assertEqual(agent.next()["sqlstate"], "42501")

    def test_another_site_reads_and_changes_nothing(self):
        agent, hold = self.hold_one(42)
        self.sign_in()
        page = f"""<form id=f method=post enctype=text/plain action="{self.console.url}/api/v1/holds/{hold}/approve">
            <input name='{{"reason":"' value='"}}'></form><iframe src="{self.console.url}/holds/{hold}"></iframe>"""

        class Evil(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            found = self.browser.run("""
                await page.goto(given.evil);
                const read = await page.evaluate((url) => fetch(url + '/api/v1/holds', { credentials: 'include' }).then((a) => a.text(), () => 'kept away'), given.url);
                const framed = page.frames().length < 2 ? 'none' : await page.frames()[1].evaluate(() => document.body?.innerText ?? '').catch(() => 'kept away');
                await page.evaluate(() => document.getElementById('f').submit());
                await page.waitForLoadState();
                return { read, framed };
            """, evil=f"http://127.0.0.1:{server.server_port}/", url=self.console.url)
        finally:
            server.shutdown()
        self.assertEqual(found["read"], "kept away")
        self.assertNotIn("orders", found["framed"])
        self.assertEqual(self.assent.ask("holds", "show", hold)["state"], "waiting")
        agent.kill()

    def test_nobody_is_led_away_by_a_sign_in(self):
        for place in ("https://evil.example/", "//evil.example/", "/\\evil.example", "/%2f/evil.example", "javascript:alert(1)"):
            self.browser.run("await page.context().clearCookies();")
            came_out = self.browser.run("""
                await page.goto(given.url + '/sign-in?' + new URLSearchParams({ return: given.place }));
                await page.locator('input[name=login]').fill('ana');
                await page.locator('input[name=password]').fill('any');
                await page.locator('button[type=submit]').click();
                for (let i = 0; i < 3 && !page.url().startsWith(given.url); ++i) {
                    await page.locator('button[type=submit]').click();
                    await page.waitForLoadState();
                }
                await page.waitForURL((url) => url.origin === given.url && !url.pathname.startsWith('/sign-in'));
                return page.url();
            """, url=self.console.url, place=place)
            self.assertTrue(came_out.startswith(self.console.url + "/"), (place, came_out))

    def test_a_sign_in_ends_in_the_browser_that_began_it(self):
        self.assertEqual(self.console.ask("/sign-in/done?state=abc&code=def")[1]["Location"], "/?sign-in=expired")
        status, headers, _ = self.console.ask("/sign-in")
        self.assertEqual(status, 303)
        asked = dict(pair.split("=", 1) for pair in headers["Location"].split("?", 1)[1].split("&"))
        self.assertEqual((asked["response_type"], asked["code_challenge_method"]), ("code", "S256"))
        self.assertTrue(asked["nonce"] and asked["code_challenge"])
        # Somebody else's browser, which has another cookie or none (login CSRF).
        for cookie in ({}, {"Cookie": "__Host-assent-sign-in=" + "a" * 64}):
            done = self.console.ask(f"/sign-in/done?state={asked['state']}&code=x&iss={self.provider.issuer}", headers=cookie)
            self.assertEqual(done[1]["Location"], "/?sign-in=expired")
        own = {"Cookie": headers["Set-Cookie"].split(";")[0]}
        for query, why in (("code=x&iss=https://evil.example", "denied"), ("code=x", "expired")):
            done = self.console.ask(f"/sign-in/done?state={asked['state']}&{query}", headers=own)
            self.assertEqual(done[1]["Location"], f"/?sign-in={why}", query)  # a state is good once
            self.assertNotIn("__Host-assent-session", done[1].get("Set-Cookie") or "")

    def test_headers_of_every_answer_keep_others_out(self):
        for path in ("/", "/api/v1/me", "/assets/nothing.js", "/sign-in/done"):
            _, headers, _ = self.console.ask(path)
            self.assertIn("default-src 'none'", headers["Content-Security-Policy"], path)
            self.assertIn("frame-ancestors 'none'", headers["Content-Security-Policy"])
            self.assertNotIn("unsafe", headers["Content-Security-Policy"])
            for name in ("Strict-Transport-Security", "X-Content-Type-Options", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"):
                self.assertTrue(headers[name], (path, name))
        self.assertEqual(self.console.ask("/", headers={"Host": "evil.example"})[0], 421)

    def test_tls_is_of_today_and_the_certificate_is_of_an_authority_that_is_named(self):
        def handshake(*options):
            return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", *options], input="", capture_output=True, text=True)

        self.assertIn("TLSv1.3", handshake().stdout)
        self.assertIn("TLSv1.2", handshake("-tls1_2").stdout)
        self.assertNotEqual(handshake("-tls1_1", "-cipher", "ALL:@SECLEVEL=0").returncode, 0)
        self.assertIn("one was made by an authority of this console's own", self.console.log.read_text())
        self.assertIn("DNS:localhost", subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName"], input=handshake().stdout,
                                                      capture_output=True, text=True).stdout)

    def test_large_and_slow_requests_are_bounded(self):
        self.assertEqual(self.console.ask("/api/v1/explain", method="POST", body={"sql": "x" * (3 << 20)})[0], 413)
        self.assertIn(self.console.ask("/" + "a" * 20_000)[0], (400, 414))
        self.assertEqual(self.console.ask("/" + "a" * 8_000)[0], 200)
        # The library would take headers for as long as they come.
        with socket.create_connection(("127.0.0.1", self.port)) as plain, self.console.tls.wrap_socket(plain, server_hostname="localhost") as client:
            client.settimeout(3)  # what was cut off may take no more for a minute before the kernel gives it up
            client.sendall(b"GET / HTTP/1.1\r\n")
            with self.assertRaises(OSError):
                for number in range(400):
                    client.sendall((b"X-%d: %s\r\n" % (number, b"a" * 1000)) * 50)
        self.assertEqual(self.console.ask("/")[0], 200)

    def test_a_header_that_comes_twice_is_refused(self):
        with socket.create_connection(("127.0.0.1", self.port)) as plain, self.console.tls.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(b"GET /api/v1/me HTTP/1.1\r\nHost: localhost:%d\r\nHost: evil.example\r\n\r\n" % self.port)
            self.assertIn(b" 400 ", client.recv(100))


if __name__ == "__main__":
    harness.main()
