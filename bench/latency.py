"""Time to the first token: a client on the loopback, an API that answers at once, and the proxy between them or not."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from bench.bodies import events
from kong_plugins.aws_masker.proxy.app import create_app
from kong_plugins.aws_masker.settings import Settings

_HEADERS = {"content-type": "application/json", "x-api-key": "bench"}
_ANSWER = "The deployment fails because the role may not read the queue. " * 40


class Latency(NamedTuple):
    """Seconds from sending a request to the first delta of its answer: least and median."""

    direct: float
    proxied: float
    direct_median: float
    proxied_median: float


def _api() -> Starlette:
    async def messages(request: Request) -> StreamingResponse:
        await request.body()
        return StreamingResponse(iter(events(_ANSWER)), media_type="text/event-stream")

    return Starlette(routes=[Route("/v1/messages", messages, methods=["POST"])])


def _run(listener: socket.socket, upstream: str | None) -> None:
    app = _api() if upstream is None else create_app(upstream, Settings(), bytes(range(32)))
    config = uvicorn.Config(app, log_level="critical", lifespan="on", http="httptools")
    uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _serving(upstream: str | None) -> Iterator[str]:
    """Serve in a process of its own, so that no other's threads count."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = multiprocessing.get_context("fork").Process(target=_run, args=(listener, upstream), daemon=True)
        process.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.terminate()
            process.join()


def _first_delta(client: httpx2.Client, url: str, body: bytes) -> float:
    start = time.perf_counter()
    seen = b""
    first = 0.0
    with client.stream("POST", url + "/v1/messages", content=body, headers=_HEADERS) as response:
        response.raise_for_status()
        for chunk in response.iter_raw():
            seen += chunk
            if not first and b"content_block_delta" in seen:
                first = time.perf_counter() - start
    assert first, "no delta came"
    return first


def measure(bodies: list[bytes], rounds: int = 25) -> list[Latency]:
    """Send each body `rounds` times directly and through the proxy, in turns."""
    found = []
    with _serving(None) as api, _serving(api) as proxy, httpx2.Client(timeout=60, trust_env=False) as client:
        for body in bodies:
            times: dict[str, list[float]] = {api: [], proxy: []}
            for _ in range(rounds):
                for url, taken in times.items():
                    taken.append(_first_delta(client, url, body))
            direct, proxied = times[api], times[proxy]
            medians = statistics.median(direct), statistics.median(proxied)
            found.append(Latency(min(direct), min(proxied), *medians))
    return found
