"""What a detector is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps

from kong_plugins.aws_masker.detect.spans import Span, moved

Find = Callable[[bytes, int, int], Sequence[Span]]
_AT_HAND = 2048
"""Candidates with what stands around them whose check is remembered, for each detector."""


def nearby(back: int, ahead: int) -> Callable[[Find], Find]:
    """Let a check see `back` bytes before a candidate and `ahead` behind it, no more, and remember what it said.

    Logs and answers of AWS's repeat their values with what stands around them; to remember costs a tenth of a check.
    """

    def decorate(find: Find) -> Find:
        again = lru_cache(_AT_HAND)(find)

        @wraps(find)
        def near(text: bytes, start: int, end: int) -> Sequence[Span]:
            base = start - back if start > back else 0
            found = again(text[base : end + ahead], start - base, end - base)
            return moved(found, base) if found else found

        return near

    return decorate


@dataclass(frozen=True, slots=True)
class Detector:
    """A cheap RE2 pattern that finds a candidate, and a check that says exactly what in and around it is a value.

    The pattern is short and bounded (a prefix, a suffix, a key), so that no text makes the search look far ahead; what
    stands around the candidate is read by `find`, within a fixed distance. Both together keep the whole scan linear.
    """

    name: str
    families: tuple[str, ...]
    summary: str
    pattern: bytes
    """RE2, without capturing groups, on UTF-8 bytes."""
    find: Find
    """`find(text, start, end)` of a candidate returns the exact spans, or nothing if it is none."""
    positives: tuple[str, ...]
    """Samples whose values stand between guillemets: `id «i-0123456789abcdef0» is up`."""
    negatives: tuple[str, ...]
    """Samples in which nothing may be found."""
    bare: bool = True
    """False if the candidate is only a key or a border: the value behind it is searched for other families as well."""
    run: tuple[bytes, int] | None = None
    """Of a detector with a pass of its own: what its matches consist of, and how many bytes they have at least."""
    characters: bool = False
    """True if the pattern is matched on characters: a user's own pattern may hold `ü` in a class."""
