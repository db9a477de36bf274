"""Makes the table, the comparison with the aims, and the plot."""

import os
import platform
import subprocess

QUERY_RATE_OF_PGBOUNCER, ROWS_OF_DIRECT, FLOW_BYTES = 0.8, 0.8, 64 * 1024


def _cpu_aim(what):
    return 2.5 if what.startswith(("simple", "TPC-B")) else 1.5


def _row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def markdown(names, rates, cpu, memory, rounds, seconds):
    """The tables as text, and whether every aim is met."""
    aims = []
    out = (f"Linux {platform.release()}, {os.cpu_count()} CPUs, shared by client, proxy and database; medians of {rounds} interleaved rounds of "
           f"{seconds} s. Agents speak in the clear to all three; PostgreSQL has its own defaults (fsync and synchronous_commit on). assent: everything on.\n\n")
    out += _row("transactions a second; clients", "direct", "pgbouncer", "assent", "assent / direct", "assent / pgbouncer", "CPU of pgbouncer",
                "CPU of assent", "assent / pgbouncer") + _row(*["---"] + ["---:"] * 8)
    for what in names:
        direct, bouncer, ours = (rates[what, name] for name in ("direct", "pgbouncer", "assent"))
        cpu_bouncer, cpu_ours = cpu[what, "pgbouncer"], cpu[what, "assent"]
        cpu_ratio = cpu_ours / cpu_bouncer if cpu_bouncer else float("nan")
        out += _row(what, f"{direct:,.0f}", f"{bouncer:,.0f}", f"{ours:,.0f}", f"{ours / direct:.2f}", f"{ours / bouncer:.2f}", f"{cpu_bouncer:.1f}",
                    f"{cpu_ours:.1f}", f"{cpu_ratio:.2f}")
        if "connect" not in what:
            aims.append((f"queries a second, {what}", "pgbouncer", ours / bouncer, QUERY_RATE_OF_PGBOUNCER, True))
            aims.append((f"CPU a query, {what}", "pgbouncer", cpu_ratio, _cpu_aim(what), False))
    out += "\nCPU is the proxy's own, in seconds a million queries.\n\n"
    out += _row("rows a second", "direct", "pgbouncer", "assent", "assent / direct") + _row("---", *["---:"] * 4)
    for what in sorted({key[0] for key in rates if "rows" in key[0]}):
        direct, bouncer, ours = (rates[what, name] for name in ("direct", "pgbouncer", "assent"))
        out += _row(what, f"{direct:,.0f}", f"{bouncer:,.0f}", f"{ours:,.0f}", f"{ours / direct:.2f}")
        if "plain" in what:
            aims.append((what, "direct", ours / direct, ROWS_OF_DIRECT, True))
    out += "\n" + _row("memory of an idle flow, of 1,000", "KiB") + _row("---", "---:")
    for name, size in memory.items():
        out += _row(name, f"{size / 1024:.1f}")
    aims.append(("bytes of an idle flow", "64 KiB", memory["assent"] / FLOW_BYTES, 1.0, False))
    return out + "\n" + _aims(aims), all(_is_met(aim) for aim in aims)


def _is_met(aim):
    _, _, value, limit, is_least = aim
    return value >= limit if is_least else value <= limit


def _aims(aims):
    out = _row("aim", "of", "measured", "wanted", "") + _row("---", "---", "---:", "---:", "---")
    for aim in aims:
        what, of, value, limit, is_least = aim
        out += _row(what, of, f"{value:.2f}", f"{'≥' if is_least else '≤'} {limit:.2f}", "met" if _is_met(aim) else "**missed**")
    return out


def plot(names, rates, path):
    """Queries a second as a share of direct, one pair of bars a workload."""
    lines = []
    for what in names:
        direct = rates[what, "direct"]
        lines.append(f'"{what}" {rates[what, "pgbouncer"] / direct:.3f} {rates[what, "assent"] / direct:.3f}')
    script = f"""set terminal svg size 1100,520 font 'sans,12' background rgb 'white'
set output '{path}'
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set boxwidth 0.9
set yrange [0:*]
set grid ytics
set ylabel 'transactions a second, of direct'
set xtics rotate by -35
set key top right
$data << EOD
{chr(10).join(lines)}
EOD
plot $data using 2:xtic(1) title 'pgbouncer' lc rgb '#8aa0b5', '' using 3 title 'assent' lc rgb '#2f6f4f'
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
