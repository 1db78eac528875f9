"""A raw HTTP server that behaves as told, the proxy on a port of its own, and raw clients."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.applications import Starlette

from kong_plugins.aws_masker.proxy.app import create_app, create_gateway
from kong_plugins.aws_masker.proxy.server import Server, Tls, listen
from kong_plugins.aws_masker.settings import Settings

KEY = bytes(range(32))
PATIENCE = 30.0
"""Seconds after which a test gives up; nothing is asserted about time."""
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def instance(number: int) -> str:
    """Return an instance id to plant."""
    return "i-0" + hashlib.sha256(b"%d" % number).hexdigest()[:16]


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def sized(body: bytes, head: bytes = JSON_HEAD) -> bytes:
    """Return an answer with `body` and its length."""
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def text_delta(text: str) -> bytes:
    """Return one event of an Anthropic stream that adds `text` to block 0."""
    delta = f'{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}'
    return b"event: content_block_delta\ndata: " + delta.encode() + b"\n\n"


BLOCK_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'


@dataclass
class Exchange:
    """One request as the upstream received it, and the connection to answer it on."""

    head: bytes
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def wait_closed(self) -> None:
        """Wait until the proxy closes the connection."""
        with contextlib.suppress(ConnectionError):
            assert await self.reader.read(1) == b""

    def reset(self) -> None:
        """Break the connection off."""
        self.writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]


@dataclass
class Upstream:
    """What arrived at the upstream, byte for byte."""

    url: str = ""
    connections: int = 0
    requests: list[Exchange] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    """All bytes of all connections that have been read."""

    async def all_closed(self) -> None:
        """Wait until every connection so far is closed on this side, and give the other side a moment to see it."""
        for exchange in self.requests:
            with contextlib.suppress(ConnectionError):
                await exchange.writer.wait_closed()
        await asyncio.sleep(0.05)

    async def _serve(self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                self.raw += head
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                body = await reader.readexactly(length)
                self.raw += body
                exchange = Exchange(head, body, reader, writer)
                self.requests.append(exchange)
                await script(exchange)
        writer.close()


@asynccontextmanager
async def upstream(script: Script) -> AsyncIterator[Upstream]:
    """Run a server that answers each request as `script` does."""
    state = Upstream()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await state._serve(script, reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**26)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()


@contextmanager
def proxy(target: str, settings: Settings | None = None, **options: Any) -> Iterator[str]:
    """Run the proxy in a thread; yields its base URL."""
    with running(create_app(target, settings or Settings(), KEY, **options)) as url:
        yield url


@contextmanager
def gateway(kong: str, settings: Settings | None = None, **options: Any) -> Iterator[str]:
    """Run the proxy in front of Kong in a thread; yields its base URL."""
    with running(create_gateway(kong, settings or Settings(), KEY, **options)) as url:
        yield url


@contextmanager
def running(app: Starlette, tls: Tls | None = None) -> Iterator[str]:
    """Run an application as the proxy runs; yields its base URL."""
    started = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        url = f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}"
        server = Server(app, 1, started.set, tls)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert started.wait(PATIENCE)
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


@asynccontextmanager
async def between(script: Script, **options: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, Upstream]]:
    """Run an upstream, the proxy before it and a client before that."""
    async with upstream(script) as received:
        with proxy(received.url, **options) as url:
            async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False) as client:
                yield client, received


async def talk(url: str | httpx2.URL, *pieces: bytes) -> bytes:
    """Send raw bytes and return all that comes back until the connection is closed."""
    target = httpx2.URL(url)
    reader, writer = await asyncio.open_connection(target.host, target.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return answer


def headers_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of a raw request or response head, in order."""
    lines = head.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]
    return [(line.partition(b":")[0], line.partition(b":")[2].strip()) for line in lines]
