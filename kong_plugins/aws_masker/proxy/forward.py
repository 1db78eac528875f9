"""One exchange: the request in, masked, upstream; the answer back, restored, to the client."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing
from typing import TypeVar

import anyio
import httpx2
from anyio import to_thread
from starlette.types import Receive, Scope, Send

from kong_plugins.aws_masker.errors import (
    MaskerError,
    MaskingFailed,
    RestoreFailed,
    UpstreamTimedOut,
    UpstreamUnreachable,
)
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.pipeline import Head, MaskedRequest, ResponseRestorer, mask_request
from kong_plugins.aws_masker.proxy.client import Client, ClientGone
from kong_plugins.aws_masker.proxy.headers import end_to_end, framed, tenant_of
from kong_plugins.aws_masker.proxy.links import Links
from kong_plugins.aws_masker.proxy.metrics import ANSWERED, CLIENT_GONE, Metrics
from kong_plugins.aws_masker.proxy.upstream import Upstream, chunks
from kong_plugins.aws_masker.text import Lookup, Memory, values_of
from kong_plugins.aws_masker.vault.protocol import Vault, mask_with
from kong_plugins.aws_masker.wire.headers import refuse_upgrade
from kong_plugins.aws_masker.wire.providers import Api, api_of

_IN_THREAD = 64 * 1024
"""Size in bytes from which a body is worked on in a thread, so that the streams of others go on meanwhile."""
_THREADS = 4
"""Large bodies worked on at the same time; bounds the memory that this takes."""
_WAITING = 32
"""Small bodies worked on at the same time where the vault is elsewhere."""

Result = TypeVar("Result")


class Forwarder:
    """The ASGI application that masks, forwards and restores."""

    def __init__(
        self, upstream: Upstream, masker: Masker, vault: Vault, metrics: Metrics, tenant_header: bytes | None
    ) -> None:
        self._upstream = upstream
        self._settings = masker.settings
        self._metrics = metrics
        self._tenant_header = tenant_header
        self._masker = masker
        self._vault = vault
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._waiting = anyio.CapacityLimiter(_WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; no exception leaves here, since the server would log its message."""
        client = Client(scope, receive, send)
        api = api_of(client.path)
        with self._metrics.running.track_inprogress():
            outcome = await self._outcome(client, api)
        self._metrics.requests.labels(api.value, outcome).inc()

    async def _outcome(self, client: Client, api: Api) -> str:
        begun = time.perf_counter()
        unforeseen: type[MaskerError] = MaskingFailed
        try:
            masked, tenant = await self._masked(client)
            async with client.present():
                response = await self._send(client, masked)
                unforeseen = RestoreFailed
                await self._answer(client, response, masked, tenant, begun)
        except ClientGone:
            return CLIENT_GONE
        except MaskerError as error:
            return await self._fail(client, api, error, error)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the client gets an answer and the log a line
            return await self._fail(client, api, unforeseen(), error)
        return ANSWERED

    async def _fail(self, client: Client, api: Api, shown: MaskerError, cause: Exception) -> str:
        log.warning("request_failed", api=api.value, code=shown.code, broken_off=client.answering, **describe(cause))
        await client.fail(api, shown)
        return shown.code

    async def _masked(self, client: Client) -> tuple[MaskedRequest, str]:
        """Read and mask the request; its mapping is in the vault before anything can go upstream."""
        refuse_upgrade(client.headers)
        tenant = tenant_of(client.headers, self._tenant_header)
        # What `Connection` names goes first: were it taken off after masking, a coding could vanish from the headers.
        headers = end_to_end(client.headers, b"expect", *([self._tenant_header] if self._tenant_header else []))
        body = await client.body(self._settings.max_body_size)
        self._metrics.request_size.observe(len(body))

        def mask(memory: Memory) -> MaskedRequest:
            session = self._masker.session(tenant, memory)
            return mask_request(Head(client.path, headers), body, session, self._settings)

        def work() -> MaskedRequest:
            return mask_with(self._vault, tenant, mask)

        with self._metrics.masking_time.time():
            masked = await self._run(len(body), work, self._vault.blocking)
        self._count(masked)
        return masked, tenant

    def _count(self, masked: MaskedRequest) -> None:
        for family, count in masked.counts.items():
            self._metrics.masked.labels(family).inc(count)
        for family, count in masked.signed.items():
            self._metrics.signed.labels(family).inc(count)
        if masked.signed:
            log.warning("values_in_signed_blocks", api=masked.api.value, families=masked.signed)

    async def _send(self, client: Client, masked: MaskedRequest) -> httpx2.Response:
        headers = framed(masked.headers, masked.body, self._upstream.host)
        return await self._upstream.send(client.method, client.target, headers, masked.body)

    async def _answer(
        self, client: Client, response: httpx2.Response, masked: MaskedRequest, tenant: str, begun: float
    ) -> None:
        try:
            restorer = ResponseRestorer(
                masked.api,
                response.status_code,
                end_to_end(response.headers.raw),
                self._lookup(masked, tenant),
                self._settings,
            )
            await self._relay(client, response, restorer, masked.api, begun)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def _relay(
        self, client: Client, response: httpx2.Response, restorer: ResponseRestorer, api: Api, begun: float
    ) -> None:
        """Hand on each piece as it arrives, the head as soon as it is certain: for JSON that is at the end."""
        status, size = response.status_code, 0
        try:
            if restorer.final:
                await client.start(status, restorer.headers)
            async with aclosing(chunks(response)) as pieces:
                async for piece in pieces:
                    if not size:
                        self._metrics.first_byte_time.labels(api.value).observe(time.perf_counter() - begun)
                    size += len(piece)
                    restored = restorer.feed(piece)
                    if restorer.final and not client.answering:
                        await client.start(status, restorer.headers)
                    await client.write(restored)
        except (UpstreamUnreachable, UpstreamTimedOut):
            if client.answering:  # else the client gets the error instead of half a JSON text
                await client.write(restorer.close())
            raise
        rest = restorer.close() if restorer.final else await self._run(size, restorer.close)
        if not client.answering:
            rest, headers = Links(client.scope, self._upstream.base).rewrite(rest, restorer.headers)
            await client.start(status, headers)
        await client.write(rest, last=True)

    async def _run(self, size: int, work: Callable[[], Result], blocking: bool = False) -> Result:
        """Do what takes time in proportion to `size` bytes; in a thread if that is long, or if it waits for others."""
        if size >= _IN_THREAD:
            return await to_thread.run_sync(work, limiter=self._threads)
        return await to_thread.run_sync(work, limiter=self._waiting) if blocking else work()

    def _lookup(self, masked: MaskedRequest, tenant: str) -> Lookup:
        """Look in this request's mapping first, then in what the tenant's earlier requests left behind."""
        known = self._masker.lookup(values_of(masked.mapping), tenant, self._vault.known(tenant))
        found = self._metrics.restored

        def lookup(placeholder: bytes) -> bytes | None:
            value = known(placeholder)
            if value is not None:
                found.inc()
            return value

        return lookup
