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
    """What one request takes more with the plugin: seconds (median) in `access` and in `response`, and calls."""

    access: float
    response: float
    access_calls: int
    response_calls: int


class Resident(NamedTuple):
    """Bytes of memory that the largest process of the server has had."""

    idle: int
    load: int


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


async def _added(rpc: Rpc, body: bytes, clients: int, folder: Path) -> Added:
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
    return Added(access, response, len(exchange.calls_in("access")), len(exchange.calls_in("response")))


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


def measure(commands: Commands) -> tuple[dict[tuple[str, int], Added], Resident]:
    """Measure one plugin server: by size and number of clients what it adds, and its memory."""
    found = {}
    with tempfile.TemporaryDirectory() as name, _server(commands, Path(name)) as (server, rpc):

        async def all_sizes() -> Resident:
            await _request(rpc, Config({}), request_body(SIZES["3 KB"]), Path(name))
            idle = _resident(server, "VmRSS")
            for label, size in SIZES.items():
                for clients in CLIENTS:
                    found[label, clients] = await _added(rpc, request_body(size), clients, Path(name))
            await rpc.aclose()
            return Resident(idle, _resident(server, "VmHWM"))

        memory = asyncio.run(all_sizes())
    return found, memory


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def render(ours: dict[tuple[str, int], Added], theirs: dict[tuple[str, int], Added], memory: list[Resident]) -> str:
    """Return the section of the page."""
    head = (
        "| body | clients | `access` | `response` | calls of the PDK | stock: `access` | stock: `response` |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    rows = [
        f"| {size} | {clients} | {_ms(one.access)} | {_ms(one.response)} | {one.access_calls} + {one.response_calls} "
        f"| {_ms(other.access)} | {_ms(other.response)} |\n"
        for ((size, clients), one), other in zip(ours.items(), theirs.values(), strict=True)
    ]
    sizes = [f"{one.idle / 1e6:.0f} MB idle, {one.load / 1e6:.0f} MB at most" for one in memory]
    return (
        "## In Kong\n\nTime added to a request (median; Kong's side is the tests' stand-in), with "
        f"`aws-masker-pluginserver` ({OURS_WORKERS} workers) and with `kong-python-pluginserver`:\n\n"
        + head
        + "".join(rows)
        + f"\nMemory of the largest process: {sizes[0]}; of the stock server: {sizes[1]}.\n"
    )


OURS_WORKERS = 2


def main() -> None:
    """Measure both, print the section."""
    measured = [measure(commands) for commands in (OURS, stock(ROOT / "kong_plugins"))]
    print(render(measured[0][0], measured[1][0], [memory for _, memory in measured]))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
