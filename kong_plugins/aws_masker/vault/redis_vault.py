"""Mappings shared through Redis, with all that this process knows in its own memory too.

A request costs one round trip before it is masked, which brings what other processes added for the tenant since the
last one, and one after it only if it had values that are new or whose use is to be noted. Nothing is asked while texts
are masked or answers restored.

While Redis is away and `fallback` is on, requests go on with what this process knows; placeholders depend on the key
only, so all processes still agree. What they could not write, a thread writes when Redis is back. (Had two processes
given one placeholder to two values meanwhile, the first to write it keeps it, and the other's value gets another one
with its next request.) If the fallback is off, requests are refused at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from threading import Event, Lock, Thread

import structlog

from kong_plugins.aws_masker.errors import MaskerError, VaultUnavailable
from kong_plugins.aws_masker.text import Entry, Memory, NoMemory
from kong_plugins.aws_masker.vault.protocol import Status
from kong_plugins.aws_masker.vault.records import Keyring, Opened
from kong_plugins.aws_masker.vault.shared import EXTRA, SharedTenant
from kong_plugins.aws_masker.vault.store import Reply, Store
from kong_plugins.aws_masker.vault.tenants import MAX_TENANTS, Clock, Tenants

_BATCH = 2000
"""Records that the thread writes at a time."""
_LAST_TRY = 5.0
"""Seconds for what is missing to be written when the vault is closed."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class RedisVault:
    """A `Vault` that several processes share."""

    blocking = True

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        store: Store,
        keyring: Keyring,
        *,
        ttl: float,
        max_entries: int,
        fallback: bool,
        clock: Clock = time.monotonic,
        max_tenants: int = MAX_TENANTS,
    ) -> None:
        """`ttl`: seconds after its last use for which a mapping is kept; `max_entries`: the most of one tenant."""
        self.store = store
        self._keyring = keyring
        self._ttl = ttl
        self._max_entries = max_entries
        self._fallback = fallback
        self._clock = clock
        self._tenants: Tenants[SharedTenant] = Tenants(max_tenants)
        self._closed = Event()
        self._writing = Lock()
        self._writer: Thread | None = None

    def open(self) -> None:
        """Look at Redis. Raises ConfigError; see `Vault`."""
        try:
            self.store.run("look up", lambda client: client.ping())
        except VaultUnavailable as error:
            log.warning("vault_store_not_reached", code=error.code, fallback=self._fallback)

    def memory(self, tenant: str) -> Memory:
        """Return what `tenant` left behind; one round trip. Raises VaultUnavailable, ConfigError; see `Vault`."""
        known = self._tenants.get(tenant)
        shared = known or self._made(tenant)
        try:
            self._exchange(shared, {})
        except VaultUnavailable:
            if not self._fallback:
                raise
        if known is None and not shared.is_empty():
            return self._tenants.add(tenant, lambda: shared)
        return shared

    def known(self, tenant: str) -> Memory:
        """Return what this process knows of `tenant`."""
        return self._tenants.get(tenant) or NoMemory()

    def entries(self, tenant: str) -> Mapping[bytes, Entry]:
        """Return all that this process knows of `tenant`."""
        known = self._tenants.get(tenant)
        return {} if known is None else known.entries()

    def remember(self, tenant: str, mapping: Mapping[bytes, Entry]) -> None:
        """Keep `mapping` for `tenant`, or nothing of it. Raises Collision, VaultUnavailable, ConfigError; see `Vault`.

        What the store refuses, this process knows all the same, until it learns what the store has.
        """
        if not mapping:
            return
        shared = self._tenants.remember(tenant, mapping, lambda: self._made(tenant))
        outgoing = shared.outgoing(mapping, EXTRA if self.store.breaker.state == "closed" else 0)
        if not outgoing:
            return
        try:
            while not self._exchange(shared, outgoing):
                shared.check(mapping)
                outgoing = shared.outgoing(mapping, 0)  # records of earlier requests were in the way
        except VaultUnavailable:
            if not self._fallback:
                raise
            self._write_later()
            return
        shared.check(mapping)
        if shared.pending:
            self._write_later()

    def status(self) -> Status:
        """Tell how the vault and its store are doing."""
        store = self.store
        return Status(
            "redis",
            len(self._tenants),
            connected=store.connected,
            fallback=self._fallback and not store.connected,
            breaker=store.breaker.state,
            pending=self._pending(),
            latency=store.latency,
            operations=dict(store.operations),
            errors=dict(store.errors),
        )

    def close(self) -> None:
        """End the thread, try once more to write what is missing, and close the connections."""
        self._closed.set()
        writer = self._writer
        if writer is not None:
            writer.join(_LAST_TRY)
        self.store.close()

    def _made(self, tenant: str) -> SharedTenant:
        return SharedTenant(self._keyring.tenant_id(tenant), self._ttl, self._max_entries, self._clock)

    def _exchange(self, shared: SharedTenant, outgoing: Mapping[bytes, Entry]) -> bool:
        """Tell the store, and learn all its news; returns whether it has taken what it was told."""
        sealer = self._keyring.sealer(shared.id)
        items = {sealer.field(placeholder): sealer.seal(placeholder, entry) for placeholder, entry in outgoing.items()}
        taken = True
        while True:
            reply = self.store.exchange(shared.id, shared.since, self._ttl, self._max_entries, items)
            if items and not reply.held:
                shared.stored(outgoing)
            if reply.held:
                log.warning("vault_placeholders_taken", records=len(reply.held))
            taken = taken and not reply.held
            forgotten = shared.forget(reply.forgotten)
            if not forgotten:
                shared.take(self._opened(shared, reply, items), reply.since, reply.lost, reply.more)
            if reply.lost:
                self._write_later()
            if not (forgotten or reply.more):
                return taken
            items = {}

    def _opened(self, shared: SharedTenant, reply: Reply, items: Mapping[bytes, bytes]) -> list[tuple[Opened, float]]:
        """Return the records of a reply. Damaged ones are left out; ours takes the place of one that is in its way."""
        sealer = self._keyring.sealer(shared.id)
        opened = [(sealer.open(field, record), age) for field, record, age in reply.news]
        in_the_way = []
        for field, record in reply.held.items():
            other = sealer.open(field, record)
            if other is None:
                in_the_way.append((field, record, items[field]))
            opened.append((other, 0.0))
        if in_the_way:
            self.store.reseal(shared.id, in_the_way)
        readable = [(one, age) for one, age in opened if one is not None]
        if len(readable) < len(opened):
            log.warning("vault_records_damaged", records=len(opened) - len(readable))
        return readable

    def _write_later(self) -> None:
        """Have a thread write what is missing; it ends when that is done."""
        with self._writing:
            if self._writer is None and not self._closed.is_set():
                log.warning("vault_writes_pending")
                self._writer = Thread(target=self._write, name="vault-writer", daemon=True)
                self._writer.start()

    def _write(self) -> None:
        while True:
            closing = self._closed.wait(self.store.breaker.open_seconds)
            with suppress(MaskerError):
                self._write_all()
            with self._writing:
                if closing or not self._pending():
                    self._writer = None
                    break
        log.info("vault_writes_done", pending=self._pending())

    def _write_all(self) -> None:
        for tenant in self._tenants:
            while tenant.pending:
                self._exchange(tenant, tenant.outgoing({}, _BATCH))

    def _pending(self) -> int:
        return sum(tenant.pending for tenant in self._tenants)
