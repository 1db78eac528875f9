"""All that the dashboard knows, and how a page is told of it."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from kong_plugins.aws_masker.dashboard.feed import Feed, item_of_entry, item_of_event
from kong_plugins.aws_masker.dashboard.figures import (
    BARS,
    Figures,
    Key,
    bucket_of,
    of_kind,
    percentile,
    series,
    total,
)
from kong_plugins.aws_masker.observe.events import Event, MaskingEvent, PerformanceEvent, UnmaskingEvent
from kong_plugins.aws_masker.observe.health import Component

_MOST_ROWS = 50
"""Rows of the table of tenants and routes."""
_MOST_REQUESTS = 5000
"""Requests whose ids are remembered: an entry of the audit trail is news only if no event told of its request."""
_LONGEST = 200
"""Characters of a word that a store tells us; ours are shorter."""


class Board:
    """What came from the audit trail, from events and from metrics, each counted by itself. For one thread.

    The trail is whole and reaches back, so requests, values and tenants are told from it, where there is one, and
    otherwise from the metrics. Times, what was restored and misses are told from the metrics of the sources, and
    without sources from events, which may be bounded by a rate.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since 1970."""
        self._clock = clock
        self.feed = Feed()
        self.trail, self.events, self.metrics = (Figures(clock) for _ in range(3))
        self.parts: dict[str, dict[str, Any]] = {}
        """How each part is doing: Redis, and every source by its name."""
        self._has_trail = False
        self._told: OrderedDict[str, None] = OrderedDict()

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        when = event.timestamp / 1000
        if isinstance(event, MaskingEvent):
            self._told[event.request_id] = None
            if len(self._told) > _MOST_REQUESTS:
                self._told.popitem(last=False)
        elif isinstance(event, UnmaskingEvent):
            self._count(self.events, when, "restored", event.patterns_restored)
            self.events.add(when, ("miss", "forgotten"), event.restore_misses)
            self.events.add(when, ("stage", "restore", bucket_of(event.processing_time_ms / 1000)))
        elif isinstance(event, PerformanceEvent):
            for stage, spent in event.stages_ms.items():
                self.events.add(when, ("stage", stage[:_LONGEST], bucket_of(spent / 1000)))
        item = item_of_event(event)
        if item is not None:
            self.feed.put(item)

    def read(self, fields: Mapping[str, str], news: bool) -> None:
        """Take note of an entry of the audit trail; `news`: it is to be shown among the events.

        Raises:
            ValueError: it is not an entry as we write them.
        """
        entry = {name: value[:_LONGEST] for name, value in fields.items() if name != "families"}
        when = int(entry.get("when", "")) / 1000
        families = _families(fields.get("families", ""))
        if "reason" not in entry:
            self._count_entry(entry, when, families)
        if news and entry.get("request", "") not in self._told:
            self.feed.put(item_of_entry(entry, when, families))

    def _count_entry(self, entry: Mapping[str, str], when: float, families: Mapping[str, int]) -> None:
        self._has_trail = True
        who = (entry.get("who", ""), entry.get("api", ""), entry.get("route", ""))
        self.trail.add(when, ("request", entry.get("decision", "")))
        self.trail.add(when, ("who", *who))
        self.trail.add(when, ("values", *who), sum(families.values()))
        self._count(self.trail, when, "observed" if entry.get("decision") == "observed" else "family", families)
        if error := entry.get("error", ""):
            self.trail.add(when, ("error", error))
            self.trail.add(when, ("errors", *who))

    def state(self, minutes: int) -> dict[str, Any]:
        """Return what a page shows of the last `minutes`; times in milliseconds."""
        requests = (self.trail if self._has_trail else self.metrics).bars(minutes)
        answers = (self.metrics if self._has_sources else self.events).bars(minutes)
        sums, answered = total(requests), total(answers)
        return {
            "now": round(self._clock() * 1000),
            "minutes": minutes,
            "bar": minutes * 60_000 // BARS,
            "origin": "trail" if self._has_trail else "metrics" if self._has_sources else "none",
            "requests": series(requests, "request"),
            "values": series(requests, "family"),
            "totals": {
                "requests": _sum(sums, "request"),
                "values": _sum(sums, "family"),
                "observed": _sum(sums, "observed"),
                "errors": _sum(sums, "error"),
                "restored": _sum(answered, "restored"),
                "misses": answered["miss", "forgotten"],
                "foreign": answered["miss", "foreign"],
            },
            "errors": {key[0]: count for key, count in of_kind(sums, "error")},
            "latency": _latency(answers, answered),
            "tenants": _tenants(sums),
            "parts": list(self.parts.values()),
            "fallback": any(part.get("fallback") for part in self.parts.values()),
        }

    def part(self, name: str, state: Component, **more: Any) -> None:
        """Tell how a part is doing."""
        self.parts[name] = {"name": name, **state._asdict(), **more}

    @property
    def _has_sources(self) -> bool:
        return any(part.get("source") for part in self.parts.values())

    @staticmethod
    def _count(figures: Figures, when: float, kind: str, counts: Mapping[str, int]) -> None:
        for name, count in counts.items():
            figures.add(when, (kind, name[:_LONGEST]), count)


def _families(text: str) -> dict[str, int]:
    pairs = (one.partition("=") for one in text.split(",") if one)
    return {name[:_LONGEST]: int(count or 1) for name, _, count in pairs}


def _sum(counts: Counter[Key], kind: str) -> int:
    return sum(count for _, count in of_kind(counts, kind))


def _latency(parts: list[Counter[Key]], sums: Counter[Key]) -> dict[str, dict[str, Any]]:
    """Return percentiles by stage, over all bars and bar by bar."""
    stages = sorted({key[0] for key, _ in of_kind(sums, "stage")})
    by_bar = [_buckets(part) for part in parts]
    whole = _buckets(sums)
    return {
        stage: {
            "count": sum(whole[stage].values()),
            **{f"p{share}": _milliseconds(whole[stage], share) for share in (50, 95, 99)},
            "bars": [_milliseconds(one[stage], 95) for one in by_bar],
        }
        for stage in stages
    }


def _buckets(counts: Counter[Key]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for (stage, bound), count in of_kind(counts, "stage"):
        found[stage][bound] += count
    return found


def _milliseconds(buckets: Mapping[str, float], share: int) -> float | None:
    seconds = percentile(buckets, share / 100)
    return None if seconds is None else round(seconds * 1000, 3)


def _tenants(sums: Counter[Key]) -> list[dict[str, Any]]:
    rows = sorted(of_kind(sums, "who"), key=lambda one: (-one[1], one[0]))[:_MOST_ROWS]
    return [
        {
            "tenant": who[0],
            "api": who[1],
            "route": who[2],
            "requests": count,
            "values": sums.get(("values", *who), 0),
            "errors": sums.get(("errors", *who), 0),
        }
        for who, count in rows
    ]
