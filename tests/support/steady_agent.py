#!/usr/bin/python3
"""An agent that connects so many times a second, each time to another address, and says who it is.

    steady_agent.py NETWORK FIRST PORT CONNECTIONS-A-SECOND

Prints "ready", begins with a line on its standard input, ends with the end of that, and gives one line of JSON: [[address, outcome, started,
connecting, in all]…], times in seconds, the start by the clock of time.monotonic(). FIRST is the place of the first address in the network."""

import asyncio
import ipaddress
import itertools
import json
import sys
import time

results = []


async def one(address, port, when):
    await asyncio.sleep(max(0, when - time.monotonic()))
    started = connected = time.monotonic()
    outcome = "timeout"
    try:
        async with asyncio.timeout(15):
            reader, writer = await asyncio.open_connection(address, port)
            connected = time.monotonic()
            try:
                writer.write(f"{address}\n".encode())
                line = await reader.readline()
                outcome = "ok" if line.decode().strip() == address else "closed"
            finally:
                writer.close()
    except TimeoutError:
        pass
    except ConnectionRefusedError:
        outcome = "refused"
    except ConnectionResetError:
        outcome = "reset"
    except OSError as error:
        outcome = f"error {error.errno}"
    results.append([address, outcome, started, connected - started, time.monotonic() - started])


async def main():
    network, first, port, rate = ipaddress.ip_network(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    print("ready", flush=True)
    sys.stdin.readline()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    start = time.monotonic()
    tasks = set()
    for number in itertools.count():
        if ended.is_set():
            break
        when = start + number / rate
        if when > time.monotonic() + 0.05:
            await asyncio.sleep(when - time.monotonic() - 0.02)
        task = asyncio.create_task(one(str(network[(first + number) % network.num_addresses]), port, when))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        if number % 20 == 0:
            await asyncio.sleep(0)
    while tasks:
        await asyncio.sleep(0.05)
    print(json.dumps(results), flush=True)


asyncio.run(main())
