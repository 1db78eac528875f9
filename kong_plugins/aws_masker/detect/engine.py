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

import re2

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern, options
from kong_plugins.aws_masker.detect.spans import ALNUM, Span
from kong_plugins.aws_masker.families import NAME_FAMILIES

_ONE_WORD = bytes(sorted(ALNUM)) + b".:"


class _Pass:
    """One pass over the text with an alternation of detectors."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = tuple(detectors)
        self._search = Pattern(
            b"|".join(b"(?:" + d.pattern + b")" for d in self._detectors), any(d.characters for d in self._detectors)
        ).search
        self._owners = re2.Set.FullMatchSet(options()) if len(self._detectors) > 1 else None
        if self._owners is not None:
            for detector in self._detectors:
                self._owners.Add(detector.pattern)
            self._owners.Compile()

    def spans(self, text: bytes) -> Iterator[Span]:
        """Yield spans, which may overlap."""
        position = 0
        while (found_at := self._search(text, position)) is not None:
            start, end = found_at
            candidate = text[start:end]
            position = end if self._owners is None or not candidate.strip(_ONE_WORD) else start + 1
            for detector in self._asked(candidate):
                found = detector.find(text, start, end)
                if found:
                    yield from found
                    position = max(end, *(span.end for span in found)) if detector.bare else end
                    break

    def _asked(self, candidate: bytes) -> Iterable[Detector]:
        if self._owners is None:
            return self._detectors
        return [self._detectors[owner] for owner in sorted(self._owners.Match(candidate))]


def _rank(span: Span) -> tuple[int, bool, int]:
    return (span.start - span.end, span.family in NAME_FAMILIES, span.start)


def resolve(spans: Iterable[Span]) -> list[Span]:
    """Return `spans` without overlaps, in order of place, by the rule in the module's docstring."""
    ordered = sorted({span for span in spans if span.end > span.start})
    chosen: list[Span] = []
    cluster: list[Span] = []
    reach = -1
    for span in ordered:
        if span.start >= reach and cluster:
            chosen += _resolve_cluster(cluster)
            cluster = []
        cluster.append(span)
        reach = max(reach, span.end)
    return chosen + _resolve_cluster(cluster)


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
        self._passes = [_Pass(group) for group in (detectors, *((one,) for one in alone)) if group]

    def scan(self, text: bytes) -> list[Span]:
        """Return the spans in `text`, not overlapping, in order."""
        return resolve(span for one in self._passes for span in one.spans(text))
