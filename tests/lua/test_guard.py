"""The guard: nothing passes without the mark of this very request; and what it lets pass, it prepares."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from kong_plugins.aws_masker.errors import MaskerError, MaskingFailed, NotMasked
from kong_plugins.aws_masker.mark import Mark
from kong_plugins.aws_masker.wire.providers import Api, api_of, error_body
from tests.lua.runtime import REQUEST, Lua

PATHS = (
    "/v1/messages", "/v1/messages/", "/proxy/v1/messages/count_tokens", "/v1/complete", "/v1/chat/completions",
    "/v1/responses",
    "/openai/v1/responses/resp_1", "/v1/embeddings", "/v1/models", "/", "", "/v1/res%70onses", "/v1/chat%2Fcompletions",
    "/v1%", "/v1/responses%",
)  # fmt: skip
_MARK = json.loads(Mark(REQUEST.decode(), Api.ANTHROPIC, "", stream=True, limit=1024).dump())


def _dumped(**changes: Any) -> bytes:
    fields = {name: value for name, value in {**_MARK, **changes}.items() if value != "gone"}
    return json.dumps(fields).encode()


def _refusal(path: str, error: MaskerError) -> tuple[int, bytes, bytes]:
    return error.status, error_body(api_of(unquote(path)), error), b"application/json"


@pytest.mark.parametrize("path", PATHS)
def test_without_a_mark_nothing_passes(lua: Lua, path: str) -> None:
    """The client gets the error in the shape of the API that it speaks."""
    assert lua.exchange(None, path=path.encode()).access() == _refusal(path, NotMasked())


_NO_MARKS = (
    b"", b" ", b"{", b"null", b"[]", b'"x"', b"1", b"\xff", b"{}", 7, True, _dumped()[:-1], _dumped() + b"x",
    _dumped(v=1), _dumped(v="2"), _dumped(v=2.0), _dumped(v=3), _dumped(v="gone"),
    _dumped(request="gone"), _dumped(request=""), _dumped(request=None), _dumped(request="0" * 32),
    _dumped(request=REQUEST.decode().upper()),
)  # fmt: skip


@pytest.mark.parametrize("mark", _NO_MARKS, ids=lambda mark: repr(mark)[:50])
def test_what_is_no_mark_of_this_request(lua: Lua, mark: Any) -> None:
    """Nothing, garbage, another version's, another request's: none lets the request pass."""
    exchange = lua.exchange(mark)
    assert exchange.access() == _refusal("/v1/messages", NotMasked())
    assert exchange.is_buffered


@pytest.mark.parametrize("request_id", [None, b""])
def test_without_an_id_of_its_own_no_request_passes(lua: Lua, request_id: bytes | None) -> None:
    """Nothing to compare with is not the same as equal."""
    for mark in (_dumped(request=""), _dumped(request=None), _dumped(request="gone"), _dumped()):
        assert lua.exchange(mark, request=request_id).access() == _refusal("/v1/messages", NotMasked())


_BROKEN: tuple[dict[str, Any], ...] = (
    {"api": "gone"}, {"api": "x"}, {"stream": "gone"}, {"stream": 1}, {"observed": "gone"}, {"observed": None},
    {"limit": "x"},
    {"mapping": "gone"}, {"mapping": []}, {"networks": "gone"}, {"networks": [[]]}, {"networks": [["10.1.0.0",
    16, "x", "00"]]},
    {"networks": [["10.1.0.0", 16, "10.2.0.0", "00"]]}, {"networks": [["10.1.2.0", 24, "10.2.1.0", "xy"]]},
)  # fmt: skip


@pytest.mark.parametrize("change", _BROKEN, ids=str)
def test_a_broken_mark_fails_closed(lua: Lua, change: dict[str, Any]) -> None:
    """One that is this request's, but cannot be used: an error of our own, nothing passes."""
    exchange = lua.exchange(_dumped(**change))
    assert exchange.access() == _refusal("/v1/messages", MaskingFailed())
    assert len(exchange.logged) == 1


@pytest.mark.parametrize(("stream", "observed"), [(True, False), (True, True), (False, False), (False, True)])
def test_a_marked_request_passes(lua: Lua, stream: bool, observed: bool) -> None:
    """Only one that asks for a stream takes the streaming path; only one that was masked is restored there."""
    mark = _dumped(stream=stream, observed=observed, mapping={"i-0a1b2c3d4e5f60718": "x"})
    exchange = lua.exchange(mark, headers=[(b"content-type", b"text/plain"), (b"content-length", b"19")])
    assert exchange.access() is None
    assert exchange.is_buffered is not stream
    restores = stream and not observed
    assert (b"content-length" in exchange.header_filter()) is restores
    assert b"".join(exchange.body([b"i-0a1b2c3d4e5f60718"])) == (b"x" if restores else b"i-0a1b2c3d4e5f60718")


@pytest.mark.parametrize("source", [b"exit", b"error"])
def test_only_the_upstreams_answer_is_restored(lua: Lua, source: bytes) -> None:
    """Kong's own answers, and other plugins', are none of the model's."""
    mark = _dumped(mapping={"i-0a1b2c3d4e5f60718": "x"})
    exchange = lua.exchange(mark, headers=[(b"content-type", b"text/plain")], source=source)
    assert exchange.access() is None
    assert exchange.header_filter() == set()
    assert b"".join(exchange.body([b"i-0a1b2c3d4e5f60718"])) == b"i-0a1b2c3d4e5f60718"
