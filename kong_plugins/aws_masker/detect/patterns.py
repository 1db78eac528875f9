"""RE2 on bytes, as the whole project uses it: leftmost and longest, without groups, spans as plain tuples.

The match objects of google-re2's Python layer cost three times what the match itself costs, and a scan makes
thousands of matches. So this calls the layer below them, which that package builds itself on: `RE2.Match(anchor,
text, from, to)`.
"""

from __future__ import annotations

from collections.abc import Callable

import re2

REGION = (
    rb"(?:us-gov|(?:us|eu)-iso[a-z]?|eusc-de|[a-z]{2})-"
    rb"(?:north|south|east|west|central|northeast|northwest|southeast|southwest)-[0-9]"
)
UUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

_Anchor = re2._re2.RE2.Anchor
_NOTHING = (-1, -1)
_MEMORY = 64 << 20
"""Bytes that RE2 may use for the states of its automaton; short of it, it would fall back to a slower engine."""


def options(characters: bool = False) -> re2.Options:
    """Return RE2's options for leftmost and longest matches without groups, on bytes or on the characters of UTF-8."""
    chosen = re2.Options()
    if not characters:  # a value is ASCII, whatever stands around it
        chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.longest_match = True
    chosen.never_capture = True
    chosen.max_mem = _MEMORY
    chosen.log_errors = False
    return chosen


class Pattern:
    """A compiled pattern; immutable, shared by threads."""

    def __init__(self, source: bytes, characters: bool = False) -> None:
        """Compile `source`, to be matched on bytes or on the characters of UTF-8.

        Raises:
            ValueError: if RE2 does not take it.
        """
        self.source = source
        self._re2 = re2._re2.RE2(source, options(characters))
        if not self._re2.ok():
            raise ValueError(f"not an RE2 pattern: {self._re2.error().decode(errors='replace')}")
        self._match = self._re2.Match

    def search(self, text: bytes, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
        """Return the span of the first, longest match between `start` and `end`, or None."""
        span: tuple[int, int] = self._match(_Anchor.UNANCHORED, text, start, len(text) if end is None else end)[0]
        return None if span == _NOTHING else span

    def searcher(self, text: bytes) -> Callable[[int], tuple[int, int]]:
        """Return `search` for one text, which gives (-1, -1) for nothing: for the loop that takes most of the time."""
        match, unanchored, length = self._match, _Anchor.UNANCHORED, len(text)

        def search(start: int) -> tuple[int, int]:
            span: tuple[int, int] = match(unanchored, text, start, length)[0]
            return span

        return search

    def match(self, text: bytes) -> int:
        """Return where the longest match at the beginning of `text` ends, or -1."""
        end: int = self._match(_Anchor.ANCHOR_START, text, 0, len(text))[0][1]
        return end

    def fullmatch(self, text: bytes) -> bool:
        """Tell whether `text` matches as a whole."""
        return bool(self._match(_Anchor.ANCHOR_BOTH, text, 0, len(text))[0] != _NOTHING)
