"""Events: what is published of what, by the schema that is published too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kong_plugins.aws_masker.observe.document import render, schema_text
from kong_plugins.aws_masker.observe.events import CHANNELS, MASKING, PERFORMANCE, SECURITY, UNMASKING, events_of
from kong_plugins.aws_masker.observe.record import CLIENT_GONE, AnswerRecord, RequestRecord, route_of

DOCS = Path(__file__).parents[2] / "docs"
REQUEST = RequestRecord(
    "id", "kong", "consumer:c", "anthropic", "messages", masked={"bucket": 2}, size=10, time=1.5, seconds={"mask": 0.02}
)
ANSWER = AnswerRecord("id", "kong", "consumer:c", "anthropic", 1.5, {"bucket": 2}, size=7, seconds=0.001)


def told(record: RequestRecord | AnswerRecord) -> dict[str, list[dict[str, Any]]]:
    """Return the events by channel, each checked against its channel's model by way of JSON."""
    found: dict[str, list[dict[str, Any]]] = {}
    for channel, event in events_of(record):
        assert CHANNELS[channel].model_validate_json(event.model_dump_json()) == event
        found.setdefault(channel, []).append(event.model_dump())
    return found


def alerts(record: RequestRecord | AnswerRecord) -> list[tuple[str, str, dict[str, int], str]]:
    return [(one["alert"], one["severity"], one["patterns"], one["error"]) for one in told(record).get(SECURITY, [])]


def test_the_documents_are_current() -> None:
    """If not: python -m kong_plugins.aws_masker.observe.document docs."""
    assert (DOCS / "events.md").read_text() == render()
    assert (DOCS / "events.schema.json").read_bytes() == schema_text()


def test_the_fields_of_the_lua_plugin_are_there() -> None:
    """Subscribers of the plugin that this one replaces find what they look for."""
    common = {"event_id", "event_type", "timestamp", "request_id", "success", "processing_time_ms", "source", "version"}
    masking = common | {"patterns_applied", "total_patterns", "request_size_bytes"}
    assert masking <= set(CHANNELS[MASKING].model_fields)
    assert common | {"patterns_restored", "response_size_bytes"} <= set(CHANNELS[UNMASKING].model_fields)


def test_a_masked_request() -> None:
    """One event of what was masked, one of what it cost, no alert; each with an id of its own."""
    events = told(REQUEST)
    assert set(events) == {MASKING, PERFORMANCE}
    (masking,), (performance,) = events[MASKING], events[PERFORMANCE]
    assert masking["patterns_applied"] == {"bucket": 2}
    assert (masking["total_patterns"], masking["decision"], masking["success"]) == (2, "masked", True)
    assert (masking["timestamp"], masking["processing_time_ms"], masking["request_size_bytes"]) == (1500, 20.0, 10)
    assert performance["stages_ms"] == {"mask": 20.0}
    assert performance["event_id"] != masking["event_id"]
    assert performance["request_id"] == masking["request_id"] == "id"


@pytest.mark.parametrize(("seconds", "level"), [(0.0999, "normal"), (0.1, "slow"), (0.5, "critical")])
def test_slow_requests_stand_out(seconds: float, level: str) -> None:
    """From 100 and 500 ms on."""
    (event,) = told(replace(REQUEST, seconds={"mask": seconds}))[PERFORMANCE]
    assert event["level"] == level


@pytest.mark.parametrize("family", ["access_key", "secret_key", "session_token", "bedrock_key"])
def test_credentials_alert(family: str) -> None:
    """Seen and masked; worse where they went upstream: in mode `observe`, and in a signed block."""
    seen = replace(REQUEST, masked={family: 1, "bucket": 1})
    assert alerts(seen) == [("credential_seen", "medium", {family: 1}, "")]
    assert alerts(replace(seen, mode="observe")) == [("credential_seen", "critical", {family: 1}, "")]
    signed = replace(REQUEST, signed={family: 2, "bucket": 1})
    assert alerts(signed) == [("credential_in_signed_block", "critical", {family: 2}, "")]


def test_requests_that_were_stopped_alert() -> None:
    """By the client's fault, by ours, by the guard; not where the client left, or the upstream failed."""
    stopped = replace(REQUEST, masked={}, sent=False, outcome="AWS_MASKER_2003", status=415)
    assert alerts(stopped) == [("request_refused", "low", {}, "AWS_MASKER_2003")]
    assert told(stopped)[MASKING][0]["decision"] == "refused"
    assert told(stopped)[MASKING][0]["success"] is False
    failed = replace(stopped, outcome="AWS_MASKER_2001", status=503)
    assert alerts(failed) == [("masking_failed", "high", {}, "AWS_MASKER_2001")]
    assert alerts(replace(failed, guarded=True))[0][:2] == ("guard_tripped", "high")
    gone = replace(stopped, outcome=CLIENT_GONE, status=0)
    assert (alerts(gone), gone.decision) == ([], "abandoned")
    unreachable = replace(REQUEST, outcome="AWS_MASKER_7001", status=502)
    assert (alerts(unreachable), unreachable.decision) == ([], "masked")


def test_answers() -> None:
    """Told if a placeholder was in them; alerts for those that nobody knows."""
    (event,) = told(ANSWER)[UNMASKING]
    assert (event["patterns_restored"], event["total_patterns"], event["response_size_bytes"]) == ({"bucket": 2}, 2, 7)
    assert told(replace(ANSWER, restored={})) == {}
    assert alerts(replace(ANSWER, forgotten=1)) == [("restore_miss", "medium", {}, "")]
    assert alerts(replace(ANSWER, foreign=1)) == [("foreign_placeholder", "low", {}, "")]
    (failed,) = told(replace(ANSWER, restored={}, success=False))[UNMASKING]
    assert failed["success"] is False


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/messages", "messages"),
        ("/prefix/v1/messages/", "messages"),
        ("/v1/messages/count_tokens", "count_tokens"),
        ("/v1/messages/batches/msgbatch_1/results", "batches"),
        ("/openai/v1/chat/completions", "chat_completions"),
        ("/v1/responses/resp_1", "responses"),
        ("/v1/models", "models"),
        ("/v1/messagesX", "other"),
        ("/i-0123/anything", "other"),
    ],
)
def test_routes(path: str, route: str) -> None:
    """A path is told by its kind only."""
    assert route_of(path) == route
