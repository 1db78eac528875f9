"""Where strings stand in a JSON text, whatever its escapes and however it is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.wire import jsontext, quotes
from kong_plugins.aws_masker.wire.documents import Documents
from kong_plugins.aws_masker.wire.jsontext import JsonText, LongString, NotJsonError, to_bytes
from kong_plugins.aws_masker.wire.providers.common import FREE

PIECES = st.sampled_from(['"', "\\", "\\\\", '\\"', "\n", "é", "😀", "\ud83d", "a", " ", "x" * 9])
STRINGS = st.lists(PIECES, max_size=20).map("".join)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every text be large, every string long, and cut all of it into the smallest pieces."""
    monkeypatch.setattr(quotes, "_WINDOW", 5)
    monkeypatch.setattr(jsontext, "_PIECE", 4)
    monkeypatch.setattr(jsontext, "_LARGE", 0)
    monkeypatch.setattr(jsontext, "_LONG", 3)


@settings(deadline=None)
@given(st.lists(STRINGS, min_size=1, max_size=5), st.booleans())
def test_every_string_is_found_and_read(words: list[str], ascii_only: bool) -> None:
    """Numbers, places and contents are those of the parsed text."""
    raw = json.dumps(words, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    if not ascii_only and any("\ud800" <= char <= "\udfff" for char in raw.decode("utf-8", "surrogatepass")):
        return
    assert quotes.count(raw) == 2 * len(words)
    places = list(quotes.places(raw, range(-1, 2 * len(words) + 1)))
    assert (places[0], places[-1]) == (-1, len(raw))
    for word, start, end in zip(words, places[1:-1:2], places[2:-1:2], strict=True):
        assert json.loads(raw[start : end + 1]) == json.loads(json.dumps(word))
        assert LongString(raw, start + 1, end).value() == to_bytes(json.loads(raw[start : end + 1]))


@settings(deadline=None)
@given(st.recursive(STRINGS | st.integers(0, 10**14), lambda below: st.lists(below) | st.dictionaries(STRINGS, below)))
def test_cutting_out_long_strings_changes_nothing(tree: Any) -> None:
    """The same texts are found with their keys, and the same is written, as without the cut."""

    def run() -> tuple[list[Any], list[bytes] | None]:
        documents = Documents()
        documents.add(raw, FREE)
        texts = list(documents.texts)
        return texts, documents.put_back([b"new \xc3\xa9" * len(text.value) for text in texts])

    raw = json.dumps(tree, indent=1).encode()
    cut = run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsontext, "_LARGE", 10**9)
        patch.setattr(jsontext, "_PIECE", 10**9)
        assert cut == run()


@pytest.mark.parametrize(
    "raw",
    [
        b'["aaaa\nbbbb"]', b'["aaaa\xffbbbb"]', b'["aaaa\\qbbbb"]', b'["aaaa\\u12"]', b'["aaaaa]', b'["aaaaa" "bbbbb"]',
        b'[\\"aaaaaa"]', b'["aaaaa\\ud83d\x01"]', b'["aaaa\xed\xa0\xbd"]', b'["aaaaaaaa\\"]',
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    """Long strings are checked although they are cut out."""
    with pytest.raises(NotJsonError):
        JsonText(raw, cut=True)


@pytest.mark.parametrize("raw", [b'{"aaaaaa" \n :"bbbbbb","aaaaaa":"cccccc"}', rb'{"aaaaaa":1,"\u0061aaaaa":"x"}'])
def test_a_repeated_key_is_refused(raw: bytes) -> None:
    """Keys are never cut out, however long, so that one that comes twice shows."""
    with pytest.raises(NotJsonError):
        Documents().add(raw, FREE)
