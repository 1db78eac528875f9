"""The texts of a request in windows: joined, so that one scan searches many, but only as many as take little memory.

It is as if all texts stood in one buffer, so that what stands in one text may tell what stands in the next. A text that
stands under a JSON key is preceded by that key, as it would be in JSON text, so that detection needs no second way to
learn what a name is. A window repeats what stands right before and behind its own texts there, as far as detection
looks, so that it makes no difference where one window ends and the next one begins.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter

from kong_plugins.aws_masker.detect.spans import Span
from kong_plugins.aws_masker.text import Text

SIZE = 128 * 1024
"""Bytes after which a window ends with its text; a longer text without a key is a window of its own, and no copy."""
_START = itemgetter(0)
MARGIN = 2304
"""Bytes repeated before and behind; detectors look back 1,200 at most, and ahead 2,048, but inside one text, which no
window cuts: tables, Terraform's state and private keys are read on to their end."""


class Window:
    """Some texts of a request in one buffer, and where each of them lies."""

    __slots__ = ("buffer", "end", "ends", "first", "start", "starts")

    def __init__(
        self, buffer: bytes, first: int, starts: list[int], ends: list[int], core: tuple[int, int] | None = None
    ) -> None:
        """`first`: the index of its first text; `core`: where, in the buffer, lies what is not repeated."""
        self.buffer = buffer
        self.first = first
        self.starts = starts
        self.ends = ends
        self.start, self.end = core or (0, len(buffer))

    def layout(self) -> bytes:
        """Return where the texts lie in the buffer: with the buffer, all that a search depends on."""
        return array("q", (self.start, self.end, *self.starts, *self.ends)).tobytes()

    def own(self, spans: list[Span]) -> list[Span]:
        """Return those of `spans` that do not begin in what is repeated."""
        if not spans or (spans[0].start >= self.start and spans[-1].start < self.end):  # in order
            return spans
        return [span for span in spans if self.start <= span.start < self.end]

    def parts(self, spans: Sequence[Span]) -> Iterator[tuple[int, Sequence[Span]]]:
        """Yield what of `spans`, which are in order, lies in the texts: a text's place in `starts`, and its spans."""
        owner = -1
        held: Sequence[Span] = ()
        for at, some in self._parts(spans):
            if at == owner:
                held = [*held, *some]
                continue
            if held:
                yield owner, held
            owner, held = at, some
        if held:
            yield owner, held

    def _parts(self, spans: Sequence[Span]) -> Iterator[tuple[int, Sequence[Span]]]:
        """Yield the same; a text may come twice, if a span lies in it with its end only, as odd patterns find it."""
        starts, ends = self.starts, self.ends
        index = 0
        while index < len(spans):
            start, end = spans[index][:2]
            at = max(0, bisect_right(starts, start) - 1)
            if starts[at] <= start and end <= ends[at]:
                stop = bisect_left(spans, ends[at], index, key=_START)
                if spans[stop - 1].end > ends[at]:
                    stop -= 1
                yield at, spans[index:stop]
                index = stop
            else:
                yield from self._cut(spans[index], at)
                index += 1

    def _cut(self, span: Span, at: int) -> Iterator[tuple[int, Sequence[Span]]]:
        """Yield what lies in texts of a span that lies in no text as a whole."""
        while at < len(self.starts) and self.starts[at] < span.end:
            start, end = max(span.start, self.starts[at]), min(span.end, self.ends[at])
            if start < end:
                yield at, (Span(start, end, span.family),)
            at += 1


def windows(texts: Sequence[Text]) -> Iterator[Window]:
    """Yield the windows of `texts`, in order."""
    before = b""
    first = 0
    while first < len(texts):
        text = texts[first]
        if len(text.value) > SIZE and not text.key:
            window = Window(text.value, first, [0], [len(text.value)])
        else:
            window = _joined(texts, first, before)
        before = window.buffer[max(0, window.end - MARGIN) : window.end]
        first += len(window.starts)
        yield window


def _joined(texts: Sequence[Text], first: int, before: bytes) -> Window:
    pieces = [before]
    starts: list[int] = []
    ends: list[int] = []
    length = len(before)
    for index in range(first, len(texts)):
        value, key = texts[index]
        if length - len(before) > SIZE or (len(value) > SIZE and not key):
            break
        head = b'\x00"' + key + b'": "' if key else b"\x00"
        pieces += (head, value, b'"' if key else b"")
        starts.append(length + len(head))
        ends.append(length + len(head) + len(value))
        length = ends[-1] + len(pieces[-1])
    pieces += _behind(texts, first + len(starts))
    return Window(b"".join(pieces), first, starts, ends, (len(before), length))


def _behind(texts: Sequence[Text], first: int) -> Iterator[bytes]:
    """Yield what stands from text `first` on, up to the margin."""
    left = MARGIN
    for index in range(first, len(texts)):
        if left <= 0:
            return
        value, key = texts[index]
        for piece in (b'\x00"' + key + b'": "' if key else b"\x00", value[:left], b'"' if key else b""):
            yield piece
            left -= len(piece)
