"""Kong's stand-in between a client and a stand-in for the LLM API, with a plugin server that runs as Kong runs it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from kong_plugins.aws_masker.demo import echo
from kong_plugins.aws_masker.demo.answers import Script
from kong_plugins.aws_masker.demo.received import Recorded
from kong_plugins.aws_masker.demo.serving import serving
from kong_plugins.aws_masker.demo.standin import StandIn
from tests.kong.exchange import Exchange
from tests.kong.gateway import Kong, Limits, Route
from tests.kong.instances import Config
from tests.kong.server import PATIENCE, Info, PluginServer, query
from tests.kong_config.kong_schema import filled

ROOT = Path(__file__).parents[2]
KEY = bytes(range(32)).hex()
_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Commands:
    """How Kong starts and asks a plugin server; `{socket}` is filled in."""

    start: str
    query: str


MODULE = "kong_plugins.aws_masker.pluginserver.main"
_MAIN = f"{sys.executable} -m {MODULE}"
OURS = Commands(f"{_MAIN} --socket {{socket}} --workers 2", f"{_MAIN} --dump")


def stock(plugins: Path, *options: str) -> Commands:
    """Kong's own server for Python plugins, on the plugins of a folder."""
    server = f"{_BIN}/kong-python-pluginserver --no-lua-style -d {plugins} {' '.join(options)}"
    return Commands(f"{server} -p / --socket-name {{socket}}", f"{server} --dump-all-plugins")


def environment(**more: str) -> dict[str, str]:
    """Return the environment in which Kong runs a plugin server."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "AWS_MASKER_KEY": KEY} | more


@dataclass(frozen=True)
class Lab:
    """All parts, running."""

    kong: Kong
    url: str
    """Where clients find the API."""
    standin: StandIn
    server: PluginServer

    def configure(self, **settings: Any) -> None:
        """Change the plugin's configuration on every path, as the Admin API would."""
        route = self.kong.routes[0]
        changed = accepted(self.kong.info, settings)
        route.config = route.config.changed(changed.settings) if route.config else changed

    @property
    def received(self) -> bytes:
        """Everything that reached the API: bodies, headers and paths."""
        return b"\n".join(request.raw for request in self.standin.requests)

    @property
    def last(self) -> Exchange:
        """The last request, as Kong saw it."""
        return self.kong.exchanges[-1]

    def requests(self, path: str) -> list[Recorded]:
        """The requests to `path` that reached the API, in order."""
        return [request for request in self.standin.requests if request.path == path]

    def client(self, **options: Any) -> httpx2.Client:
        """Return a client whose base is Kong."""
        return httpx2.Client(base_url=self.url, timeout=60, trust_env=False, **options)

    def idle(self) -> None:
        """Wait until all log phases are over."""
        deadline = time.monotonic() + PATIENCE
        while self.kong.busy:
            assert time.monotonic() < deadline, "a log phase does not end"
            time.sleep(0.01)


def accepted(info: Info, settings: dict[str, Any]) -> Config:
    """Return the configuration that Kong makes of `settings` by the plugin's schema: all fields, defaults filled in."""
    (config,) = (field["config"] for field in info.schema["fields"] if "config" in field)
    complete, errors = filled(config["fields"], settings)
    assert not errors, errors
    return Config(complete)


_asked: dict[str, Info] = {}


@contextlib.contextmanager
def lab(
    folder: Path,
    commands: Commands = OURS,
    script: Script = echo.script,
    settings: dict[str, Any] | None = None,
    limits: Limits | None = None,
    **variables: str,
) -> Iterator[Lab]:
    """Run everything; `settings` are the plugin's, on every path, and `variables` the plugin server's."""
    path = folder / "plugin.sock"
    if commands.query not in _asked:  # it takes half a second
        _asked[commands.query] = query(commands.query, environment(**variables))
    server = PluginServer(
        commands.start.format(socket=path), path, folder / "pluginserver.log", environment(**variables)
    )
    standin = StandIn(script)
    try:
        server.wait_listening()
        with serving(standin) as upstream:
            info = _asked[commands.query]
            kong = Kong(info, path, [Route("/", upstream, accepted(info, settings or {}))], folder, limits)
            with serving(kong) as url:
                yield Lab(kong, url, standin, server)
    finally:
        server.stop()
