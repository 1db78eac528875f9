"""What the plugin adds to a request in Kong: PDK calls, time and memory, beside Kong's own server for Python plugins.

`python -m bench.kong` prints it. Kong's side is the stand-in of the tests, in Python: a real Kong takes less time for
its part. The time is that of the two phases a client waits for; HTTP is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson
import uvloop

from bench.bodies import request_body
from tests.kong.exchange import Answer, Exchange, Exited, Headers
from tests.kong.gateway import untouched
from tests.kong.instances import Config
from tests.kong.lab import OURS, ROOT, Commands, environment, stock
from tests.kong.rpc import PROTOCOLS, Pool, Rpc
from tests.kong.server import PluginServer, query

SIZES = {"3 KB": 3_000, "50 KB": 50_000, "560 KB": 560_000, "3.5 MB": 3_500_000, "10 MB": 10_000_000}
CLIENTS = (1, 16)
_BUFFER = 8192
"""Bytes of a body that nginx keeps in memory."""
_BUDGET = 6.0
"""Seconds after which no further round begins."""
_PATIENCE = 600.0


class Added(NamedTuple):
    """What one request takes more with the plugin."""

    access: float
    """Seconds (median) in this phase."""
    response: float
    access_calls: int
    """Calls of the PDK."""
    response_calls: int
    memory: int
    """Bytes that the largest process of the server has had up to then."""


def _json(length: int) -> Headers:
    return {b"content-type": [b"application/json"], b"content-length": [b"%d" % length]}


async def _request(rpc: Rpc, config: Config, body: bytes, folder: Path) -> tuple[float, float, Exchange]:
    """Run a request's phases; returns the seconds of each."""
    exchange = Exchange("POST", b"/v1/messages", _json(len(body)), body)
    if len(body) > _BUFFER:
        exchange.body_file = folder / exchange.id
        exchange.body_file.write_bytes(body)
    start = time.perf_counter()
    await rpc.event(exchange, config, "access")
    access = time.perf_counter() - start
    assert exchange.body != body, "it went on unmasked"
    exchange.drop_body_file()
    said = orjson.loads(exchange.body)["messages"][0]["content"]
    answer = orjson.dumps({"type": "message", "role": "assistant", "content": [{"type": "text", "text": said}]})
    exchange.phase, exchange.upstream = "response", Answer(200, _json(len(answer)), answer)
    exchange.answer_headers = _json(len(answer))
    start = time.perf_counter()
    try:
        await rpc.event(exchange, config, "response")
        raise AssertionError("the answer was not restored")
    except Exited as ended:
        assert ended.status == 200, "the answer was not restored"
    response = time.perf_counter() - start
    for writer in exchange.held:
        writer.close()
    return access, response, exchange


async def _added(server: PluginServer, rpc: Rpc, body: bytes, clients: int, folder: Path) -> Added:
    """Let `clients` send again and again."""
    config = Config({})
    _, _, exchange = await _request(rpc, config, body, folder)
    seconds: list[tuple[float, float]] = []
    deadline = time.perf_counter() + _BUDGET

    async def client() -> None:
        for _ in range(40):
            access, response, _ = await _request(rpc, config, body, folder)
            seconds.append((access, response))
            if time.perf_counter() > deadline:
                return

    await asyncio.gather(*(client() for _ in range(clients)))
    access, response = (statistics.median(column) for column in zip(*seconds, strict=True))
    calls = len(exchange.calls_in("access")), len(exchange.calls_in("response"))
    return Added(access, response, *calls, _resident(server, "VmHWM"))


@contextlib.contextmanager
def _server(commands: Commands, folder: Path) -> Iterator[tuple[PluginServer, Rpc]]:
    path = folder / "plugin.sock"
    info = query(commands.query, environment())
    server = PluginServer(commands.start.format(socket=path), path, folder / "log", environment())
    try:
        server.wait_listening()
        yield server, PROTOCOLS[info.protocol](Pool(str(path), _PATIENCE), info.name, untouched, _PATIENCE)
    finally:
        server.stop()


def _resident(server: PluginServer, which: str) -> int:
    """Return `VmRSS` (now) or `VmHWM` (at most) of the server's largest process, in bytes."""
    sizes = []
    for pid in (server.pid, *server.workers()):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        sizes += [int(line.split()[1]) * 1024 for line in lines if line.startswith(which)]
    return max(sizes)


def measure(commands: Commands) -> tuple[dict[tuple[str, int], Added], int]:
    """Measure one plugin server: by size and number of clients what it adds, and the bytes it has when idle."""
    found = {}
    with tempfile.TemporaryDirectory() as name, _server(commands, Path(name)) as (server, rpc):

        async def all_sizes() -> int:
            await _request(rpc, Config({}), request_body(SIZES["3 KB"]), Path(name))
            idle = _resident(server, "VmRSS")
            for label, size in SIZES.items():
                for clients in CLIENTS:
                    found[label, clients] = await _added(server, rpc, request_body(size), clients, Path(name))
            await rpc.aclose()
            return idle

        with contextlib.closing(uvloop.new_event_loop()) as loop:
            idle = loop.run_until_complete(all_sizes())
    return found, idle


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def render(
    ours: dict[tuple[str, int], Added], theirs: dict[tuple[str, int], Added], our_idle: int, their_idle: int
) -> str:
    """Return the section of the page."""
    head = (
        "| body | clients | PDK calls | `access` | `response` | memory | stock: `access` | `response` | memory |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    rows = [
        f"| {size} | {clients} | {one.access_calls} + {one.response_calls} | {_ms(one.access)} | {_ms(one.response)} "
        f"| {_mb(one.memory)} | {_ms(other.access)} | {_ms(other.response)} | {_mb(other.memory)} |\n"
        for ((size, clients), one), other in zip(ours.items(), theirs.values(), strict=True)
    ]
    return (
        "## In Kong\n\nTime added to a request (median; Kong's side is the tests' stand-in), with "
        "`aws-masker-pluginserver` (2 workers) and with `kong-python-pluginserver`. Memory is what the largest process "
        f"of the server has had up to then; idle it has {_mb(our_idle)}, the stock server {_mb(their_idle)}.\n\n"
        + head
        + "".join(rows)
    )


def main() -> None:
    """Measure both, print the section."""
    ours, our_idle = measure(OURS)
    theirs, their_idle = measure(stock(ROOT / "kong_plugins"))
    print(render(ours, theirs, our_idle, their_idle))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
