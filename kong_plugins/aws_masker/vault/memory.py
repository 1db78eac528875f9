"""Mappings in this process's memory: bounded, and forgotten when unused for long."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from kong_plugins.aws_masker.errors import MaskingFailed
from kong_plugins.aws_masker.families import CONTEXT_FAMILIES
from kong_plugins.aws_masker.text import Entry, Memory, NoMemory

MAX_TENANTS = 1000


class _Tenant:
    """One tenant's mappings, from the least to the most recently used.

    Every use moves an entry to the end and renews its time to live, which is the same for all: so the order of use is
    the order of expiry too, and only the front ever has to be looked at.
    """

    def __init__(self, ttl: float, max_entries: int, clock: Callable[[], float]) -> None:
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._lock = Lock()  # large bodies are masked in worker threads
        self._entries: OrderedDict[bytes, tuple[Entry, float]] = OrderedDict()
        self._names: tuple[Entry, ...] | None = ()

    def entry(self, placeholder: bytes) -> Entry | None:
        """Return what `placeholder` stands for, or None; counts as a use."""
        with self._lock:
            self._expire()
            return self._use(placeholder)

    def entries(self) -> Mapping[bytes, Entry]:
        """Return all that is remembered, which is no use of it."""
        with self._lock:
            self._expire()
            return {placeholder: entry for placeholder, (entry, _) in self._entries.items()}

    def names(self) -> Sequence[Entry]:
        """Return the entries of the families in `CONTEXT_FAMILIES`; made anew only when one came or went."""
        with self._lock:
            self._expire()
            if self._names is None:
                self._names = tuple(entry for entry, _ in self._entries.values() if entry.family in CONTEXT_FAMILIES)
            return self._names

    def remember(self, mapping: Mapping[bytes, Entry]) -> None:
        with self._lock:
            self._expire()
            for placeholder, entry in mapping.items():
                held = self._entries.get(placeholder)
                if held is not None and held[0].value != entry.value:
                    raise MaskingFailed("a placeholder is already in use for another value")
            for placeholder, entry in mapping.items():
                if self._use(placeholder) is None:
                    self._entries[placeholder] = entry, self._clock() + self._ttl
                    self._names_changed(entry)
            while len(self._entries) > self._max_entries:
                self._drop_oldest()

    def is_empty(self) -> bool:
        with self._lock:
            self._expire()
            return not self._entries

    def _use(self, placeholder: bytes) -> Entry | None:
        held = self._entries.get(placeholder)
        if held is None:
            return None
        self._entries[placeholder] = held[0], self._clock() + self._ttl
        self._entries.move_to_end(placeholder)
        return held[0]

    def _expire(self) -> None:
        now = self._clock()
        while self._entries and next(iter(self._entries.values()))[1] <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, (entry, _) = self._entries.popitem(last=False)
        self._names_changed(entry)

    def _names_changed(self, entry: Entry) -> None:
        if entry.family in CONTEXT_FAMILIES:
            self._names = None


class MemoryVault:
    """Remembers, tenant by tenant, what each placeholder stands for. Thread-safe.

    Beyond `max_entries` of a tenant the least recently used are forgotten, beyond `max_tenants` the tenant least
    recently written to. A request under way keeps the memory that it was given.
    """

    def __init__(
        self,
        ttl: float,
        max_entries: int,
        clock: Callable[[], float] = time.monotonic,
        max_tenants: int = MAX_TENANTS,
    ) -> None:
        """`ttl`: seconds after its last use for which a mapping is kept."""
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._max_tenants = max_tenants
        self._lock = Lock()
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()

    def memory(self, tenant: str) -> Memory:
        """Return what `tenant` left behind: of no other tenant, and without making room for an unknown one."""
        with self._lock:
            known = self._tenants.get(tenant)
        return NoMemory() if known is None else known

    def entries(self, tenant: str) -> Mapping[bytes, Entry]:
        """Return all that `tenant` left behind: for answers that are restored where nobody can be asked."""
        with self._lock:
            known = self._tenants.get(tenant)
        return {} if known is None else known.entries()

    def remember(self, tenant: str, mapping: Mapping[bytes, Entry]) -> None:
        """Keep `mapping` for `tenant`, or nothing of it.

        Raises:
            MaskingFailed: a placeholder is held for another value already. Masking asks the memory before it gives one
                out, so this takes two requests at the same moment whose values collide: the first wins, and the second
                must not go upstream, because its answer would be restored with the first one's value.
        """
        if not mapping:
            return
        with self._lock:
            known = self._tenants.get(tenant)
            if known is None:
                known = self._tenants[tenant] = _Tenant(self._ttl, self._max_entries, self._clock)
            self._tenants.move_to_end(tenant)
            known.remember(mapping)
            self._shed_tenants()

    def _shed_tenants(self) -> None:
        """Forget the tenants over the bound, and idle ones at the front of the order of use."""
        while len(self._tenants) > 1:
            oldest = next(iter(self._tenants))
            if len(self._tenants) <= self._max_tenants and not self._tenants[oldest].is_empty():
                return
            del self._tenants[oldest]
