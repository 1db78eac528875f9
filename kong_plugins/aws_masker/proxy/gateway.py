"""The proxy in front of a Kong that masks: it seals requests, so that only the masker there can read them.

Answers go to the client as they come, byte for byte, once the masker has proven that it was there. See `seal`. Only in
what tells of batches, links that lead to Kong are led to the proxy, since the client may not reach Kong.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import aclosing

import anyio
import httpx2
from anyio import to_thread
from starlette.types import Receive, Scope, Send

from kong_plugins.aws_masker.errors import MaskerError, NotMasked, UpstreamUnreachable
from kong_plugins.aws_masker.observe.health import Component
from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.record import ANSWERED, CLIENT_GONE
from kong_plugins.aws_masker.proxy.client import Client, ClientGone
from kong_plugins.aws_masker.proxy.headers import end_to_end, framed
from kong_plugins.aws_masker.proxy.links import Links
from kong_plugins.aws_masker.proxy.upstream import Upstream, chunks
from kong_plugins.aws_masker.seal import OPENED, SEAL, Seal, new_seal
from kong_plugins.aws_masker.wire.headers import Headers, refuse_upgrade
from kong_plugins.aws_masker.wire.providers import Api, api_of

_IN_THREAD = 1024 * 1024
"""Bytes of a body from which it is sealed in a thread: encryption is fast."""
_GATEKEEPERS = frozenset({401, 403, 413, 429})
"""What Kong answers before it is the masker's turn (credentials, limits); clients know what to do about these."""
_PATIENCE = 2.0
"""Seconds for Kong to accept a connection, where that is all that is asked."""


class Gateway:
    """The ASGI application that seals, forwards and hands on."""

    def __init__(self, kong: Upstream, key: bytes, limit: int, metrics: Metrics) -> None:
        """`key`: the masking key, the same as Kong's; `limit`: most bytes of a body."""
        self._kong = kong
        self._key = key
        self._limit = limit
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; no exception leaves here, since the server would log its message."""
        client = Client(scope, receive, send)
        api = api_of(client.path)
        with self._metrics.running.track_inprogress():
            outcome = await self._outcome(client, api)
        self._metrics.requests.labels(api.value, outcome).inc()

    async def health(self) -> Component:
        """Tell whether Kong accepts connections."""
        try:
            connecting = asyncio.open_connection(self._kong.address.host, self._kong.address.port)
            _, writer = await asyncio.wait_for(connecting, _PATIENCE)
        except (OSError, asyncio.TimeoutError):
            return Component("failed", "Kong cannot be reached")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return Component("ok", "Kong accepts connections")

    async def _outcome(self, client: Client, api: Api) -> str:
        try:
            await self._exchange(client, api)
        except ClientGone:
            return CLIENT_GONE
        except MaskerError as error:
            return await _fail(client, api, error, error)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the client gets an answer and the log a line
            return await _fail(client, api, MaskerError(), error)
        return ANSWERED

    async def _exchange(self, client: Client, api: Api) -> None:
        begun = time.perf_counter()
        refuse_upgrade(client.headers)
        headers = end_to_end(client.headers, b"expect", SEAL)
        body = await client.body(self._limit)
        self._metrics.request_size.observe(len(body))
        async with client.present():
            seal = new_seal(self._key)
            response = await self._send(client, headers, body, seal)
            try:
                _check(response, seal)
                await self._hand_on(client, response, api, begun)
            finally:
                with anyio.CancelScope(shield=True):
                    await response.aclose()

    async def _send(self, client: Client, headers: Headers, body: bytes, seal: Seal) -> httpx2.Response:
        sealed = await to_thread.run_sync(seal.close, body) if len(body) >= _IN_THREAD else seal.close(body)
        sent = [*framed(headers, sealed, self._kong.host), (SEAL, seal.salt.encode())]
        try:
            return await self._kong.send(client.method, client.target, sent, sealed)
        except UpstreamUnreachable as error:
            raise UpstreamUnreachable("Kong does not answer") from error

    async def _hand_on(self, client: Client, response: httpx2.Response, api: Api, begun: float) -> None:
        """Hand on head and body as they arrive."""
        size = 0
        head: Headers = end_to_end(response.headers.raw, OPENED)
        links = Links(client.scope, self._kong.base)
        if links.concerned:
            body, head = links.rewrite(b"".join([piece async for piece in chunks(response)]), head)
            await client.start(response.status_code, head)
            await client.write(body, last=True)
            return
        await client.start(response.status_code, head)
        async with aclosing(chunks(response)) as pieces:
            async for piece in pieces:
                if not size:
                    self._metrics.first_byte_time.labels(api.value).observe(time.perf_counter() - begun)
                size += len(piece)
                await client.write(piece)
        await client.write(b"", last=True)
        self._metrics.answer_size.observe(size)


def _check(response: httpx2.Response, seal: Seal) -> None:
    """Raise NotMasked unless the masker proves that it was there, or a gatekeeper answered."""
    if not seal.is_proven(response.headers.raw) and response.status_code not in _GATEKEEPERS:
        raise NotMasked(f"Kong answered with status {response.status_code}, without the proof of the masker")


async def _fail(client: Client, api: Api, shown: MaskerError, cause: Exception) -> str:
    log.warning("request_failed", api=api.value, code=shown.code, broken_off=client.answering, **describe(cause))
    await client.fail(api, shown)
    return shown.code
