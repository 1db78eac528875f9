"""Requests: they are refused with one of our errors, or what goes out holds no planted value, and comes back."""

from __future__ import annotations

import json
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

_PATHS = ("/v1/messages", "/v1/chat/completions", "/v1/responses", "/anything")
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
    headers = [(b"content-type", kind)] * bool(kind) + [(b"content-encoding", coding)] * bool(coding)
    _as_body(Head(path, headers), given.rest, kind)
    _planted(path, given.rest, planted)


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


def _planted(path: str, around: bytes, planted: Planted) -> None:
    """The value stands free, whatever is before and after it."""
    text = around.decode("utf-8", "replace").replace("\0", " ")
    middle = len(text) // 2
    said = f"{text[:middle]}\n{planted.text}\n{text[middle:]}"
    field = "input" if path == "/v1/responses" else "messages"
    body = orjson.dumps({field: [{"role": "user", "content": said}]})
    masked = mask_request(
        Head(path, [(b"content-type", b"application/json")]), body, MASKER.session("", NoMemory()), SETTINGS
    )
    sent = orjson.loads(masked.body)[field][0]["content"]
    assert f"\n{planted.text}\n" not in sent, "a planted value goes out"
    _comes_back(masked, masked.body, body)


def _comes_back(masked: MaskedRequest, out: bytes, plain: bytes) -> None:
    """Restoring undoes masking; but not where the client itself wrote a placeholder of one of its values."""
    if not any(placeholder.lower() in plain.lower() for placeholder in masked.mapping):
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
    made = [json.dumps(one).encode() for one in (anthropic, chat, responses, {"account": 123456789012})]
    lines = b'{"a": "' + value.encode() + b'"}\n\n{"b": "\\ud83d"}\n'
    return [
        *(bytes([number, 0, number % 3, 0, number]) + one for number, one in enumerate(made)),
        b"\x00\x01\x00\x00\x07" + value.encode(),
        b"\x03\x02\x00\x01\x00" + lines,
    ]
