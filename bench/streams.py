"""What the plugins add to a stream in Kong: time to its first event, cost of each event, streams per second.

`python -m bench.streams` prints it. nginx, the Lua plugin and the plugin server are real; between nginx and the server
is the tests' stand-in for Kong's side of the socket, in Python, in one process with client and API: a real Kong takes
less time for `access`. What an event costs is told by the processor time of nginx's worker, which that has no part in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import orjson
import uvloop
from starlette.types import Message, Receive, Scope, Send

from bench.bodies import events, request_body
from tests.nginx.lab import Lab, lab

SIZES = {"10 KB": 10_000, "100 KB": 100_000}
_ROUNDS = 30
_EVENTS = 1000
_STREAMS = 50
_PAUSE = 0.002
"""Seconds between two events, so that nginx gets each by itself."""
_TICK = os.sysconf("SC_CLK_TCK")


class Prepared:
    """An API that sends the same events to all."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.pause = 0.0
        self.request = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        self.request = scope["state"]["body"]
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for event in self.events:
            message: Message = {"type": "http.response.body", "body": event, "more_body": True}
            await send(message)
            await asyncio.sleep(self.pause)
        await send({"type": "http.response.body", "body": b""})


@dataclass(frozen=True)
class Way:
    """One way to the API: with the plugins, or through nginx alone."""

    port: int

    async def ask(self, body: bytes) -> tuple[float, bytes]:
        """Return the seconds to the first event, and all that came."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = "POST /v1/messages HTTP/1.1\r\nhost: api\r\ncontent-type: application/json\r\nconnection: close\r\n"
        start = time.perf_counter()
        writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        got = b""
        while b"\ndata: " not in got:
            got += await reader.read(1 << 16) or _broken()
        first = time.perf_counter() - start
        rest = await reader.read(-1)
        writer.close()
        return first, got + rest


def _broken() -> bytes:
    raise AssertionError("the stream broke off")


class First(NamedTuple):
    """Seconds to the first event (medians)."""

    bare: float
    masked: float


class Measured(NamedTuple):
    """All figures."""

    first: dict[str, First]
    event: float
    """Seconds of nginx's processor time that the plugins add to an event."""
    event_bare: float
    """Seconds of it that nginx alone takes."""
    rate: float
    """Streams per second, `_STREAMS` at once."""
    rate_bare: float


class Bench:
    """A running lab, and the ways through it."""

    def __init__(self, here: Lab) -> None:
        self._here, self._api = here, Prepared()
        here.upstream.instead = self._api
        self.masked, self.bare = (Way(int(url.rsplit(":", 1)[1])) for url in (here.nginx.kong, here.nginx.bare))

    async def prepare(self, body: bytes, count: int, pause: float = 0.0) -> None:
        """Make a stream of `count` events of what the API got, so that all its placeholders are this request's."""
        self._api.events, self._api.pause = events("?"), 0.0
        await self.masked.ask(body)
        texts = [message["content"] for message in orjson.loads(self._api.request)["messages"]]
        text = "\n".join(part for part in map(_text, texts) if part)
        made = events((text * (count * 12 // len(text) + 1))[: count * 12])
        self._api.events, self._api.pause = made, pause
        _, got = await self.masked.ask(body)
        assert got.count(b"\ndata: ") >= len(made), "events are missing"
        assert b"".join(made) not in got, "nothing was restored"

    async def first(self, body: bytes) -> First:
        """Measure the time to the first event, one request at a time."""
        await self.prepare(body, 20)
        seconds: dict[Way, list[float]] = {self.bare: [], self.masked: []}
        for _ in range(_ROUNDS):
            for way, found in seconds.items():
                found.append((await way.ask(body))[0])
        return First(*(statistics.median(found) for found in seconds.values()))

    async def event(self, body: bytes, way: Way, streams: int = 20) -> float:
        """Measure nginx's processor time for an event."""
        before = self._worked()
        await asyncio.gather(*(way.ask(body) for _ in range(streams)))
        return (self._worked() - before) / (streams * len(self._api.events))

    async def rate(self, body: bytes, way: Way, total: int = 200) -> float:
        """Measure streams per second with `_STREAMS` at once."""
        left = iter(range(total))

        async def client() -> None:
            for _ in left:
                await way.ask(body)

        start = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(_STREAMS)))
        return total / (time.perf_counter() - start)

    def _worked(self) -> float:
        """Return the seconds of processor time that nginx's worker has had."""
        master = (self._here.nginx.folder / "nginx.pid").read_text().strip()
        (worker,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    assert isinstance(content, list)
    return "\n".join(part.get("text") or str(part.get("content", "")) for part in content)


async def _measured(bench: Bench) -> Measured:
    first = {name: await bench.first(request_body(size)) for name, size in SIZES.items()}
    body = request_body(SIZES["10 KB"])
    await bench.prepare(body, _EVENTS, _PAUSE)
    bare, masked = await bench.event(body, bench.bare), await bench.event(body, bench.masked)
    await bench.prepare(body, 100)
    rates = [await bench.rate(body, way) for way in (bench.masked, bench.bare)]
    return Measured(first, masked - bare, bare, *rates)


def measure() -> Measured:
    """Run everything, about half a minute."""
    with (
        tempfile.TemporaryDirectory() as folder,
        lab(Path(folder)) as here,
        contextlib.closing(uvloop.new_event_loop()) as loop,
    ):
        return loop.run_until_complete(_measured(Bench(here)))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def render(found: Measured) -> str:
    """Return the section of the page."""
    rows = "".join(
        f"| {size} | {_ms(one.bare)} | {_ms(one.masked)} | {_ms(one.masked - one.bare)} "
        f"| {one.masked / one.bare:.1f} times |\n"
        for size, one in found.first.items()
    )
    return (
        "## Streams in Kong\n\nnginx with the Lua plugin and the plugin server, beside nginx alone; between the two "
        "plugins is the tests' stand-in, which takes more time than Kong does. Time to the first event (median):\n\n"
        "| request | nginx alone | with the plugins | added | |\n| --- | ---: | ---: | ---: | ---: |\n"
        f"{rows}\nAn event of 12 characters takes {found.event_bare * 1e6:.0f} us of nginx's processor time, and "
        f"{found.event * 1e6:.0f} us more with the Lua plugin (in all {1 + found.event / found.event_bare:.1f} times). "
        f"{_STREAMS} streams at once, of 100 events each: "
        f"{found.rate:.0f} streams per second with the plugins, {found.rate_bare:.0f} through nginx alone "
        f"({found.rate / found.rate_bare:.2f} of it).\n"
    )


def main() -> None:
    """Measure, print the section."""
    print(render(measure()))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
