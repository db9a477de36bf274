"""A sign-in that goes on: ID tokens are short, and a person looks at the queue all day."""

import time

import harness
import throwaway
from test_console import InABrowser


class Renewed(InABrowser):
    id_ttl = 20  # renewed after ten

    def cookie(self):
        value = next(cookie["value"] for cookie in self.browser.run("return page.context().cookies();") if cookie["name"] == "__Host-assent-session")
        return {"Cookie": f"__Host-assent-session={value}"}

    def test_it_goes_on_while_the_provider_says_so(self):
        self.sign_in()
        self.browser.run("state.streams = 0; page.on('request', (each) => { if (each.url().endsWith('/holds/events')) ++state.streams; });")
        cookie = self.cookie()
        time.sleep(self.id_ttl + 5)
        # Nobody touched the page, and it is live with another token.
        agent, hold = self.hold_one(81)
        self.browser.run("await page.locator(`[data-hold=${given.hold}]`).waitFor();", hold=hold)
        self.assertGreaterEqual(self.browser.run("return state.streams;"), 1)
        self.browser.run("""
            await page.locator(`[data-hold=${given.hold}]`).click();
            await page.getByRole('button', { name: /^Approve…/ }).click();
            await page.locator('dialog[open] button[type=submit]').click();
            await page.locator('.outcome').waitFor();
        """, hold=hold)
        self.assertEqual(agent.next(), {"rows": 1})
        self.no_problems()
        # The provider is away: what it gave is good until it expires, and then nothing is shown, and nobody signed out.
        self.provider.stop()
        status = throwaway.wait_until(lambda: self.refused(cookie), self.id_ttl + 20, "the token has expired")
        self.assertEqual(status, 503)
        self.browser.run("await page.goto(given.url + '/policy').catch(() => 0); await page.goto(given.url); await page.getByText('does not answer').waitFor();",
                         url=self.console.url)
        # It is back, and knows of nothing: whoever it does not vouch for is signed out, and the page says so by itself.
        self.provider.start()
        throwaway.wait_until(lambda: self.console.ask("/api/v1/me", headers=cookie)[0] == 401, 30, "the session is over")
        self.browser.run("await page.getByRole('button', { name: 'Try again' }).click(); await page.getByRole('link', { name: /^Sign in/ }).waitFor();")

    def refused(self, cookie):
        status = self.console.ask("/api/v1/me", headers=cookie)[0]
        return status if status != 200 else None


if __name__ == "__main__":
    harness.main()
