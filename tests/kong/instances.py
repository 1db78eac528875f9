"""The plugin's instances as a Kong worker keeps them: started when an event needs them, one per configuration."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.kong.exchange import LuaError

_sequences = itertools.count(1)


@dataclass
class Config:
    """A plugin's configuration on a route, as Kong hands it to the plugin server."""

    settings: dict[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    sequence: int = field(default_factory=lambda: next(_sequences))

    def changed(self, settings: dict[str, Any]) -> Config:
        """Return the configuration that takes its place after a change."""
        return Config(settings, self.id)

    @property
    def json(self) -> bytes:
        """The settings with what Kong mixes in."""
        mixed = {
            "route_id": f"route-{self.id}",
            "__plugin_id": self.id,
            "__ws_id": "workspace",
            "__key__": f"plugins:aws-masker:{self.id}::::",
            "__seq__": self.sequence,
        }
        return orjson.dumps(self.settings | mixed)


class RpcError(Exception):
    """A call to the plugin server failed; the text is what Kong goes by."""


@dataclass
class _Instance:
    config: Config
    id: int | None = None


class Instances:
    """Running instances of one plugin."""

    def __init__(
        self, start: Callable[[Config], Awaitable[int]], close: Callable[[int], Awaitable[object]], patience: float
    ) -> None:
        """`patience`: seconds for which an event waits for another one that starts the same instance (10 in Kong)."""
        self._start, self._close, self._patience = start, close, patience
        self._running: dict[str, _Instance] = {}
        self.started = 0

    async def id_of(self, config: Config) -> int:
        """Return the id of `config`'s instance, starting it if there is none, or none with this sequence.

        Raises:
            LuaError: it cannot be started.
            RpcError: another event has been starting it for too long.
        """
        running = await self._claimed(config)
        if running is not None and running.id is not None and running.config.sequence == config.sequence:
            return running.id
        old = running.id if running else None
        if running is None:
            running = self._running[config.id] = _Instance(config)
        else:
            running.id = None
        try:
            started = await self._start(config)
        except RpcError as error:
            self._running.pop(config.id, None)
            raise LuaError(f"starting instance: {error}") from None
        self.started += 1
        running.id, running.config = started, config
        if old is not None:
            with contextlib.suppress(RpcError):  # Kong does not care either
                await self._close(old)
        return started

    async def _claimed(self, config: Config) -> _Instance | None:
        """Return the instance that is there, after whoever is starting it."""
        step = 0.1 if self._patience > 1 else self._patience / 20
        waited = 0.0
        while (running := self._running.get(config.id)) is not None and running.id is None:
            await asyncio.sleep(step)
            waited += step
            if waited > self._patience:
                self._running.pop(config.id, None)
                raise RpcError("Could not claim instance_id")
        return running

    def reset(self) -> None:
        """Forget all of them."""
        self._running.clear()
