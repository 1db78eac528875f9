"""A document, the values that are known to be in it, and the count of those that masking would leave."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from kong_plugins.aws_masker.detect.spans import Span
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.text import Text

_SHOWN = 72
"""Characters of a miss that are shown, its surroundings included."""
_READABLE = re.compile(rb"[0-9A-Za-z]{4,}")


class Value(NamedTuple):
    """A value by its place, in bytes."""

    family: str
    start: int
    end: int


class Document(NamedTuple):
    """One text of a corpus, masked in a session of its own."""

    source: str
    text: bytes
    values: list[Value]


@dataclass
class Tally:
    """What came of one family's values."""

    present: int = 0
    missed: int = 0
    misses: Counter[str] = field(default_factory=Counter)
    """What was missed, in its surroundings, to how often."""

    @property
    def recall(self) -> float:
        """The share that was masked."""
        return 1.0 if not self.present else 1 - self.missed / self.present


def count(masker: Masker, documents: Iterable[Document]) -> dict[str, Tally]:
    """Search each document as a request of its own and count which of its values are covered."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for document in documents:
        if not document.values:
            continue
        (spans,) = masker.scan([Text(document.text)])
        for value in document.values:
            tally = tallies[value.family]
            tally.present += 1
            if leaks(document.text, value, spans):
                tally.missed += 1
                tally.misses[_shown(document.text, value)] += 1
    return dict(tallies)


def leaks(text: bytes, value: Value, spans: Iterable[Span]) -> bool:
    """Tell whether what is left of `value` beside the spans can be read: four letters or digits in a row."""
    left = bytearray(text[value.start : value.end])
    for span in spans:
        start, end = max(span.start, value.start), min(span.end, value.end)
        if start < end:
            left[start - value.start : end - value.start] = b"\0" * (end - start)
    if len(left) < 4:
        return left.strip(b"\0") != b""
    return _READABLE.search(bytes(left)) is not None


def _shown(text: bytes, value: Value) -> str:
    room = max(0, _SHOWN - (value.end - value.start))
    before = text[max(0, value.start - room) : value.start].rpartition(b"\n")[2]
    shown = before + text[value.start : value.end] + text[value.end : value.end + 2].partition(b"\n")[0]
    return " ".join(shown.decode("utf-8", "replace").split())[-2 * _SHOWN :]
