"""The proxy as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from anyio import to_thread
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from kong_plugins.aws_masker import __version__
from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.observe import health
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.observer import Observer
from kong_plugins.aws_masker.observe.vaults import VaultWatch
from kong_plugins.aws_masker.proxy.forward import Forwarder
from kong_plugins.aws_masker.proxy.gateway import Gateway
from kong_plugins.aws_masker.proxy.upstream import READ_TIMEOUT, Upstream
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.memory import MemoryVault
from kong_plugins.aws_masker.vault.protocol import Vault

OWN_PREFIX = "/.aws-masker"
"""Paths under it are answered here and never go upstream."""
_PATIENCE = 1.0
"""Seconds that a look at the metrics waits for what has just happened to be in them."""


def create_app(  # noqa: PLR0913 - the options of `serve`, each by its name
    upstream: str,
    settings: Settings,
    key: bytes,
    *,
    vault: Vault | None = None,
    observer: Observer | None = None,
    tenant_header: str | None = None,
    read_timeout: float = READ_TIMEOUT,
) -> Starlette:
    """Return the proxy in front of one LLM API.

    Args:
        upstream: The API's base URL; a path in it is put before each request's path.
        settings: What to mask, and the bounds.
        key: At least 32 secret bytes.
        vault: Where mappings live, by default in memory; closed with the application.
        observer: Is told of every request, by default one that counts and logs; closed with the application.
        tenant_header: Name of the request header that tells tenants apart; it is not sent upstream. Requests without it
            belong to the tenant "".
        read_timeout: Seconds to wait for each next piece of an answer.

    Raises:
        ConfigError: the upstream or the header's name is not valid.
    """
    observer = observer or Observer(Metrics(), None, settings.log_masked_requests)
    connection = Upstream(upstream, read_timeout)
    mappings: Vault = vault or MemoryVault(settings.mapping_ttl, settings.max_entries)
    watch = VaultWatch(observer.metrics)
    watch.add(mappings)
    header = _header_name(tenant_header)
    forwarder = Forwarder(connection, Masker(settings, key), mappings, key, observer, header)

    async def ready() -> dict[str, health.Component]:
        state = mappings.status()
        return {
            "key": health.Component("ok", "given"),
            "redis": health.of_vault(state),
            "breaker": health.of_breaker(state.breaker),
        }

    async def metrics() -> bytes:
        await to_thread.run_sync(observer.settle, _PATIENCE)
        watch.refresh()
        return observer.metrics.render()

    async def close() -> None:
        await connection.aclose()
        await to_thread.run_sync(observer.close)
        await to_thread.run_sync(mappings.close)

    return _application(forwarder, ready, metrics, close)


def create_gateway(kong: str, settings: Settings, key: bytes, *, read_timeout: float = READ_TIMEOUT) -> Starlette:
    """Return the proxy in front of a Kong that masks.

    Args:
        kong: Kong's base URL; a path in it is put before each request's path.
        settings: Only the bound on requests is used: Kong's plugin has its own.
        key: The masking key, the same as Kong's.
        read_timeout: Seconds to wait for each next piece of an answer.

    Raises:
        ConfigError: the URL is not valid.
    """
    connection = Upstream(kong, read_timeout)
    told = Metrics()
    gateway = Gateway(connection, key, settings.max_body_size, told)

    async def ready() -> dict[str, health.Component]:
        return {"key": health.Component("ok", "given"), "kong": await gateway.health()}

    async def metrics() -> bytes:
        return told.render()

    return _application(gateway, ready, metrics, connection.aclose)


def _application(
    forwarder: ASGIApp,
    ready: Callable[[], Awaitable[Mapping[str, health.Component]]],
    metrics: Callable[[], Awaitable[bytes]],
    close: Callable[[], Awaitable[None]],
) -> Starlette:
    """Return an application with paths of its own; all others are the forwarder's."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await close()

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def readyz(_: Request) -> Response:
        status, told = health.report(await ready())
        return JSONResponse(told, status)

    async def render(_: Request) -> Response:
        return Response(await metrics(), headers={"content-type": CONTENT_TYPE_LATEST})

    own = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", render)]
    app = Starlette(routes=[Mount(OWN_PREFIX, routes=own)], lifespan=lifespan)
    # Everything else, `*` included, which no route could match.
    app.router.default = forwarder
    return app


def _header_name(name: str | None) -> bytes | None:
    if name is None:
        return None
    if not name or not name.isascii() or not all(char.isalnum() or char in "-_" for char in name):
        raise ConfigError("tenant header: letters, digits, '-' and '_' are allowed")
    if name.lower() in (
        "host",
        "connection",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
    ):
        raise ConfigError("tenant header: a header that HTTP itself needs cannot name the tenant")
    return name.lower().encode()
