"""Events on Redis Pub/Sub: what is published where, as models that docs/events.schema.json is made from.

No field holds a value, a path or a header: patterns are names of families, texts are ids and words of a fixed set. (A
tenant is named as the configuration names it; see docs/observability.md.)
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kong_plugins.aws_masker import __version__
from kong_plugins.aws_masker.observe.record import AnswerRecord, Decision, Families, RequestRecord, Source

MASKING = "aws-masker:events:masking"
UNMASKING = "aws-masker:events:unmasking"
SECURITY = "aws-masker:alerts:security"
PERFORMANCE = "aws-masker:metrics:performance"

CREDENTIALS = frozenset({"access_key", "secret_key", "session_token", "bedrock_key"})
SLOW, CRITICAL = 0.1, 0.5
"""Seconds of our own work on a request from which it counts as slow, and as critically slow."""

_Count = Annotated[int, Field(ge=0)]
_Milliseconds = Annotated[float, Field(ge=0)]
_Counts = dict[str, _Count]


Alert = Literal[
    "credential_seen",
    "credential_in_signed_block",
    "request_refused",
    "masking_failed",
    "guard_tripped",
    "restore_miss",
    "foreign_placeholder",
]
Severity = Literal["low", "medium", "high", "critical"]


class Event(BaseModel):
    """What all events have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str = Field(description="A UUID, another one for each event.")
    timestamp: int = Field(description="Milliseconds since 1970.")
    request_id: str = Field(description="Kong's id of the request (`X-Kong-Request-Id`), or the proxy's.")
    success: bool = Field(description="No error of ours ended it.")
    source: Source = Field(description="Whether the Kong plugin or the proxy tells it.")
    version: str = Field(description="Version of the masker.")
    tenant: str = Field(description="Whose mappings were used.")
    api: str = Field(
        description="`anthropic`, `openai-chat`, `openai-responses`, `bedrock-invoke`, `bedrock-converse` or `other`."
    )


class MaskingEvent(Event):
    """A request was looked at; one for each request."""

    event_type: Literal["masking"] = "masking"
    patterns_applied: _Counts = Field(description="Values masked, by family.")
    total_patterns: _Count = Field(description="Values masked, of all families.")
    processing_time_ms: _Milliseconds = Field(description="Time that masking took, the vault included.")
    request_size_bytes: _Count = Field(description="Size of the request's body as it came.")
    route: str = Field(description="Kind of path: `messages`, `count_tokens`, `responses`, ..., `other`.")
    mode: Literal["enforce", "observe"] = Field(description="With `observe`, nothing was masked, only counted.")
    decision: Decision = Field(description="`passed`: nothing to mask was found. The last three never went upstream.")
    error: str = Field(description="Our error code, or empty.")


class UnmaskingEvent(Event):
    """An answer was restored; one for each answer in which a placeholder was found, known or not."""

    event_type: Literal["unmasking"] = "unmasking"
    patterns_restored: _Counts = Field(description="Placeholders turned back, each counted once, by family.")
    total_patterns: _Count = Field(description="Placeholders turned back, of all families.")
    processing_time_ms: _Milliseconds = Field(description="Time that restoring took.")
    response_size_bytes: _Count = Field(description="Size of the answer's body as the upstream sent it.")
    restore_misses: _Count = Field(description="Placeholders of this tenant that nobody knows any more.")


class SecurityAlert(Event):
    """Something that someone should look at."""

    event_type: Literal["security_alert"] = "security_alert"
    alert: Alert = Field(
        description="`credential_seen`: a credential was masked. `credential_in_signed_block`: one went upstream in a"
        " block that must not be changed. `request_refused`, `masking_failed`: nothing went upstream. `guard_tripped`:"
        " the Lua plugin stopped a request that was not masked. `restore_miss`: an answer had a placeholder of this"
        " tenant that nobody knows any more. `foreign_placeholder`: an answer had one that this tenant and key did not"
        " make: another tenant's, one of another key, or an invention of the model; which, nobody can tell."
    )
    severity: Severity = Field(description="How urgent it is.")
    patterns: _Counts = Field(description="What it is about, by family; empty where that cannot be told.")
    error: str = Field(description="Our error code, or empty.")


class PerformanceEvent(Event):
    """What a request cost; one for each request."""

    event_type: Literal["performance"] = "performance"
    processing_time_ms: _Milliseconds = Field(description="Our own work on the request, the vault included.")
    stages_ms: dict[str, _Milliseconds] = Field(description="The same by stage: `mask`, `vault`.")
    request_size_bytes: _Count = Field(description="Size of the request's body as it came.")
    level: Literal["normal", "slow", "critical"] = Field(description="`slow` from 100 ms on, `critical` from 500 ms.")


CHANNELS: dict[str, type[Event]] = {
    MASKING: MaskingEvent,
    UNMASKING: UnmaskingEvent,
    SECURITY: SecurityAlert,
    PERFORMANCE: PerformanceEvent,
}
"""Every channel, and what is published there."""


def events_of(record: RequestRecord | AnswerRecord) -> Iterator[tuple[str, Event]]:
    """Yield the events that tell of a record, each with its channel; alerts first."""
    if isinstance(record, AnswerRecord):
        yield from _of_answer(record)
    else:
        yield from _of_request(record)


def schema() -> dict[str, Any]:
    """Return a JSON Schema of every channel's events, by channel."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events of aws-masker, by channel",
        "type": "object",
        "properties": {channel: {"$ref": f"#/$defs/{model.__name__}"} for channel, model in CHANNELS.items()},
        "$defs": {model.__name__: model.model_json_schema() for model in CHANNELS.values()},
    }


def _of_request(record: RequestRecord) -> Iterator[tuple[str, Event]]:
    common = _common(record, not record.error)
    yield from ((SECURITY, alert) for alert in _alerts(record, common))
    spent = sum(record.seconds.values())
    yield (
        MASKING,
        MaskingEvent(
            **common,
            patterns_applied=dict(record.masked),
            total_patterns=sum(record.masked.values()),
            processing_time_ms=_ms(spent),
            request_size_bytes=record.size,
            route=record.route,
            mode=record.mode,
            decision=record.decision,
            error=record.error,
        ),
    )
    yield (
        PERFORMANCE,
        PerformanceEvent(
            **_again(common),
            processing_time_ms=_ms(spent),
            stages_ms={stage: _ms(seconds) for stage, seconds in record.seconds.items()},
            request_size_bytes=record.size,
            level="critical" if spent >= CRITICAL else "slow" if spent >= SLOW else "normal",
        ),
    )


def _alerts(record: RequestRecord, common: Mapping[str, Any]) -> Iterator[SecurityAlert]:
    if seen := _credentials(record.masked):
        severity: Severity = "critical" if record.mode == "observe" else "medium"  # there it went upstream
        yield SecurityAlert(**_again(common), alert="credential_seen", severity=severity, patterns=seen, error="")
    if signed := _credentials(record.signed):
        yield SecurityAlert(
            **_again(common), alert="credential_in_signed_block", severity="critical", patterns=signed, error=""
        )
    stopped = _stopped(record)
    if stopped is not None:
        alert, severity = stopped
        yield SecurityAlert(**_again(common), alert=alert, severity=severity, patterns={}, error=record.error)


def _stopped(record: RequestRecord) -> tuple[Alert, Severity] | None:
    if record.guarded:
        return "guard_tripped", "high"
    if record.decision == "refused":
        return "request_refused", "low"
    return ("masking_failed", "high") if record.decision == "failed" else None


def _of_answer(record: AnswerRecord) -> Iterator[tuple[str, Event]]:
    common = _common(record, record.success)
    empty: _Counts = {}
    if record.forgotten:
        alert = SecurityAlert(**_again(common), alert="restore_miss", severity="medium", patterns=empty, error="")
        yield SECURITY, alert
    if record.foreign:
        alert = SecurityAlert(**_again(common), alert="foreign_placeholder", severity="low", patterns=empty, error="")
        yield SECURITY, alert
    if record.restored or record.forgotten or not record.success:
        yield (
            UNMASKING,
            UnmaskingEvent(
                **common,
                patterns_restored=dict(record.restored),
                total_patterns=sum(record.restored.values()),
                processing_time_ms=_ms(record.seconds),
                response_size_bytes=record.size,
                restore_misses=record.forgotten,
            ),
        )


def _common(record: RequestRecord | AnswerRecord, success: bool) -> dict[str, Any]:
    return {
        "event_id": str(uuid.uuid4()),
        "timestamp": round(record.time * 1000),
        "request_id": record.request,
        "success": success,
        "source": record.source,
        "version": __version__,
        "tenant": record.tenant,
        "api": record.api,
    }


def _again(common: Mapping[str, Any]) -> dict[str, Any]:
    return {**common, "event_id": str(uuid.uuid4())}


def _credentials(families: Families) -> dict[str, int]:
    return {family: count for family, count in families.items() if family in CREDENTIALS}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
