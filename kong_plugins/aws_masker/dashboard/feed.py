"""The latest events, as the page shows them: fixed words and figures, ids and names of tenants."""

from __future__ import annotations

from asyncio import Queue, QueueFull
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from kong_plugins.aws_masker.observe.events import Event, MaskingEvent, PerformanceEvent, SecurityAlert, UnmaskingEvent

Item = dict[str, Any]
KEPT = 200
"""Events that are remembered, for who comes later."""
_MOST_WAITING = 500
"""Events that a page may be behind; what comes then is lost to it."""


class Feed:
    """Remembers the latest events and hands on what comes. To be used in one thread."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque(maxlen=KEPT)
        self._readers: set[Queue[Item]] = set()
        self._last = 0

    def put(self, item: Item) -> None:
        """Remember `item` and hand it to all readers."""
        self._last += 1
        numbered = {"id": self._last, **item}
        self._items.append(numbered)
        for reader in self._readers:
            with suppress(QueueFull):
                reader.put_nowait(numbered)

    @contextmanager
    def reading(self, after: int) -> Iterator[Queue[Item]]:
        """Yield a queue of what is remembered and was numbered after `after`, and of all that comes."""
        queue: Queue[Item] = Queue(_MOST_WAITING)
        known = after if after <= self._last else 0  # a number of an earlier process's
        for item in self._items:
            if item["id"] > known:
                queue.put_nowait(item)
        self._readers.add(queue)
        try:
            yield queue
        finally:
            self._readers.discard(queue)

    @property
    def readers(self) -> int:
        """How many read."""
        return len(self._readers)


def item_of_event(event: Event) -> Item | None:
    """Return how an event is shown, None if it is not."""
    if isinstance(event, MaskingEvent):
        text = f"{event.api}/{event.route}, {event.request_size_bytes:,} bytes, {event.processing_time_ms:.1f} ms"
        return _item(event, event.decision, _level(event.decision), _with(text, event.error), event.patterns_applied)
    if isinstance(event, UnmaskingEvent):
        misses = f"{event.restore_misses} unknown" if event.restore_misses else ""
        text = f"{event.api}, {event.response_size_bytes:,} bytes, {event.processing_time_ms:.1f} ms"
        return _item(event, "restored", "info", _with(text, misses), event.patterns_restored)
    if isinstance(event, SecurityAlert):
        text = _with(event.alert.replace("_", " "), event.error)
        return _item(event, f"alert: {event.severity}", event.severity, text, event.patterns)
    if isinstance(event, PerformanceEvent) and event.level != "normal":
        stages = ", ".join(f"{stage} {spent:.1f} ms" for stage, spent in event.stages_ms.items())
        return _item(event, event.level, "medium" if event.level == "slow" else "high", stages, {})
    return None


def item_of_entry(entry: Mapping[str, str], when: float, families: Mapping[str, int]) -> Item:
    """Return how an entry of the audit trail is shown; `when` in seconds since 1970."""
    decision = entry.get("decision", "")
    by_hand = "reason" in entry  # of an operator, see `aws-masker vault`
    text = "by an operator" if by_hand else f"{entry.get('api', '')}/{entry.get('route', '')}"
    if size := entry.get("bytes", ""):
        text += f", {size} bytes"
    return {
        "when": round(when * 1000),
        "what": decision,
        "level": "medium" if by_hand else _level(decision),
        "text": _with(text, entry.get("error", "")),
        "families": families,
        "tenant": entry.get("who", ""),
        "request": entry.get("request", ""),
        "source": "vault" if by_hand else entry.get("source", ""),
    }


def _item(event: Event, what: str, level: str, text: str, families: Mapping[str, int]) -> Item:
    return {
        "when": event.timestamp,
        "what": what,
        "level": level,
        "text": text,
        "families": families,
        "tenant": event.tenant,
        "request": event.request_id,
        "source": event.source,
    }


def _level(decision: str) -> str:
    if decision in ("refused", "failed"):
        return "high" if decision == "failed" else "medium"
    return "low" if decision in ("observed", "abandoned") else "ok"


def _with(text: str, more: str) -> str:
    return f"{text}, {more}" if more else text
