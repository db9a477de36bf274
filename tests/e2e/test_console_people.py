"""Several people in the console: who reviews only some holds, two who have to agree, wider approvals, broken glass, a suspended agent."""

import harness
import test_console
from openapi import Description

POLICY = (harness.POLICY.replace("operations: [update, delete], objects: [\"public.*\"]", "operations: [update], objects: [public.orders]")
          .replace("users: [root, backup], groups: [www-data]", 'users: ["unix:root", ana@example.com]')
          .replace("wait: 4s", "wait: 30s").replace("deadline: 60s", "deadline: 15m")
          .replace("rules:", """rules:
  - {name: payments, operations: [update], objects: [public.payments], verdict: hold, approval: payments}
  - {name: two-agree, operations: [delete], objects: [public.payments], verdict: hold, approval: two}
  - {name: emergencies, operations: [delete], objects: [public.orders], verdict: hold, approval: glass}""").replace("approvals:", """approvals:
  payments: {wait: 30s, deadline: 15m, stages: [{reviewers: {users: ["unix:root"], groups: [payments]}}]}
  two: {wait: 30s, deadline: 15m, stages: [{reviewers: {users: ["unix:root", ana@example.com, dan@example.com]}, quorum: 2}]}
  glass: {wait: 30s, deadline: 15m, stages: [{reviewers: {users: ["unix:root", ana@example.com]}}], break_glass: {for: 5m}}"""))

RUN_ONE = """
    with connect() as c:
        try:
            say(rows=c.execute({!r}).rowcount)
        except psycopg.Error as e:
            say(**error_of(e))
"""


class People(test_console.InABrowser):
    policy = POLICY

    def held(self, statement):
        agent = self.start_script(RUN_ONE.format(statement))
        return agent, self.wait_for_hold(statement)["id"]

    def as_person(self, person, path="/"):
        self.browser.run("await page.context().clearCookies();")
        return self.sign_in(person, path)

    def answer(self, button, reason="", more=""):
        """Presses the button, gives the reason in the dialog, and does it."""
        return self.browser.run("""
            await page.getByRole('button', { name: new RegExp('^' + given.button) }).first().click();
            await page.locator('dialog[open] #ask-reason').fill(given.reason);
        """ + more + """
            const said = await page.locator('dialog[open]').innerText();
            await page.locator('dialog[open] button[type=submit]').click();
            return said;
        """, button=button, reason=reason)

    def main(self):
        return self.browser.run("return page.locator('main').innerText();")

    def test_every_answer_to_people_is_as_it_is_described(self):
        api = Description(self.console)
        self.as_person("ana")

        def ask(method, path, body=None, name=None):
            """As the application asks: with the session's cookie, and its word for what changes something."""
            status, answer = self.browser.run("""
                return page.evaluate(async ({ method, path, body }) => {
                    const me = await fetch('/api/v1/me').then((each) => each.json());
                    const headers = { 'Content-Type': 'application/json', 'X-Assent-CSRF': me.csrf };
                    const answer = await fetch('/api/v1' + path, method === 'GET' ? {} : { method, headers, body: JSON.stringify(body ?? {}) });
                    return [answer.status, await answer.json()];
                }, given);
            """, method=method, path=path, body=body)
            self.assertEqual(status, 200, answer)
            api.validate(api.paths[name or path][method.lower()], status, answer)
            return answer

        def of_hold(hold, verb, **body):
            return ask("POST", f"/holds/{hold}/{verb}", body, f"/holds/{{id}}/{verb}")

        self.assertIn("csrf", ask("GET", "/me"))
        agent, hold = self.held("UPDATE orders SET status = 'returned' WHERE id = 61")
        alike, other = self.held("UPDATE orders SET status = 'returned' WHERE id = 62")
        self.assertEqual({each["may"]["approve"] for each in ask("GET", "/holds")["holds"]}, {True})
        self.assertEqual(of_hold(hold, "approve", is_trial=True)["would_release"], [other])
        given = of_hold(hold, "approve", reason="both", shape={"for_s": 600, "times": 9}, most_released=1)
        self.assertEqual((given["released"], given["granted"]["times"]), ([other], 9))
        self.assertEqual((agent.next(), alike.next()), ({"rows": 1}, {"rows": 1}))
        ask("POST", f"/approvals/{given['granted']['id']}/revoke", {"reason": "enough"}, "/approvals/{id}/revoke")
        agent, hold = self.held("DELETE FROM orders WHERE id = 1061")
        self.assertEqual(ask("GET", f"/holds/{hold}", name="/holds/{id}")["may"]["break_glass_s"], 300)
        broken = of_hold(hold, "approve", reason="it burns")["granted"]
        self.assertEqual(agent.next(), {"rows": 0})
        self.addCleanup(self.assent.cli, "resume", "nightly")
        ask("POST", "/suspend", {"agent": "nightly", "reason": "look at it"})
        status = ask("GET", "/status")
        self.assertEqual(([one["id"] for one in status["approvals"]], [one["agent"] for one in status["suspended"]]), ([broken["id"]], ["nightly"]))
        ask("POST", "/resume", {"agent": "nightly"})
        self.as_person("dan")
        ask("POST", f"/approvals/{broken['id']}/revoke", {}, "/approvals/{id}/revoke")
        reviewed = ask("POST", f"/approvals/{broken['id']}/review", {"reason": "nothing was lost"}, "/approvals/{id}/review")
        self.assertEqual(reviewed["review"]["by"], "dan@example.com")
        self.assertIn("revoked", {one["state"] for one in ask("GET", "/approvals?state=all", name="/approvals")["approvals"]})
        agent, hold = self.held("DELETE FROM payments WHERE id = 63")
        of_hold(hold, "deny", reason="not today")
        self.assert_refused(agent.next(), cause="reviewer")

    def test_who_is_only_a_reviewer_sees_and_answers_what_names_them(self):
        other, not_theirs = self.held("UPDATE orders SET status = 'returned' WHERE id = 71")
        agent, hold = self.held("UPDATE payments SET amount = 1 WHERE id = 71")
        self.as_person("rita")
        self.browser.run("await page.locator(`[data-hold=${given.hold}]`).waitFor();", hold=hold)
        self.assertEqual(self.browser.run("return page.locator('[data-hold]').count();"), 1)
        self.browser.run("await page.goto(given.url);  await page.locator('.problem').waitFor();", url=f"{self.console.url}/holds/{not_theirs}")
        self.browser.run("await page.goto(given.url); await page.locator('.decision').waitFor();", url=f"{self.console.url}/holds/{hold}")
        self.assertNotIn("Suspend", self.main())
        self.answer("Approve…", "mine")
        self.browser.run("await page.locator('.outcome').waitFor();")
        self.assertEqual(agent.next(), {"rows": 1})
        self.assertEqual(self.assent.ask("holds", "show", hold)["decided_by"], "rita@example.com")
        self.deny({"id": not_theirs})
        self.assert_refused(other.next(), cause="reviewer", retry="never")

    def test_two_have_to_agree_and_the_page_says_who_has(self):
        agent, hold = self.held("DELETE FROM payments WHERE id = 72")
        self.as_person("ana", f"/holds/{hold}")
        self.answer("Approve…", "the first")
        self.browser.run("await page.getByText('What you can approve of hold').waitFor();")
        text = self.main()
        self.assertIn("ana@example.com approved; 1 more of", text)
        self.assertEqual(self.browser.run("return page.getByRole('button', { name: /^Approve/ }).count();"), 0)
        self.shot("hold-half")
        # Their page is live: the other's answer comes by itself.
        self.browser.run("await open('other', {});")
        self.sign_in("dan", f"/holds/{hold}", page="other")
        self.browser.run("""
            await page.getByRole('button', { name: /^Approve…/ }).click();
            await page.locator('dialog[open] button[type=submit]').click();
            await page.locator('.outcome').waitFor();
            await page.context().close(); delete state.pages['other'];
        """, page="other")
        self.browser.run("await page.locator('.outcome').waitFor();")
        self.assertEqual(agent.next(), {"rows": 1})
        self.assertEqual(self.browser.run("return state.problems;"), [])

    def test_a_wider_approval_says_what_it_releases_and_is_revoked(self):
        agent, hold = self.held("UPDATE orders SET status = 'returned' WHERE id = 73")
        alike, other = self.held("UPDATE orders SET status = 'shipped' WHERE id = 74")
        self.as_person("ana", f"/holds/{hold}")
        said = self.answer("Approve…", "an import", more="""
            await page.locator('dialog[open] select').selectOption('10');
            await page.locator('dialog[open] input[type=number]').fill('3');
            await page.getByText('It also lets through').waitFor();
        """)
        self.assertIn(other, said)
        self.assertIn("again and again", said)
        self.browser.run("await page.locator('.outcome').waitFor();")
        self.assertEqual((agent.next(), alike.next()), ({"rows": 1}, {"rows": 1}))
        self.assertEqual(self.script(RUN_ONE.format("UPDATE orders SET status = 'returned' WHERE id = 75")), {"rows": 1}, "the third time")
        fourth, waiting = self.held("UPDATE orders SET status = 'returned' WHERE id = 76")
        self.browser.run("await page.goto(given.url); await page.getByRole('button', { name: 'Wider' }).click(); await page.getByText('used 3 of 3').waitFor();",
                         url=self.console.url)
        self.browser.run("await page.goto(given.url); await page.locator('.decision').waitFor();", url=f"{self.console.url}/holds/{waiting}")
        self.answer("Approve…", more="await page.locator('dialog[open] select').selectOption('30'); await page.getByText('No other hold').waitFor();")
        self.assertEqual(fourth.next(), {"rows": 1})
        self.browser.run("""
            await page.goto(given.url);
            await page.getByRole('button', { name: 'Wider' }).click();
            await page.getByText('used once').waitFor();
        """, url=self.console.url)
        self.shot("wider")
        self.answer("Revoke…", "the import is over")
        self.browser.run("await page.getByText('revoked').first().waitFor();")
        self.assertIn("revoked", {grant["state"] for grant in self.assent.ask("approvals", "--all")})

    def test_glass_is_broken_knowingly_told_loudly_and_reviewed_by_another(self):
        agent, hold = self.held("DELETE FROM orders WHERE id = 1077")
        self.as_person("ana", f"/holds/{hold}")
        said = self.browser.run("""
            await page.getByRole('button', { name: /^Break glass/ }).click();
            await page.locator('dialog[open] button[type=submit]').click();
            await page.getByText('broken glass needs a reason').waitFor();
            return page.locator('dialog[open]').innerText();
        """)
        self.assertIn("whatever needs this approval", said)
        self.assertIn("5 minutes", said)
        self.shot("view-glass")
        self.assertEqual(self.assent.ask("holds", "show", hold)["state"], "waiting", "not without a reason")
        self.browser.run("""
            await page.locator('dialog[open] #ask-reason').fill('orders are on fire');
            await page.locator('dialog[open] button[type=submit]').click();
            await page.locator('.outcome').waitFor();
        """)
        self.assertEqual(agent.next(), {"rows": 0})
        self.browser.run("await page.goto(given.url); await page.getByText('Glass is broken').waitFor();", url=self.console.url)
        self.assertIn("orders are on fire", self.main())
        self.shot("queue-alarm")
        self.answer("Review…", "all was well")
        self.browser.run("await page.getByText('somebody else has to review it').waitFor(); await page.keyboard.press('Escape');")
        # Who only looks sees it, and has nothing to press.
        self.as_person("vic")
        self.browser.run("await page.getByText('Glass is broken').waitFor();")
        self.assertEqual(self.browser.run("return page.locator('.alarms button').count();"), 0)
        self.as_person("dan")
        self.answer("Mend it…", "the fire is out")
        self.browser.run("await page.getByText('Nobody has reviewed what was done').waitFor();")
        self.answer("Review…", "one order was deleted")
        self.browser.run("await page.locator('.alarms').waitFor({ state: 'detached' });")
        reviewed = next(grant for grant in self.assent.ask("approvals", "--all") if grant["kind"] == "glass")
        self.assertEqual((reviewed["review"]["by"], reviewed["review"]["text"]), ("dan@example.com", "one order was deleted"))

    def test_an_agent_is_suspended_and_resumed(self):
        self.addCleanup(self.assent.cli, "resume", "nightly")
        agent, hold = self.held("UPDATE orders SET status = 'returned' WHERE id = 78")
        self.as_person("ana", f"/holds/{hold}")
        self.answer("Suspend the agent…", "it behaves oddly")
        self.browser.run("await page.getByText('suspended: it behaves oddly').waitFor();")
        refused = self.psql("SELECT 1 FROM orders")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("it behaves oddly (by ana@example.com)", refused.stderr)
        self.browser.run("await page.goto(given.url); await page.getByText('nightly is suspended').waitFor();", url=self.console.url)
        self.shot("queue-suspended")
        self.answer("Resume…", "it was the import")
        self.browser.run("await page.locator('.alarms').waitFor({ state: 'detached' });")
        self.browser.run("await page.goto(given.url); await page.locator('.decision').waitFor();", url=f"{self.console.url}/holds/{hold}")
        self.answer("Approve…")
        self.assertEqual(agent.next(), {"rows": 1})
        self.no_problems()


if __name__ == "__main__":
    harness.main()
