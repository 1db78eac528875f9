"""The one place that records are handed to; nothing that happens here delays or fails a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.publisher import Publisher, Wanted
from kong_plugins.aws_masker.observe.record import AnswerRecord, RequestRecord
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.address import address_of, connect

EVENTS_VARIABLE = "ENABLE_REDIS_EVENTS"
RATE_VARIABLE = "EVENT_LOG_RATE_LIMIT"
DEFAULT_RATE = 100
_LAST_TRY = 2.0
"""Seconds for what is in the queue to be sent at the end."""
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})

_Record = TypeVar("_Record")


class Observer:
    """Tells metrics, log, events and audit trail of records. Thread-safe."""

    def __init__(self, metrics: Metrics, publisher: Publisher | None = None, log_requests: bool = False) -> None:
        """`publisher`: None without Redis; `log_requests`: whether to log a line for each request."""
        self.metrics = metrics
        self._publisher = publisher
        self._log_requests = log_requests

    def request(self, record: RequestRecord) -> None:
        """Tell how a request was masked and how it ended."""
        _safely(self._request, record)

    def answer(self, record: AnswerRecord) -> None:
        """Tell what was turned back in an answer."""
        _safely(self._answer, record)

    def close(self) -> None:
        """Send what is still to be sent; takes two seconds at most."""
        if self._publisher is not None:
            self._publisher.close(_LAST_TRY)

    def _request(self, record: RequestRecord) -> None:
        self.metrics.request(record)
        if self._publisher is not None:
            self._publisher.put(record)
        if self._log_requests or (record.mode == "observe" and record.masked):
            log.info(_title(record), **_fields(record))

    def _answer(self, record: AnswerRecord) -> None:
        self.metrics.answer(record)
        if self._publisher is not None and (record.restored or record.forgotten or record.foreign):
            self._publisher.put(record)
        if self._log_requests and (record.restored or record.forgotten):
            log.info(
                "answer_restored",
                request=record.request,
                api=record.api,
                families=dict(record.restored),
                forgotten=record.forgotten,
                answer_bytes=record.size,
                milliseconds=round(record.seconds * 1000, 3),
            )


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


def _safely(tell: Callable[[_Record], None], record: _Record) -> None:
    try:
        tell(record)
    except Exception as error:  # noqa: BLE001 - the request is done; that it cannot be told must not touch it
        log.warning("observer_failed", **describe(error))


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
