"""A client's way to the API: nginx with the Lua plugin, a plugin server with the Python one, a stand-in for the API."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from kong_plugins.aws_masker.demo import echo
from kong_plugins.aws_masker.demo.answers import Script
from kong_plugins.aws_masker.demo.received import Recorded
from kong_plugins.aws_masker.demo.serving import serving
from kong_plugins.aws_masker.demo.standin import StandIn
from tests.kong.exchange import Exchange
from tests.kong.gateway import Limits, untouched
from tests.kong.lab import OURS, Commands, accepted, environment
from tests.kong.server import PATIENCE, Info, PluginServer, query
from tests.nginx.nginx import HANDLER, Urls, nginx
from tests.nginx.sidecar import Route, Sidecar, running, unchanged


class Upstream(StandIn):
    """The stand-in, or an application that answers in its place; whatever arrives is recorded."""

    instead: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record the request, then answer it; what answers instead finds the body in the scope's state."""
        if self.instead is None or scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        recorded = Recorded(scope["method"], scope["raw_path"], tuple(scope["headers"]), body)
        self.requests.append(recorded)
        await self.instead({**scope, "state": {"body": recorded.content}}, receive, send)


@dataclass(frozen=True)
class Lab:
    """All parts, running."""

    url: str
    """Where clients find the API."""
    nginx: Urls
    upstream: Upstream
    sidecar: Sidecar
    server: PluginServer

    @property
    def route(self) -> Route:
        """Kong's configuration."""
        return self.sidecar.route

    def configure(self, **settings: Any) -> None:
        """Change the Python plugin's configuration, and enable it."""
        changed = accepted(self.sidecar.info, settings)
        self.route.config = self.route.config.changed(changed.settings) if self.route.config else changed

    @property
    def received(self) -> bytes:
        """Everything that reached the API: bodies, headers and paths."""
        return b"\n".join(request.raw for request in self.upstream.requests)

    def requests(self, path: str) -> list[Recorded]:
        """The requests to `path` that reached the API, in order."""
        return [request for request in self.upstream.requests if request.path == path]

    @property
    def last(self) -> Exchange:
        """The last request, as the Python plugin saw it."""
        return list(self.sidecar.exchanges.values())[-1]

    def client(self, **options: Any) -> httpx2.Client:
        """Return a client whose base is nginx."""
        # verify: a client that loads all certificates takes longer than the whole request
        return httpx2.Client(base_url=self.url, timeout=20, trust_env=False, verify=False, **options)

    def idle(self) -> None:
        """Wait until all requests are over."""
        deadline = time.monotonic() + PATIENCE
        while set(self.sidecar.exchanges) - self.sidecar.finished:
            assert time.monotonic() < deadline, "a log phase does not end"
            time.sleep(0.01)

    def reset(self) -> None:
        """Make everything as it was at the beginning."""
        self.idle()
        self.sidecar.exchanges.clear()
        self.sidecar.finished.clear()
        self.sidecar.after_access = unchanged
        self.sidecar.on_call = untouched
        self.server.wait_listening()
        self.sidecar.route = Route(accepted(self.sidecar.info, {}))
        self.upstream.requests.clear()
        self.upstream.instead = None


_asked: dict[str, Info] = {}


@contextlib.contextmanager
def lab(
    folder: Path,
    commands: Commands = OURS,
    script: Script = echo.script,
    *,
    settings: dict[str, Any] | None = None,
    handler: Path = HANDLER,
    workers: int = 1,
    **variables: str,
) -> Iterator[Lab]:
    """Run everything; `settings` are the Python plugin's, `workers` nginx's, `variables` the plugin server's."""
    path = folder / "plugin.sock"
    if commands.query not in _asked:
        _asked[commands.query] = query(commands.query, environment(**variables))
    info = _asked[commands.query]
    server = PluginServer(
        commands.start.format(socket=path), path, folder / "pluginserver.log", environment(**variables)
    )
    upstream = Upstream(script)
    sidecar = Sidecar(info, path, Route(accepted(info, settings or {})), folder, Limits())
    (folder / "nginx").mkdir()
    try:
        server.wait_listening()
        with (
            serving(upstream) as api,
            running(sidecar, folder / "sidecar.sock"),
            nginx(folder / "nginx", api, folder / "sidecar.sock", handler, workers) as urls,
        ):
            yield Lab(urls.kong, urls, upstream, sidecar, server)
    finally:
        server.stop()
