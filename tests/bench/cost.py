"""What governing costs beside nothing: the hooks alone (kernel_cost), then a real assentd with many flows, and with many connections a second.
Watches what may grow: the daemon's memory and descriptors, and the entries of its maps."""

import json
import platform
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from systems import cpu_seconds, resident_bytes, throwaway

OUT = throwaway.SOURCE / "build/benchmarks"
LOAD = throwaway.BUILD / "tests/bench/flows/bench_flows"
POLICY = """
version: 1
for: {{agents: [bench], targets: [echo]}}
agents:
  bench: [{{run: bench, runners: [root]}}]
targets:
  echo:
    protocol: tcp
    addresses: ["127.0.0.1:{port}"]
rules:
  - {{name: everything, operations: [connect], objects: [any], verdict: allow}}
"""


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


class Target:
    def __init__(self):
        self.process = subprocess.Popen([LOAD, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        throwaway.cleanup().add(throwaway.stop_process, self.process)
        self.port = int(self.process.stdout.readline())


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def entries(assent):
    """{map: how many entries it has}, of the hashes that connections go through."""
    out = {}
    for name in ("pending", "senders", "quiet"):
        dump = subprocess.run(["/usr/sbin/bpftool", "-j", "map", "dump", "pinned", assent.bpffs / "assent/maps" / name], capture_output=True, text=True,
                              check=True)
        out[name] = len(json.loads(dump.stdout))
    return out


def hold(start, count):
    """Opens flows and uses each again a little later: what the agent said, and a call that lets it go."""
    process = start(LOAD, "hold", count)
    opened = json.loads(process.stdout.readline())

    def finish():
        process.stdin.write("\n")
        process.stdin.flush()
        opened.update(json.loads(process.stdout.readline()))
        process.wait(120)

    return opened, finish


def measure_flows(assent, ways, count):
    text = f"### {count:,} flows open\n\n" + row("way", "open", "each, ms", "still working", "KiB of assentd a flow", "descriptors a flow") + row("---", *["---:"] * 5)
    pid = assent.process.pid
    for name, start in ways.items():
        memory, files = resident_bytes(pid), descriptors(pid)
        opened, finish = hold(start, count)
        memory, files = resident_bytes(pid) - memory, descriptors(pid) - files
        finish()
        share = (f"{memory / 1024 / count:.1f}", f"{files / count:.1f}") if name == "governed" else ("", "")
        text += row(name, opened["open"], f"{opened['seconds'] / max(1, opened['open']) * 1000:.2f}", opened["working"], *share)
        if opened["open"] != count or opened["working"] != count:
            raise RuntimeError(f"{name}: {opened}\n{assent.daemon_log()[-2000:]}")
    throwaway.wait_until(lambda: assent.ask("status")["flows"] == 0, 60, "the flows are closed")
    return text + f"\nAfter them: {descriptors(pid)} descriptors.\n\n"


def measure_rate(assent, ways, rate, seconds):
    text = f"### {rate:,} connects a second for {seconds} s\n\n" + row("way", "served", "failed", "median, ms", "99 %, ms", "CPU of assentd, µs each")
    text += row("---", *["---:"] * 5)
    pid = assent.process.pid
    seen = []
    for name, start in ways.items():
        cpu = cpu_seconds(pid)
        process = start(LOAD, "rate", rate, seconds)
        end = time.monotonic() + seconds
        while name == "governed" and time.monotonic() < end:
            seen.append((resident_bytes(pid), descriptors(pid), entries(assent)))
            time.sleep(max(0.5, seconds / 12))
        said = json.loads(process.communicate(timeout=seconds + 120)[0])
        spent = f"{(cpu_seconds(pid) - cpu) / said['served'] * 1e6:.0f}" if name == "governed" else ""
        text += row(name, said["served"], said["failed"], f"{said['median_us'] / 1000:.2f}", f"{said['p99_us'] / 1000:.2f}", spent)
    throwaway.wait_until(lambda: assent.ask("status")["flows"] == 0, 60, "the flows are closed")
    time.sleep(1)
    seen.append((resident_bytes(pid), descriptors(pid), entries(assent)))
    text += "\n" + row("while it went on", "first", "most", "afterwards") + row("---", *["---:"] * 3)
    for what, of in (("MiB of assentd", lambda each: round(each[0] / 2**20, 1)), ("descriptors of assentd", lambda each: each[1]),
                     *[(f"entries of the map {name}", lambda each, name=name: each[2][name]) for name in seen[0][2]]):
        text += row(what, of(seen[0]), max(of(each) for each in seen), of(seen[-1]))
    return text + "\n"


def main():
    is_quick = "--quick" in sys.argv
    throwaway.be_plain_root()
    title = f"## Cost\n\nLinux {platform.release()}; agent, proxy and target share {len(re.findall('^processor', Path('/proc/cpuinfo').read_text(), re.M))} CPUs.\n\n"
    print("the hooks alone", flush=True)
    hooks = subprocess.run([throwaway.BUILD / "tests/bench/kernel/kernel_cost", *(["--quick"] if is_quick else [])], capture_output=True, text=True, check=True)
    target = Target()
    # Records go to the disk as ever, but what they take of it is not what is measured.
    assent = throwaway.Assent({"bench.yaml": POLICY.format(port=target.port)}, name="cost", threads=0,
                              extra_settings={"proxy": "{threads: 0}"})

    def beside(command, *words):
        process = subprocess.Popen([command, words[0], str(target.port), *map(str, words[1:])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        throwaway.cleanup().add(throwaway.stop_process, process)
        return process

    def governed(command, *words):
        return assent.start_agent(command, words[0], str(target.port), *map(str, words[1:]), name="bench", stdin=subprocess.PIPE, stderr=None)

    ways = {"not governed": beside, "governed": governed}
    text = title + "### The hooks alone\n\n" + hooks.stdout + "\n"
    print("flows open", flush=True)
    most = (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500) // 2  # assentd has two descriptors a flow; its unit allows enough
    text += measure_flows(assent, ways, 500 if is_quick else min(10_000, most))
    print("connects a second", flush=True)
    text += measure_rate(assent, ways, 200 if is_quick else 2000, 3 if is_quick else 60)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "cost.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
