"""The one place that records are handed to; nothing that happens here delays or fails a request."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.publisher import Publisher, Wanted
from kong_plugins.aws_masker.observe.record import AnswerRecord, Record, RequestRecord
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.address import address_of, connect

EVENTS_VARIABLE = "ENABLE_REDIS_EVENTS"
RATE_VARIABLE = "EVENT_LOG_RATE_LIMIT"
DEFAULT_RATE = 100
_MOST_WAITING = 2000
"""Records in the queue."""
_MOST_AT_ONCE = 100
_IDLE = 30.0
"""Seconds without a record after which the thread ends; the next record starts it anew."""
_LAST_TRY = 2.0
"""Seconds for what is in the queue to be sent at the end."""
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})


class Observer:
    """Tells metrics, log, events and audit trail of records. Thread-safe.

    A log line is written at once; the rest is for a thread, which begins with the first record (so a process that forks
    must have done so) and ends when none has come for a while.
    """

    def __init__(self, metrics: Metrics, publisher: Publisher | None = None, log_requests: bool = False) -> None:
        """`publisher`: None without Redis; `log_requests`: whether to log a line for each request."""
        self.metrics = metrics
        self._publisher = publisher
        self._log_requests = log_requests
        self._queue: Queue[Record | Event] = Queue(_MOST_WAITING)
        self._lock = Lock()
        self._thread: Thread | None = None

    def request(self, record: RequestRecord) -> None:
        """Tell how a request was masked and how it ended."""
        if self._log_requests or (record.mode == "observe" and record.masked):
            log.info(_title(record), **_fields(record))
        self._put(record)

    def answer(self, record: AnswerRecord) -> None:
        """Tell what was turned back in an answer."""
        if self._log_requests and (record.restored or record.forgotten):
            log.info("answer_restored", **_fields_of_answer(record))
        self._put(record)

    def settle(self, patience: float) -> None:
        """Wait until all records so far are told, but at most `patience` seconds."""
        reached = Event()
        with suppress(Full):
            self._queue.put(reached, timeout=patience)
            self._see_to_it()
            reached.wait(patience)

    def close(self) -> None:
        """Tell what is still to be told; takes two seconds at most."""
        self.settle(_LAST_TRY)
        if self._publisher is not None:
            self._publisher.close()

    def _put(self, record: Record) -> None:
        try:
            self._queue.put_nowait(record)
        except Full:
            self.metrics.drop("queue")
        else:
            self._see_to_it()

    def _see_to_it(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = Thread(target=self._run, name="observer", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while gathered := self._gathered():
            try:
                self._tell([one for one in gathered if not isinstance(one, Event)])
            except Exception as error:  # noqa: BLE001 - the thread must go on
                log.warning("observer_failed", **describe(error))
            for one in gathered:
                if isinstance(one, Event):
                    one.set()
        self._thread = None
        if not self._queue.empty():  # one came between the last look and here
            self._see_to_it()

    def _gathered(self) -> list[Record | Event]:
        """Return what has gathered, waiting for a first record; nothing if none comes."""
        gathered: list[Record | Event] = []
        with suppress(Empty):
            gathered.append(self._queue.get(timeout=_IDLE))
            while len(gathered) < _MOST_AT_ONCE:
                gathered.append(self._queue.get_nowait())
        return gathered

    def _tell(self, records: list[Record]) -> None:
        for record in records:
            if isinstance(record, RequestRecord):
                self.metrics.request(record)
            else:
                self.metrics.answer(record)
        if self._publisher is not None:
            self._publisher.tell(records)


def observer_of(settings: Settings, environ: Mapping[str, str], metrics: Metrics) -> Observer:
    """Return the observer that the settings and the environment ask for.

    Raises:
        ConfigError: a variable is malformed, or where Redis is, is said wrongly.
    """
    wanted = wanted_of(settings, environ)
    address = address_of(settings, environ)
    publisher = None
    if address is not None and (wanted.events or wanted.audit):
        publisher = Publisher(lambda: connect(address), wanted, metrics)
    return Observer(metrics, publisher, settings.log_masked_requests)


def wanted_of(settings: Settings, environ: Mapping[str, str]) -> Wanted:
    """Return what is to be published: by the settings, else by the environment. Raises ConfigError."""
    text = environ.get(EVENTS_VARIABLE, "").strip().lower()
    if text not in _TRUE | _FALSE:
        raise ConfigError(f"{EVENTS_VARIABLE}: true or false is expected")
    limit = environ.get(RATE_VARIABLE, "").strip()
    if limit and not (limit.isascii() and limit.isdigit()):
        raise ConfigError(f"{RATE_VARIABLE}: a number is expected")
    rate = settings.events_rate_limit
    return Wanted(
        events=text in _TRUE if settings.redis_events is None else settings.redis_events,
        rate=int(limit or DEFAULT_RATE) if rate is None else rate,
        audit=settings.audit_max_entries,
    )


def _title(record: RequestRecord) -> str:
    if record.mode == "observe":
        return "request_would_be_masked" if record.masked else "request_observed"
    return {"masked": "request_masked", "passed": "request_passed"}.get(record.decision, "request_stopped")


def _fields(record: RequestRecord) -> dict[str, object]:
    return {
        "request": record.request,
        "api": record.api,
        "route": record.route,
        "outcome": record.outcome,
        "status": record.status,
        "families": dict(record.masked),
        "request_bytes": record.size,
        "milliseconds": {stage: round(seconds * 1000, 3) for stage, seconds in record.seconds.items()},
    }


def _fields_of_answer(record: AnswerRecord) -> dict[str, object]:
    return {
        "request": record.request,
        "api": record.api,
        "families": dict(record.restored),
        "forgotten": record.forgotten,
        "answer_bytes": record.size,
        "milliseconds": round(record.seconds * 1000, 3),
    }
