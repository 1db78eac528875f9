"""The plugin for the stock `kong-python-pluginserver` of kong-pdk: `kong-python-pluginserver -d kong_plugins`.

Prefer `aws-masker-pluginserver`. The stock server speaks `MsgPack:1`, and there Kong sends a request **upstream
unmasked** when the server dies, hangs or takes longer than 60 s in `access`; nothing here can prevent that, only a
plugin that runs later and looks for the mark in `kong.ctx.shared` can: `kong/plugins/aws-masker-stream`. Weaknesses of
the stock server (kong-pdk 0.36) besides:

    an exception that escapes a handler     never answered, and holds a lock that stops every later event: none escapes
    getters that return (value, error)      both styles work, with and without `--no-lua-style`
    bodies that nginx keeps in a file       are asked for whatever their size (Kong 3.9)
    `-g` (gevent)                           cuts answers above about 200 KB short, and Kong hangs: mended here; it exits
                                            where its parent is process 1, as in a container: nothing helps
    `-m` (processes)                        pickles the plugin for each event: it travels as its configuration, and each
                                            process makes it once. Each call that Kong fails takes a process away for
                                            ever, and each has its own memory of names: do not use it
    headers that are not UTF-8              kill the connection, and the request goes upstream unmasked
    large bodies                            Kong needs quadratic time for a masked body: 1.9 s for 8 MB
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgpack
import orjson
from kong_pdk.exception import PDKException
from kong_pdk.pdk import FakeClasses

from kong_plugins.aws_masker import plugin
from kong_plugins.aws_masker.observe.logs import configure, describe, log

configure("json")  # standard output is what Kong reads the plugin's description from


class Plugin(plugin.Plugin):
    """The plugin, with nothing that can escape."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Raises ConfigError where the configuration, the key or a pattern is wrong."""
        super().__init__(config)
        self._config = orjson.dumps(config)

    def __reduce__(self) -> tuple[Callable[[bytes], Plugin], tuple[bytes]]:
        """Travel to another process as the configuration: locks and compiled patterns cannot."""
        return _made_once, (self._config,)

    def access(self, kong: Any) -> None:
        """Mask the request."""
        _guarded(super().access, kong)

    def response(self, kong: Any) -> None:
        """Restore the answer."""
        _guarded(super().response, kong)

    def log(self, kong: Any) -> None:
        """Log what was masked."""
        _guarded(super().log, kong)


@lru_cache(maxsize=64)
def _made_once(config: bytes) -> Plugin:
    return Plugin(orjson.loads(config))


def _send_all(connection: Any, number: int, error: str | None, answer: Any) -> None:
    connection.sendall(msgpack.packb([1, number, error, answer]))


if listener := sys.modules.get("kong_pdk.listener"):  # its own call `send`, which with gevent may send a part only
    vars(listener).update(
        write_response=lambda connection, number, answer: _send_all(connection, number, None, answer),
        write_error=lambda connection, number, error: _send_all(connection, number, error, None),
    )


def _guarded(phase: Callable[[Any], None], kong: Any) -> None:
    """Run a phase; `Plugin` has answered a failure already, unless answering was what failed."""
    try:
        phase(FakeClasses("kong", lambda method, *args: _result(method, kong.call(method, *args))))
    except Exception as error:  # noqa: BLE001 - an exception here would stop every later event
        log.error("phase_failed", **describe(error))


def _result(method: str, result: Any) -> Any:
    """Return the value of a PDK call in either style."""
    if not isinstance(result, tuple):
        return result
    value, error = result
    if error:
        raise PDKException(f"exception from {method}")
    return value
