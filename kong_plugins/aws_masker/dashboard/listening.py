"""Hears events and reads the audit trail in Redis, in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread
from typing import Any, NamedTuple

from pydantic import ValidationError
from redis.exceptions import RedisClusterException, RedisError

from kong_plugins.aws_masker.dashboard.figures import RANGES
from kong_plugins.aws_masker.errors import MaskerError
from kong_plugins.aws_masker.observe.events import CHANNELS, Event
from kong_plugins.aws_masker.observe.health import SLOW, Component
from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.vault.address import Address, Client, connect
from kong_plugins.aws_masker.vault.store import AUDIT

_PERIOD = 1.0
"""Seconds between two looks at the trail, and until the next try where Redis is away."""
_PAGE = 1000
"""Entries of the trail that are read at once."""
_NEWS = 50
"""Entries that were there before that are shown among the events."""


Found = Any
"""Pairs of an id and fields, all bytes; redis-py says less."""


class Entry(NamedTuple):
    """An entry of the audit trail."""

    fields: Mapping[str, str]
    news: bool
    """Whether it is to be shown among the events."""


@dataclass
class Heard:
    """What was heard in one round."""

    state: Component
    events: list[Event] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


class Listener:
    """Tells what it hears, round by round, until it is closed."""

    def __init__(self, address: Address, tell: Callable[[Heard], None]) -> None:
        """`tell` is called in the listener's thread."""
        self._address = address
        self._tell = tell
        self._closed = Flag()
        self._unread = 0
        self._next: str | None = None
        """From where on the trail is read: an id, or "(" and the id that was read last."""
        self._news_from: tuple[int, ...] = (0, 0)
        self._thread = Thread(target=self._run, name="dashboard-redis", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop; returns when the thread has ended, which takes about as long as Redis may take."""
        self._closed.set()
        self._thread.join(self._address.timeout + _PERIOD)

    def _run(self) -> None:
        away = False
        while not self._closed.is_set():
            try:
                client = connect(self._address)
                try:
                    away = False
                    self._listen(client)
                finally:
                    with suppress(RedisError):
                        client.close()
            except (RedisError, RedisClusterException, OSError, MaskerError) as error:
                if not away:
                    log.warning("dashboard_redis_away", **describe(error))
                away = True
                self._tell(Heard(Component("failed", f"cannot be used ({type(error).__name__})")))
                self._closed.wait(_PERIOD)

    def _listen(self, client: Client) -> None:
        with client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
            subscription.subscribe(*CHANNELS)
            while not self._closed.is_set():
                begun = time.perf_counter()
                entries = self._entries(client)
                spent = time.perf_counter() - begun
                # An entry is written after its events are published, so these are here by now.
                events = self._events(subscription, 0 if entries else _PERIOD)
                self._tell(Heard(self._state(spent), events, entries))

    def _events(self, subscription: Any, patience: float) -> list[Event]:
        """Wait up to `patience` seconds for what is published; return all that is there then."""
        found: list[Event] = []
        message = subscription.get_message(timeout=patience)
        while message is not None and len(found) < _PAGE:
            if message["type"] == "message":
                try:
                    found.append(CHANNELS[message["channel"].decode()].model_validate_json(message["data"]))
                except (ValidationError, KeyError):
                    self._unread += 1  # of another version, or not ours
            message = subscription.get_message(timeout=0)
        return found

    def _entries(self, client: Client) -> list[Entry]:
        """Return the next entries of the trail, at most a page: a long one is not to keep Redis from others."""
        if self._next is None:
            self._next = f"{int((time.time() - RANGES[-1] * 60) * 1000)}"
            latest: Found = client.xrevrange(AUDIT, min=self._next, count=_NEWS)
            self._news_from = _place(latest[-1][0]) if latest else (0, 0)
        found: Found = client.xrange(AUDIT, min=self._next, count=_PAGE)
        if found:
            self._next = f"({found[-1][0].decode()}"
        return [Entry(_fields(fields), _place(place) >= self._news_from) for place, fields in found]

    def _state(self, seconds: float) -> Component:
        more = f"; {self._unread} events could not be read" if self._unread else ""
        if seconds > SLOW:
            return Component("degraded", f"took longer than 100 ms{more}")
        return Component("ok", f"answers in {seconds * 1000:.1f} ms{more}")


def _fields(found: Mapping[bytes, bytes]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in found.items()}


def _place(entry_id: bytes) -> tuple[int, ...]:
    """Return an entry's id so that ids can be compared: milliseconds, and a number among those of one."""
    return tuple(map(int, entry_id.split(b"-")))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
