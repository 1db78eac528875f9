"""What is counted, for Prometheus. Labels come from fixed sets and the configuration only: never from a request.

One process counts in its own memory. The plugin server's workers count in files of memory that its listener sums up
(prometheus_client's multi-process mode): each worker by its number, so that one that takes a dead worker's place goes
on counting where that one stopped.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.observe.record import AnswerRecord, RequestRecord
from kong_plugins.aws_masker.vault.protocol import BreakerState, Status

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_WAIT_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_BYTES = (1e3, 1e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8)
BREAKERS: Sequence[BreakerState] = ("closed", "half-open", "open")
"""In the order of their numbers in the metrics."""
_MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client looks for it

Labelled = TypeVar("Labelled", Counter, Histogram)
Dropped = Literal["queue", "rate", "redis"]


class Metrics:
    """The metrics of one process, in a registry of their own. Thread-safe."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[Counter | Histogram, tuple[str, ...]], Any] = {}
        self._make_request_metrics()
        self._make_answer_metrics()
        self._make_event_metrics()
        self._make_vault_metrics()

    def _make_request_metrics(self) -> None:
        self.requests = self._counter(
            "requests", "Requests by API and outcome: `answered`, `client_gone` or an error code.", "api", "outcome"
        )
        self.running = Gauge(
            "aws_masker_requests_running",
            "Requests under way.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.masked = self._counter("masked_values", "Values masked, by family.", "family")
        self.signed = self._counter(
            "signed_values", "Values in signed blocks, which went upstream because they must not be changed.", "family"
        )
        self.observed = self._counter(
            "observed_values", "Values that went upstream in mode `observe`, by family.", "family"
        )
        self.request_size = self._histogram("request_bytes", "Size of request bodies.", _BYTES)
        self.stage_time = self._histogram(
            "stage_seconds", "Time of our own work by stage: `mask`, `vault`, `restore`.", _SECONDS, "stage"
        )
        self.history = self._counter(
            "history_bytes",
            "Bytes of texts seen before of the same tenant, by whether they were masked as before: `stable`, or not:"
            " `changed`. A change costs the provider's prompt cache.",
            "state",
        )

    def _make_answer_metrics(self) -> None:
        self.restored = self._counter(
            "restored_values", "Placeholders turned back, each once an answer, by family.", "family"
        )
        self.misses = self._counter(
            "restore_misses",
            "Placeholders in answers that nobody knows: this tenant's own (`forgotten`), or not (`foreign`).",
            "kind",
        )
        self.answer_size = self._histogram("answer_bytes", "Size of answers' bodies as the upstream sent them.", _BYTES)
        self.first_byte_time = self._histogram(
            "first_byte_seconds",
            "Time from the request's arrival to the first byte of the answer's body.",
            _WAIT_SECONDS,
            "api",
        )

    def _make_event_metrics(self) -> None:
        self.published = self._counter("events_published", "Events and audit entries that Redis has taken.")
        self.dropped = self._counter(
            "events_dropped",
            "Events and audit entries given up: the `queue` was full, the `rate` limit reached, `redis` away.",
            "reason",
        )

    def _make_vault_metrics(self) -> None:
        self.vault_operations = self._counter("vault_operations", "Operations of the vault, by kind.", "operation")
        self.vault_errors = self._counter("vault_errors", "Failed operations of the vault, by error code.", "code")
        self.away = self._gauge("vault_away", "1 where the vault's last operation did not reach Redis.", "livemax")
        self.fallback = self._gauge("vault_fallback", "1 where memory serves, because Redis is away.", "livemax")
        self.refusing = self._gauge("vault_refusing", "1 where requests are refused, because Redis is away.", "livemax")
        self.breaker = self._gauge("vault_breaker", "Circuit breaker: 0 closed, 1 half-open, 2 open.", "livemax")
        self.pending = self._gauge("vault_pending_records", "Records that Redis does not have yet.", "livesum")
        self.vault_latency = self._gauge("vault_latency_seconds", "Time of the vault's last operation.", "livemax")
        self.misconfigured = self._gauge(
            "misconfigured_timestamp_seconds",
            "When a request was last refused because a configuration or a key is wrong, 0 for never.",
            "livemax",
        )

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"aws_masker_{name}", help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(f"aws_masker_{name}", help_text, labels, buckets=tuple(buckets), registry=self.registry)

    def _gauge(self, name: str, help_text: str, mode: Literal["livemax", "livesum"]) -> Gauge:
        return Gauge(f"aws_masker_{name}", help_text, registry=self.registry, multiprocess_mode=mode)

    def _child(self, metric: Labelled, *labels: str) -> Labelled:
        """Return the metric with these labels; `labels` itself takes longer than to count."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        found: Labelled = child
        return found

    def _add(self, counter: Counter, counts: Mapping[str, int]) -> None:
        for label, count in counts.items():
            if count:
                self._child(counter, label).inc(count)

    def request(self, record: RequestRecord) -> None:
        """Count a request."""
        self._child(self.requests, record.api, record.outcome).inc()
        self._add(self.observed if record.mode == "observe" else self.masked, record.masked)
        self._add(self.signed, record.signed)
        self.request_size.observe(record.size)
        for stage, seconds in record.seconds.items():
            self._child(self.stage_time, stage).observe(seconds)
        self._add(self.history, {"stable": record.stable, "changed": record.changed})
        if record.outcome == ConfigError.code:
            self.misconfigured.set(time.time())

    def answer(self, record: AnswerRecord) -> None:
        """Count an answer."""
        self._add(self.restored, record.restored)
        self._add(self.misses, {"forgotten": record.forgotten, "foreign": record.foreign})
        self.answer_size.observe(record.size)
        self._child(self.stage_time, "restore").observe(record.seconds)

    def drop(self, reason: Dropped, count: int = 1) -> None:
        """Count events and audit entries that were given up."""
        self._child(self.dropped, reason).inc(count)

    def vaults(self, states: Sequence[Status]) -> None:
        """Tell how all vaults of this process are doing together."""
        away = [state for state in states if is_away(state)]
        self.away.set(bool(away))
        self.fallback.set(any(state.fallback for state in away))
        self.refusing.set(not all(state.fallback for state in away))
        self.breaker.set(max((BREAKERS.index(state.breaker) for state in states), default=0))
        self.pending.set(sum(state.pending for state in states))
        self.vault_latency.set(max((state.latency for state in states), default=0.0))

    def render(self) -> bytes:
        """Return this process's metrics in Prometheus's text format."""
        return generate_latest(self.registry)


def is_away(state: Status) -> bool:
    """Tell whether a vault's store cannot be reached; one that was never asked is not away."""
    return not state.connected and bool(state.errors)


class WorkerMetrics:
    """What the plugin server's supervisor tells of its workers."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.alive = Gauge("aws_masker_workers", "Workers.", registry=registry, multiprocess_mode="livesum")
        self.wanted = Gauge(
            "aws_masker_workers_wanted", "Workers there should be.", registry=registry, multiprocess_mode="livesum"
        )
        self.ended = Counter("aws_masker_workers_ended", "Workers that ended by themselves.", registry=registry)


@cache
def process_metrics() -> Metrics:
    """Return the metrics that all of this process's plugins share."""
    return Metrics()


class Shared:
    """Where the processes of a plugin server count, so that one of them can tell the sum; see the module's text."""

    def __init__(self) -> None:
        """To be made in the supervisor, before the workers are forked and before any metric is.

        Raises:
            ConfigError: there is no place to write to.
        """
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="aws-masker-metrics-", dir=_place()))
        except OSError as error:
            raise ConfigError(f"no place for the workers' metrics: {error.strerror}") from None
        self._process = "supervisor"
        os.environ[_DIRECTORY] = str(self.folder)
        values.ValueClass = values.MultiProcessValue(lambda: self._process)  # type: ignore[no-untyped-call]

    def enter(self, number: int) -> None:
        """Count as worker `number` from now on; to be called in the worker, before its first metric."""
        self._process = f"{number}"
        self.left(number)  # what a dead worker said of its state

    def left(self, number: int) -> None:
        """Take note that worker `number` has ended: what it counted stays, how it was doing does not."""
        mark_process_dead(number, str(self.folder))  # type: ignore[no-untyped-call]

    def registry(self) -> CollectorRegistry:
        """Return what tells the sum over all processes, dead ones included."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self.folder))  # type: ignore[no-untyped-call]
        return registry

    def remove(self) -> None:
        """Remove the files; processes that still count may go on."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _place() -> str | None:
    """Return a folder in memory if there is one: counting must not wait for a disk."""
    return _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
