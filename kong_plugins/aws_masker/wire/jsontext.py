"""JSON read into a tree, and changed strings put back into the very bytes that it was read from.

How it works
------------
A request must keep everything that is not masked exactly: `1.0` must not become `1`, `1e3` not `1000.0`, keys keep
their order, and a client that writes `\\u00e9` gets it back as `\\u00e9`. Dumping a parsed tree again cannot promise
that, so nothing is ever dumped: the original bytes stay, and only the tokens of changed strings are replaced.

1. orjson parses the bytes into a tree. It is strict: UTF-8 only, no NaN, no trailing comma, no byte order mark.
2. A walk over the tree in document order (`wire.rules`) numbers every string, keys included: 0, 1, 2, ...
   Python's dicts keep the order of the text, so the k-th string of the walk is the k-th string token of the bytes.
3. Only when something changed, the tokens' places are looked up. In valid JSON every `"` that is not escaped begins or
   ends a string. Replacing each `\\\\` and then each `\\"` by two harmless bytes (left to right, as escapes are read)
   leaves exactly these quotes, at unchanged offsets; the text between them is, alternately, outside and inside
   a string. All of that runs in C: about 2 ms for 560 KB.
4. The changed tokens are spliced in.

An account id may also stand as a bare number in free-form data. Numbers have no tokens of their own here; one is found
by its digits in the text between the strings before and after it.

The pairing of step 2 breaks when an object has the same key twice: the tree keeps the last of them only. That is also
how text could be smuggled past the masker, as another parser may keep the first. A repeated key always makes
the tree's count smaller than the number of tokens, never larger, so `JsonText.check` finds it by comparing the two.

JavaScript clients cut strings between the halves of a surrogate pair and send `"\\ud83d"`, which orjson refuses. Such
a text is parsed by the standard library instead. Its strings travel as UTF-8 with the half in its 3-byte form
(`surrogatepass`) and are written as an escape again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, NoReturn

import orjson

MAX_DEPTH = 256
"""Deepest nesting that is walked. Real bodies have about 20 levels; a bound keeps recursion off Python's own limit."""


class NotJsonError(ValueError):
    """The bytes are no JSON text that is understood in one way only; the message never holds any of them."""


def parse(raw: bytes) -> Any:
    """Return the tree of `raw`.

    Raises:
        NotJsonError: not JSON, not UTF-8, or nested beyond reason.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        if b"\\ud" not in raw and b"\\uD" not in raw:
            raise NotJsonError("not valid JSON") from None
    try:
        return json.loads(raw.decode(), parse_constant=_refuse, parse_int=_int)
    except (ValueError, RecursionError):
        raise NotJsonError("not valid JSON") from None


def _refuse(_constant: str) -> NoReturn:
    raise NotJsonError("NaN and Infinity are not JSON")


def _int(digits: str) -> int:
    # Only indexes are ever looked at, and int() takes quadratic time on long digit strings.
    return int(digits) if len(digits) < 20 else 0


def to_bytes(value: str) -> bytes:
    """Return the UTF-8 of a string of a tree; a lone surrogate takes its 3-byte form."""
    return value.encode("utf-8", "surrogatepass")


def quoted(value: bytes) -> bytes:
    """Return the JSON string token, with its quotes, for the text `value` (UTF-8, lone surrogates in 3 bytes).

    Bytes that are no UTF-8 at all become U+FFFD, as every JSON reader would make of them.
    """
    try:
        return orjson.dumps(value.decode())
    except UnicodeDecodeError:
        return json.dumps(to_str(value)).encode()


def to_str(value: bytes) -> str:
    """Return the string whose `to_bytes` is `value`; what is no UTF-8 becomes U+FFFD."""
    try:
        return value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return value.decode("utf-8", "replace")


def dumped(tree: Any) -> bytes:
    """Return `tree` as a new JSON text."""
    try:
        return orjson.dumps(tree)
    except orjson.JSONEncodeError:  # a lone surrogate
        return json.dumps(tree, separators=(",", ":")).encode()


def escaped(value: bytes) -> bytes:
    """Return `value` as it stands inside a JSON string, without the quotes."""
    return quoted(value)[1:-1]


class Edits:
    """Changes to one JSON text."""

    __slots__ = ("numbers", "strings")

    def __init__(self) -> None:
        self.strings: dict[int, bytes] = {}
        """From a string's number to its new value."""
        self.numbers: dict[int, dict[bytes, bytes]] = {}
        """From how many strings stand before it, and the digits of an integer, to its new digits."""

    def __bool__(self) -> bool:
        return bool(self.strings or self.numbers)

    def change(self, token: int, value: bytes, digits: bytes = b"") -> None:
        """Change the string with the number `token`, or the integer `digits` that stands before that string."""
        if digits:
            self.numbers.setdefault(token, {})[digits] = value
        else:
            self.strings[token] = value


def _with_numbers(between: bytes, changes: Mapping[bytes, bytes]) -> bytes:
    """Return what stands between two strings with some of its integers replaced."""
    literals = between.translate(_PUNCTUATION_TO_SPACE).split(b" ")
    parts: list[bytes] = []
    place = done = 0
    for literal in literals:
        if literal in changes:
            parts += (between[done:place], _number(changes[literal]))
            done = place + len(literal)
        place += len(literal) + 1
    parts.append(between[done:])
    return b"".join(parts)


_PUNCTUATION_TO_SPACE = bytes.maketrans(b"[]{}:,\t\r\n", b" " * 9)


def _number(value: bytes) -> bytes:
    """Return `value` as a JSON number; as a string if it is none, as `0123` is."""
    return value if value.isdigit() and not value.startswith(b"0") else quoted(value)


class JsonText:
    """A JSON text: its bytes, its tree, and the splicing of changed strings into the bytes."""

    __slots__ = ("_plain", "raw", "tree")

    def __init__(self, raw: bytes) -> None:
        """Parse `raw`; raises NotJsonError."""
        self.raw = raw
        self.tree: Any = parse(raw)
        self._plain: bytes | None = None

    def check(self, strings: int) -> None:
        """Compare the number of `strings` (keys and values) in the tree with that in the bytes.

        Raises:
            NotJsonError: they differ, so an object has a key twice and readers may disagree about the text.
        """
        if self._plain_quotes().count(b'"') != 2 * strings:
            raise NotJsonError("an object has the same key twice")

    def splice(self, edits: Edits, strings: int) -> bytes:
        """Return the bytes with `edits` made; `strings` is the number of all strings in the tree.

        Raises:
            NotJsonError: as `check` does.
        """
        segments = self._plain_quotes().split(b'"')
        if len(segments) != 2 * strings + 1:
            raise NotJsonError("an object has the same key twice")
        # ends[i] is where segment i ends, were there no quotes; i quotes stand before it.
        ends = list(accumulate(map(len, segments)))
        parts: list[bytes] = []
        done = 0
        for segment in sorted([2 * token + 1 for token in edits.strings] + [2 * token for token in edits.numbers]):
            end = ends[segment] + segment
            start = end - len(segments[segment])
            if segment % 2:
                parts += (self.raw[done : start - 1], quoted(edits.strings[segment // 2]))
                done = end + 1
            else:
                parts += (self.raw[done:start], _with_numbers(segments[segment], edits.numbers[segment // 2]))
                done = end
        parts.append(self.raw[done:])
        return b"".join(parts)

    def _plain_quotes(self) -> bytes:
        """Return the text, in the same length, with only those quotes left that begin or end a string."""
        if self._plain is None:
            self._plain = self.raw.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        return self._plain
