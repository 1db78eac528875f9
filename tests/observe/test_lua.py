"""What the Lua plugin tells in passing: what it writes is what the Python side reads."""

from __future__ import annotations

import json

import pytest

from kong_plugins.aws_masker.mark import Mark
from kong_plugins.aws_masker.observe import lua as told
from kong_plugins.aws_masker.observe.metrics import Metrics, process_metrics
from kong_plugins.aws_masker.observe.record import AnswerRecord, Record, RequestRecord
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.pseudonym.pseudonymizer import Pseudonymizer
from kong_plugins.aws_masker.wire.providers import Api
from tests.lua.conftest import lua  # noqa: F401 - a fixture
from tests.lua.runtime import REQUEST, Lua
from tests.pluginserver.conftest import Here, here  # noqa: F401 - a fixture
from tests.pluginserver.kong import INSTANCE, KEY, Request
from tests.vault.servers import wait_for

OURS = Pseudonymizer(Prf(bytes(32), "t"), True)
THEIRS = Pseudonymizer(Prf(bytes(32), "another"), True)
BUCKET, ROLE = OURS.placeholder("bucket", b"a-bucket"), OURS.placeholder("role", b"ARole")
ID = REQUEST.decode()
MARK = Mark(ID, Api.ANTHROPIC, "t", True, False, 100_000, {BUCKET: b"a-bucket", ROLE: b"ARole"})
SSE = [(b"content-type", b"text/event-stream")]


def record(lua: Lua) -> Record | None:  # noqa: F811
    text = lua.run("return kong.ctx.shared[...]", told.TOLD.encode())
    return None if text is None else told.record(text.decode(), lambda: MARK, bytes(32))


def event(text: str) -> bytes:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    return b"event: content_block_delta\ndata: " + json.dumps(delta).encode() + b"\n\n"


def test_a_stream(lua: Lua) -> None:  # noqa: F811
    """What was turned back, each once, by family, and the size as it came; told when the answer ends."""
    exchange = lua.exchange(MARK.dump().encode(), headers=SSE)
    exchange.access()
    exchange.header_filter()
    chunks = [event(f"{BUCKET.decode()} and {BUCKET.decode()}, "), event(f"{ROLE.decode()} {ROLE.decode()}x ")]
    exchange.body_filter(chunks[0], False)
    assert record(lua) is None
    out = b"".join(exchange.body(chunks[1:]))
    assert b"ARole" in out
    found = record(lua)
    assert isinstance(found, AnswerRecord)
    assert (found.request, found.tenant, found.api, found.success) == (ID, "t", "anthropic", True)
    assert found.restored == {"bucket": 1, "role": 1}
    assert found.size == sum(map(len, chunks))


def test_a_stream_without_placeholders(lua: Lua) -> None:  # noqa: F811
    """Told all the same: its size counts."""
    exchange = lua.exchange(MARK.dump().encode(), headers=SSE)
    exchange.access()
    exchange.header_filter()
    exchange.body([event("nothing")])
    found = record(lua)
    assert isinstance(found, AnswerRecord)
    assert (found.restored, found.size) == ({}, len(event("nothing")))


def test_what_a_stream_has_that_nobody_knows(lua: Lua) -> None:  # noqa: F811
    """This tenant's own are forgotten, another's foreign, what has no shape of its own neither; each counts once."""
    forgotten, foreign = OURS.placeholder("bucket", b"old"), THEIRS.placeholder("role", b"ARole")
    exchange = lua.exchange(MARK.dump().encode(), headers=SSE)
    exchange.access()
    exchange.header_filter()
    text = f"{forgotten.decode()} {BUCKET.decode()} {foreign.decode()} 481516234200 10.1.2.3 {forgotten.decode()}"
    exchange.body([event(text[:40]), event(text[40:])])
    found = record(lua)
    assert isinstance(found, AnswerRecord)
    assert (found.restored, found.forgotten, found.foreign) == ({"bucket": 1}, 1, 1)


def test_the_guard(lua: Lua) -> None:  # noqa: F811
    """A request without a mark: which, of which API, and that it was the guard."""
    exchange = lua.exchange(None, path=b"/v1/chat/completions")
    assert exchange.access() is not None
    found = record(lua)
    assert isinstance(found, RequestRecord)
    assert (found.request, found.api, found.outcome, found.status) == (ID, "openai-chat", "AWS_MASKER_5002", 503)
    assert (found.guarded, found.sent, found.decision) == (True, False, "failed")


@pytest.mark.parametrize("text", ["", "refused", "refused a b Nothing", "restored", "other a b c", "refused a b log"])
def test_what_nobody_knows(text: str) -> None:
    """Another version's words say nothing."""
    assert told.record(text, lambda: MARK, bytes(32)) is None


def test_a_request_without_a_mark_has_no_answer() -> None:
    """What was restored cannot be told without whose it is."""
    assert told.record("restored 5 well", lambda: None, bytes(32)) is None


def test_the_log_phase_tells_it(here: Here) -> None:  # noqa: F811
    """The plugin asks for what was told, and for the mark only after a stream."""
    connection = here()
    number = connection.start()
    body = f'{{"stream": true, "messages": [{{"role": "user", "content": "why is {INSTANCE} slow"}}]}}'.encode()
    request = Request(body=body)
    request.run(connection, number, "access")
    (placeholder,) = request.mark["mapping"]
    forgotten = Pseudonymizer(Prf(bytes.fromhex(KEY), ""), True).placeholder("bucket", b"old").decode()
    request.shared[told.TOLD] = f"restored 7 well {placeholder} missed {forgotten}".encode()
    metrics = process_metrics()
    before, missed = restored(metrics), misses(metrics)
    request.calls.clear()
    request.run(connection, number, "log")
    assert request.calls == ["kong.ctx.shared.get"] * 2
    wait_for(lambda: (restored(metrics), misses(metrics)) == (before + 1, missed + 1), "the figures")


def misses(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("aws_masker_restore_misses_total", {"kind": "forgotten"}) or 0.0


def restored(metrics: Metrics) -> float:
    name = "aws_masker_restored_values_total"
    return metrics.registry.get_sample_value(name, {"family": "ec2_instance"}) or 0.0
