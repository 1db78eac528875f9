"""A stand-in for Kong 3.9: serves HTTP, lets an external plugin server see each request, and proxies to an upstream.

It keeps to what a real Kong does with an external plugin, failures included; what it leaves out is everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.kong.exchange import Answer, Call, Exchange, Exited, LuaError, pairs, table
from tests.kong.instances import Config
from tests.kong.pdk import merge
from tests.kong.rpc import PROTOCOLS, OnCall, Pool, Rpc, unexpected
from tests.kong.server import Info

_HOP = (b"connection", b"keep-alive", b"proxy-connection", b"proxy", b"te", b"transfer-encoding", b"upgrade")
_JSON = {b"content-type": [b"application/json; charset=utf-8"]}


@dataclass
class Route:
    """A path prefix, the plugin's configuration there, and who may use it."""

    prefix: str
    upstream: str
    config: Config | None
    """None: the plugin is not enabled here."""
    consumers: dict[str, str] = field(default_factory=dict)
    """Key in the header `apikey` to consumer id (the key-auth plugin); empty: anybody."""
    strip: str = ""
    """What is taken off the path."""


@dataclass
class Limits:
    """Kong's settings, with waits that suit a test."""

    socket: float = 5.0
    """Seconds of silence on the plugin server's socket (60 in Kong)."""
    claim: float = 5.0
    """Seconds for which events wait while one of them starts an instance (10 in Kong)."""
    read: float = 60.0
    """Seconds between two reads from the upstream."""
    body_buffer: int = 8192
    """Bytes of a body above which it is in a file."""


async def untouched(exchange: Exchange, call: Call) -> bytes | None:
    """Leave a call of the PDK as it is."""
    return None


class Kong:
    """The ASGI application."""

    def __init__(
        self, info: Info, socket: Path, routes: Sequence[Route], folder: Path, limits: Limits | None = None
    ) -> None:
        """`folder` takes the temporary files of large bodies."""
        self.info, self.routes, self._folder = info, list(routes), folder
        self.limits = limits or Limits()
        self.on_call: OnCall = untouched
        self.body_file: Path | None = None
        """Where bodies go instead of a file of their own: `/dev/full` is a full disk."""
        self.exchanges: list[Exchange] = []
        self.pool = Pool(str(socket), self.limits.socket)
        self.rpc: Rpc = PROTOCOLS[info.protocol](self.pool, info.name, self._call, self.limits.claim)
        self._client: httpx2.AsyncClient | None = None
        self._timers: set[asyncio.Task[None]] = set()

    async def _call(self, exchange: Exchange, call: Call) -> bytes | None:
        return await self.on_call(exchange, call)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        request = Request(scope, receive)
        exchange = Exchange(request.method, _target(scope), table(scope["headers"]), b"")
        self.exchanges.append(exchange)
        try:
            response = await self._respond(request, exchange)
            await response(scope, receive, send)
        finally:
            exchange.drop_body_file()
            for writer in exchange.held:
                writer.close()
            if exchange.logging is not None:
                self._log(exchange, exchange.logging)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._client = httpx2.AsyncClient(timeout=httpx2.Timeout(self.limits.read), trust_env=False, limits=_UNLIMITED)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._client.aclose()
        await self.rpc.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    @property
    def busy(self) -> bool:
        """Whether a log phase is running."""
        return bool(self._timers)

    async def _respond(self, request: Request, exchange: Exchange) -> Response:
        route = next((one for one in self.routes if request.url.path.startswith(one.prefix)), None)
        if route is None:
            return self._sent(exchange, Answer(404, dict(_JSON), b'{"message":"no Route matched with those values"}'))
        if route.consumers:
            consumer = route.consumers.get(request.headers.get("apikey", ""))
            if consumer is None:
                return self._sent(exchange, Answer(401, dict(_JSON), b'{"message":"No API key found in request"}'))
            name = consumer.encode()
            exchange.consumer = {b"id": name, b"username": name, b"created_at": 1_700_000_000}
        try:
            self._keep_body(exchange, await request.body())
        except ClientDisconnect:
            return self._sent(exchange, Answer(400, dict(_JSON), b'{"message":"Bad request"}'))
        except OSError:  # what nginx does when it cannot write the file
            return self._sent(exchange, self._failed(exchange, "the body's file cannot be written"))
        exchange.logging = route.config if "log" in self.info.phases else None
        return await self._plugged(exchange, route)

    def _keep_body(self, exchange: Exchange, body: bytes) -> None:
        exchange.body = body
        if len(body) <= self.limits.body_buffer:
            return
        if self.body_file is not None:
            self.body_file.write_bytes(body)
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(body)
        exchange.body_file = Path(file.name)

    async def _plugged(self, exchange: Exchange, route: Route) -> Response:
        if route.config is not None:
            if "response" in self.info.phases:
                exchange.ctx[b"buffered_proxying"] = True
            ended = await self._phase(exchange, route.config, "access")
            if ended is not None:
                return self._sent(exchange, ended)
        try:
            upstream = await self._send(exchange, route)
        except httpx2.TransportError as error:
            exchange.errors.append(type(error).__name__)
            body = b'{"message":"An invalid response was received from the upstream server"}'
            exchange.upstream = Answer(502, dict(_JSON), body)
            return await self._answered(exchange, route, exchange.upstream)
        if not exchange.ctx.get(b"buffered_proxying"):
            return self._streamed(exchange, upstream)
        try:
            body = b"".join([chunk async for chunk in upstream.aiter_raw()])
        except httpx2.TransportError:  # Kong keeps the status (kong/init.lua, `res.truncated`); no `response` phase
            body = b'{"message":"The upstream server responded with %d"}' % upstream.status_code
            return self._sent(exchange, Answer(upstream.status_code, dict(_JSON), body))
        finally:
            await upstream.aclose()
        exchange.upstream = Answer(upstream.status_code, table(upstream.headers.raw), body)
        exchange.upstream.headers.pop(b"connection", None)
        return await self._answered(exchange, route, exchange.upstream)

    async def _answered(self, exchange: Exchange, route: Route, upstream: Answer) -> Response:
        """Run `response` on what the upstream answered."""
        exchange.answer_headers |= upstream.headers  # what `access` had set stays (the plugin proxy-cache relies on it)
        exchange.answer_headers.pop(b"transfer-encoding", None)
        exchange.answer_status = upstream.status
        if route.config is not None and exchange.ctx.get(b"buffered_proxying"):
            ended = await self._phase(exchange, route.config, "response")
            if ended is not None:
                return self._sent(exchange, ended)
        return self._sent(exchange, Answer(exchange.answer_status, exchange.answer_headers, upstream.body))

    async def _phase(self, exchange: Exchange, config: Config, phase: str) -> Answer | None:
        """Run the plugin's handler; return the answer if it ended the request."""
        exchange.phase = phase
        if phase not in self.info.phases:
            return None
        try:
            await self.rpc.event(exchange, config, phase)
        except Exited as ended:
            headers = dict(exchange.answer_headers)
            headers[b"content-length"] = [b"%d" % len(ended.body)]
            merge(headers, ended.headers)
            return Answer(ended.status, headers, ended.body)
        except LuaError as error:
            return self._failed(exchange, str(error))
        return None

    def _failed(self, exchange: Exchange, reason: str) -> Answer:
        exchange.errors.append(reason)
        failure = unexpected()
        return Answer(failure.status, dict(_JSON), failure.body)

    async def _send(self, exchange: Exchange, route: Route) -> httpx2.Response:
        assert self._client is not None
        headers = [(name, value) for name, value in pairs(exchange.headers) if name not in (*_HOP, b"host")]
        headers.append((b"x-kong-request-id", exchange.id.encode()))
        target = exchange.raw_path.removeprefix(route.strip.encode())
        url = httpx2.URL(route.upstream).copy_with(raw_path=target)
        request = httpx2.Request(exchange.method, url, headers=headers, content=exchange.body)
        return await self._client.send(request, stream=True)

    def _streamed(self, exchange: Exchange, upstream: httpx2.Response) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            async with contextlib.aclosing(upstream):
                async for chunk in upstream.aiter_raw():
                    yield chunk

        response = StreamingResponse(chunks(), upstream.status_code)
        exchange.answer_headers |= table(upstream.headers.raw)
        exchange.answer_status = upstream.status_code
        response.raw_headers = [(name, value) for name, value in pairs(exchange.answer_headers) if name not in _HOP]
        return response

    def _sent(self, exchange: Exchange, answer: Answer) -> Response:
        exchange.answer_status, exchange.answer_headers = answer.status, answer.headers
        headers = {name: values for name, values in answer.headers.items() if name not in _HOP}
        if answer.status >= 200 and answer.status not in (204, 304) and exchange.method != "HEAD":
            headers.setdefault(b"content-length", [b"%d" % len(answer.body)])
        headers[b"x-kong-request-id"] = [exchange.id.encode()]
        response = Response(answer.body, answer.status)
        response.raw_headers = pairs(headers)
        return response

    def _log(self, exchange: Exchange, config: Config) -> None:
        """Run `log` in a timer."""

        async def timer() -> None:
            await asyncio.sleep(0)
            exchange.phase = "log"
            try:
                await self.rpc.event(exchange, config, "log")
            except (LuaError, Exited) as error:
                exchange.errors.append(f"log: {error}")
            for writer in exchange.held:
                writer.close()

        task = asyncio.get_running_loop().create_task(timer())
        self._timers.add(task)
        task.add_done_callback(self._timers.discard)


_UNLIMITED = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
"""Connections are not kept: the stand-in may close one just when it is used again."""


def _target(scope: Scope) -> bytes:
    query: bytes = scope["query_string"]
    raw: bytes = scope["raw_path"]
    return raw + (b"?" + query if query else b"")
