from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.wire.bodies import body_of
from kong_plugins.aws_masker.wire.headers import Shape
from kong_plugins.aws_masker.wire.providers import Api, policy_of
from kong_plugins.aws_masker.wire.restoring import Restoring, restored

Cut = Callable[[bytes, list[int]], list[bytes]]
PLACES = st.lists(st.integers(min_value=0), max_size=12)


def through(shape: Shape, restoring: Restoring, parts: list[bytes], limit: int = 10_000) -> bytes:
    body = body_of(shape, policy_of(Api.ANTHROPIC), restoring, limit)
    return b"".join([body.feed(part) for part in parts]) + body.close()


@settings(deadline=None)
@given(PLACES, st.sampled_from(list(Shape)))
def test_any_chunks_give_the_same(
    restoring: Restoring, cuts: Cut, placeholder: str, places: list[int], shape: Shape
) -> None:
    """No body, of whatever shape it is or claims to be, depends on the chunks it came in."""
    raws = [
        json.dumps({"text": placeholder, "n": 1.0}).encode() + b"\n\r\n" + json.dumps([placeholder]).encode(),
        f"{placeholder} broken {{ {placeholder[:7]}".encode(),
        b"",
    ]
    for raw in raws:
        for limit in (10, 10_000):
            whole = through(shape, restoring, [raw], limit)
            assert through(shape, restoring, cuts(raw, places), limit) == whole
            assert shape is Shape.SSE or placeholder.encode() not in whole


def test_json_is_spliced(restoring: Restoring, placeholder: str, value: str) -> None:
    """Restored strings aside, an answer keeps its bytes; its protocol and signed fields keep theirs anyway."""
    raw = f'{{ "n":1.0, "id":"{placeholder}", "content":[{{"type":"thinking","thinking":"{placeholder}"}},"%s"]}}'
    out = through(Shape.JSON, restoring, [(raw % placeholder).encode()])
    assert out == (raw % json.dumps(value)[1:-1]).encode()


def test_tool_input_and_bare_numbers(restoring: Restoring, placeholder: str, value: str) -> None:
    """Keys and values of a tool's input are restored, whatever they are called."""
    message = {"content": [{"type": "tool_use", "name": placeholder, "input": {placeholder: {"id": placeholder}}}]}
    out = json.loads(through(Shape.JSON, restoring, [json.dumps(message).encode()]))
    assert out["content"][0] == {"type": "tool_use", "name": placeholder, "input": {value: {"id": value}}}


@pytest.mark.parametrize("limit", [5, 10_000])
def test_json_that_cannot_be_read(restoring: Restoring, placeholder: str, value: str, limit: int) -> None:
    """Cut off or too large, it is restored as text, with values escaped for the JSON that it is."""
    raw = f'{{"text": "{placeholder}'.encode()
    assert through(Shape.JSON, restoring, [raw], limit) == b'{"text": "' + json.dumps(value)[1:-1].encode()


def test_lines(restoring: Restoring, placeholder: str, value: str) -> None:
    """Each line comes out when it is complete, by its own rules; a broken one is restored as text."""
    line = json.dumps({"result": {"message": {"content": [{"type": "text", "text": placeholder}]}}}).encode()
    body = body_of(Shape.NDJSON, policy_of(Api.ANTHROPIC), restoring, 10_000)
    out = body.feed(line[:20])
    assert out == b""
    out = body.feed(line[20:] + b"\r\n\n{" + placeholder.encode() + b"\n[1]")
    first, empty, broken = out.split(b"\n")[:3]
    assert json.loads(first)["result"]["message"]["content"][0]["text"] == value and first.endswith(b"\r")
    assert (empty, broken) == (b"", b"{" + json.dumps(value)[1:-1].encode())
    assert body.close() == b"[1]"


def test_plain_text_flows(restoring: Restoring, placeholder: str, value: str) -> None:
    """Text is not collected, and a value goes into it as it is."""
    body = body_of(Shape.TEXT, policy_of(Api.OTHER), restoring, 10)
    assert body.feed(b"so: " + placeholder[:5].encode()) == b"so: "
    assert body.feed(placeholder[5:].encode()) + body.close() == value.encode()


@pytest.mark.parametrize("arguments", ['{"a": "%s", "n":1.0}', "say %s"])
def test_arguments_in_a_string(restoring: Restoring, placeholder: str, value: str, arguments: str) -> None:
    """Arguments stay the JSON text that they are; what is none is restored as the text that it is."""
    raw = json.dumps({"function": {"name": "f", "arguments": arguments % placeholder}}).encode()
    out: Any = json.loads(restored(raw, policy_of(Api.OPENAI_CHAT).response, restoring))
    is_json = arguments.startswith("{")
    assert out["function"]["arguments"] == arguments % (json.dumps(value)[1:-1] if is_json else value)
