"""What this process knows of its tenants: bounded, and forgotten when unused for long."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Generic, TypeVar

from kong_plugins.aws_masker.families import CONTEXT_FAMILIES
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.protocol import Collision

MAX_TENANTS = 1000

Clock = Callable[[], float]
"""Seconds, never going back."""


class Tenant:
    """One tenant's mappings, from the least to the most recently used; a `Memory`.

    Every use moves an entry to the end and renews its time to live, which is the same for all: so the order of use is
    the order of expiry too, and only the front ever has to be looked at.
    """

    def __init__(self, ttl: float, max_entries: int, clock: Clock) -> None:
        """`ttl`: seconds after its last use for which a mapping is kept."""
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._lock = RLock()  # bodies are masked in worker threads
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
        """Keep `mapping`, or nothing of it. Raises Collision where a placeholder is held for another value."""
        with self._lock:
            self._expire()
            self.check(mapping)
            for placeholder, entry in mapping.items():
                if self._use(placeholder) is None:
                    self._add(placeholder, entry)
            self._shrink()

    def check(self, mapping: Mapping[bytes, Entry]) -> None:
        """Raise Collision where a placeholder is held for another value."""
        with self._lock:
            for placeholder, entry in mapping.items():
                held = self._entries.get(placeholder)
                if held is not None and held[0].value != entry.value:
                    raise Collision

    def is_empty(self) -> bool:
        """Tell whether nothing is remembered any more."""
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

    def _add(self, placeholder: bytes, entry: Entry) -> None:
        self._entries[placeholder] = entry, self._clock() + self._ttl
        self._names_changed(entry)

    def _shrink(self) -> None:
        while len(self._entries) > self._max_entries:
            self._drop(next(iter(self._entries)))

    def _expire(self) -> None:
        now = self._clock()
        while self._entries and next(iter(self._entries.values()))[1] <= now:
            self._drop(next(iter(self._entries)))

    def _drop(self, placeholder: bytes) -> None:
        entry, _ = self._entries.pop(placeholder)
        self._names_changed(entry)

    def _names_changed(self, entry: Entry) -> None:
        if entry.family in CONTEXT_FAMILIES:
            self._names = None


AnyTenant = TypeVar("AnyTenant", bound=Tenant)


class Tenants(Generic[AnyTenant]):
    """Tenants by name, from the least to the most recently written to."""

    def __init__(self, most: int) -> None:
        """`most`: tenants beyond this number are forgotten."""
        self._most = most
        self._lock = RLock()
        self._tenants: OrderedDict[str, AnyTenant] = OrderedDict()

    def get(self, name: str) -> AnyTenant | None:
        """Return a tenant that is known."""
        with self._lock:
            return self._tenants.get(name)

    def remember(self, name: str, mapping: Mapping[bytes, Entry], make: Callable[[], AnyTenant]) -> AnyTenant:
        """Keep `mapping` for a tenant, which `make` makes if it is not known; return the tenant. Raises Collision."""
        with self._lock:
            tenant = self.add(name, make)
            tenant.remember(mapping)
            return tenant

    def add(self, name: str, make: Callable[[], AnyTenant]) -> AnyTenant:
        """Return a tenant, which `make` makes if it is not known."""
        with self._lock:
            tenant = self._tenants.get(name)
            if tenant is None:
                tenant = self._tenants[name] = make()
            self._tenants.move_to_end(name)
            self._shed()
            return tenant

    def _shed(self) -> None:
        """Forget the tenants over the bound, and idle ones at the front of the order of use; never the last one."""
        while len(self._tenants) > 1:
            oldest = next(iter(self._tenants))
            if len(self._tenants) <= self._most and not self._tenants[oldest].is_empty():
                return
            del self._tenants[oldest]

    def __len__(self) -> int:
        return len(self._tenants)

    def __iter__(self) -> Iterator[AnyTenant]:
        with self._lock:
            return iter(list(self._tenants.values()))
