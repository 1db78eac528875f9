"""Where the strings of a JSON text begin and end, told by its bytes alone.

In valid JSON every `"` that is not escaped begins or ends a string. The quotes are numbered from 0, so that string n
lies between the quotes 2n and 2n + 1. The bytes are looked at in windows, as the look takes copies of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

_WINDOW = 1024 * 1024
_LONGEST_ESCAPE = 12
"""Bytes of a character written as two surrogates: `\\ud83d\\ude00`."""
_BLANKS = b" \t\r\n"


def count(raw: bytes) -> int:
    """Return the number of quotes in `raw`."""
    return sum(plain.count(b'"') for _, plain in _plain(raw))


def places(raw: bytes, numbers: Iterable[int]) -> Iterator[int]:
    """Yield where the quotes with `numbers` (ascending) stand; -1 and the end of `raw` for those before and behind."""
    wanted = iter(numbers)
    number = next(wanted, None)
    while number is not None and number < 0:
        yield -1
        number = next(wanted, None)
    before = 0
    for offset, plain in _plain(raw):
        if number is None:
            return
        here = plain.count(b'"')
        if number < before + here:
            ends = list(accumulate(map(len, plain.split(b'"'))))  # as if there were no quotes
            while number is not None and number < before + here:
                at = number - before
                yield offset + ends[at] + at
                number = next(wanted, None)
        before += here
    while number is not None:
        yield len(raw)
        number = next(wanted, None)


def long_values(raw: bytes, shortest: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, first byte and end of each string of `shortest` bytes or more that is no key."""
    number = 0
    opened = -1
    for offset, plain in _plain(raw):
        place = offset - 1
        for length in map(len, plain.split(b'"')[:-1]):
            place += length + 1
            if place - opened > shortest and number % 2 and not _is_key(raw, place):
                yield number // 2, opened + 1, place
            opened = place
            number += 1


def pieces(raw: bytes, start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut the inside of a string into pieces of about `size` bytes, never within a character or its escape."""
    while True:
        stop = min(start + size, end)
        while stop < end and (escape := raw.rfind(b"\\", max(start, stop - _LONGEST_ESCAPE), stop)) >= 0:
            stop = escape + _LONGEST_ESCAPE + 1
        stop = min(stop, end)
        while stop < end and raw[stop] & 0xC0 == 0x80:
            stop += 1
        yield start, stop
        if stop == end:
            return
        start = stop


def _plain(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield parts of `raw` with their offsets, in which only those quotes are left that begin or end a string."""
    start = 0
    while start < len(raw):
        end = start + _WINDOW
        while raw[end - 1 : end] == b"\\":  # an escape may begin here
            end += 1
        part = raw[start:end]
        if b"\\" in part:
            part = part.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        yield start, part
        start = end


def _is_key(raw: bytes, quote: int) -> bool:
    """Tell whether a colon follows the string that ends at `quote`."""
    behind = quote + 1
    while raw[behind : behind + 1] and raw[behind] in _BLANKS:
        behind += 1
    return raw[behind : behind + 1] == b":"
