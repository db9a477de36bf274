"""What an agent tries and the kernel refuses: recorded, found, counted for each agent, and a flood of it does not fill the log."""

import json
import subprocess

import harness
import throwaway

FLOOD = 3000
LIMIT = 20  # recorded of one agent in ten seconds


class Attempts(harness.EndToEnd):
    def attempts(self, agent):
        return next((each for each in self.assent.ask("status")["attempts"] if each["agent"] == agent), None)

    def found(self, text):
        done = self.assent.cli("search", text, "--json")  # exit code 1: nothing was found
        return [match for match in json.loads(done.stdout or "[]") if match["type"] == "attempt"]

    def left_out(self, agent):
        done = subprocess.run([throwaway.SOURCE / "tests/support/read_log.py", self.assent.state / "records", "--leaves"], capture_output=True,
                              text=True, check=False)
        return sum(leaf.get("left_out", 0) for leaf in map(json.loads, done.stdout.splitlines()) if leaf.get("agent") == agent)

    def test_attempts_are_recorded_and_counted_by_agent(self):
        said = self.script("""
            import socket, struct
            def tried(work):
                try:
                    work()
                    return "done"
                except OSError as error:
                    return error.strerror
            datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            join = struct.pack("4s4s", socket.inet_aton("239.1.2.3"), socket.inet_aton("127.0.0.1"))
            say(send=tried(lambda: datagram.sendto(b"x", ("192.0.2.77", 443))),
                multipath=tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)),
                join=tried(lambda: datagram.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, join)))
        """, name="nightly")
        self.assertEqual(said, {each: "Operation not permitted" for each in ("send", "multipath", "join")})
        shown = throwaway.wait_until(lambda: self.attempts("nightly"), 10, "the attempts in status")
        self.assertLessEqual({"send": 1, "socket": 1, "option": 1}.items(), shown["kinds"].items())
        self.assertGreaterEqual(shown["count"], 3)
        matches = throwaway.wait_until(lambda: self.found("192.0.2.77"), 15, "the record")
        self.assertEqual(len(matches), 1)
        text = self.assent.cli("status").stdout
        self.assertIn("nightly: ", text)
        self.assertIn("send 1", text)

    def test_a_flood_does_not_fill_the_log(self):
        self.script(f"""
            import socket
            datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for number in range({FLOOD}):
                try:
                    datagram.sendto(b"x", (f"198.51.{{number // 200}}.{{number % 200 + 1}}", 443))
                except PermissionError:
                    pass
            say(done=True)
        """, name="nightly-flood")
        shown = throwaway.wait_until(lambda: (self.attempts("nightly-flood") or {"count": 0})["count"] >= FLOOD and self.attempts("nightly-flood"),
                                     20, "all of them are counted")
        # The kernel tells a part of a flood and counts the rest, so that there is room for what others try.
        self.assertEqual(shown["kinds"]["send"] + shown["kinds"]["untold"], FLOOD)
        self.assertGreaterEqual(shown["kinds"]["send"], 200)
        self.assertLessEqual(shown["recorded"], 3 * LIMIT)
        self.assertLessEqual(len(self.found("198.51.")), 3 * LIMIT)
        throwaway.wait_until(lambda: self.left_out("nightly-flood") == FLOOD - self.attempts("nightly-flood")["recorded"], 30,
                             "the record of how many were left out")


if __name__ == "__main__":
    harness.main()
