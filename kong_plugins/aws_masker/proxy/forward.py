"""One exchange: the request in, masked, upstream; the answer back, restored, to the client."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar
from uuid import uuid4

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
from kong_plugins.aws_masker.observe.exchange import Exchange
from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.observe.observer import Observer
from kong_plugins.aws_masker.observe.record import ANSWERED, CLIENT_GONE
from kong_plugins.aws_masker.observe.stability import Histories
from kong_plugins.aws_masker.observe.tally import Tally
from kong_plugins.aws_masker.pipeline import Head, MaskedRequest, ResponseRestorer, mask_request
from kong_plugins.aws_masker.proxy.client import Client, ClientGone
from kong_plugins.aws_masker.proxy.headers import end_to_end, framed, tenant_of
from kong_plugins.aws_masker.proxy.links import Links
from kong_plugins.aws_masker.proxy.upstream import Upstream, chunks
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.text import MaskSession, values_of
from kong_plugins.aws_masker.vault.protocol import Vault
from kong_plugins.aws_masker.vault.records import Keyring
from kong_plugins.aws_masker.wire.headers import refuse_upgrade

_IN_THREAD = 64 * 1024
"""Size in bytes from which a body is worked on in a thread, so that the streams of others go on meanwhile."""
_THREADS = 4
"""Large bodies worked on at the same time; bounds the memory that this takes."""
_WAITING = 32
"""Small bodies worked on at the same time where the vault is elsewhere."""

Result = TypeVar("Result")


class Forwarder:
    """The ASGI application that masks, forwards and restores."""

    def __init__(  # noqa: PLR0913, PLR0917 - what an application has one of
        self,
        upstream: Upstream,
        masker: Masker,
        vault: Vault,
        key: bytes,
        observer: Observer,
        tenant_header: bytes | None,
    ) -> None:
        self._upstream = upstream
        self._settings = masker.settings
        self._key = key
        self._observer = observer
        self._tenant_header = tenant_header
        self._tenant_id = Keyring(key).tenant_id
        self._masker = masker
        self._vault = vault
        self._histories = Histories()
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._waiting = anyio.CapacityLimiter(_WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; no exception leaves here, since the server would log its message."""
        client = Client(scope, receive, send)
        exchange = Exchange("proxy", uuid4().hex)
        exchange.arrived(client.path)
        with self._observer.metrics.running.track_inprogress():
            outcome = await self._outcome(client, exchange)
        answer = exchange.answered(success=outcome != RestoreFailed.code)
        if answer is not None:
            self._observer.answer(answer)
        self._observer.request(exchange.asked(outcome, client.status))

    async def _outcome(self, client: Client, exchange: Exchange) -> str:
        begun = time.perf_counter()
        unforeseen: type[MaskerError] = MaskingFailed
        try:
            masked, tenant = await self._masked(client, exchange)
            exchange.sent = True
            async with client.present():
                response = await self._send(client, masked)
                unforeseen = RestoreFailed
                await self._answer(client, response, masked, tenant, exchange, begun)
        except ClientGone:
            return CLIENT_GONE
        except MaskerError as error:
            return await self._fail(client, exchange, error, error)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the client gets an answer and the log a line
            return await self._fail(client, exchange, unforeseen(), error)
        return ANSWERED

    async def _fail(self, client: Client, exchange: Exchange, shown: MaskerError, cause: Exception) -> str:
        log.warning(
            "request_failed",
            request=exchange.request,
            api=exchange.api.value,
            code=shown.code,
            broken_off=client.answering,
            **describe(cause),
        )
        await client.fail(exchange.api, shown)
        return shown.code

    async def _masked(self, client: Client, exchange: Exchange) -> tuple[MaskedRequest, str]:
        """Read and mask the request; its mapping is in the vault before anything can go upstream."""
        refuse_upgrade(client.headers)
        tenant = tenant_of(client.headers, self._tenant_header)
        exchange.tenant = self._tenant_id(tenant) if tenant else ""  # what a client sent may be anything
        # What `Connection` names goes first: were it taken off after masking, a coding could vanish from the headers.
        headers = end_to_end(client.headers, b"expect", *([self._tenant_header] if self._tenant_header else []))
        body = await client.body(self._settings.max_body_size)
        exchange.size = len(body)

        def mask(session: MaskSession) -> MaskedRequest:
            return mask_request(Head(client.path, headers, client.query), body, session, self._settings)

        def work() -> MaskedRequest:
            session = partial(self._masker.session, tenant)
            return exchange.mask(self._vault, tenant, session, self._histories, mask)

        masked = await self._run(len(body), work, self._vault.blocking)
        if masked.signed:
            log.warning("values_in_signed_blocks", request=exchange.request, families=dict(masked.signed))
        return masked, tenant

    async def _send(self, client: Client, masked: MaskedRequest) -> httpx2.Response:
        headers = framed(masked.headers, masked.body, self._upstream.host)
        return await self._upstream.send(client.method, client.target, headers, masked.body)

    async def _answer(  # noqa: PLR0913, PLR0917 - what is known of the request by then
        self,
        client: Client,
        response: httpx2.Response,
        masked: MaskedRequest,
        tenant: str,
        exchange: Exchange,
        begun: float,
    ) -> None:
        known = self._masker.lookup(values_of(masked.mapping), tenant, self._vault.known(tenant))
        exchange.tally = Tally(known, Prf(self._key, tenant))
        try:
            restorer = ResponseRestorer(
                masked.api,
                response.status_code,
                end_to_end(response.headers.raw),
                exchange.tally,
                self._settings,
            )
            await self._relay(client, response, restorer, exchange, begun)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def _relay(
        self, client: Client, response: httpx2.Response, restorer: ResponseRestorer, exchange: Exchange, begun: float
    ) -> None:
        """Hand on each piece as it arrives, the head as soon as it is certain: for JSON that is at the end."""
        status = response.status_code
        try:
            if restorer.final:
                await client.start(status, restorer.headers)
            async with aclosing(chunks(response)) as pieces:
                async for piece in pieces:
                    if not exchange.answer_size:
                        waited = time.perf_counter() - begun
                        self._observer.metrics.first_byte_time.labels(exchange.api.value).observe(waited)
                    exchange.answer_size += len(piece)
                    restored = exchange.restore(partial(restorer.feed, piece))
                    if restorer.final and not client.answering:
                        await client.start(status, restorer.headers)
                    await client.write(restored)
        except (UpstreamUnreachable, UpstreamTimedOut):
            if client.answering:  # else the client gets the error instead of half a JSON text
                await client.write(restorer.close())
            raise
        close = partial(exchange.restore, restorer.close)
        rest = close() if restorer.final else await self._run(exchange.answer_size, close)
        if not client.answering:
            rest, headers = Links(client.scope, self._upstream.base).rewrite(rest, restorer.headers)
            await client.start(status, headers)
        await client.write(rest, last=True)

    async def _run(self, size: int, work: Callable[[], Result], blocking: bool = False) -> Result:
        """Do what takes time in proportion to `size` bytes; in a thread if that is long, or if it waits for others."""
        if size >= _IN_THREAD:
            return await to_thread.run_sync(work, limiter=self._threads)
        return await to_thread.run_sync(work, limiter=self._waiting) if blocking else work()
