"""Runs the proxy's application on a port of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import uvicorn
from starlette.types import ASGIApp

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.observe import logs
from kong_plugins.aws_masker.observe.observer import Observer
from kong_plugins.aws_masker.proxy.app import create_app, create_gateway
from kong_plugins.aws_masker.proxy.upstream import READ_TIMEOUT
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.protocol import Vault

GRACE = 30
_KEEP_ALIVE = 75
"""Seconds that an idle client connection is kept: longer than clients keep theirs, so that it is they who close."""
_BACKLOG = 2048


class Tls(NamedTuple):
    """The server's certificate, followed by those between it and its root, and its key, both in PEM."""

    certificate: Path
    key: Path

    def check(self) -> None:
        """Raise ConfigError if the two cannot be used, or not with each other."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, password="")
        except ssl.SSLError as error:
            raise ConfigError(f"the TLS certificate or its key cannot be used: {error.reason}") from None
        except OSError as error:
            raise ConfigError(f"{error.filename or 'TLS certificate or key'}: {error.strerror}") from None


def serve(  # noqa: PLR0913 - the options of `aws-masker proxy`, each by its name
    host: str,
    port: int,
    upstream: str,
    settings: Settings,
    key: bytes,
    *,
    vault: Vault | None = None,
    observer: Observer | None = None,
    tenant_header: str | None = None,
    read_timeout: float = READ_TIMEOUT,
    grace: int = GRACE,
    log_format: logs.LogFormat = "auto",
    ready: Callable[[str, int], None] | None = None,
    masks: bool = True,
    tls: Tls | None = None,
) -> None:
    """Run the proxy until SIGINT or SIGTERM, then let running requests end for up to `grace` seconds.

    `host` and `port` say where to listen (port 0 picks a free one); `ready` is called with them as soon as connections
    are accepted. `log_format` is the style of the log on standard error. `tls` makes it HTTPS. Without `masks` the
    upstream is a Kong that masks, see `create_gateway`. For the others see `create_app`.

    Raises:
        ConfigError: an option is wrong, the vault belongs to another key, or the address cannot be listened on.
    """
    logs.configure(log_format)
    if masks:
        app = create_app(
            upstream,
            settings,
            key,
            vault=vault,
            observer=observer,
            tenant_header=tenant_header,
            read_timeout=read_timeout,
        )
    else:
        app = create_gateway(upstream, settings, key, read_timeout=read_timeout)
    if tls is not None:
        tls.check()
    if vault is not None:
        vault.open()
    with listen(host, port) as listener:
        bound = listener.getsockname()[1]

        def started() -> None:
            logs.log.info("proxy_started", host=host, port=bound, upstream=upstream)
            if ready is not None:
                ready(host, bound)

        with contextlib.suppress(KeyboardInterrupt):  # which uvicorn raises again once it has stopped
            Server(app, grace, started, tls).run(sockets=[listener])


class Server(uvicorn.Server):
    """uvicorn as the proxy needs it: nothing added to answers, nothing logged that could hold a value."""

    title = "proxy"
    """What its lines in the log begin with."""

    def __init__(self, app: ASGIApp, grace: int, started: Callable[[], None], tls: Tls | None = None) -> None:
        """`grace`: seconds that running requests get at the end; `started` is called when the server is ready."""
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=grace,
            ssl_certfile=tls and str(tls.certificate),
            ssl_keyfile=tls and str(tls.key),
        )
        super().__init__(config)
        self._on_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        asyncio.get_running_loop().set_exception_handler(logs.on_loop_error)
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to listen, let running requests end, close the rest."""
        logs.log.info(f"{self.title}_stopping")
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` (a name, an IPv4 or an IPv6 address).

    Raises:
        ConfigError: the address is not this machine's, or is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or 'not an address'}") from None
