"""Twice the answer takes twice the work, counted in steps of the interpreter and bytes that are allocated."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kong_plugins.aws_masker.wire.providers import Api
from tests.lua.runtime import Lua
from tests.lua.test_answers import SSE, headers_of, mark_of
from tests.lua.texts import PLACEHOLDERS
from tests.wire.test_streams import block, call, choice, chunk, stream

_SIZE = 40_000
_CHUNK = 500
_TEXTS: dict[str, bytes] = {
    "prose": b"The quick brown fox looks at the bucket and runs. ",
    "placeholders": b" ".join(PLACEHOLDERS) + b" ",
    "one digit": b"7",
    "digits and dots": b"10.1.1.1.",
    "hex": b"aced0123456789abcdef",
    "opaque": b"AWSCUSTOM" + b"Z" * 60,
    "one letter": b"a",
    "hyphens": b"i-",
    "slashes": b"/10.1.1.1/24",
    "escapes": b"\\\\u0041\\\\-",
    "breaks": b"i-0a\\n> ",
    "no ASCII": "äöü\u2010".encode(),
}


def _json(text: bytes, count: int) -> bytes:
    return b'{"a": "' + text * count + b'"}'


def _event(text: bytes, count: int) -> bytes:
    return b"data: " + _json(text, count) + b"\n\n"


def _deltas(text: bytes, count: int) -> bytes:
    pieces = text.decode().replace("\\", "") * count
    deltas = [pieces[at : at + 7] for at in range(0, len(pieces), 7)]
    return stream(block(0, "text_delta", "text", deltas)[1:])


def _plain(text: bytes, count: int) -> bytes:
    return text * count


_BODIES: dict[str, tuple[str, Callable[[bytes, int], bytes]]] = {
    "text": ("text/plain", _plain),
    "JSON": ("application/json", _json),
    "one line": ("application/x-ndjson", _json),
    "one event": (SSE, _event),
    "deltas": (SSE, _deltas),
}


_OTHERS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "lines": ("application/x-ndjson", lambda count: b'{"a":1}\n' * count),
    "blank lines": (SSE, lambda count: b"\n" * count),
    "carriage returns": (SSE, lambda count: b"\r" * count),
    "comments": (SSE, lambda count: b":\n" * count),
    "data lines": (SSE, lambda count: b"data: 1\n" * count + b"\n"),
    "an event without an end": (SSE, lambda count: b"data: 1\n" * count),
    "brackets": (SSE, lambda count: b"data: " + b"[" * count + b"\n\n"),
    "numbers": ("application/json", lambda count: json.dumps([123456789012] * count).encode()),
    "strings": ("application/json", lambda count: json.dumps([PLACEHOLDERS[0].decode()] * count).encode()),
    "keys": ("application/json", lambda count: json.dumps(dict.fromkeys(map(str, range(count)))).encode()),
    "calls": (SSE, lambda count: stream([chunk(choice(0, tool_calls=[call(at % 9, "i-0") for at in range(count)]))],
                                        named=False)),
    "blocks": (SSE, lambda count: b"".join(
        stream(block(at, "text_delta", "text", ["i-0"])[1:]) for at in range(count // 8)
    )),
}  # fmt: skip


def _work(lua: Lua, api: Api, content_type: str, body: bytes) -> tuple[int, float]:
    """Return the steps (in hundreds) and the kilobytes that an answer takes."""
    exchange = lua.exchange(mark_of(api, 1 << 30).encode(), headers=headers_of(content_type))
    assert exchange.access() is None
    exchange.header_filter()
    chunks = [body[at : at + _CHUNK] for at in range(0, len(body), _CHUNK)]
    count: Any = lua.run(
        """local filter, chunks = ...
        jit.off()
        local steps = 0
        collectgarbage() collectgarbage "stop"
        local before = collectgarbage "count"
        debug.sethook(function() steps = steps + 1 end, "", 100)
        for _, chunk in ipairs(chunks) do filter(chunk, false) end
        filter(nil, true)
        debug.sethook()
        local kilobytes = collectgarbage "count" - before
        collectgarbage "restart"
        jit.on()
        return steps, kilobytes""",
        exchange._seen[b"body_filter"],
        lua.table(dict(enumerate(chunks, 1))),
    )
    assert exchange.logged == []
    return count[0], count[1]


def _is_linear(lua: Lua, api: Api, content_type: str, write: Callable[[int], bytes], count: int) -> None:
    once, twice = (_work(lua, api, content_type, write(times)) for times in (count, 2 * count))
    assert twice[0] < 2.3 * once[0] + 100
    assert twice[1] < 2.3 * once[1] + 300


@pytest.mark.parametrize("text", _TEXTS)
@pytest.mark.parametrize("body", _BODIES)
def test_texts(lua: Lua, text: str, body: str) -> None:
    """Whatever the text is made of, and whatever holds it."""
    content_type, write = _BODIES[body]
    part = _TEXTS[text]
    _is_linear(lua, Api.ANTHROPIC, content_type, lambda count: write(part, count), max(4, _SIZE // len(part)))


@pytest.mark.parametrize("form", _OTHERS)
@pytest.mark.parametrize("api", [Api.ANTHROPIC, Api.OPENAI_CHAT, Api.OTHER])
def test_forms(lua: Lua, form: str, api: Api) -> None:
    """Whatever the answer's form is."""
    content_type, write = _OTHERS[form]
    _is_linear(lua, api, content_type, write, 4000)


def test_lines_without_a_colon_are_searched_once() -> None:
    """Steps do not count what `string.find` looks at: no line of an event has the rest of it searched again."""
    lua = Lua()
    searched: Any = lua.run(
        """local searched, find = 0, string.find
        string.find = function(text, sign, from, plain)
          local start, stop = find(text, sign, from, plain)
          searched = searched + (start or #text) - (from or 1)
          return start, stop
        end
        local reader = require("kong.plugins.aws-masker-stream.sse").reader()
        reader:feed(("data\\n"):rep(2000) .. "\\n", function() end)
        return searched"""
    )
    assert searched < 4 * 10_001
