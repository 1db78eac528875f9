"""The ways to the API, each with real processes: the proxy; Kong's stand-in or nginx, with a real plugin server."""

from __future__ import annotations

import contextlib
import functools
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kong_plugins.aws_masker.demo.serving import serving
from tests.faults.plan import Request
from tests.faults.planted import TENANTS
from tests.kong.exchange import Call, Exchange, LuaError
from tests.kong.gateway import Kong, Limits, Route
from tests.kong.lab import OURS, accepted, environment
from tests.kong.rpc import OnCall
from tests.kong.server import PATIENCE, Info, PluginServer, query
from tests.nginx.nginx import Urls, nginx
from tests.nginx.sidecar import Route as NginxRoute
from tests.nginx.sidecar import Sidecar, running
from tests.vault.servers import free_port

_REDIS_TIMEOUT = 300
_READ_TIMEOUT = 5.0
_CLI = f"{sys.executable} -m kong_plugins.aws_masker.cli"


@dataclass
class Way:
    """One way to the API, and its processes."""

    url: str
    server: PluginServer
    """The plugin server, or the proxy, which is looked after in the same way."""
    kong: Kong | None = None
    sidecar: Sidecar | None = None
    nginx: Urls | None = None

    def log(self) -> bytes:
        """Return all that its processes have written."""
        written = self.server.log() + (self.nginx.log() if self.nginx else "")
        return written.encode("utf-8", "surrogateescape")

    def tidy(self) -> None:
        """Forget the requests that are over, which are kept for tests to look at."""
        if self.kong is not None:
            del self.kong.exchanges[:-200]
        if self.sidecar is not None:
            for request in list(self.sidecar.finished):
                self.sidecar.exchanges.pop(request, None)
                self.sidecar.finished.discard(request)


def headers(request: Request) -> dict[str, str]:
    """Return the headers by which the ways tell tenants apart, and the campaign requests."""
    return {
        "content-type": "application/json",
        "x-api-key": "anything",
        "x-number": str(request.number),
        "x-tenant": f"tenant-{request.tenant}",
        "apikey": f"key-{request.tenant}",
    }


def _redis(port: int, *, fallback: bool) -> dict[str, Any]:
    return {
        "redis_host": "127.0.0.1",
        "redis_port": port,
        "redis_timeout": _REDIS_TIMEOUT,
        "redis_fallback": fallback,
    }


@contextlib.contextmanager
def proxy(folder: Path, upstream: str, redis: int) -> Iterator[Way]:
    """Run `aws-masker proxy`, which goes on from its memory while Redis is away."""
    port = free_port()
    config = folder / "proxy.toml"
    lines = [
        f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
        for name, value in _redis(redis, fallback=True).items()
    ]
    config.write_text("\n".join(lines))
    options = f"--listen 127.0.0.1:{port} --upstream {upstream} --config {config} --tenant-header x-tenant"
    server = PluginServer(
        f"{_CLI} proxy {options} --read-timeout {_READ_TIMEOUT}", folder, folder / "proxy.log", environment()
    )
    try:
        _wait(port)
        yield Way(f"http://127.0.0.1:{port}", server)
    finally:
        server.stop()


def _wait(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < deadline, "the proxy does not listen"
        time.sleep(0.05)


@functools.cache
def _info() -> Info:
    return query(OURS.query, environment())


@contextlib.contextmanager
def _plugin_server(folder: Path, name: str) -> Iterator[PluginServer]:
    path = folder / f"{name}.sock"
    server = PluginServer(OURS.start.format(socket=path), path, folder / f"{name}.log", environment())
    try:
        server.wait_listening()
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def kong(folder: Path, upstream: str, redis: int, requests: dict[int, Request]) -> Iterator[Way]:
    """Run Kong's stand-in and a plugin server that refuses requests while Redis is away."""
    info = _info()
    with _plugin_server(folder, "kong") as server:
        config = accepted(info, _redis(redis, fallback=False))
        consumers = {f"key-{tenant}": f"tenant-{tenant}" for tenant in TENANTS}
        app = Kong(info, server.path, [Route("/", upstream, config, consumers)], folder, Limits(read=_READ_TIMEOUT))
        app.on_call = _planned(requests)
        with serving(app) as url:
            yield Way(url, server, kong=app)


@contextlib.contextmanager
def nginx_with_plugins(folder: Path, upstream: str, redis: int, requests: dict[int, Request]) -> Iterator[Way]:
    """Run nginx with the Lua plugin, and a plugin server that goes on from its memory while Redis is away."""
    info = _info()
    with _plugin_server(folder, "nginx") as server:
        config = accepted(info, _redis(redis, fallback=True))
        sidecar = Sidecar(info, server.path, NginxRoute(config), folder, Limits())
        sidecar.on_call = _planned(requests)
        (folder / "nginx").mkdir()
        with (
            running(sidecar, folder / "sidecar.sock"),
            nginx(folder / "nginx", upstream, folder / "sidecar.sock", workers=2) as urls,
        ):
            yield Way(urls.kong, server, sidecar=sidecar, nginx=urls)


def _planned(requests: dict[int, Request]) -> OnCall:
    """Return what Kong does at each call of the PDK: know the consumer, and fail where that is planned."""

    async def on_call(exchange: Exchange, call: Call) -> bytes | None:
        (number,) = exchange.headers.get(b"x-number", [b"0"])
        request = requests.get(int(number))
        if request is None:
            return None
        (name,) = exchange.headers[b"x-tenant"]
        exchange.consumer = {b"id": name, b"username": name, b"created_at": 1_700_000_000}
        if request.call is None or request.call[:2] != (call.phase, call.index):
            return None
        return _spoiled(exchange, request.call[2])

    return on_call


def _spoiled(exchange: Exchange, kind: str) -> bytes | None:
    if kind == "garbage":
        return b"\xff\xff\xff\xff"
    if kind == "throw":
        raise LuaError("planned")
    if exchange.body_file is not None and exchange.body_file.exists():
        if kind == "file gone":
            exchange.body_file.unlink()
        else:
            with exchange.body_file.open("r+b") as file:
                file.truncate(exchange.body_file.stat().st_size // 2)
    return None
