"""Do proxy and plugins stay as they are, with 20 streams at once through each? `python -m bench.soak_streams`.

Options: `--minutes N` (60), `--plot FILE.svg`. Each stream says what its request said, with a value that was never seen
before in it, an event of 12 characters every tenth of a second. What the API gets and what the client gets is checked
in every one. A row is printed for each minute, and at the end all of them as a table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx2
import orjson
import re2
from starlette.types import Receive, Scope, Send

from bench.bodies import events
from bench.svg import Line, Panel, plot
from kong_plugins.aws_masker.demo.serving import serving
from tests.e2e.lab import proxy_process
from tests.nginx.lab import Lab, lab

STREAMS = 20
_PAUSE = 0.1
_SENT_AT = re2.compile(rb'"t":([0-9.]+)')
_CODE = re2.compile(rb"AWS_MASKER_[0-9]{4}")
_HEADERS = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
_PROSE = "The retry is now done by the client, so the loop in the handler can go. Please look at "


class Talking:
    """An API that says what it was told, event by event; each carries the time at which it was sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        body = scope.get("state", {}).get("body") or await _read(receive)
        assert b"i-0c0ffee" not in body, "a value reached the API"
        text = orjson.loads(body)["messages"][0]["content"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for event in events(text):
            stamped = event.replace(b"data: {", b'data: {"t":%.6f,' % time.perf_counter(), 1)
            await send({"type": "http.response.body", "body": stamped, "more_body": True})
            await asyncio.sleep(_PAUSE)
        await send({"type": "http.response.body", "body": b""})


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


@dataclass
class Way:
    """One way to the API, and what was measured on it since the last row."""

    name: str
    url: str
    delays: list[float] = field(default_factory=list)
    """Seconds from the API to the client, of each event."""
    streams: int = 0
    errors: int = 0


async def _stream(client: httpx2.AsyncClient, way: Way, number: int) -> None:
    said = _PROSE * 3 + f"i-0c0ffee{number:010x} and i-0c0ffee{number + 1:010x} in bucket s3://acme-{number:x}-logs."
    body = orjson.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": said}]})
    held, got = b"", []
    async with client.stream("POST", f"{way.url}/v1/messages", content=body, headers=_HEADERS) as answer:
        async for piece in answer.aiter_bytes():
            now = time.perf_counter()
            *whole, held = (held + piece).split(b"\n\n")
            for event in whole:
                sent = _SENT_AT.search(event)
                if sent is not None:
                    way.delays.append(now - float(sent[1]))
                got.append(event)
    texts = [orjson.loads(event.partition(b"\ndata: ")[2]) for event in got]
    if answer.status_code != 200 or any(data["type"] == "error" for data in texts):
        way.errors += 1
        print(f"{way.name}: {answer.status_code} {_CODE.findall(held + b''.join(got))}", flush=True)
        return
    told = "".join(data["delta"]["text"] for data in texts if data["type"] == "content_block_delta")
    assert told == said, f"the answer is not the one that was given: {told!r}"
    way.streams += 1


async def _client(client: httpx2.AsyncClient, way: Way, numbers: Iterator[int], until: float) -> None:
    while time.monotonic() < until:
        try:
            await _stream(client, way, next(numbers))
        except httpx2.TransportError:
            way.errors += 1


class Row(NamedTuple):
    """What was seen at the end of a minute."""

    minute: float
    memory: dict[str, float]
    """Megabytes of each process (RSS)."""
    files: dict[str, int]
    """Open files of each."""
    delays: dict[str, tuple[float, float]]
    """Milliseconds of each way: median and 99th percentile of an event."""
    streams: int
    errors: int


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _row(minute: float, processes: dict[str, list[int]], ways: list[Way]) -> Row:
    memory, files, delays = {}, {}, {}
    for name, pids in processes.items():
        sizes = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") for pid in pids]
        memory[name] = max(sizes) / 1e6
        files[name] = max(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
    for way in ways:
        cut = statistics.quantiles(way.delays or [0.0, 0.0], n=100)
        delays[way.name] = (cut[49] * 1000, cut[98] * 1000)
    row = Row(minute, memory, files, delays, sum(way.streams for way in ways), sum(way.errors for way in ways))
    for way in ways:
        way.delays, way.streams, way.errors = [], 0, 0
    return row


async def _run(ways: list[Way], processes: dict[str, list[int]], here: Lab, minutes: float) -> list[Row]:
    numbers = itertools.count(1, 2)
    start = time.monotonic()
    rows: list[Row] = []
    unlimited = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=60, trust_env=False, verify=False, limits=unlimited) as client:
        until = start + minutes * 60
        tasks = [asyncio.create_task(_client(client, way, numbers, until)) for way in ways for _ in range(STREAMS)]
        while len(rows) < minutes:
            left = start + 60 * (len(rows) + 1) - time.monotonic()
            done, _ = await asyncio.wait(tasks, timeout=max(0.0, left), return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            rows.append(_row(len(rows) + 1, processes, ways))
            print(_line(rows[-1]), flush=True)
            for request in list(here.sidecar.finished):  # the stand-in keeps all of them for tests to look at
                here.sidecar.exchanges.pop(request, None)
                here.sidecar.finished.discard(request)
        await asyncio.gather(*tasks)
    return rows


def _line(row: Row) -> str:
    cells = [f"{row.minute:g}", f"{row.streams:,}", f"{row.errors}"]
    cells += [f"{median:.1f} / {late:.1f}" for median, late in row.delays.values()]
    cells += [f"{row.memory[name]:.1f} / {row.files[name]}" for name in row.memory]
    return "| " + " | ".join(cells) + " |"


def _head(row: Row) -> str:
    names = [
        *("minute", "streams", "errors"),
        *(f"{name}: event p50 / p99, ms" for name in row.delays),
        *(f"{name}: MB / files" for name in row.memory),
    ]
    return "| " + " | ".join(names) + " |\n|" + " ---: |" * len(names)


def _drawn(rows: list[Row]) -> str:
    first = rows[0]
    panels = [
        Panel("Memory, MB", [Line(name, [(row.minute, row.memory[name]) for row in rows]) for name in first.memory]),
        Panel("Open files", [Line(name, [(row.minute, row.files[name]) for row in rows]) for name in first.files]),
        Panel(
            "Delay of an event, ms",
            [
                Line(f"{name}, {which}", [(row.minute, row.delays[name][index]) for row in rows])
                for name in first.delays
                for index, which in enumerate(("p50", "p99"))
            ],
        ),
    ]
    return plot(panels, "minutes")


def _proxy_pid(url: str) -> int:
    """Return the process that listens at `url`."""
    port = int(url.rsplit(":", 1)[1])
    inode = next(
        line.split()[9]
        for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    )
    for path in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(path.readlink()) == f"socket:[{inode}]":
                return int(path.parts[2])
    raise AssertionError("nobody listens there")


def main() -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak_streams", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        here = stack.enter_context(lab(Path(name)))
        here.upstream.instead = Talking()
        here.upstream.requests = deque(maxlen=1)
        own = Path(name) / "proxy"
        own.mkdir()
        proxy = stack.enter_context(proxy_process(stack.enter_context(serving(Talking())), own))
        master = int((here.nginx.folder / "nginx.pid").read_text())
        processes = {
            "proxy": [_proxy_pid(proxy)],
            "plugin server": here.server.workers(),
            "nginx": _children(master),
        }
        ways = [Way("proxy", proxy), Way("nginx + plugins", here.url)]
        rows = asyncio.run(_run(ways, processes, here, given.minutes))
    print("\n" + _head(rows[0]) + "\n" + "\n".join(map(_line, rows)))
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {len(ways) * STREAMS} streams at once")
    if given.plot is not None:
        given.plot.write_text(_drawn(rows))


if __name__ == "__main__":
    main()
