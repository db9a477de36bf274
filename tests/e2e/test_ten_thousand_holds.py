"""Ten thousand holds that wait: they are listed, grouped, shown in the browser and answered, and more are refused."""

import contextlib
import json
import sqlite3
import time

import harness
import test_console

COUNT = 10_000
AGENTS = 10  # each with as many as it may have
SHAPES = 5  # of each
ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"  # of the ids of holds


class TenThousand(test_console.InABrowser):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        test = cls("fill_the_desk")
        test.fill_the_desk()

    def fill_the_desk(self):
        """As many as an attacker could open with patience: copies of a real one, in which only what has a fixed length is another."""
        agent, hold = self.hold_one(90000)
        shape = bytes.fromhex(self.assent.ask("holds", "show", hold)["shape"])
        agent.kill()
        self.assent.stop()
        with contextlib.closing(sqlite3.connect(self.assent.state / "holds.sqlite")) as desk, desk:
            desk.row_factory = sqlite3.Row
            first = dict(desk.execute("SELECT * FROM holds WHERE id = ?", (hold,)).fetchone())
            del first["number"]

            def copies():
                for number in range(1, COUNT):
                    name = "".join(ALPHABET[number // len(ALPHABET) ** place % len(ALPHABET)] for place in range(6))
                    agent = "nightly" if number % AGENTS == 0 else f"agent {number % AGENTS}"
                    digest = number.to_bytes(32, "big")
                    request = (first["request"].replace(first["digest"], digest).replace(shape, (number // AGENTS % SHAPES).to_bytes(32, "big"))
                               .replace(b"nightly", agent.encode()).replace(b"90000", f"{number:05}".encode()))
                    yield tuple((first | {"id": f"h-{name}", "agent": agent, "digest": digest, "request": request}).values())

            desk.executemany(f"INSERT INTO holds ({', '.join(first)}) VALUES ({', '.join('?' * len(first))})", copies())
        self.assent.start()

    def tearDown(self):
        pass  # they stay, for the next test

    def test_they_are_listed_and_one_is_answered(self):
        started = time.monotonic()
        listed = json.loads(self.assent.cli("holds", "--json").stdout)
        print(f"listed in {time.monotonic() - started:.1f} s", flush=True)
        waiting = [hold["id"] for hold in listed if hold["state"] == "waiting"]
        self.assertEqual(len(waiting), self.assent.ask("status")["holds_waiting"])
        self.assertGreaterEqual(len(waiting), COUNT - 1, "another test may have answered one")
        hold = next(hold["id"] for hold in listed if "id = 05001" in hold["text"])
        self.assertEqual(self.assent.cli("deny", hold, "--reason", "one of many").returncode, 0)
        self.assertEqual(self.assent.ask("holds", "show", hold)["state"], "denied")

    def test_the_browser_shows_them_by_shape_and_answers_one(self):
        self.sign_in()
        started = time.monotonic()
        self.browser.run("await page.getByText(`${given.alike} alike`).first().waitFor({ timeout: 60_000 });", alike=COUNT // AGENTS // SHAPES)
        print(f"shown in {time.monotonic() - started:.1f} s", flush=True)
        self.assertLessEqual(self.browser.run("return page.locator('.group').count();"), AGENTS * SHAPES + 1)
        self.shot("view-ten-thousand")
        hold = self.browser.run("""
            const row = page.locator('.hold-row').nth(3);
            const hold = await row.getAttribute('data-hold');
            await row.click();
            await page.getByRole('button', { name: /^Approve…/ }).click();
            await page.locator('dialog[open] button[type=submit]').click();
            await page.locator('.outcome').waitFor();
            return hold;
        """)
        self.assertEqual(self.assent.ask("holds", "show", hold)["state"], "approved")
        self.no_problems()

    def test_one_more_is_refused_with_what_to_do(self):
        error = self.script(test_console.HELD.format(before="", statement="UPDATE orders SET status = 'returned' WHERE id = 90002"))
        self.assertEqual(error["sqlstate"], "42501")
        self.assertIn(f"too many open holds ({COUNT // AGENTS}", json.dumps(error))


if __name__ == "__main__":
    harness.main()
