"""Mappings in this process's memory only."""

from __future__ import annotations

import time
from collections.abc import Mapping

from kong_plugins.aws_masker.text import Entry, Memory, NoMemory
from kong_plugins.aws_masker.vault.protocol import Status
from kong_plugins.aws_masker.vault.tenants import MAX_TENANTS, Clock, Tenant, Tenants


class MemoryVault:
    """A `Vault` that ends with its process.

    Beyond `max_entries` of a tenant the least recently used are forgotten, beyond `max_tenants` the tenant least
    recently written to. A request under way keeps the memory that it was given.
    """

    blocking = False

    def __init__(
        self, ttl: float, max_entries: int, clock: Clock = time.monotonic, max_tenants: int = MAX_TENANTS
    ) -> None:
        """`ttl`: seconds after its last use for which a mapping is kept."""
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._tenants: Tenants[Tenant] = Tenants(max_tenants)

    def open(self) -> None:
        """Do nothing: there is no store."""

    def memory(self, tenant: str) -> Memory:
        """Return what `tenant` left behind: of no other tenant, and without making room for an unknown one."""
        return self._tenants.get(tenant) or NoMemory()

    def known(self, tenant: str) -> Memory:
        """Return the same as `memory`."""
        return self.memory(tenant)

    def entries(self, tenant: str) -> Mapping[bytes, Entry]:
        """Return all that `tenant` left behind."""
        known = self._tenants.get(tenant)
        return {} if known is None else known.entries()

    def remember(self, tenant: str, mapping: Mapping[bytes, Entry]) -> None:
        """Keep `mapping` for `tenant`, or nothing of it. Raises Collision; see `Vault`."""
        if mapping:
            self._tenants.remember(tenant, mapping, self._made)

    def status(self) -> Status:
        """Tell how many tenants there are."""
        return Status("memory", len(self._tenants))

    def close(self) -> None:
        """Do nothing: there is no store."""

    def _made(self) -> Tenant:
        return Tenant(self._ttl, self._max_entries, self._clock)
