"""Whether the history that a client sends again and again is masked to the same bytes each time.

Providers cache a prompt by its beginning, so a history that changes costs its sender money and time. Nothing identifies
a session in a request; so what is compared is each text: a text that this process has seen before of the same tenant
either gives the same masked text as then, or not.

Only fingerprints are kept (64 bits each, keyed with a secret of this process), and only the first `_MOST_BYTES` of a
request are looked at: that bounds the cost to less than a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from kong_plugins.aws_masker.text import Entry, MaskSession, Text

_MOST_BYTES = 1024 * 1024
_SHORTEST = 64
"""Bytes; shorter texts (names, roles) say little of a history, and are many."""
_MOST_TEXTS = 8192
"""Fingerprints kept, of all tenants: about 1.5 MB."""


class History(NamedTuple):
    """Bytes of texts that were seen before: how many of them came out as before, and how many did not."""

    stable: int
    changed: int


class Histories:
    """What texts were masked to. Thread-safe."""

    def __init__(self) -> None:
        self._masked: dict[int, int] = {}
        self._lock = Lock()

    def compare(self, tenant: str, texts: Sequence[Text], masked: Sequence[bytes | None]) -> History:
        """Compare with what the same texts were masked to before, and remember what they are masked to now."""
        stable = changed = looked_at = 0
        for text, result in zip(texts, masked, strict=True):
            size = len(text.value)
            if size < _SHORTEST:
                continue
            looked_at += size
            if looked_at > _MOST_BYTES:
                break
            before, now = hash((tenant, text.key, text.value)), hash(result)
            with self._lock:
                then = self._masked.pop(before, None)
                self._masked[before] = now
                if len(self._masked) > _MOST_TEXTS:
                    del self._masked[next(iter(self._masked))]
            if then is not None:
                stable, changed = (stable + size, changed) if then == now else (stable, changed + size)
        return History(stable, changed)


class WatchedSession:
    """A `MaskSession` whose results are compared with those of earlier requests."""

    def __init__(self, session: MaskSession, histories: Histories, tenant: str) -> None:
        self._session = session
        self._histories = histories
        self._tenant = tenant
        self.history = History(0, 0)
        self._take_over()

    def mask(self, texts: Sequence[Text]) -> list[bytes | None]:
        """Return what the session does."""
        masked = self._session.mask(texts)
        self._take_over()
        self.history = self._histories.compare(self._tenant, texts, masked)
        return masked

    def inspect(self, texts: Sequence[Text]) -> dict[str, int]:
        """Return what the session does."""
        return self._session.inspect(texts)

    def _take_over(self) -> None:
        self.mapping: dict[bytes, Entry] = self._session.mapping
        self.known: dict[bytes, Entry] = self._session.known
        self.counts: dict[str, int] = self._session.counts
