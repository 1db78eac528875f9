from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.wire.jsontext import (
    MAX_DEPTH,
    Edits,
    JsonText,
    NotJsonError,
    dumped,
    escaped,
    parse,
    quoted,
    to_bytes,
    to_str,
)
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Walk

STRINGS = st.text(st.characters(), max_size=8) | st.sampled_from(['"', "\\", '\\"', "\\\\", '"\\', "\ud83d", "é", ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | STRINGS
TREES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(STRINGS, below, max_size=4),
    max_leaves=20,
)


def strings_of(tree: Any) -> list[str]:
    """Return keys and values in document order, by another way than the walk."""
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, Mapping):
        return [text for key, child in tree.items() for text in (key, *strings_of(child))]
    return [text for child in tree for text in strings_of(child)] if isinstance(tree, list) else []


@settings(deadline=None)
@given(TREES, st.booleans(), st.sampled_from([None, 1, "\t"]), st.data())
def test_only_the_chosen_strings_change(tree: Any, ascii_only: bool, indent: Any, data: st.DataObject) -> None:
    """Whatever JSON a client writes, splicing changes the chosen strings and not a byte of anything else."""
    raw = json.dumps(tree, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    try:
        text = JsonText(raw)
    except NotJsonError:
        assert not ascii_only and any("\ud800" <= char <= "\udfff" for word in strings_of(tree) for char in word)
        return
    words = strings_of(tree)
    chosen = data.draw(st.sets(st.integers(0, len(words) - 1))) if words else set()
    edits = Edits()
    for token in chosen:
        edits.change(token, to_bytes(words[token]))
    spliced = text.splice(edits, len(words))
    assert json.loads(spliced) == tree
    edits = Edits()
    for token in range(len(words)):
        edits.change(token, b"")
    emptied = text.splice(edits, len(words))
    assert strings_of(json.loads(emptied, object_pairs_hook=lambda pairs: [x for p in pairs for x in p])) == [""] * len(
        words
    )


def test_what_does_not_change_keeps_its_bytes() -> None:
    """Numbers, escapes, white space and the order of keys survive a change beside them."""
    raw = rb'{ "b":1.0 ,"a" :[1e3,-0,"\u00e9\/\ud83d\ude00", "old"],"n":12345678901234567890123}'
    edits = Edits()
    edits.change(3, b"new")
    assert JsonText(raw).splice(edits, 5) == raw.replace(b"old", b"new")


def test_the_walk_numbers_strings_as_the_bytes_have_them() -> None:
    """A walk meets the strings in the order of their tokens, also where it does not look into them."""
    raw = rb'{"kept":"x","a":["y",{"b":"z"}],"c":1}'
    met: list[tuple[int, str]] = []
    rule = Rule(fields={"kept": Rule(Leaf.KEEP)})
    walk = Walk(lambda token, value, leaf, key, scope: met.append((token, value)))
    walk.over(parse(raw), rule)
    assert met == [(3, "y"), (5, "z")]
    assert walk.strings == 7
    JsonText(raw).check(walk.strings)


@pytest.mark.parametrize("raw", [b'{"a":"secret","a":"b"}', rb'{"a":"x","\u0061":"y"}', b'[{"a":{"b":1},"a":1}]'])
def test_a_repeated_key_is_refused(raw: bytes) -> None:
    """Text under a key that comes twice would be seen by one reader and not by another."""
    text = JsonText(raw)
    walk = Walk(lambda *_: None)
    walk.over(text.tree, Rule())
    with pytest.raises(NotJsonError):
        text.check(walk.strings)
    with pytest.raises(NotJsonError):
        text.splice(Edits(), walk.strings)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"{", b'{"a":NaN}', b'["\\ud83d",NaN]', b'["\\ud83d",Infinity]', b"\xef\xbb\xbf{}", b'"\xff"',
        b'"\xed\xa0\xbd"', '{"a":1}'.encode("utf-16"), b"[1,]", b"{'a':1}", b'{"a":1}x', b'"\\ud83d\n"', b"\x00",
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    """Anything but strict JSON in UTF-8 is refused, with or without the parser that takes lone surrogates."""
    with pytest.raises(NotJsonError):
        parse(raw)


def test_deep_nesting_is_refused() -> None:
    """Nesting beyond reason is an error of ours, however it is parsed, and never a RecursionError."""
    deep = b"[" * 100_000 + b'"\\ud83d"' + b"]" * 100_000
    with pytest.raises(NotJsonError):
        parse(deep)
    tree: Any = "x"
    for _ in range(MAX_DEPTH + 1):
        tree = [{"a": tree}]
    with pytest.raises(NotJsonError):
        Walk(lambda *_: None).over(tree, Rule())


def test_long_numbers_beside_a_lone_surrogate() -> None:
    """A number of a million digits costs nothing in the second parser either, and an index is still read."""
    assert parse(b'["\\ud83d",' + b"9" * 1_000_000 + b",7]")[2] == 7


@settings(deadline=None)
@given(STRINGS)
def test_strings_survive_bytes(text: str) -> None:
    """A string, lone surrogates too, comes back the same from its bytes and from its token."""
    assert to_str(to_bytes(text)) == text
    assert json.loads(quoted(to_bytes(text))) == text
    assert json.loads(b'"' + escaped(to_bytes(text)) + b'"') == text
    assert json.loads(dumped({"a": text})) == {"a": text}


def test_a_bare_number_is_changed_where_it_stands() -> None:
    """Only the integer meant is replaced, not a longer one, a fraction or digits in a string."""
    raw = b'{"a":[123456789012, 1234567890123,123456789012.5,\n123456789012],"s":"123456789012","b":123456789012}'
    edits = Edits()
    edits.change(1, b"987654321098", b"123456789012")
    edits.change(4, b"087654321098", b"123456789012")
    assert JsonText(raw).splice(edits, 4) == (
        b'{"a":[987654321098, 1234567890123,123456789012.5,\n987654321098],"s":"123456789012","b":"087654321098"}'
    )
