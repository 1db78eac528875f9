"""Counts what an answer's placeholders turn out to be, as they are looked up."""

from __future__ import annotations

from collections import Counter

from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.pseudonym.provenance import family_of, maker_of
from kong_plugins.aws_masker.text import Lookup

_MOST = 10_000
"""Placeholders that one tally tells apart; what comes after them is restored like any other, and not counted."""


class Tally:
    """A `Lookup` that counts; each placeholder once, as restorers ask again where a piece of a stream ends."""

    def __init__(self, lookup: Lookup, prf: Prf) -> None:
        """`lookup` knows; `prf` tells whether what it does not know was made by this tenant and key."""
        self._lookup = lookup
        self._prf = prf
        self._found: set[bytes] = set()
        self._missed: set[bytes] = set()
        self.makers: Counter[str] = Counter()
        """How many of the placeholders that nobody knows are `own`, how many `foreign`, how many `unknown`."""

    def __call__(self, placeholder: bytes) -> bytes | None:
        """Return what `lookup` does."""
        value = self._lookup(placeholder)
        if value is not None:
            if len(self._found) < _MOST:
                self._found.add(placeholder)
        elif placeholder not in self._missed and len(self._missed) < _MOST:
            self._missed.add(placeholder)
            self.makers[maker_of(self._prf, placeholder)] += 1
        return value

    @property
    def restored(self) -> dict[str, int]:
        """How many were turned back, by family."""
        return dict(Counter(map(family_of, self._found)))
