"""Server-sent events (WHATWG HTML, 9.2), read from bytes that arrive in any cuts, with every raw byte kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event as it came, with the blank line that ends it."""

    raw: bytes
    data: bytes | None
    """Its data, lines joined by LF; None for an event without data (comments only) and for loose bytes."""

    lines: tuple[tuple[int, int], ...] = ()
    """Where in `raw` the values of the data lines begin and end."""

    name: bytes = b""
    """The value of its `event` field."""

    newline: bytes = b"\n"
    """How its first line ended."""

    def with_data(self, data: bytes) -> bytes:
        """Return the raw event with other data; its other lines stay as they are."""
        (start, end), *more = self.lines
        rows = data.split(b"\n")
        if not more and len(rows) == 1:
            return self.raw[:start] + data + self.raw[end:]
        last = more[-1][1] if more else end
        return self.raw[:start] + (self.newline + b"data: ").join(rows) + self._others(end, last) + self.raw[last:]

    def like(self, data: bytes) -> bytes:
        """Return another event of the same name."""
        return event_of(self.name, data, self.newline)

    def _others(self, start: int, end: int) -> bytes:
        """Return the lines between `start` and `end` that are not data, each after a line end."""
        rows = self.raw[start:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[1:]
        return b"".join(self.newline + row for row in rows if row != b"data" and not row.startswith(b"data:"))


def event_of(name: bytes, data: bytes, newline: bytes) -> bytes:
    """Return a new event; `name` may be empty."""
    head = b"event: " + name + newline if name else b""
    return head + b"data: " + data + newline + newline


class Reader:
    """Cuts a stream into events; however its bytes are cut, the same events and loose bytes come out.

    A line may end with CR, and an LF after it still belongs to it. An event that ends so is handed out at once;
    the LF, when it comes, follows as loose bytes. So nothing waits for a byte that may never come.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun = False
        self._after_cr = False
        self._lf = self._cr = -1  # where the next of them stands, as far as that is known
        self._clear()

    def _clear(self) -> None:
        self._line = 0  # where the line being read begins
        self._seen = 0  # how far it was searched for its end
        self._data: list[tuple[int, int]] = []
        self._name = b""
        self._newline = b""

    def __len__(self) -> int:
        """Return how many bytes of an unfinished event are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that `data` completes."""
        self._buffer += data
        self._lf = self._cr = -1
        if not self._begun and not self._skip_bom():
            return
        while True:
            if self._after_cr and self._line < len(self._buffer):
                loose = self._absorb_lf()
                if loose is not None:
                    yield loose
            event, more = self._next_line()
            if event is not None:
                yield event
            if not more:
                return

    def rest(self) -> bytes:
        """Return the bytes of the unfinished event, as they came, and forget them."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._clear()
        return rest

    def _skip_bom(self) -> bool:
        head = bytes(self._buffer[:3])
        if len(head) < 3 and _BOM.startswith(head):
            return False
        self._begun = True
        self._line = self._seen = 3 if head == _BOM else 0
        return True

    def _absorb_lf(self) -> Event | None:
        """Take the LF of a CRLF into the line that the CR ended; if that was an event's last, hand it out by itself."""
        self._after_cr = False
        if self._buffer[self._line] != 0x0A:
            return None
        if self._line == 0:
            self._drop(1)
            self._seen = 0
            return Event(b"\n", None)
        self._line += 1
        self._seen = self._line
        if self._newline == b"\r":
            self._newline = b"\r\n"
        return None

    def _next_line(self) -> tuple[Event | None, bool]:
        """Read one line; return the event that it ends, if any, and whether there was a whole line."""
        buffer, start = self._buffer, self._line
        if self._lf < self._seen:
            self._lf = self._find(b"\n")
        if self._cr < self._seen:
            self._cr = self._find(b"\r")
        end = min(self._lf, self._cr)
        if end == len(buffer):
            self._seen = end
            return None, False
        self._after_cr = end == self._cr
        self._newline = self._newline or bytes(buffer[end : end + 1])
        self._line = self._seen = end + 1
        if end > start:
            self._field(start, end)
            return None, True
        return self._finish(), True

    def _find(self, sign: bytes) -> int:
        """Return where the next `sign` stands, the buffer's length if nowhere: then no line looks again."""
        found = self._buffer.find(sign, self._seen)
        return found if found >= 0 else len(self._buffer)

    def _drop(self, size: int) -> None:
        """Forget the first `size` bytes of the buffer."""
        del self._buffer[:size]
        self._lf -= size
        self._cr -= size

    def _field(self, start: int, end: int) -> None:
        line = bytes(self._buffer[start:end])
        name, colon, value = line.partition(b":")
        skip = len(name) + len(colon) + value.startswith(b" ")
        if name == b"data":
            self._data.append((start + skip, end))
        elif name == b"event":
            self._name = line[skip:]

    def _finish(self) -> Event:
        raw = bytes(self._buffer[: self._line])
        data = b"\n".join(raw[start:end] for start, end in self._data) if self._data else None
        event = Event(raw, data, tuple(self._data), self._name, self._newline)
        self._drop(self._line)
        self._clear()
        return event
