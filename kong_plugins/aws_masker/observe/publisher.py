"""Events and audit entries to Redis: what has gathered, in one round trip.

Only the observer's thread comes here, so no request ever waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from kong_plugins.aws_masker.observe.audit import entry_of
from kong_plugins.aws_masker.observe.events import SECURITY, events_of
from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.record import Record, RequestRecord
from kong_plugins.aws_masker.vault.address import Client
from kong_plugins.aws_masker.vault.store import AUDIT

Messages = list[tuple[str, bytes]]
Entries = list[dict[str, str | int]]

_PAUSE = 5.0
"""Seconds during which nothing is tried after Redis has failed."""


@dataclass(frozen=True)
class Wanted:
    """What is to be published."""

    events: bool
    rate: int
    """Most events a second, 0 for no bound; alerts have as many again for themselves."""
    audit: int
    """About how many entries the audit trail keeps, 0 for no trail."""


class _Rate:
    """Lets so many through in each second."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._second = -1
        self._passed = 0

    def admits(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second, self._passed = second, 0
        self._passed += 1
        return not self._most or self._passed <= self._most


class Publisher:
    """Publishes what is wanted of records. Not thread-safe."""

    def __init__(
        self,
        connect: Callable[[], Client],
        wanted: Wanted,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connect` returns a client of Redis; it may raise what redis-py does."""
        self._connect = connect
        self._client: Client | None = None
        self._wanted = wanted
        self._metrics = metrics
        self._clock = clock
        self._rates = {True: _Rate(wanted.rate, clock), False: _Rate(wanted.rate, clock)}
        self._paused_until = float("-inf")
        self._failing = False

    def tell(self, records: Iterable[Record]) -> None:
        """Publish what is wanted of `records`; what Redis does not take is dropped, and counted."""
        messages: Messages = []
        entries: Entries = []
        for record in records:
            if self._wanted.events:
                messages += self._messages(record)
            if self._wanted.audit and isinstance(record, RequestRecord):
                entries.append(entry_of(record))
        if messages or entries:
            self._send(messages, entries)

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            with suppress(RedisError):
                self._client.close()

    def _messages(self, record: Record) -> Iterable[tuple[str, bytes]]:
        for channel, event in events_of(record):
            if self._rates[channel == SECURITY].admits():
                yield channel, event.model_dump_json().encode()
            else:
                self._metrics.drop("rate")

    def _send(self, messages: Messages, entries: Entries) -> None:
        if self._clock() < self._paused_until:
            self._metrics.drop("redis", len(messages) + len(entries))
            return
        try:
            if self._client is None:
                self._client = self._connect()
            results = self._write(self._client, messages, entries)
        except (RedisError, RedisClusterException, OSError) as error:
            self._paused_until = self._clock() + _PAUSE
            results = [error] * (len(messages) + len(entries))
        errors = [result for result in results if isinstance(result, Exception)]
        self._metrics.drop("redis", len(errors))
        self._metrics.published.inc(len(results) - len(errors))
        if errors and not self._failing:
            log.warning("events_not_published", **describe(errors[0]))
        elif self._failing and not errors:
            log.info("events_published_again")
        self._failing = bool(errors)

    def _write(self, client: Client, messages: Messages, entries: Entries) -> list[Any]:
        """Send all in one round trip, and return what Redis says to each; errors too.

        A cluster takes PUBLISH only by itself, so each message is a round trip there.
        """
        with client.pipeline(transaction=False) as pipeline:
            cluster = isinstance(client, RedisCluster)
            told = [(client if cluster else pipeline).publish(channel, message) for channel, message in messages]
            for entry in entries:
                pipeline.xadd(AUDIT, entry, maxlen=self._wanted.audit, approximate=True)  # type: ignore[arg-type]
            return [*(told if cluster else ()), *pipeline.execute(raise_on_error=False)]
