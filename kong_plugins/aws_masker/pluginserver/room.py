"""Room for bodies: how many bytes of them a worker works on at the same time.

Masking takes three times a large body's size in memory (up to nine times that of one below 4 MB), and Python masks one
body after the other anyway, however many threads do it. So an event whose body finds no room leaves it with Kong until
there is. Small bodies never wait.
"""

from __future__ import annotations

from threading import Condition, Lock

from kong_plugins.aws_masker.errors import MaskingFailed
from kong_plugins.aws_masker.pluginserver.casualties import Desk

LIMIT = 4 * 1024 * 1024
"""Bytes of bodies at the same time; a larger one has all the room for itself."""
SMALL = 64 * 1024


class Room:
    """What the events of a worker share. Thread-safe."""

    def __init__(self, desk: Desk, limit: int = LIMIT) -> None:
        """`desk`: where to note what is worked on; `limit`: bytes."""
        self._desk = desk
        self._limit = limit
        self._used = 0
        self._turn = Lock()  # who waits for much is not overtaken by those that need little
        self._freed = Condition()

    def take(self, size: int) -> int:
        """Wait until there is room for `size` bytes; return what to give back.

        Raises:
            MaskingFailed: workers have died of such a body.
        """
        if size <= SMALL:
            return 0
        with self._turn, self._freed:
            self._freed.wait_for(lambda: not self._used or self._used + size <= self._limit)
            if self._desk.refuses(size):
                raise MaskingFailed("bodies of this size have ended workers")
            self._desk.put(size)
            self._used += size
        return size

    def give_back(self, size: int) -> None:
        """Make room again."""
        if size:
            with self._freed:
                self._desk.clear(size)
                self._used -= size
                self._freed.notify()
