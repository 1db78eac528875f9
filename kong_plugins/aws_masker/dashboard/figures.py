"""Counts by time: how many of what in each quarter of a minute, for six hours, in bounded memory."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

SLOT = 15
"""Seconds that are counted together."""
RANGES = (15, 60, 360)
"""Minutes that can be looked at."""
BARS = 60
"""Into which any of them is cut: each a whole number of slots."""
_KEPT = RANGES[-1] * 60 // SLOT + BARS
"""Slots; somewhat more than the longest range, whose bars begin at whole multiples of their width."""
_MOST_KEYS = 400
OTHER = "(others)"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, float("inf"))
"""Upper bounds of the buckets that times are counted in, those of the metrics."""

Key = tuple[str, ...]
"""What is counted: a kind, and which of that kind."""


class Figures:
    """Counts of one origin. Not thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since 1970."""
        self._clock = clock
        self._slots: dict[int, Counter[Key]] = {}
        self._keys: set[Key] = set()

    def add(self, when: float, key: Key, count: int = 1) -> None:
        """Count at `when`, in seconds since 1970; what is to come counts as now, what is too old not at all."""
        current = int(self._clock() // SLOT)
        place = min(int(when // SLOT), current)
        if not count or place <= current - _KEPT:
            return
        if place not in self._slots:
            self._forget(current)
            self._slots[place] = Counter()
        if key not in self._keys:
            if len(self._keys) >= _MOST_KEYS:  # a client may choose its tenant's name
                key = (key[0], *(OTHER for _ in key[1:]))
            self._keys.add(key)
        self._slots[place][key] += count

    def bars(self, minutes: int) -> list[Counter[Key]]:
        """Return the counts of the last `minutes` in `BARS` parts, the last of which is still going on."""
        width = minutes * 60 // BARS
        last = int(self._clock() // width)
        parts: list[Counter[Key]] = [Counter() for _ in range(BARS)]
        for place, counts in self._slots.items():
            age = last - place * SLOT // width
            if 0 <= age < BARS:
                parts[BARS - 1 - age].update(counts)
        return parts

    def _forget(self, current: int) -> None:
        """Forget what is too old, and the keys that nothing is counted under any more."""
        old = [place for place in self._slots if place <= current - _KEPT]
        for place in old:
            del self._slots[place]
        if old:
            self._keys = {key for counts in self._slots.values() for key in counts}


def total(parts: Sequence[Counter[Key]]) -> Counter[Key]:
    """Return the sum of all parts."""
    found: Counter[Key] = Counter()
    for part in parts:
        found.update(part)
    return found


def of_kind(counts: Mapping[Key, int], kind: str) -> Iterator[tuple[Key, int]]:
    """Yield what is counted under `kind`: the rest of the key, and the count."""
    return ((key[1:], count) for key, count in counts.items() if key[0] == kind)


def series(parts: Sequence[Counter[Key]], kind: str) -> dict[str, list[int]]:
    """Return the counts of each key of `kind`, bar by bar; the most frequent key first."""
    names = sorted(of_kind(total(parts), kind), key=lambda one: (-one[1], one[0]))
    return {key[0]: [part.get((kind, *key), 0) for part in parts] for key, _ in names}


def bucket_of(seconds: float) -> str:
    """Return the name of the bucket that a time belongs to."""
    return str(SECONDS[bisect_left(SECONDS, seconds)])


def percentile(buckets: Mapping[str, float], share: float) -> float | None:
    """Estimate a percentile in seconds from counts by upper bound, or None without any.

    Within a bucket times are taken to be spread evenly, as Prometheus's `histogram_quantile` does; of what is over the
    last bound only that is known.
    """
    counts = sorted((float(bound), count) for bound, count in buckets.items())
    rank = share * sum(count for _, count in counts)
    below = 0.0
    if not rank:
        return None
    for bound, count in counts:
        if count >= rank:
            return below if bound == float("inf") else below + (bound - below) * rank / count
        rank -= count
        below = bound
    return below
