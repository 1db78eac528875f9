"""What Redis adds to a request: `python -m bench.vault`, with a redis-server (or valkey-server) installed.

Beside it what the Lua plugin did: for each value, one after the other, a counter and two keys.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis
from redis.exceptions import ConnectionError as NotYet

from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.choice import vault_of

VALUES = 50
"""In each request."""
_ROUNDS = 300
_TENANT = "team"


class Figure(NamedTuple):
    """What one way costs a request."""

    name: str
    round_trips: float
    milliseconds: float
    """Median."""


def measure() -> list[Figure]:
    """Return the figures for requests with new values, with known ones, and for the Lua plugin's way."""
    fresh = count()
    with _server() as (path, client):
        vault = vault_of(Settings(redis_socket=path, redis_timeout=5000, max_entries=1_000_000), {}, bytes(32))

        def ours(new: bool) -> Callable[[], None]:
            known = _values(fresh)

            def request() -> None:
                vault.memory(_TENANT)
                vault.remember(_TENANT, _values(fresh) if new else known)

            return request

        def theirs() -> None:
            for placeholder, entry in _values(fresh).items():
                client.incr("aws_masker:cnt:ec2")
                client.set(b"aws_masker:map:" + placeholder, entry.value, ex=604_800)
                client.set(b"aws_masker:rev:" + entry.value, placeholder, ex=604_800)

        ways = {
            "this project, all values known": ours(new=False),
            "this project, all values new": ours(new=True),
            "the Lua plugin": theirs,
        }
        figures = [_measured(name, client, request) for name, request in ways.items()]
        vault.close()
    return figures


def _values(fresh: Iterator[int]) -> dict[bytes, Entry]:
    numbers = [next(fresh) for _ in range(VALUES)]
    return {b"i-0masked%010x" % number: Entry(b"i-%017x" % number, "ec2_instance") for number in numbers}


def _measured(name: str, client: Any, request: Callable[[], None]) -> Figure:
    request()  # connects, loads the script
    before = _asked(client)
    times = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        request()
        times.append(time.perf_counter() - begun)
    return Figure(name, (_asked(client) - before) / _ROUNDS, statistics.median(times) * 1000)


def _asked(client: Any) -> int:
    """Return how many commands clients have sent; what a script runs is none of them."""
    stats = client.info("commandstats")
    sent = ("evalsha", "incrby", "get", "set", "script|load")
    scripted: int = sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in sent)
    return scripted


@contextmanager
def _server() -> Iterator[tuple[str, Any]]:
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        raise SystemExit("neither redis-server nor valkey-server is installed")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "redis.sock")
        process = subprocess.Popen(
            [binary, "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder], stdout=subprocess.DEVNULL
        )
        client = Redis(unix_socket_path=path, protocol=2)
        try:
            while True:
                try:
                    client.ping()
                    break
                except NotYet:
                    time.sleep(0.05)
            yield path, client
        finally:
            process.kill()
            process.wait()


def render(figures: list[Figure]) -> str:
    """Return the figures as a table in Markdown."""
    head = f"A request with {VALUES} values, Redis on this machine:\n\n| | round trips | ms |\n|---|---|---|\n"
    return head + "".join(f"| {one.name} | {one.round_trips:.0f} | {one.milliseconds:.2f} |\n" for one in figures)


if __name__ == "__main__":
    print(render(measure()), end="")
