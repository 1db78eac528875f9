"""Does the plugin server stay as it is? `python -m bench.soak [--events 1000000]` sends it one request after the other.

Each is three events (`access`, `response`, `log`) with values never seen before, so that the memory of mappings is full
after 10,000 of them. Printed as it goes: the events per second, and what the largest worker holds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import tempfile
import time
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from tests.kong.lab import OURS, environment
from tests.kong.server import PluginServer
from tests.pluginserver.kong import Connection, Request

_DRIVERS = 2
_ROWS = 20


def _drive(path: Path, driver: int, done: Synchronized[int], wanted: int) -> None:
    """Send requests until `wanted` events are done by all drivers."""
    connection = Connection(path)
    instance = connection.start()
    for number in itertools.count():
        value = f"i-0{driver:x}{number:015x}"
        body = json.dumps({"messages": [{"role": "user", "content": f"stop {value} in vpc-{number:08x}"}]}).encode()
        request = Request(body=body)
        request.run(connection, instance, "access")
        sent = request.upstream()
        assert sent is not None and value.encode() not in sent, "it went on unmasked"
        request.answer = json.dumps({"content": [{"type": "text", "text": sent.decode()}]}).encode()
        request.run(connection, instance, "response")
        assert request.exit is not None and value.encode() in request.exit[1], "it was not restored"
        connection = Connection(path)  # Kong does not pool the connection of an event that ended in an exit
        request.run(connection, instance, "log")
        with done.get_lock():
            done.value += 3
            if done.value >= wanted:
                return


def _largest(server: PluginServer) -> tuple[int, int, int]:
    """Return resident bytes, open files and threads: of each the most that a worker has."""
    found = []
    for worker in server.workers():
        status = dict(line.split(":", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines())
        files = len(list(Path(f"/proc/{worker}/fd").iterdir()))
        found.append((int(status["VmRSS"].split()[0]) * 1024, files, int(status["Threads"])))
    resident, files_open, threads = (max(column) for column in zip(*found, strict=True))
    return resident, files_open, threads


def main() -> None:
    """Run, and print a row for each twentieth of the events."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    wanted = parser.parse_args().events
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "plugin.sock"
        server = PluginServer(OURS.start.format(socket=path), path, Path(name) / "log", environment())
        server.wait_listening()
        done: Synchronized[int] = multiprocessing.Value("q", 0)
        drivers = [
            multiprocessing.Process(target=_drive, args=(path, number, done, wanted)) for number in range(_DRIVERS)
        ]
        for driver in drivers:
            driver.start()
        print("| events | events/s | memory | open files | threads |\n| ---: | ---: | ---: | ---: | ---: |", flush=True)
        before, begun = 0, time.perf_counter()
        while any(driver.is_alive() for driver in drivers):
            time.sleep(0.5)
            if (now := done.value) - before >= wanted / _ROWS or now >= wanted:
                rate = (now - before) / (time.perf_counter() - begun)
                resident, files, threads = _largest(server)
                print(f"| {now:,} | {rate:,.0f} | {resident / 1e6:.1f} MB | {files} | {threads} |", flush=True)
                before, begun = now, time.perf_counter()
        failed = [driver for driver in drivers if driver.exitcode]
        starts = server.starts
        server.stop()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; the server was started {starts} time(s)")
    if failed:
        raise SystemExit("a driver failed")


if __name__ == "__main__":
    main()
