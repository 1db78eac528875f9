"""One tenant as this process knows it, kept in step with a store that other processes write to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.records import Opened
from kong_plugins.aws_masker.vault.tenants import Clock, Tenant

EXTRA = 500
"""Records that a request writes for earlier ones; a request must not wait for all that gathered in an outage."""
_REFRESHES = 10
"""How often in a record's time to live the store is told that it is still used."""
_BUSY_REFRESH = 60.0
"""Seconds instead, at most, for a tenant with more than half of the records it may have: the store will have to choose
which ones go, so it should know which ones are in use."""


class SharedTenant(Tenant):
    """Knows besides what the store has to be told: `due` holds new records, and old ones whose use is to be noted."""

    def __init__(self, tenant_id: str, ttl: float, max_entries: int, clock: Clock) -> None:
        """`tenant_id`: what the store calls the tenant."""
        super().__init__(ttl, max_entries, clock)
        self.id = tenant_id
        self.since = b"0"
        """Up to where the store's news are known."""
        self._forgotten = b""
        self._due: dict[bytes, None] = {}
        self._noted: dict[bytes, float] = {}
        """When the store last noted a use; not for what it never did."""
        self._unseen: set[bytes] | None = None
        """While everything is read anew: what has not come yet."""

    @property
    def due(self) -> int:
        """Return how many records the store is to be told of."""
        return len(self._due)

    @property
    def pending(self) -> int:
        """Return how many records the store does not have."""
        with self._lock:
            return sum(placeholder not in self._noted for placeholder in self._due)

    def outgoing(self, mapping: Mapping[bytes, Entry], extra: int) -> dict[bytes, Entry]:
        """Return what the store has to be told now: of `mapping` all that is due, of the rest up to `extra`."""
        with self._lock:
            wanted = [placeholder for placeholder in mapping if placeholder in self._due]
            others = (placeholder for placeholder in self._due if placeholder not in mapping)
            return {placeholder: self._entries[placeholder][0] for placeholder in (*wanted, *islice(others, extra))}

    def stored(self, placeholders: Iterable[bytes]) -> None:
        """Take note that the store was told."""
        with self._lock:
            now = self._clock()
            for placeholder in placeholders:
                if placeholder in self._entries:
                    self._due.pop(placeholder, None)
                    self._noted[placeholder] = now

    def take(self, news: Iterable[tuple[Opened, float]], since: bytes, lost: bool, more: bool) -> None:
        """Take over what the store has, each with the seconds since its last use. Where it differs, the store wins.

        Args:
            news: What came.
            since: Up to where the store's news are known now.
            lost: The store has lost what it had. All that it has comes anew, and what it has not is due.
            more: There are more news.
        """
        with self._lock:
            if lost:
                self._unseen = set(self._entries)
            self._learn(news)
            self._shrink()
            self.since = since
            if not more:
                for placeholder in self._unseen or ():
                    if placeholder in self._entries:
                        self._noted.pop(placeholder, None)
                        self._due[placeholder] = None
                self._unseen = None

    def forget(self, mark: bytes) -> bool:
        """Forget everything if the tenant was forgotten, which a new `mark` tells; returns whether it was."""
        with self._lock:
            if mark in (b"", self._forgotten):
                return False
            self._forgotten, since, self.since = mark, self.since, b"0"
            if since == b"0":  # the first contact: what is known here is newer
                return False
            for placeholder in list(self._entries):
                self._drop(placeholder)
            return True

    def _learn(self, news: Iterable[tuple[Opened, float]]) -> None:
        now = self._clock()
        for (placeholder, entry, current), age in news:
            if self._use(placeholder) != entry:
                if placeholder in self._entries:
                    self._drop(placeholder)
                self._add(placeholder, entry)
            self._noted[placeholder] = now - age
            if current:
                self._due.pop(placeholder, None)
            else:
                self._due[placeholder] = None  # to be written under the present key
            if self._unseen is not None:
                self._unseen.discard(placeholder)

    def _use(self, placeholder: bytes) -> Entry | None:
        entry = super()._use(placeholder)
        if entry is not None:
            rare = self._ttl / _REFRESHES
            wait = min(rare, _BUSY_REFRESH) if 2 * len(self._entries) > self._max_entries else rare
            if self._clock() - self._noted.get(placeholder, float("-inf")) >= wait:
                self._due[placeholder] = None
        return entry

    def _add(self, placeholder: bytes, entry: Entry) -> None:
        super()._add(placeholder, entry)
        self._due[placeholder] = None

    def _drop(self, placeholder: bytes) -> None:
        super()._drop(placeholder)
        self._due.pop(placeholder, None)
        self._noted.pop(placeholder, None)
