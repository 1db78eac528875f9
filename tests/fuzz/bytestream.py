"""What a fuzzer's bytes mean: choices first, the rest is data. Nothing of atheris, so that inputs replay without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Input:
    """Takes choices off the front of an input; where it has ended, the first is chosen."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def byte(self) -> int:
        """Return the next byte, 0 at the end."""
        value = self.rest[0] if self.rest else 0
        self.rest = self.rest[1:]
        return value

    def pick(self, of: Sequence[_T]) -> _T:
        """Return one of several."""
        return of[self.byte() % len(of)]

    def cuts(self) -> Cuts:
        """Return a way to cut data, three bytes of the input."""
        return Cuts([self.byte() for _ in range(3)])


class Cuts:
    """Cuts data in pieces of sizes that repeat."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = [size or 1 for size in sizes]

    def of(self, data: bytes) -> Iterator[bytes]:
        """Yield the pieces of `data`, none of them empty."""
        at = number = 0
        while at < len(data):
            size = self._sizes[number % len(self._sizes)]
            yield data[at : at + size]
            at, number = at + size, number + 1
