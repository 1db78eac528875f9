"""Names that are certain, masked wherever else they stand by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property, lru_cache

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from kong_plugins.aws_masker.detect.spans import ALNUM, Span, escape_ends_at
from kong_plugins.aws_masker.detect.words import may_spread
from kong_plugins.aws_masker.families import CONTEXT_FAMILIES, WORD_FAMILIES
from kong_plugins.aws_masker.text import Entry

_GOES_ON = (b"/", b".", b"@", b"+", b":")
"""Behind a name that stands by itself, these may go on with another name, whose beginning is the first one's end."""
_NAME_JOINTS = ALNUM | frozenset(b"-_")
"""`acme-logs` does not stand by itself in `acme-logs-old`: that is another name."""


@lru_cache(maxsize=1 << 16)
def spreads(family: str, value: bytes) -> bool:
    """Tell whether a certain value is to be masked wherever it stands by itself: not if it may be an ordinary word."""
    return family in CONTEXT_FAMILIES and (family not in WORD_FAMILIES or may_spread(value))


def spellings(family: str, value: bytes) -> tuple[bytes, ...]:
    """Return the ways in which a certain value may be written elsewhere."""
    if family == "account_id":
        digits = value.translate(None, b"- ")
        groups = (digits[:4], digits[4:8], digits[8:])
        return digits, b"-".join(groups), b" ".join(groups)
    if b"/" in value:
        return value, value.replace(b"/", b"%2F"), value.replace(b"/", b"%2f"), value.replace(b"/", b"\\/")
    return (value,)


class Spreader:
    """Finds known values in a text, in one linear pass (Aho-Corasick); immutable.

    The pass takes the leftmost and longest value at each place, and goes on behind it. Where that one does not stand by
    itself, or another name may go on behind it, others that begin inside it are looked for by a second automaton, in as
    little text as holds them.
    """

    def __init__(self, families: Mapping[bytes, str]) -> None:
        """`families`: each known value and its family."""
        self._known = list(families.items())
        self._longest = max(map(len, families))
        self._leftmost = self._automaton(MatchKind.LeftmostLongest)

    def _automaton(self, kind: MatchKind) -> BytesAhoCorasick:
        return BytesAhoCorasick(
            [value for value, _ in self._known],
            matchkind=kind,
            implementation=Implementation.ContiguousNFA,  # made in a third of a DFA's time, for nearly every request
        )

    @cached_property
    def _every(self) -> BytesAhoCorasick:
        return self._automaton(MatchKind.Standard)

    def spans(self, text: bytes, found: Set[tuple[int, int, str]] = frozenset()) -> Iterator[Span]:
        """Yield where a known value stands by itself, but for what is `found` already, which is nearly all."""
        known = self._known
        places = {(start, end, known[index][1]) for index, start, end in self._leftmost.find_matches_as_indexes(text)}
        for start, end, family in sorted(places - found):
            if not _stands_alone(text, start, end, family):
                yield from self._inside(text, start, end)
                continue
            yield Span(start, end, family)
            if text[end : end + 1] in _GOES_ON:
                yield from self._inside(text, start + 1, end)

    def _inside(self, text: bytes, start: int, end: int) -> Iterator[Span]:
        """Yield what begins between `start` and `end` and stands by itself, from left to right, the longest first."""
        window = text[start : end + self._longest]
        places = self._every.find_matches_as_indexes(window, overlapping=True)
        reach = start
        for first, last, index in sorted((start + one, -start - other, index) for index, one, other in places):
            if first >= end:
                return
            family = self._known[index][1]
            if first >= reach and _stands_alone(text, first, -last, family):
                yield Span(first, -last, family)
                reach = -last


class Remembered:
    """Finds the names that a tenant's memory holds; immutable.

    To make an automaton of all takes a millisecond for a few hundred names, and a busy tenant adds some with every
    request. So those that came lately have one of their own, until they are many.
    """

    def __init__(self, names: Sequence[Entry], before: Remembered | None = None) -> None:
        """`before`: what found the names that the memory held a while ago; it is used where few have changed since."""
        self.names = names
        self._known: frozenset[Entry]
        self._old: Spreader | None
        current = frozenset(names)
        came = current - before._known if before is not None else current
        gone = len(before._known) + len(came) - len(current) if before is not None else 0
        if before is not None and len(came) <= _FEW and gone <= _FEW:
            self._known, self._old = before._known, before._old
            recent = _spreader(one for one in names if one in came)
        else:
            self._known, self._old = current, _spreader(names)
            recent = None
        self.spreaders = [one for one in (self._old, recent) if one is not None]


_FEW = 500
"""Names that may have come, or gone, before the automaton of all is made anew."""


def _spreader(names: Iterable[Entry]) -> Spreader | None:
    families: dict[bytes, str] = {}
    for value, family in names:
        if spreads(family, value):
            families.update((spelling, family) for spelling in spellings(family, value))
    return Spreader(families) if families else None


def _stands_alone(text: bytes, start: int, end: int, family: str) -> bool:
    joints = _NAME_JOINTS if family in WORD_FAMILIES else ALNUM
    if end < len(text) and text[end] in joints:
        return False
    return not start or text[start - 1] not in joints or escape_ends_at(text, start)
