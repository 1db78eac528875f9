"""A circuit breaker: while the store is away, nobody waits for it.

The libraries for this either hold a lock while the protected call runs, which would put all requests in a row
(pybreaker), or are for coroutines only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from kong_plugins.aws_masker.vault.protocol import BreakerState

FAILURES = 5
"""Failures in a row that open the circuit."""
OPEN_SECONDS = 30.0
SUCCESSES = 3
"""Successes in a row that close it again."""


class Breaker:
    """Closed: calls pass. Open: none does. Half-open, after a while: one at a time does, to see how it goes."""

    def __init__(
        self,
        failures: int = FAILURES,
        open_seconds: float = OPEN_SECONDS,
        successes: int = SUCCESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.open_seconds = open_seconds
        self._most_failures = failures
        self._needed = successes
        self._clock = clock
        self._lock = Lock()
        self._state: BreakerState = "closed"
        self._failures = 0
        self._successes = 0
        self._opened = 0.0
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """Return the state, which after a while without calls may be older than it looks."""
        return self._state

    def admits(self) -> bool:
        """Tell whether a call may go ahead; then `succeeded`, `failed` or `left` must follow."""
        with self._lock:
            if self._state == "open" and self._clock() >= self._opened + self.open_seconds:
                self._state, self._successes, self._probing = "half-open", 0, False
            if self._state == "half-open" and not self._probing:
                self._probing = True
                return True
            return self._state == "closed"

    def succeeded(self) -> bool:
        """Take note of a success; returns whether it closed the circuit."""
        with self._lock:
            self._failures = 0
            self._probing = False
            if self._state == "half-open":
                self._successes += 1
                if self._successes >= self._needed:
                    self._state = "closed"
                    return True
            return False

    def failed(self) -> bool:
        """Take note of a failure; returns whether it opened the circuit that was closed before."""
        with self._lock:
            was = self._state
            self._failures += 1
            if was == "half-open" or (was == "closed" and self._failures >= self._most_failures):
                self._state, self._opened = "open", self._clock()
            self._probing = False
            return was == "closed" and self._state == "open"

    def left(self) -> None:
        """Take note of a call that ended in an error that says nothing about the store."""
        with self._lock:
            self._probing = False
