"""Speaks with the plugin server in Kong's place, for an nginx that has no such code: see `sidecar.lua`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from tests.kong.exchange import Answer, Call, Exchange, Exited, Headers, LuaError, pairs, table
from tests.kong.gateway import Limits, untouched
from tests.kong.instances import Config
from tests.kong.rpc import PROTOCOLS, OnCall, Pool, Rpc
from tests.kong.server import Info


@dataclass
class Route:
    """What Kong's configuration says, for all paths; may be changed at any time."""

    config: Config | None
    """The Python plugin's; None: it is not enabled."""
    lua_plugin: bool = True
    refusing: bool = False
    """Another plugin, which runs before all others, answers with 401."""
    response_buffering: bool = False
    throws: str = ""
    """The function of the PDK that throws when the Lua plugin calls it."""


def unchanged(exchange: Exchange) -> None:
    """Leave what `access` did as it is."""


class Sidecar:
    """The server; it belongs to the event loop that it is started in."""

    def __init__(self, info: Info, socket: Path, route: Route, folder: Path, limits: Limits) -> None:
        """`folder` takes files for a moment."""
        self.info, self.route, self._folder = info, route, folder
        self.exchanges: dict[str, Exchange] = {}
        self.after_access: Callable[[Exchange], None] = unchanged
        """Runs on each request when the Python plugin's `access` has ended, or where it is not enabled."""
        self.on_call: OnCall = untouched
        self.pool = Pool(str(socket), limits.socket)
        self.rpc: Rpc = PROTOCOLS[info.protocol](self.pool, info.name, self._call, limits.claim)
        self.finished: set[str] = set()
        self._work: dict[bytes, Callable[..., Awaitable[list[bytes]]]] = {
            b"plan": self._plan,
            b"access": self._access,
            b"response": self._response,
            b"log": self._log,
        }

    async def _call(self, exchange: Exchange, call: Call) -> bytes | None:
        return await self.on_call(exchange, call)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of nginx's."""
        with contextlib.suppress(asyncio.IncompleteReadError, OSError), contextlib.closing(writer):
            while True:
                work, request, *arguments = await _read(reader)
                answer = await self._work[work](request.decode(), *arguments)
                writer.write(_packed(answer))
                await writer.drain()

    async def _plan(self, request: str) -> list[bytes]:
        route = self.route
        switches = {
            "aws-masker": route.config is not None,
            "aws-masker-stream": route.lua_plugin,
            "refusing": route.refusing,
            "response_buffering": route.response_buffering,
            "responds": "response" in self.info.phases,
            "logs": "log" in self.info.phases and route.config is not None,
        }
        settings = {name: "on" for name, on in switches.items() if on}
        settings |= {"priority": str(self.info.priority), "throws": route.throws}
        return [_packed([part.encode() for pair in settings.items() for part in pair])]

    async def _access(self, request: str, *fields: bytes) -> list[bytes]:
        method, uri, headers, body, file, buffered = fields
        exchange = Exchange(method.decode(), uri, _table(headers), body, id=request)
        if file:
            exchange.body_file = self._folder / request  # a name of its own: nginx removes the other one itself
            os.link(file, exchange.body_file)
            exchange.body = exchange.body_file.read_bytes()
        exchange.ctx[b"buffered_proxying"] = buffered == b"true"
        self.exchanges[request] = exchange
        before = exchange.body
        try:
            kind, reason, ended = await self._event(exchange, "access")
        finally:
            exchange.drop_body_file()
        self.after_access(exchange)
        early = _packed_headers(exchange.answer_headers)
        if ended is not None:
            headers_sent = _packed_headers(_lists(ended.headers))
            return [*_told(exchange, kind, headers_sent), b"%d" % ended.status, ended.body, early]
        if kind == "error":
            return _told(exchange, kind, reason)
        changed = [b"changed", exchange.body] if exchange.body is not before else [b"", b""]
        return [*_told(exchange, kind, _packed_headers(exchange.headers)), *changed, early]

    async def _response(self, request: str, status: bytes, upstream: bytes, body: bytes, headers: bytes) -> list[bytes]:
        exchange = self.exchanges[request]
        exchange.upstream = Answer(int(status), _table(upstream), body)
        exchange.answer_status, exchange.answer_headers = int(status), _table(headers)
        kind, reason, ended = await self._event(exchange, "response")
        if kind == "error":
            return _told(exchange, kind, reason)
        out = _told(exchange, kind, _packed_headers(exchange.answer_headers))
        if ended is not None:
            out += [b"%d" % ended.status, ended.body, _packed_headers(_lists(ended.headers))]
        return out

    async def _log(self, request: str, runs: bytes) -> list[bytes]:
        """Run `log`, in Kong a timer, and end what belongs to the request."""
        exchange = self.exchanges.get(request)
        if exchange is not None:
            if runs == b"true":
                kind, reason, _ = await self._event(exchange, "log")
                exchange.errors += [f"log: {reason!r}"] if kind == "error" else []
            for writer in exchange.held:
                writer.close()
        self.finished.add(request)
        return []

    async def _event(self, exchange: Exchange, phase: str) -> tuple[str, bytes, Exited | None]:
        exchange.phase = phase
        if self.route.config is None or phase not in self.info.phases:
            return "go", b"", None
        try:
            await self.rpc.event(exchange, self.route.config, phase)
        except Exited as ended:
            return "exit", b"", ended
        except LuaError as error:
            exchange.errors.append(str(error))
            return "error", str(error).encode(), None
        return "go", b"", None


@contextlib.contextmanager
def running(sidecar: Sidecar, path: Path) -> Iterator[None]:
    """Serve `sidecar` at the socket `path`, in a thread of its own."""
    with start_blocking_portal("asyncio") as portal:
        server = portal.call(asyncio.start_unix_server, sidecar.serve, str(path))
        try:
            yield
        finally:
            portal.call(sidecar.rpc.aclose)
            portal.call(server.close)


def _told(exchange: Exchange, kind: str, content: bytes) -> list[bytes]:
    shared = [part for name, value in exchange.shared.items() for part in (name, _bytes(value))]
    ctx = [part for name, value in exchange.ctx.items() for part in (name, b"true" if value else b"")]
    return [kind.encode(), content, _packed(shared), _packed(ctx)]


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _lists(headers: dict[bytes, Any]) -> Headers:
    return {
        name.lower(): [_bytes(one) for one in (value if isinstance(value, list) else [value])]
        for name, value in headers.items()
    }


def _packed(fields: list[bytes]) -> bytes:
    return b"%d\n" % len(fields) + b"".join(b"%d\n%b" % (len(field), field) for field in fields)


def _packed_headers(headers: Headers) -> bytes:
    return _packed([part for pair in pairs(headers) for part in pair])


def _table(packed: bytes) -> Headers:
    fields, at = [], packed.index(b"\n") + 1
    for _ in range(int(packed[: at - 1])):
        stop = packed.index(b"\n", at)
        end = stop + 1 + int(packed[at:stop])
        fields.append(packed[stop + 1 : end])
        at = end
    return table(zip(fields[::2], fields[1::2], strict=True))


async def _read(reader: asyncio.StreamReader) -> list[bytes]:
    fields = []
    for _ in range(int(await reader.readuntil(b"\n"))):
        fields.append(await reader.readexactly(int(await reader.readuntil(b"\n"))))
    return fields
