"""The client's side of one exchange: its body, its answer, and whether it is still there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.types import Receive, Scope, Send

from kong_plugins.aws_masker.errors import BodyTooLarge, MaskerError
from kong_plugins.aws_masker.wire.headers import Headers, values
from kong_plugins.aws_masker.wire.providers import Api, error_body, error_headers


class ClientGone(Exception):
    """The client closed its connection."""


class Client:
    """One request of one client, and the answer to it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        query: bytes = scope["query_string"]
        self.query: str = query.decode("latin-1")
        self.target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
        self.headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        self.answering = False
        """The head of the answer is out: an error can only break the answer off now."""
        self.status = 0
        """The HTTP status of the answer, 0 until its head is out."""
        self._complete = False
        self._receive = receive
        self._send = send

    async def body(self, limit: int) -> bytes:
        """Read the request's body, of at most `limit` bytes.

        Raises:
            BodyTooLarge: as soon as that is known; a client that waits for `100 Continue` sends nothing.
            ClientGone: the client left before the end.
        """
        declared = values(self.headers, b"content-length")
        if declared and int(declared[0]) > limit:  # the HTTP parser admits digits only
            raise BodyTooLarge
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > limit:
                raise BodyTooLarge
            if not message.get("more_body", False):
                return b"".join(pieces)

    @asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        """Cancel the block as soon as the client leaves, and raise ClientGone then. The body must have been read."""
        with anyio.CancelScope() as scope:
            watcher = asyncio.create_task(self._watch(scope))
            try:
                yield
            finally:
                watcher.cancel()
        if scope.cancelled_caught:
            raise ClientGone

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of the answer."""
        self.answering = True
        self.status = status
        # A 204 or 304 has no body, but a 304 may tell the length of one, which the server would wait for.
        bodiless = status in (204, 304)
        sent = [header for header in headers if not (bodiless and header[0].lower() == b"content-length")]
        if values(self.headers, b"upgrade"):
            # The HTTP parser stops at a request that asks for an upgrade, so this is the connection's last answer.
            sent.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": sent})

    async def write(self, data: bytes, last: bool = False) -> None:
        """Send a piece of the answer's body at once; waits while the client does not read."""
        if data or last:
            self._complete = last  # before the server tells the watcher that the exchange is over
            await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def fail(self, api: Api, error: MaskerError) -> None:
        """Answer with `error` in the shape of `api`; an answer that has begun is left incomplete instead.

        The server closes the connection of an incomplete answer, so the client sees that the end is missing.
        """
        if self.answering:
            return
        body = error_body(api, error)
        headers = [
            *((name.lower().encode(), value.encode()) for name, value in error_headers(api, error).items()),
            (b"content-length", b"%d" % len(body)),
            (b"x-aws-masker-error", error.code.encode()),
        ]
        await self.start(error.status, headers)
        await self.write(body, last=True)

    async def _watch(self, scope: anyio.CancelScope) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._complete:
            scope.cancel()
