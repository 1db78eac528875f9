"""The plugin's JSON reader and writer: what orjson and the standard library read and write, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.wire.jsontext import NotJsonError, dumped, parse, quoted, to_bytes
from tests.lua.runtime import Lua

_REFUSED = "refused"

_scalars = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(1e14, 1e18) | st.floats(1e-8,
    1e-3) | st.text(max_size=8) | st.text("\ud83d\ude00\x00\x1f\x7f\"\\/a", max_size=4)
)  # fmt: skip
_trees = st.recursive(
    _scalars,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text("ab\ud800", max_size=2), below, max_size=4),
    max_leaves=15,
)
_written = st.builds(
    lambda tree, is_ascii, spaces: json.dumps(tree, ensure_ascii=is_ascii, indent=spaces).encode(
        "utf-8", "surrogatepass"
    ),
    _trees,
    st.booleans(),
    st.sampled_from((None, 0, 1)),
)
_odd = st.sampled_from(
    (
        b"", b" ", b"nul", b"tru", b"-", b"01", b"-01", b"1.", b".1", b"1e", b"1e999", b"-1e999",
        b"[1e999,\"\\ud800\"]",
        b"-0", b"-0.0", b"1e2", b"1E+2", b"18446744073709551615", b"18446744073709551616", b"-9223372036854775808",
        b"-9223372036854775809", b"[18446744073709551616,\"\\ud800\"]", b"[1234567890123456789,\"\\ud800\"]",
        b"1" * 400,
        b"\xef\xbb\xbf1", b"\x0c1", b"1 2", b"[1,]", b"[,1]", b"[1", b"{\"a\"}", b"{\"a\":}", b"{\"a\":1,}", b"{a:1}",
        b"{\"a\":1,\"b\":2,\"a\":{\"a\":3}}", b"{\"a\":1,\"\\u0061\":2}", b"\"\\ud83d\\ude00\"", b"\"\\ud83d\"",
        b"\"\\ud83d\\u0041\"", b"\"\\ude00\\ud83d\"", b"\"\\uD83Dx\"", b"\"\\u12g4\"", b"\"\\u12\"",
        b"\"\\x\"", b"\"\t\"",
        b"\"\x7f\"", b"\"\xff\"", b"\"\xc0\x80\"", b"\"\xed\xa0\x80\"", b"\"\xf4\x90\x80\x80\"",
        b"\"\xe2\x82\"", b"\"a",
        b"NaN", b"Infinity", b"[-Infinity,\"\\ud800\"]",
        b"\"\\/\\b\\f\\n\\r\\t\\\"\\\\\"", b" { } ", b" [ ] ", b"[[],{}]", b"\"a\" x", b"{\"\":\"\"}",
    )
)  # fmt: skip


@st.composite
def _broken(draw: st.DrawFn) -> bytes:
    text = draw(_written)
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.binary(max_size=2)) + text[at + draw(st.integers(0, 2)) :]


def _plain(node: Any, kinds: dict[int, str]) -> Any:
    """Return a node of Lua's tree as Python's tree has it."""
    kind = kinds[node[b"kind"]]
    if kind == "STRING":
        return node[b"text"].decode("utf-8", "surrogatepass")
    if kind == "OBJECT":
        places = range(1, node[b"count"] + 1)
        return {_plain(node[b"keys"][at], kinds): _plain(node[b"values"][at], kinds) for at in places}
    if kind == "ARRAY":
        return [_plain(node[at], kinds) for at in range(1, node[b"count"] + 1)]
    if kind == "INTEGER":
        return int(node[b"text"])
    if kind == "FLOAT":
        return float(node[b"text"])
    return node[b"value"] if kind == "BOOLEAN" else None


def _kinds(module: Any) -> dict[int, str]:
    return {
        module[name.encode()]: name for name in ("STRING", "OBJECT", "ARRAY", "INTEGER", "FLOAT", "BOOLEAN", "NULL")
    }


def _read(lua: Lua, raw: bytes) -> Any:
    return lua.run(
        """local json = require "kong.plugins.aws-masker-stream.json"
        local well, found = pcall(json.read, ...)
        if not well and found ~= json.NOT_JSON then error(found) end
        return well and found or nil""",
        raw,
    )


def _lua_tree(lua: Lua, raw: bytes) -> Any:
    text = _read(lua, raw)
    return _REFUSED if text is None else _plain(text[b"tree"], _kinds(lua.module("json")))


def _python_tree(raw: bytes) -> Any:
    try:
        return parse(raw)
    except NotJsonError:
        return _REFUSED


@settings(deadline=None, max_examples=100)
@given(raw=_written | _broken() | _odd | st.binary(max_size=20))
def test_it_reads_what_python_reads(lua: Lua, raw: bytes) -> None:
    """The same tree, types and order of keys included, or the same refusal."""
    mine, theirs = _lua_tree(lua, raw), _python_tree(raw)
    assert repr(mine) == repr(theirs)  # 1, 1.0 and True are equal, and so are objects in another order


@settings(deadline=None, max_examples=100)
@given(raw=_written | _odd)
def test_it_writes_what_python_writes(lua: Lua, raw: bytes) -> None:
    """A tree becomes the same bytes again."""
    text = _read(lua, raw)
    if text is not None:
        assert lua.module("dump")[b"dumped"](text[b"tree"]) == dumped(parse(raw))


@settings(deadline=None, max_examples=100)
@given(
    value=st.binary(max_size=12) | st.text().map(to_bytes) | st.text('\ud83d\ude00é\x7f\n"', max_size=4).map(to_bytes)
)
def test_it_quotes_what_python_quotes(lua: Lua, value: bytes) -> None:
    """Texts, lone surrogates, and bytes that are neither."""
    assert lua.module("dump")[b"quoted"](value) == quoted(value)


@pytest.mark.parametrize(("depth", "is_read"), [(1024, True), (1025, False), (300_000, False)])
@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_bounded(lua: Lua, depth: int, is_read: bool, begin: bytes, end: bytes) -> None:
    """As deep as orjson reads, and no stack overflows."""
    raw = begin * depth + b"1" + end * depth
    assert (_read(lua, raw) is not None) is is_read is (_python_tree(raw) != _REFUSED)


@pytest.mark.parametrize("raw", [b'{"a":1,"a":2}', b'[{"\\u0061":"x","a":"y"}]', b'{"a":{"b":1,"b":1},"a":1}'])
def test_a_repeated_key_is_told(lua: Lua, raw: bytes) -> None:
    """Readers may disagree about such a text, so nothing is put into it."""
    assert _read(lua, raw)[b"repeated"] is True
    assert _read(lua, raw.replace(b"a", b"c", 1).replace(b"b", b"d", 1))[b"repeated"] is not True or b"u0061" in raw
