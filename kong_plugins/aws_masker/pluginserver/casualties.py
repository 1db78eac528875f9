"""Bodies that end workers: an endless retry, broken.

When a worker dies, Kong sends the event again, as often as it takes. A body for which the machine's memory does not
suffice would end one worker after the other, and with each the events of others. So each worker notes the sizes of the
large bodies that it works on, in memory that it shares with the supervisor, and a size that was there when two workers
died within a minute is refused for the rest of that minute.
"""

from __future__ import annotations

import mmap
import time

_DESK = 64
"""Large bodies that one worker works on at most: as many of the smallest as there is room for."""
_REMEMBERED = 32
_PERIOD = 60_000
"""Milliseconds."""
_DEATHS = 2


class Casualties:
    """The memory that the supervisor and the workers share; made before they are forked."""

    def __init__(self, workers: int) -> None:
        """`workers`: how many run at a time."""
        self._deaths_at = workers * _DESK
        self._words = memoryview(mmap.mmap(-1, 8 * (self._deaths_at + 2 * _REMEMBERED))).cast("Q")
        self._next = 0

    def desk(self, number: int) -> Desk:
        """Return where worker `number` (from 0) notes what it works on."""
        return Desk(self, self._words[number * _DESK : (number + 1) * _DESK])

    def died(self, number: int) -> list[int]:
        """Take over what a dead worker had on its desk, and return it; to be called by the supervisor only."""
        desk = self._words[number * _DESK : (number + 1) * _DESK]
        sizes = [size for size in desk if size]
        for size in sizes:
            place = self._deaths_at + 2 * (self._next % _REMEMBERED)
            self._words[place], self._words[place + 1] = size, _now()
            self._next += 1
        desk[:] = memoryview(bytes(8 * _DESK)).cast("Q")
        return sizes

    def are_due_to(self, size: int) -> bool:
        """Tell whether workers died of bodies of this size."""
        since = _now() - _PERIOD
        deaths = self._words[self._deaths_at :]
        recent = (deaths[place] == size and deaths[place + 1] > since for place in range(0, len(deaths), 2))
        return sum(recent) >= _DEATHS


class Desk:
    """What one worker works on. Not thread-safe."""

    def __init__(self, casualties: Casualties, words: memoryview) -> None:
        """`words`: as many numbers as bodies fit, all 0."""
        self._casualties = casualties
        self._words = words

    def refuses(self, size: int) -> bool:
        """Tell whether workers died of bodies of this size in bytes."""
        return self._casualties.are_due_to(size)

    def put(self, size: int) -> None:
        """Note that a body is worked on; one more than fit is not noted."""
        self._replace(0, size)

    def clear(self, size: int) -> None:
        """Note that it is done."""
        self._replace(size, 0)

    def _replace(self, old: int, new: int) -> None:
        for place, size in enumerate(self._words):
            if size == old:
                self._words[place] = new
                return


def _now() -> int:
    return time.monotonic_ns() // 1_000_000  # the same clock in all processes
