"""Spans, and the questions about their borders that RE2 cannot answer (it has no look-around)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from kong_plugins.aws_masker.detect.patterns import Pattern

ALNUM = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
DIGITS = frozenset(b"0123456789")
NAME_CHARS = bytes(sorted(ALNUM)) + b"._-/+@"
"""What names of AWS's resources are made of."""
HOST_CHARS = bytes(sorted(ALNUM)) + b"._-"

_LONGEST_ESCAPE = 16
_SHORT_RUN = 64
"""Bytes of which most runs are shorter."""
_ESCAPE = Pattern(
    rb"(?:\\[abfnrtv0]|%[0-9A-Fa-f]{2}|\\[uU][0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}"
    rb"|(?:\x1b|\\x1b|\\u001[bB]|\\033|\\e)\[[0-9;]*[mK])\z"
)


class Span(NamedTuple):
    """A value inside a text."""

    start: int
    """Byte offset of the first byte."""
    end: int
    """Byte offset behind the last byte."""
    family: str
    spread: bool = False
    """True if the value, now certain, is to be masked wherever else it stands by itself in the same request."""


def moved(spans: Sequence[Span], by: int) -> Sequence[Span]:
    """Return `spans` of a piece of a text, as they lie in the text; `by`: where the piece begins."""
    if len(spans) == 1:  # as nearly always
        start, end, family, spread = spans[0]
        return (new_span((start + by, end + by, family, spread)),)
    return [new_span((start + by, end + by, family, spread)) for start, end, family, spread in spans]


new_span = partial(tuple.__new__, Span)
"""`Span(*one)` at half the cost, past the named tuple's own constructor: logs have a value in every 70 bytes."""


def escape_ends_at(text: bytes, position: int) -> bool:
    r"""Tell whether an escape sequence ends right before `position`, so that the letter there belongs to it.

    A value often stands right behind one: `\n` and `\u0041` in JSON inside JSON, `%3A` in a URL, `ESC[31m` (raw or
    written as `\x1b[31m`, `\033[31m`) in a terminal's output. Only the last few bytes are looked at.
    """
    return _ESCAPE.search(text[max(0, position - _LONGEST_ESCAPE) : position]) is not None


def starts_clean(text: bytes, start: int) -> bool:
    """Tell whether nothing before `start` belongs to the same word."""
    return start == 0 or text[start - 1] not in ALNUM or escape_ends_at(text, start)


def ends_clean(text: bytes, end: int) -> bool:
    """Tell whether nothing from `end` on belongs to the same word."""
    return end >= len(text) or text[end] not in ALNUM


def look_back(text: bytes, start: int, limit: int) -> bytes:
    """Return what stands before `start` in the same text of the request, at most `limit` bytes."""
    before = text[start - limit if start > limit else 0 : start]
    return before[before.rfind(b"\x00") + 1 :]


def run_start(text: bytes, end: int, chars: bytes, limit: int) -> int:
    """Return where the run of `chars` that ends at `end` begins, at most `limit` bytes back, without escape remains."""
    window = text[max(0, end - limit) : end]
    start = end - (len(window) - len(window.rstrip(chars)))
    if start and text[start - 1] in b"\\%[;":  # "%3Ahost", "\\nhost", "ESC[31mhost"
        for width in range(1, 6):
            if start + width <= end and escape_ends_at(text, start + width):
                return start + width
    return start


def run_end(text: bytes, start: int, chars: bytes, limit: int | None = None) -> int:
    """Return where the run of `chars` that begins at `start` ends, at most `limit` bytes behind.

    Reads in pieces, so that only the run is copied.
    """
    stop = len(text) if limit is None else min(len(text), start + limit)
    width = _SHORT_RUN
    while start < stop:
        window = text[start : min(start + width, stop)]
        rest = len(window.lstrip(chars))
        start += len(window) - rest
        if rest:
            break
        width = 512
    return start
