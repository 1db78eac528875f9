"""Masked text in, restored text out: whole, or in pieces as a stream brings them."""

from __future__ import annotations

from collections.abc import Callable

from kong_plugins.aws_masker.pseudonym import recognise
from kong_plugins.aws_masker.text import Lookup

Escape = Callable[[bytes], bytes]


class StreamRestorer:
    """Restores a text that arrives in pieces; any cut of the same text gives the same bytes in sum.

    Held back is only a tail that could still become a placeholder, or a number that could still go on.
    """

    def __init__(self, lookup: Lookup, escape: Escape | None = None) -> None:
        """`escape` is applied to each value: a value inside a JSON text has to be escaped once more."""
        self._lookup = lookup
        self._escape = escape
        self._held = b""
        self._before = b""

    def feed(self, data: bytes) -> bytes:
        """Return what is settled."""
        return self._advance(self._held + data, final=False)

    def flush(self) -> bytes:
        """Return what is still held back, restored: the text has ended. The next text may then begin."""
        return self.finish(b"")

    def finish(self, data: bytes) -> bytes:
        """Feed the last piece and flush."""
        settled = self._advance(self._held + data, final=True)
        self._before = b""
        return settled

    def _advance(self, text: bytes, final: bool) -> bytes:
        pieces: list[bytes] = []
        done = position = 0
        held = len(text) if final else recognise.begun_at(text, 0)
        while (place := recognise.candidate(text, position)) is not None and place[0] <= held:
            found = self._read(text, *place)
            if place[0] == held and not (found and found[0].settled):
                break  # it could still become another one, or a longer number
            if found is None:
                position = recognise.next_position(text, place[0], self._before)
                continue
            pieces += (text[done : place[0]], found[1])
            done = position = found[0].end
            if done > held:
                held = recognise.begun_at(text, done)
        pieces.append(text[done:held])
        self._before = (self._before + text[max(0, held - recognise.LOOK_BACK) : held])[-recognise.LOOK_BACK :]
        self._held = text[held:]
        return b"".join(pieces)

    def _read(self, text: bytes, start: int, end: int) -> tuple[recognise.Reading, bytes] | None:
        for reading in recognise.readings(text, start, end, self._before):
            value = self._lookup(reading.spelling)
            if value is not None:
                return reading, self._escape(value) if self._escape else value
        return None


def restore(text: bytes, lookup: Lookup, escape: Escape | None = None) -> bytes:
    """Return `text` with every placeholder that `lookup` knows turned back; `escape` is applied to each value."""
    return StreamRestorer(lookup, escape).finish(text)
