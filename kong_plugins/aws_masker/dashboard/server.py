"""Runs the dashboard on a port of this machine."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence

from kong_plugins.aws_masker.dashboard.access import Access
from kong_plugins.aws_masker.dashboard.app import Dashboard
from kong_plugins.aws_masker.dashboard.playground import Playground
from kong_plugins.aws_masker.dashboard.sources import Source
from kong_plugins.aws_masker.observe import logs
from kong_plugins.aws_masker.proxy.server import Server, Tls, listen
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.address import Address

_GRACE = 5
"""Seconds for streams to end; they look every two."""


class DashboardServer(Server):
    """A server that ends the streams when it is to stop: they would go on for ever."""

    title = "dashboard"

    def __init__(self, dashboard: Dashboard, started: Callable[[], None], tls: Tls | None = None) -> None:
        """`started` is called when the server is ready."""
        super().__init__(dashboard.app(), _GRACE, started, tls)
        self._dashboard = dashboard

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._dashboard.closing = True
        await super().shutdown(sockets)


def serve(  # noqa: PLR0913 - the options of `aws-masker dashboard`, each by its name
    host: str,
    port: int,
    password: str,
    settings: Settings,
    key: bytes | None,
    *,
    sources: Sequence[str] = (),
    redis: Address | None = None,
    tls: Tls | None = None,
    log_format: logs.LogFormat = "auto",
    ready: Callable[[str, int], None] | None = None,
) -> None:
    """Run the dashboard until SIGINT or SIGTERM.

    Args:
        host: Where to listen.
        port: 0 picks a free one.
        password: Who has it may look.
        settings: What the playground masks.
        key: The playground's key, None for one of its own.
        sources: URLs of pages of metrics.
        redis: Where events and the audit trail are.
        tls: Makes it HTTPS.
        log_format: Style of the log on standard error.
        ready: Called with host and port as soon as connections are accepted.

    Raises:
        ConfigError: an option is wrong, or the address cannot be listened on.
    """
    logs.configure(log_format)
    dashboard = Dashboard(Access(password), Playground(settings, key), [*map(Source, sources)], redis, tls is not None)
    if tls is not None:
        tls.check()
    with listen(host, port) as listener:
        bound = listener.getsockname()[1]

        def started() -> None:
            logs.log.info("dashboard_started", host=host, port=bound)
            if ready is not None:
                ready(host, bound)

        with contextlib.suppress(KeyboardInterrupt):  # which uvicorn raises again once it has stopped
            DashboardServer(dashboard, started, tls).run(sockets=[listener])
