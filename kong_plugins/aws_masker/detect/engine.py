"""The scan: all detectors over a text in two linear passes.

How it works. Each detector brings a short, bounded RE2 pattern. One alternation of them all, leftmost and longest,
finds the candidates without looking further ahead than the longest pattern; `re2.Set` then says which detectors a
candidate belongs to, and these check it and give exact spans. Behind an accepted value the search goes on at its end.
Behind a candidate that nobody accepts it goes on one byte later, as a value may begin inside it
(`user-subnet-0a1b...` begins like a root id), unless the candidate is one word, inside which nothing can begin.
Candidates being bounded, this is linear. Secret access keys have no beginning that could be anchored: their runs of
characters are a pass of their own.

Two detectors may claim the same bytes, as an account id inside a bucket's name. The rule: the longer one wins, and of
two equally long ones the one with a shape of its own; what the winner leaves over of the other is masked as well.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from operator import gt, itemgetter

import re2

from kong_plugins.aws_masker.detect.detector import Detector, Find
from kong_plugins.aws_masker.detect.patterns import Pattern, options
from kong_plugins.aws_masker.detect.spans import ALNUM, Span
from kong_plugins.aws_masker.families import NAME_FAMILIES

_ONE_WORD = bytes(sorted(ALNUM)) + b".:"
_CANDIDATES_AT_HAND = 4096
"""Candidates whose detectors are known without asking RE2: keys, prefixes and values come again and again."""
_HEX_AND_HYPHEN = b"0123456789abcdef-"
_PIECE = 256 * 1024
_IN, _OUT = b"x "
_START, _END = itemgetter(0), itemgetter(1)
_ANY_UUID = b"00000000-0000-0000-0000-000000000000"


class _Pass:
    """One pass over the text with an alternation of detectors."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._checks = tuple((one.find, one.bare) for one in detectors)
        self._pattern = Pattern(
            b"|".join(b"(?:" + one.pattern + b")" for one in detectors), any(one.characters for one in detectors)
        )
        self._owners = re2.Set.FullMatchSet(options()) if len(detectors) > 1 else None
        if self._owners is not None:
            for detector in detectors:
                self._owners.Add(detector.pattern)
            self._owners.Compile()
        self._owners_of = lru_cache(_CANDIDATES_AT_HAND)(self._matching)

    def spans(self, text: bytes) -> list[Span]:
        """Return spans, which may overlap."""
        search, owners_of = self._pattern.searcher(text), self._owners_of
        spans: list[Span] = []
        position = 0
        while True:
            start, end = search(position)
            if start < 0:
                return spans
            candidate = text[start:end]
            if end - start == 36 and _is_uuid(candidate):
                candidate = _ANY_UUID  # logs are full of them, no two the same, and none to be told from another
            checks, one_word = owners_of(candidate)
            position = end if one_word else start + 1
            for find, bare in checks:
                found = find(text, start, end)
                if found:
                    spans += found
                    position = _behind(found, end, bare)
                    break

    def _matching(self, candidate: bytes) -> tuple[tuple[tuple[Find, bool], ...], bool]:
        """Return the checks of the detectors to ask about a candidate, each with `bare`, and whether it is one word."""
        if self._owners is None:
            return self._checks, True
        owners = tuple(self._checks[owner] for owner in sorted(self._owners.Match(candidate)))
        return owners, not candidate.strip(_ONE_WORD)


class _Runs:
    """A pass for a detector that looks at long runs of some characters: texts have few, and these are found at once."""

    def __init__(self, detector: Detector, chars: bytes, shortest: int) -> None:
        self._find = detector.find
        self._search = Pattern(detector.pattern).search
        self._table = bytes(_IN if byte in chars else _OUT for byte in range(256))
        self._shortest = bytes([_IN]) * shortest

    def spans(self, text: bytes) -> list[Span]:
        """Return spans, which do not overlap."""
        spans: list[Span] = []
        for start, end in self._runs(text):
            while (candidate := self._search(text, start, end)) is not None:
                spans += self._find(text, *candidate)
                start = candidate[1]  # noqa: PLW2901
        return spans

    def _runs(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield where the long runs lie, piece by piece, so that no copy of a large text is made."""
        offset = 0
        while offset < len(text):
            runs = text[offset : offset + _PIECE].translate(self._table)
            if offset + len(runs) < len(text):
                whole = runs.rfind(_OUT) + 1  # a run that goes on belongs to the next piece
                runs = runs[:whole] if whole else text[offset:].translate(self._table)
            start = runs.find(self._shortest)
            while start >= 0:
                end = runs.find(_OUT, start)
                end = end if end >= 0 else len(runs)
                yield offset + start, offset + end
                start = runs.find(self._shortest, end)
            offset += len(runs)


def _behind(found: Sequence[Span], end: int, bare: bool) -> int:
    """Return where the search goes on behind a candidate that ends at `end` and in which something was found."""
    if bare:
        return max(end, found[-1][1])
    _, behind, family, _ = found[0]
    return behind if family == "account_id" and behind > end else end  # an ARN's: no value before it, none inside


def _is_uuid(candidate: bytes) -> bool:
    return (
        candidate[8:24:5] == b"----" and candidate.count(b"-") == 4 and not candidate.translate(None, _HEX_AND_HYPHEN)
    )


def _rank(span: Span) -> tuple[int, bool, int]:
    return (span.start - span.end, span.family in NAME_FAMILIES, span.start)


def resolve(spans: Iterable[Span]) -> list[Span]:
    """Return `spans` without overlaps, in order of place, by the rule in the module's docstring."""
    ordered = sorted(spans)
    if not any(map(gt, map(_END, ordered), map(_START, islice(ordered, 1, None)))):
        return ordered
    chosen: list[Span] = []
    cluster: list[Span] = []  # the last one chosen, once another overlaps it, and all that overlap
    reach = 0
    for span in ordered:
        start, end = span[0], span[1]
        if start >= reach:
            if cluster:
                chosen += _resolve_cluster(cluster)
                cluster = []
            chosen.append(span)
            reach = end
        else:
            cluster = cluster or [chosen.pop()]
            if span != cluster[-1]:
                cluster.append(span)
            reach = max(reach, end)
    return chosen + _resolve_cluster(cluster) if cluster else chosen


def _resolve_cluster(cluster: list[Span]) -> list[Span]:
    """Resolve spans that overlap one another, each at least with one more; k log k, as a cluster may be long."""
    if len(cluster) == 1:
        return cluster
    kept: list[Span] = []
    for span in sorted(cluster, key=_rank):
        at = bisect_left(kept, span)
        start = span.start if at == 0 else max(span.start, kept[at - 1].end)
        end = span.end if at == len(kept) else min(span.end, kept[at].start)
        if start < end:  # the whole span, or what a longer one has left of it
            kept.insert(at, span if (start, end) == span[:2] else Span(start, end, span.family))
    return kept


class Scanner:
    """Finds the values in a text; immutable, shared by threads."""

    def __init__(self, detectors: Sequence[Detector], alone: Sequence[Detector]) -> None:
        """Each of `alone` has an unbounded pattern, and so a pass of its own."""
        self._passes: list[_Pass | _Runs] = [_Pass(detectors)] if detectors else []
        self._passes += [_Pass([one]) if one.run is None else _Runs(one, *one.run) for one in alone]

    def scan(self, text: bytes) -> list[Span]:
        """Return the spans in `text`, not overlapping, in order."""
        return resolve([span for one in self._passes for span in one.spans(text) if span[0] < span[1]])
