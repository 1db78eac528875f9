"""Coded answers: undone as they arrive, and what cannot be undone passes as the provider's own bytes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.demo import anthropic_api
from kong_plugins.aws_masker.demo.answers import Answer, Say
from kong_plugins.aws_masker.demo.received import Received
from kong_plugins.aws_masker.errors import RestoreFailed
from kong_plugins.aws_masker.wire.providers import Api, error_body
from tests.lua.runtime import Headers, Lua
from tests.lua.test_answers import SSE, mark_of, through_lua, through_python
from tests.lua.texts import PLACEHOLDERS, cut, places

_SAYS = Answer((Say("".join(f"see {placeholder.decode()}, " for placeholder in PLACEHOLDERS[::5])),))
_RAW = b"".join(anthropic_api.events(_SAYS, Received({"model": "m"})))
_FAILURE = b"event: error\ndata: " + error_body(Api.ANTHROPIC, RestoreFailed()) + b"\n\n"


def _raw_deflate(data: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(data) + coder.flush()


def _flushed(data: bytes) -> bytes:
    """Compress each kilobyte so that it can be read at once, as servers do with streams."""
    coder = zlib.compressobj(wbits=31)
    pieces = [coder.compress(data[at : at + 1024]) + coder.flush(zlib.Z_SYNC_FLUSH) for at in range(0, len(data), 1024)]
    return b"".join(pieces) + coder.flush()


def _members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:])


_CODERS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "flushed": (b"GZIP", _flushed),
    "members": (b"x-gzip", _members),
    "deflate": (b"deflate", zlib.compress),
    "raw deflate": (b"identity, deflate", _raw_deflate),
    "two": (b"deflate, gzip", lambda data: gzip.compress(zlib.compress(data))),
}


def _headers(coding: bytes, content_type: bytes = SSE.encode()) -> Headers:
    return [(b"content-type", content_type), (b"content-encoding", coding), (b"content-length", b"7")]


@pytest.mark.parametrize("name", _CODERS)
@settings(deadline=None, max_examples=20)
@given(at=places)
def test_coded_streams_are_restored(lua: Lua, name: str, at: list[int]) -> None:
    """As in Python, for any chunks; and its coding is gone from the answer."""
    coding, encode = _CODERS[name]
    chunks = cut(encode(_RAW), at)
    mine = through_lua(lua, Api.ANTHROPIC, chunks, _headers(coding))
    assert mine == through_python(Api.ANTHROPIC, chunks, _headers(coding))
    assert b"".join(mine) == b"".join(through_lua(lua, Api.ANTHROPIC, [_RAW], [(b"content-type", SSE.encode())]))
    assert b"".join(mine) != _RAW


def test_the_coding_is_gone_from_the_headers(lua: Lua) -> None:
    """With the length and the digests of the bytes that were coded."""
    exchange = lua.exchange(mark_of(Api.ANTHROPIC).encode(), headers=_headers(b"gzip"))
    exchange.access()
    assert {b"content-encoding", b"content-length", b"digest", b"repr-digest"} <= exchange.header_filter()


@pytest.mark.parametrize(
    ("coding", "body"),
    [(b"br", brotli.compress(_RAW)), (b"zstd", b"x"), (b"x", b"x"), (b"gzip, br", b"x"), (b"gzip," * 6, b"x")],
)
def test_what_cannot_be_undone_passes(lua: Lua, coding: bytes, body: bytes) -> None:
    """The provider's own bytes, under the provider's own headers; that is logged."""
    exchange = lua.exchange(mark_of(Api.ANTHROPIC).encode(), headers=_headers(coding))
    exchange.access()
    assert exchange.header_filter() == set()
    assert b"".join(exchange.body([body])) == body
    assert len(exchange.logged) == 1


def _failing(lua: Lua, chunks: list[bytes], coding: bytes = b"gzip", limit: int = 1 << 20) -> bytes:
    exchange = lua.exchange(mark_of(Api.ANTHROPIC, limit).encode(), headers=_headers(coding))
    exchange.access()
    exchange.header_filter()
    out = exchange.body(chunks)
    assert len(exchange.logged) == 1
    return b"".join(out)


@settings(deadline=None, max_examples=60)
@given(at=st.integers(0, 1 << 16), byte=st.integers(1, 255), chunks=places)
def test_a_coding_that_breaks_ends_the_stream(lua: Lua, at: int, byte: int, chunks: list[int]) -> None:
    """What came until then is restored; then an error tells why the stream ends."""
    coded = bytearray(_flushed(_RAW))
    at %= len(coded)
    coded[at] ^= byte
    parts = cut(bytes(coded), chunks)
    try:
        expected = through_python(Api.ANTHROPIC, parts, _headers(b"gzip"))
    except RestoreFailed:
        assert _failing(lua, parts).endswith(_FAILURE)
        return
    if expected[-1:] and b"".join(expected) == bytes(coded):
        assert _failing(lua, parts) == _FAILURE  # the headers are gone, so the provider's bytes are of no use
    else:
        assert through_lua(lua, Api.ANTHROPIC, parts, _headers(b"gzip")) == expected


def test_a_stream_that_is_cut_off(lua: Lua) -> None:
    """What can be read of it is restored; of what is too short to be read, the client is told."""
    coded = _flushed(_RAW)
    assert through_lua(lua, Api.ANTHROPIC, [coded[:500]], _headers(b"gzip")) == through_python(
        Api.ANTHROPIC, [coded[:500]], _headers(b"gzip")
    )
    assert _failing(lua, [coded[:5]]) == _FAILURE
    assert through_lua(lua, Api.ANTHROPIC, [], _headers(b"gzip")) == [b""]


def test_a_bomb_is_refused(lua: Lua) -> None:
    """What one chunk inflates to is bounded."""
    bomb = gzip.compress(b"x" * (1 << 22))
    assert _failing(lua, [bomb]) == _FAILURE
    with pytest.raises(RestoreFailed):
        through_python(Api.ANTHROPIC, [bomb], _headers(b"gzip"))


@pytest.mark.parametrize("name", _CODERS)
@pytest.mark.parametrize("content_type", [SSE, "application/json", "text/plain"])
def test_nothing_coded_is_an_empty_answer(lua: Lua, name: str, content_type: str) -> None:
    """A server may compress an answer without a body; cut off in the middle it is broken, as any other."""
    coding, code = _CODERS[name]
    coded = code(b"")
    headers = _headers(coding, content_type.encode())
    for chunks in ([coded], [coded[n : n + 1] for n in range(len(coded))]):
        assert b"".join(through_lua(lua, Api.ANTHROPIC, chunks, headers)) == b""
    exchange = lua.exchange(mark_of(Api.ANTHROPIC).encode(), headers=headers)
    exchange.access()
    exchange.header_filter()
    assert RestoreFailed.code.encode() in b"".join(exchange.body([coded[:1]]))
