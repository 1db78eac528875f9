"""The recogniser and the restorer of texts in pieces: in Lua what they are in Python, for any cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from kong_plugins.aws_masker.restoring import StreamRestorer
from kong_plugins.aws_masker.wire.jsontext import escaped
from tests.lua.runtime import Lua
from tests.lua.texts import ACCOUNTS, MAPPING, PLACEHOLDERS, answers, cut, places


def _python(pieces: list[bytes], mapping: dict[bytes, bytes], *, escapes: bool) -> list[bytes]:
    restorer = StreamRestorer(mapping.get, escaped if escapes else None)
    return [*map(restorer.feed, pieces), restorer.flush()]


def _lua(lua: Lua, pieces: list[bytes], mapping: dict[bytes, bytes], *, escapes: bool) -> list[bytes]:
    feed, flush = lua.restorer(lua.lookup(mapping), escaped=escapes)
    return [*map(feed, pieces), flush()]


@settings(deadline=None, max_examples=120)
@given(answer=answers, at=places)
def test_any_text_in_any_pieces(lua: Lua, answer: bytes, at: list[int]) -> None:
    """Each piece gives the same bytes at once, so the same is held back, too; escaped for JSON or not."""
    for escapes in (False, True):
        for pieces in ([answer], cut(answer, at), [answer[n : n + 1] for n in range(len(answer))]):
            assert _lua(lua, pieces, MAPPING, escapes=escapes) == _python(pieces, MAPPING, escapes=escapes)


@pytest.mark.parametrize("placeholder", PLACEHOLDERS, ids=lambda placeholder: placeholder.decode()[:14])
def test_every_placeholder_comes_back(lua: Lua, placeholder: bytes) -> None:
    """Each family's placeholders are turned back, cut at each byte."""
    for at in range(1, len(placeholder)):
        pieces = [b"(" + placeholder[:at], placeholder[at:] + b")"]
        assert b"".join(_lua(lua, pieces, MAPPING, escapes=False)) == b"(" + MAPPING[placeholder] + b")"


@settings(deadline=None)
@given(answer=answers)
def test_without_a_mapping_nothing_changes(lua: Lua, answer: bytes) -> None:
    """What is in no mapping is only a look-alike."""
    assert b"".join(_lua(lua, [answer], {}, escapes=False)) == answer


@pytest.mark.parametrize(
    "before", [b"%20", b"\\x09", b"\\u0020", b"\\U0020", b"\\0", b"x20", b"20", b"%2", b"%3A", b"."]
)
@pytest.mark.parametrize("number", [*ACCOUNTS, *(one for one in PLACEHOLDERS if one[:3] in (b"10.", b"172"))])
def test_a_number_behind_an_escape(lua: Lua, before: bytes, number: bytes) -> None:
    """The digits of an escape belong to it, so the number begins behind it; cut anywhere."""
    text = b"x" + before + number + b" "
    for at in range(len(text)):
        pieces = [text[:at], text[at:]]
        assert _lua(lua, pieces, MAPPING, escapes=False) == _python(pieces, MAPPING, escapes=False)
        if before.startswith((b"%20", b"%3A", b"\\")):
            assert MAPPING[number] in b"".join(_lua(lua, pieces, MAPPING, escapes=False))
