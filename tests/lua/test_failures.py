"""Errors of the plugin's own: the answer ends, readably, and nothing of it is in the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kong_plugins.aws_masker.errors import RestoreFailed
from kong_plugins.aws_masker.wire.providers import Api, error_body
from tests.lua.runtime import Lua
from tests.lua.test_answers import SSE, mark_of
from tests.lua.texts import PLACEHOLDERS

_GOOD = b'data: {"x": 1}\n\n'
_BAD = b'data: {"x": "' + PLACEHOLDERS[0] + b'"}\n\n'


@pytest.fixture
def broken(lua: Lua) -> Iterator[Lua]:
    """A plugin in which reading a placeholder fails."""
    lua.run("""
        local recognise = require "kong.plugins.aws-masker-stream.recognise"
        whole = recognise.read
        function recognise.read(text) error("planted: " .. text) end
    """)
    yield lua
    lua.run("require('kong.plugins.aws-masker-stream.recognise').read = whole")


@pytest.mark.parametrize("api", list(Api))
@pytest.mark.parametrize("before", [[], [_GOOD]])
def test_a_stream_ends_with_an_error(broken: Lua, api: Api, before: list[bytes]) -> None:
    """An event in the API's own shape, then nothing more, whatever the upstream still sends."""
    exchange = broken.exchange(mark_of(api).encode(), headers=[(b"content-type", SSE.encode())])
    exchange.access()
    exchange.header_filter()
    assert [exchange.body_filter(chunk, False) for chunk in before] == [(chunk, False) for chunk in before]
    out, ended = exchange.body_filter(_BAD, False)
    name = b"event: error\n" if api in (Api.ANTHROPIC, Api.OTHER) else b""
    assert out == b"\n\n" * len(before) + name + b"data: " + error_body(api, RestoreFailed()) + b"\n\n"
    assert ended
    assert exchange.body_filter(_GOOD, False) == (b"", True)
    assert exchange.body_filter(None, True) == (b"", True)
    (line,) = exchange.logged
    assert b"test" not in line and PLACEHOLDERS[0] not in line and b"restoring an answer failed" in line


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [(b"application/json", True), (b"text/plain", False), (b"application/x-ndjson", False)],
)
def test_other_answers_end(broken: Lua, content_type: bytes, expected: bool) -> None:
    """Of JSON nothing has gone out, so the client gets an error's JSON; of what has begun, just the end."""
    exchange = broken.exchange(mark_of(Api.ANTHROPIC).encode(), headers=[(b"content-type", content_type)])
    exchange.access()
    exchange.header_filter()
    out = exchange.body([b"1\n", b'"' + PLACEHOLDERS[0] + b'"\n'])
    assert PLACEHOLDERS[0] not in b"".join(out)
    assert (error_body(Api.ANTHROPIC, RestoreFailed()) in b"".join(out)) is expected


def test_before_the_headers_are_sent_the_client_gets_the_error(lua: Lua) -> None:
    """With its status, in the API's shape."""
    exchange = lua.exchange(mark_of(Api.OPENAI_CHAT).encode(), headers=None)
    exchange.access()
    assert b"content-encoding" in exchange.header_filter()
    assert exchange.ended == (500, error_body(Api.OPENAI_CHAT, RestoreFailed()), b"application/json")
    assert len(exchange.logged) == 1


def test_flushes_and_empty_chunks_pass(lua: Lua) -> None:
    """nginx calls the filter without bytes, too; nothing comes of that, and the stream goes on."""
    exchange = lua.exchange(mark_of(Api.OTHER).encode(), headers=[(b"content-type", SSE.encode())])
    exchange.access()
    exchange.header_filter()
    half = len(_BAD) // 2
    assert [exchange.body_filter(chunk, False)[0] for chunk in (None, b"", _BAD[:half], None)] == [b""] * 4
    assert PLACEHOLDERS[0] not in exchange.body_filter(_BAD[half:], False)[0]
    assert exchange.body_filter(b"", True) == (b"", True)
