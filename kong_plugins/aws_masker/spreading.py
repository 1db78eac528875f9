"""Names that are certain, masked wherever else they stand by themselves."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from functools import lru_cache

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from kong_plugins.aws_masker.detect.spans import ALNUM, Span, escape_ends_at
from kong_plugins.aws_masker.detect.words import may_spread
from kong_plugins.aws_masker.families import CONTEXT_FAMILIES, WORD_FAMILIES

_FEW = 300
"""Values up to which the fastest automaton is taken, which needs the most memory: 1.5 KB a value."""
_NAME_JOINTS = ALNUM | frozenset(b"-_")
"""`acme-logs` does not stand by itself in `acme-logs-old`: that is another name."""


@lru_cache(maxsize=1 << 16)
def spreads(family: str, value: bytes) -> bool:
    """Tell whether a certain value is to be masked wherever it stands by itself: not if it may be an ordinary word."""
    return family in CONTEXT_FAMILIES and (family not in WORD_FAMILIES or may_spread(value))


def spellings(family: str, value: bytes) -> tuple[bytes, ...]:
    """Return the ways in which a certain value may be written elsewhere."""
    if family == "account_id":
        digits = value.replace(b"-", b"")
        return digits, b"-".join((digits[:4], digits[4:8], digits[8:]))
    if b"/" in value:
        return value, value.replace(b"/", b"%2F"), value.replace(b"/", b"%2f"), value.replace(b"/", b"\\/")
    return (value,)


class Spreader:
    """Finds known values in a text, in one linear pass (Aho-Corasick); immutable."""

    def __init__(self, families: Mapping[bytes, str]) -> None:
        """`families`: each known value and its family."""
        self._known = list(families.items())
        self._automaton = BytesAhoCorasick(
            [value for value, _ in self._known],
            matchkind=MatchKind.LeftmostLongest,
            implementation=Implementation.DFA if len(families) <= _FEW else Implementation.ContiguousNFA,
        )

    def spans(self, text: bytes, found: Container[tuple[int, int, str]] = ()) -> Iterator[Span]:
        """Yield where a known value stands by itself, but for what is `found` already, which is nearly all."""
        for index, start, end in self._automaton.find_matches_as_indexes(text):
            family = self._known[index][1]
            if (start, end, family) in found:
                continue
            joints = _NAME_JOINTS if family in WORD_FAMILIES else ALNUM
            if end < len(text) and text[end] in joints:
                continue
            if start and text[start - 1] in joints and not escape_ends_at(text, start):
                continue
            yield Span(start, end, family)
