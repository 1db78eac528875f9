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
   a string. All of that runs in C (see `wire.quotes`), a piece of the bytes after the other, as it takes copies.
4. The changed tokens are spliced in.

A tree takes up to four times the memory of its bytes. So of a large text the long strings, which are most of it, are
cut out before step 1: what is parsed has empty strings in their places, and each is read by itself when its text is
asked for. Where they stand is known as in step 3, and they too are checked to be valid JSON.

An account id may also stand as a bare number in free-form data. Numbers have no tokens of their own here; one is found
by its digits in the text between the strings before and after it.

The pairing of step 2 breaks when an object has the same key twice: the tree keeps the last of them only. That is also
how text could be smuggled past the masker, as another parser may keep the first. A repeated key always makes
the tree's count smaller than the number of tokens, never larger, so `JsonText.check` finds it by comparing the two.
Therefore keys are never cut out.

JavaScript clients cut strings between the halves of a surrogate pair and send `"\\ud83d"`, which orjson refuses. Such
a text is parsed by the standard library instead. Its strings travel as UTF-8 with the half in its 3-byte form
(`surrogatepass`) and are written as an escape again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any, NamedTuple, NoReturn

import orjson

from kong_plugins.aws_masker.wire import quotes

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


_PIECE = 64 * 1024
"""Bytes of a string that are read or written at once."""


def _write_quoted(out: BytesIO, value: bytes) -> None:
    """Write the token of `value`, piece by piece, cut between characters."""
    start = 0
    while len(value) - start > _PIECE:
        end = start + _PIECE
        while value[end] & 0xC0 == 0x80:
            end -= 1
        out.write((b"" if start else b'"') + quoted(value[start:end])[1:-1])
        start = end
    out.write(quoted(value[start:])[1 if start else 0 :])


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


class LongString(NamedTuple):
    """A string that was cut out of a large text before that was parsed."""

    raw: bytes
    start: int
    """Where its first byte stands, behind the quote."""
    end: int

    def value(self) -> bytes:
        """Return its UTF-8; a lone surrogate takes its 3-byte form.

        Raises:
            NotJsonError: it is none of JSON's.
        """
        out = BytesIO()
        for start, end in quotes.pieces(self.raw, self.start, self.end, _PIECE):
            out.write(to_bytes(parse(b'"' + self.raw[start:end] + b'"')))
        return out.getvalue()


class JsonText:
    """A JSON text: its bytes, its tree, and the splicing of changed strings into the bytes."""

    __slots__ = ("_quotes", "long", "raw", "tree")

    def __init__(self, raw: bytes, *, cut: bool = False) -> None:
        """Parse `raw`; with `cut`, the long strings of a large text are empty in the tree.

        Raises:
            NotJsonError: as `parse` does.
        """
        self.raw = raw
        self.long: dict[int, LongString] = {}
        """The strings that were cut out, by their numbers."""
        self._quotes: int | None = None
        self.tree: Any = parse(self._without_long() if cut and len(raw) > _LARGE else raw)

    def take_tree(self) -> Any:
        """Return the tree and let it go."""
        tree, self.tree = self.tree, None
        return tree

    def check(self, strings: int) -> None:
        """Compare the number of `strings` (keys and values) in the tree with that in the bytes.

        Raises:
            NotJsonError: they differ, so an object has a key twice and readers may disagree about the text.
        """
        if self._quotes is None:
            self._quotes = quotes.count(self.raw)
        if self._quotes != 2 * strings:
            raise NotJsonError("an object has the same key twice")

    def splice(self, edits: Edits, strings: int) -> bytes:
        """Return the bytes with `edits` made, which are used up; `strings` is the number of all strings in the tree.

        Raises:
            NotJsonError: as `check` does.
        """
        self.check(strings)
        # what stands between two quotes is a segment; with an odd number it is a string
        segments = sorted([2 * token + 1 for token in edits.strings] + [2 * token for token in edits.numbers])
        places = quotes.places(self.raw, (quote for segment in segments for quote in (segment - 1, segment)))
        out = BytesIO()
        done = 0
        for segment in segments:
            start, end = next(places), next(places)
            if segment % 2:
                out.write(self.raw[done:start])
                _write_quoted(out, edits.strings.pop(segment // 2))
                done = end + 1
            else:
                out.write(self.raw[done : start + 1])
                out.write(_with_numbers(self.raw[start + 1 : end], edits.numbers.pop(segment // 2)))
                done = end
        out.write(self.raw[done:])
        return out.getvalue()

    def _without_long(self) -> bytes:
        """Take out the long strings, and return the text with empty ones in their places; raises NotJsonError."""
        out = BytesIO()
        done = 0
        for token, start, end in quotes.long_values(self.raw, _LONG):
            for first, last in quotes.pieces(self.raw, start, end, _PIECE):
                parse(b'"' + self.raw[first:last] + b'"')
            self.long[token] = LongString(self.raw, start, end)
            out.write(self.raw[done:start])
            done = end
        out.write(self.raw[done:])
        return out.getvalue()


_LARGE = 4 * 1024 * 1024
"""Bytes of a JSON text from which on memory counts more than time."""
_LONG = 1024
"""Bytes of a string from which on it is long."""
