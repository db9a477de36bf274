"""A person's day in the console: a real browser, a real provider, a real agent that is held."""

import json
import os
import re
import subprocess

import harness
import throwaway
from browser import Browser
from console import PEOPLE, Console, settings, sign_in
from identity_provider import Provider

POLICY = (harness.POLICY.replace("users: [root, backup], groups: [www-data]", 'users: ["unix:root", ana@example.com], groups: [dba]')
          .replace("wait: 4s", "wait: 30s").replace("deadline: 60s", "deadline: 15m"))

HELD = """
    with connect() as c:
        {before}
        try:
            say(rows=c.execute({statement!r}).rowcount)
        except psycopg.Error as e:
            say(**error_of(e))
"""

EVIL = "UPDATE orders SET status = '<img src=x onerror=alert(1)><script>alert(2)</script>\u202e dleif' WHERE id = {}"


class InABrowser(harness.EndToEnd):
    policy = POLICY
    decide = {"users": ["root", "ana@example.com"], "groups": ["dba"]}
    id_ttl = 600  # seconds that an ID token is good for

    @classmethod
    def setUpClass(cls):
        cls.port = throwaway.free_port()
        cls.provider = Provider(PEOPLE, redirects=[f"https://localhost:{cls.port}/sign-in/done"], id_ttl=cls.id_ttl)
        cls.extra_settings = settings(cls.provider, cls.port)
        super().setUpClass()
        cls.console = Console(cls.assent, cls.port)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.console.stop()
        super().tearDownClass()
        cls.provider.stop()

    def setUp(self):
        self.browser.run("state.problems.length = 0; await page.context().clearCookies(); await page.goto('about:blank');")

    def tearDown(self):
        for hold in self.holds():
            self.deny(hold)

    def sign_in(self, person="ana", path="/", page="main"):
        return sign_in(self.browser, self.console, person, path, page)

    def hold_one(self, number, statement=None, before="", **rest):
        """An agent that waits for an answer, and the id of its hold."""
        agent = self.start_script(HELD.format(statement=statement or f"UPDATE orders SET status = 'returned' WHERE id = {number}", before=before), **rest)
        return agent, self.wait_for_hold(f"id = {number}")["id"]

    def no_problems(self):
        self.assertEqual(self.browser.run("return state.problems;"), [])

    def shot(self, name, page="main"):
        """A picture for people to look at, where they ask for them."""
        if folder := os.environ.get("ASSENT_SCREENSHOTS"):
            self.browser.run("await page.waitForTimeout(200); await page.screenshot({ path: given.file, fullPage: given.whole });", page=page,
                             file=f"{folder}/{name}.png", whole=not name.startswith("view-"))


class InTheConsole(InABrowser):
    def test_a_link_leads_through_the_sign_in_to_its_hold_which_is_approved_by_keyboard(self):
        agent, hold = self.hold_one(21, before="c.execute('SELECT count(*) FROM orders')", purpose="returns of January")
        self.assertEqual(self.sign_in(path=f"/holds/{hold}"), f"{self.console.url}/holds/{hold}")
        text = self.browser.run("await page.locator('.decision').waitFor(); return page.locator('main').innerText();")
        for wanted in ("UPDATE orders SET status = 'returned' WHERE id = 21", "update", "public.orders", "nightly", "shop-db", "returns of January",
                       "changes-need-a-dba", "SELECT count(*) FROM orders", "dba"):
            self.assertIn(wanted, text)
        self.shot("hold")
        # A single key approves nothing: it asks.
        self.browser.run("await page.keyboard.press('a'); await page.locator('dialog[open]').waitFor(); await page.keyboard.press('Escape');")
        self.assertEqual(self.assent.ask("holds", "show", hold)["state"], "waiting")
        self.browser.run("""
            await page.keyboard.press('a');
            await page.locator('dialog[open]').waitFor();
            await page.keyboard.type('seen by a test');
        """)
        self.shot("view-approve")
        self.browser.run("await page.keyboard.press('Control+Enter'); await page.locator('.outcome').waitFor();")
        self.assertEqual(agent.next(), {"rows": 1})
        shown = self.assent.ask("holds", "show", hold)
        self.assertEqual((shown["state"], shown["decided_by"], shown["reason"]), ("used", "ana@example.com", "seen by a test"))
        self.no_problems()

    def test_the_queue_is_live_and_a_denial_reaches_the_agent(self):
        self.sign_in()
        self.browser.run("await page.getByText('Nothing waits for you').waitFor();")
        self.shot("queue-empty")
        agent, hold = self.hold_one(22)
        self.browser.run("await page.locator(`[data-hold=${given.hold}]`).waitFor();", hold=hold)
        others = [self.hold_one(number) for number in (23, 24)]
        self.browser.run("await page.getByText('3 alike').waitFor();")
        self.shot("queue")
        self.browser.run("""
            await page.getByRole('button', { name: /Show the other/ }).click();
            await page.locator(`[data-hold=${given.hold}]`).focus();
            await page.keyboard.press('Enter');
            await page.getByRole('button', { name: /^Deny/ }).click();
            await page.locator('#ask-reason').fill('not today');
            await page.getByRole('button', { name: /^Deny it/ }).click();
            await page.locator('.outcome.is-denied').waitFor();
        """, hold=hold)
        error = agent.next()
        self.assert_refused(error, cause="reviewer", retry="never")
        self.assertIn("not today", json.dumps(error))
        for other, identity in others:
            other.kill()
        self.no_problems()

    def test_a_long_command_is_approved_only_when_its_end_was_seen(self):
        filler = "".join(f"    -- line {line} of a long story\n" for line in range(200))
        agent, hold = self.hold_one(25, statement=f"UPDATE orders SET status = 'long'\n{filler}WHERE id = 25")
        self.sign_in(path=f"/holds/{hold}")
        approve = "page.getByRole('button', { name: /^Approve…/ })"
        self.assertTrue(self.browser.run(f"await {approve}.waitFor(); return {approve}.isDisabled();"))
        self.browser.run("await page.keyboard.press('a'); await page.waitForTimeout(300);")
        self.assertEqual(self.browser.run("return page.locator('dialog[open]').count();"), 0)
        self.assertFalse(self.browser.run(
            f"await page.locator('.command-box').evaluate((box) => box.scrollTo(0, box.scrollHeight)); await page.waitForTimeout(300); return {approve}.isDisabled();"))
        agent.kill()
        self.no_problems()

    def test_what_an_agent_writes_is_text_whatever_it_is(self):
        agent, hold = self.hold_one(26, statement=EVIL.format(26), purpose="<b>harmless</b>")
        self.sign_in(path=f"/holds/{hold}")
        shown = self.browser.run("""
            page.on('dialog', (dialog) => state.problems.push('a dialog of the agent'));
            await page.locator('.command-box').waitFor();
            return { text: await page.locator('.command-box').innerText(), images: await page.locator('main img, main script, main b b').count(),
                     marked: await page.locator('.command .hidden-character').allInnerTexts(), banner: await page.locator('.banner').innerText() };
        """)
        self.assertIn("<img src=x onerror=alert(1)>", shown["text"])
        self.assertEqual(shown["images"], 0)
        self.assertEqual(shown["marked"], ["\\u{202E}"])
        self.assertIn("do not show", shown["banner"])
        self.shot("hold-hostile")
        agent.kill()
        self.no_problems()

    def test_who_may_look_may_not_answer(self):
        agent, hold = self.hold_one(27)
        self.sign_in("vic", f"/holds/{hold}")
        self.assertEqual(self.browser.run("await page.locator('.command-box').waitFor(); return page.getByRole('button', { name: /Approve|Deny/ }).count();"), 0)
        # Also not by asking for it all the same.
        status = self.browser.run("""
            const me = await page.evaluate(() => fetch('/api/v1/me').then((answer) => answer.json()));
            return page.evaluate(async ([hold, csrf]) => (await fetch(`/api/v1/holds/${hold}/approve`, { method: 'POST', body: '{}',
                headers: { 'Content-Type': 'application/json', 'X-Assent-CSRF': csrf } })).status, [given.hold, me.csrf]);
        """, hold=hold)
        self.assertEqual(status, 403)
        self.assertEqual(self.assent.ask("holds", "show", hold)["state"], "waiting")
        agent.kill()

    def test_a_stranger_of_the_provider_sees_nothing(self):
        self.sign_in("out")
        text = self.browser.run("await page.getByText('Nothing waits for you').waitFor(); return page.locator('main').innerText();")
        self.assertIn("out@example.com", text)
        self.assertEqual(self.browser.run("return page.locator('.rail li').allInnerTexts();"), ["Queue"])
        self.browser.run("await page.goto(given.url + '/sessions'); await page.getByText('nothing here for you').waitFor();", url=self.console.url)
        statuses = self.browser.run("""
            return page.evaluate(() => Promise.all(['sessions', 'search?text=a', 'policy', 'status']
                .map((each) => fetch('/api/v1/' + each).then((answer) => answer.status))));
        """)
        self.assertEqual(statuses, [403] * 4)
        # Whom a policy may name sees the holds that they review: none.
        holds = self.browser.run("return page.evaluate(() => fetch('/api/v1/holds').then((answer) => answer.json()));")
        self.assertEqual(holds["holds"], [])

    def test_sessions_are_found_replayed_followed_and_ended(self):
        self.psql_rows("SELECT id, name, national_id FROM customers ORDER BY id LIMIT 3")
        live = self.start_script("""
            with connect() as c:
                c.execute("SELECT 1")
                sys.stdin.readline()
                c.execute("SELECT 'live now'")
                say(ready=True)
                try:
                    sys.stdin.readline()
                    c.execute("SELECT 2")
                except psycopg.Error as e:
                    say(ended=True)
        """, stdin=subprocess.PIPE)
        self.sign_in(path="/sessions")
        self.browser.run("await page.locator('.row').first().waitFor();")
        self.shot("sessions")
        self.browser.run("""
            await page.goto(given.url + '/search');
            await page.locator('#search-text').fill('national_id');
            await page.keyboard.press('Enter');
            await page.locator('.rows .row').first().waitFor();
        """, url=self.console.url)
        self.shot("search")
        text = self.browser.run("""
            await page.locator('.rows a[href^="/sessions/"]').first().click();
            await page.locator('.record').first().waitFor();
            return page.locator('.records').innerText();
        """)
        self.assertIn("SELECT id, name, national_id", text)
        self.shot("replay")
        # Stepping back hides what came later; playing brings it back.
        counts = self.browser.run("""
            const all = await page.locator('.record').count();
            await page.keyboard.press('k');
            await page.keyboard.press('k');
            const fewer = await page.locator('.record').count();
            await page.keyboard.press('p');
            await page.waitForFunction((all) => document.querySelectorAll('.record').length === all, all);
            return [all, fewer];
        """)
        self.assertEqual(counts[1], counts[0] - 2)
        self.browser.run("""
            await page.goto(given.url + '/sessions?live=true');
            await page.locator('.row').first().click();
            await page.locator('.chip.is-live').waitFor();
        """, url=self.console.url)
        live.tell()
        live.next()
        self.browser.run("await page.getByText('live now').first().waitFor();")
        self.shot("live")
        self.browser.run("""
            await page.getByRole('button', { name: /^End it/ }).click();
            await page.locator('#ask-reason').fill('enough of that');
            await page.locator('dialog[open] button[type=submit]').click();
            await page.locator('.record[data-type="flow.closed"]').waitFor();
        """)
        live.tell()
        self.assertEqual(live.next(), {"ended": True})
        self.no_problems()

    def test_the_policy_is_shown_and_asked(self):
        self.sign_in(path="/policy")
        text = self.browser.run("await page.getByText('shop.yaml').waitFor(); return page.locator('main').innerText();")
        for wanted in ("nightly", "shop-db", "revision 1"):
            self.assertIn(wanted, text)
        self.shot("policy")
        answers = {}
        for sql in ("SELECT * FROM orders", "DELETE FROM orders WHERE id = 1", "DROP TABLE orders"):
            answers[sql] = self.browser.run("""
                await page.goto(given.url + '/explain');
                await page.locator('textarea[name=sql]').fill(given.sql);
                await page.getByRole('button', { name: 'Explain' }).click();
                await page.locator('.answer').waitFor();
                return page.locator('.answer h2 .chip').innerText();
            """, url=self.console.url, sql=sql)
        self.assertEqual(list(answers.values()), ["allow", "hold", "deny"])
        self.shot("explain")
        self.browser.run("await page.goto(given.url + '/log'); await page.getByText('Records are written').waitFor();", url=self.console.url)
        self.shot("log")
        self.no_problems()

    def test_every_look_is_in_the_record(self):
        self.sign_in("vic", "/policy")
        for path in ("/policy", "/sessions", "/search?text=orders", "/log", "/"):
            self.browser.run("await page.goto(given.url); await page.waitForLoadState('networkidle').catch(() => 0);", url=self.console.url + path)
        segments = b"".join(path.read_bytes() for path in (self.assent.state / "records").glob("*.seg")).decode(errors="replace")
        looked = {what for what in re.findall(r'"type":"looked","what":"([^"]*)"[^\n]*?"person":"vic@example.com"', segments)}
        self.assertLessEqual({"policy", "sessions", "search", "status", "holds"}, looked)

    def test_light_dark_and_a_phone(self):
        agent, hold = self.hold_one(28)
        for name, more in (("dark", {"colorScheme": "dark"}), ("phone", {"viewport": {"width": 390, "height": 844}, "isMobile": True, "hasTouch": True})):
            self.browser.run("await open(given.name, given.more);", name=name, more=more)
            self.sign_in(path=f"/holds/{hold}", page=name)
            self.browser.run("await page.locator('.decision').waitFor();", page=name)
            # Nothing is wider than the window.
            self.assertLessEqual(self.browser.run("return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);", page=name), 0, name)
            self.shot(f"view-hold-{name}", page=name)
            for path in ("", "sessions", "log", "explain"):
                self.browser.run("await page.goto(given.url); await page.waitForTimeout(500);", page=name, url=f"{self.console.url}/{path}")
                self.assertLessEqual(self.browser.run("return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);", page=name), 0, path)
                self.shot(f"view-{path or 'queue'}-{name}", page=name)
            self.browser.run("await page.context().close(); delete state.pages[given.name];", page=name, name=name)
        agent.kill()

    def test_contrast_is_enough_in_light_and_dark(self):
        agent, hold = self.hold_one(29)
        for scheme in ("light", "dark"):
            self.browser.run("await open(given.name, { colorScheme: given.name });", name=scheme)
            self.sign_in(path=f"/holds/{hold}", page=scheme)
            for path in (f"/holds/{hold}", "/", "/sessions", "/explain", "/log"):
                self.browser.run("await page.goto(given.url); await page.waitForTimeout(500);", page=scheme, url=self.console.url + path)
                poor = self.browser.run(CONTRAST, page=scheme)
                self.assertEqual(poor, [], f"{scheme} {path}")
            self.browser.run("await page.context().close(); delete state.pages[given.name];", page=scheme, name=scheme)
        agent.kill()


# WCAG 2.2, contrast of text: 4.5 to 1, and 3 to 1 where it is large. Colours are painted by the browser itself, so that every
# notation of CSS counts.
CONTRAST = """
return page.evaluate(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const painted = (colours) => {
        canvas.clearRect(0, 0, 1, 1);
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
    };
    const light = (rgb) => rgb.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const poor = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        const style = getComputedStyle(element);
        if (!own || style.visibility === 'hidden' || !element.getClientRects().length || element.closest('.visually-hidden, .skip, noscript, :disabled')) continue;
        const grounds = [];
        for (let each = element; each; each = each.parentElement) grounds.unshift(getComputedStyle(each).backgroundColor);
        const ground = light(painted(['white', ...grounds])), ink = light(painted(['white', ...grounds, style.color]));
        const ratio = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
        const size = parseFloat(style.fontSize), isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        if (ratio < (isLarge ? 3 : 4.5)) poor.push(`${element.tagName}.${element.className}: ${ratio.toFixed(2)} ${element.textContent.slice(0, 30)}`);
    }
    return poor;
});
"""


if __name__ == "__main__":
    harness.main()
