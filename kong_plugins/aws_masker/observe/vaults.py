"""How this process's vaults are doing, told to its metrics."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress
from functools import cache
from weakref import WeakKeyDictionary

from kong_plugins.aws_masker.errors import MaskerError
from kong_plugins.aws_masker.observe.metrics import Metrics, is_away, process_metrics
from kong_plugins.aws_masker.vault.protocol import Status, Vault

PERIOD = 1.0
"""Seconds between two looks, which ask no store."""
_LOOKS = 5
"""Looks after which a store that is away is asked."""


class VaultWatch:
    """Looks at the vaults that it was told of, for as long as someone else uses them. Thread-safe.

    A vault learns that its store is back when it next asks it. Requests may not come while the store is away, as
    readiness says no; so the watch asks in their place.
    """

    def __init__(self, metrics: Metrics, period: float = PERIOD) -> None:
        self._metrics = metrics
        self._period = period
        self._counted: WeakKeyDictionary[Vault, Counter[tuple[str, str]]] = WeakKeyDictionary()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, vault: Vault) -> None:
        """Look at `vault` from now on; one that keeps to this process's memory needs no looking at."""
        if not vault.blocking:
            return
        with self._lock:
            self._counted[vault] = Counter()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vault-watch", daemon=True)
                self._thread.start()

    def refresh(self) -> list[Status]:
        """Tell the metrics how the vaults are doing now, and return that."""
        with self._lock:
            states = []
            for vault, counted in self._counted.items():
                states.append(state := vault.status())
                self._count(state, counted)
            self._metrics.vaults(states)
        return states

    def _count(self, state: Status, counted: Counter[tuple[str, str]]) -> None:
        """Count what was done since the last look."""
        metrics = self._metrics
        for name, counter, totals in (
            ("operations", metrics.vault_operations, state.operations),
            ("errors", metrics.vault_errors, state.errors),
        ):
            for label, total in totals.items():
                counter.labels(label).inc(total - counted[name, label])
                counted[name, label] = total

    def _run(self) -> None:
        while True:
            for _ in range(_LOOKS):
                time.sleep(self._period)
                self.refresh()
            self._ask()

    def _ask(self) -> None:
        with self._lock:
            away = [vault for vault in self._counted if is_away(vault.status())]
        for vault in away:
            with suppress(MaskerError):
                vault.memory("")


@cache
def process_watch() -> VaultWatch:
    """Return the watch that all of this process's plugins share."""
    return VaultWatch(process_metrics())
