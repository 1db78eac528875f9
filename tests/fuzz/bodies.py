"""Requests: they are refused with one of our errors, or what goes out holds no planted value, and comes back."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from kong_plugins.aws_masker.errors import MaskerError, MaskingFailed, RequestRefused
from kong_plugins.aws_masker.pipeline import Head, MaskedRequest, ResponseRestorer, mask_request
from kong_plugins.aws_masker.text import NoMemory
from kong_plugins.aws_masker.wire import codings
from tests.fuzz.bytestream import Input
from tests.fuzz.common import MASKER, PLANTED, SETTINGS
from tests.planted.model import Planted
from tests.properties.texts import lookup_in

_PATHS = (
    *("/v1/messages", "/v1/chat/completions", "/v1/responses", "/anything"),
    *("/model/m/converse", "/model/m/invoke", "/model/m/count-tokens", "/v1/messages/batches", "/v1/embeddings"),
)
_TYPES = (b"application/json", b"text/plain", b"application/x-ndjson", b"")
_CODINGS = (b"", b"gzip", b"br, gzip")
_VALUES = [planted for planted in PLANTED if planted.text.isascii() and planted.secrets]


def check(data: bytes) -> None:
    """Mask the bytes as a request's body; then as the text before and after a planted value."""
    given = Input(data)
    path, kind, coding, planted = (
        given.pick(_PATHS),
        given.pick(_TYPES),
        given.pick(_CODINGS),
        _VALUES[(given.byte() << 8 | given.byte()) % len(_VALUES)],
    )
    number = len(given.rest) % (len(_PLACES) + 1)
    place = _PLACES[number] if number < len(_PLACES) else _KEYS.get(path, _PLACES[0])
    headers = [(b"content-type", kind)] * bool(kind) + [(b"content-encoding", coding)] * bool(coding)
    _as_body(Head(path, headers), given.rest, kind)
    _planted(path, given.rest, planted, place)


def _as_body(head: Head, plain: bytes, kind: bytes) -> None:
    applied = codings.listed([value for name, value in head.headers if name == b"content-encoding"])
    session = MASKER.session("", NoMemory())
    try:
        masked = mask_request(head, codings.encode(plain, applied), session, SETTINGS)
    except MaskingFailed as error:
        raise AssertionError(f"an unforeseen error: {error.detail}") from error
    except RequestRefused:
        return
    out = codings.decode(masked.body, applied, SETTINGS.max_decompressed_size)
    if not masked.changed:
        assert out == plain
        return
    if kind in (b"application/json", b""):
        _comes_back(masked, out, plain)


_BEFORE, _BEHIND = "\nQZQZ\n", "\nZQZQ\n"
"""Lines around the planted value, by which it is found in what goes out."""
_PLACES: tuple[Callable[[str], Any], ...] = (
    lambda said: {"messages": [{"role": "user", "content": said}]},
    lambda said: {"messages": [{"role": "user", "content": [{"type": "text", "text": said}, {"text": said}]}]},
    lambda said: {"messages": [{"content": [{"type": "tool_use", "id": "t", "name": "n", "input": {"a": [said]}}]}]},
    lambda said: {"messages": [{"content": [{"toolUse": {"input": {"a": said}}}, {"toolResult": {"json": said}}]}]},
    lambda said: {"messages": [{"tool_calls": [{"function": {"name": "f", "arguments": json.dumps({"a": said})}}]}]},
    lambda said: {"input": said, "instructions": said, "system": [{"type": "text", "text": said}]},
    lambda said: {"input": [{"type": "function_call", "arguments": json.dumps([said])}, {"content": said}]},
    lambda said: {"prompt": said, "anything": {"else": [[said]]}, "requests": [{"params": {"system": said}}]},
)
"""Where texts stand in the requests of one API or another; no API may let one of them pass in any of these places."""


_KEYS: dict[str, Callable[[str], Any]] = {
    "/v1/messages": lambda said: {"messages": [{"content": [{"type": "tool_use", "input": {"a": {said: 1}}}]}]},
    "/v1/chat/completions": lambda said: {"messages": [{"function_call": {"arguments": json.dumps({said: 1})}}]},
    "/v1/responses": lambda said: {"input": [{"type": "function_call", "arguments": json.dumps([{said: said}])}]},
    "/model/m/converse": lambda said: {"messages": [{"content": [{"toolUse": {"input": {said: 1}}}]}]},
    "/model/m/invoke": lambda said: {"messages": [{"content": [{"toolUse": {"input": {said: 1}}}]}]},
    "/anything": lambda said: {said: {said: [{said: None}]}},
}
"""Where a value may be a key: in what no API gives a meaning to."""


def _planted(path: str, around: bytes, planted: Planted, place: Callable[[str], Any]) -> None:
    """The value stands free, whatever is before and after it."""
    text = around.decode("utf-8", "replace").replace("\0", " ")
    middle = len(text) // 2
    before, behind = text[:middle].replace("QZQZ", ""), text[middle:].replace("QZQZ", "")
    body = orjson.dumps(place(f"{before}{_BEFORE}{planted.text}{_BEHIND}{behind}"))
    headers = [(b"content-type", b"application/json")]
    masked = mask_request(Head(path, headers), body, MASKER.session("", NoMemory()), SETTINGS)
    found = [said.partition(_BEFORE)[2].partition(_BEHIND)[0] for said in _strings(_meaning(masked.body))]
    found = [said for said in found if said]
    assert found, "the planted value's place is lost"
    assert not any(secret.text in said for said in found for secret in planted.secrets), "a planted value goes out"
    _comes_back(masked, masked.body, body)


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, child in node.items():
            yield key
            yield from _strings(child)
    elif isinstance(node, list):
        for child in node:
            yield from _strings(child)


def _comes_back(masked: MaskedRequest, out: bytes, plain: bytes) -> None:
    """Restoring undoes masking; but not where the client itself wrote a placeholder of one of its values.

    Base64 is masked in requests only: answers bring none of texts.
    """
    if b"invokeModel" not in plain and not any(placeholder.lower() in plain.lower() for placeholder in masked.mapping):
        assert _meaning(_restored(masked, out)) == _meaning(plain), "what was masked does not come back"


def _restored(masked: MaskedRequest, out: bytes) -> bytes:
    headers = [(b"content-type", b"application/json")]
    restorer = ResponseRestorer(masked.api, 200, headers, lookup_in(masked.mapping), SETTINGS)
    try:
        return restorer.feed(out) + restorer.close()
    except MaskerError as error:
        raise AssertionError("restoring failed") from error


def _meaning(body: bytes) -> Any:
    """Return what a JSON text says, also that in its strings, which are written anew where they change."""
    return _inner(json.loads(body.decode("utf-8", "surrogatepass")))


def _inner(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _inner(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_inner(value) for value in node]
    if isinstance(node, str) and node.strip()[:1] in ("{", "["):
        try:
            return _inner(json.loads(node))
        except (ValueError, RecursionError):
            return node
    return node


def seeds() -> list[bytes]:
    """Return requests of each API, with tools, images and JSON in strings."""
    value = _VALUES[0].text
    inner = json.dumps({"Arn": value, "list": [1, 2.0, 1e3, "\u00e4"]})
    blocks = [
        {"type": "text", "text": f"stop {value}"},
        {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": f"aws {value}"}},
        {"type": "tool_result", "tool_use_id": "t", "content": inner},
        {"type": "thinking", "thinking": value, "signature": "c2ln"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8=" * 20}},
        {"type": "document", "source": {"type": "url", "url": f"https://x/{value}"}},
    ]
    anthropic = {"model": "m", "stream": True, "system": value, "messages": [{"role": "user", "content": blocks}]}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": inner}}
    chat = {"messages": [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": inner}]}
    responses = {"input": [{"type": "function_call", "arguments": inner}, {"type": "message", "content": value}]}
    converse = {
        "system": [{"text": value}],
        "messages": [
            {"role": "user", "content": [{"text": value}, {"toolResult": {"content": [{"json": {"a": value}}]}}]}
        ],
    }
    invoke = {"anthropic_version": "bedrock-2023-05-31", **anthropic}
    count = {"input": {"invokeModel": {"body": base64.b64encode(json.dumps(invoke).encode()).decode()}}}
    batch = {"requests": [{"custom_id": "1", "params": anthropic}]}
    bodies = (anthropic, chat, responses, {"account": 123456789012}, converse, invoke, count, batch, {"input": [value]})
    made = [json.dumps(one).encode() for one in bodies]
    lines = b'{"a": "' + value.encode() + b'"}\n\n{"b": "\\ud83d"}\n'
    return [
        *(bytes([number, 0, number % 3, 0, number]) + one for number, one in enumerate(made)),
        b"\x00\x01\x00\x00\x07" + value.encode(),
        b"\x03\x02\x00\x01\x00" + lines,
    ]
