"""Bodies of answers restored as they arrive, one class for each shape of body."""

from __future__ import annotations

from typing import Protocol

from kong_plugins.aws_masker.wire.headers import Shape
from kong_plugins.aws_masker.wire.jsontext import NotJsonError
from kong_plugins.aws_masker.wire.providers.common import Policy
from kong_plugins.aws_masker.wire.restoring import Piecewise, Restoring, restored
from kong_plugins.aws_masker.wire.rules import Rule
from kong_plugins.aws_masker.wire.streams import EventRestorer, FrameRestorer


class Body(Protocol):
    """An answer's body, without content coding, on its way to the client."""

    def feed(self, data: bytes) -> bytes:
        """Return what the client gets for these bytes; nothing may be settled yet."""

    def close(self) -> bytes:
        """Return the rest: the body has ended, whole or not."""


def body_of(shape: Shape, policy: Policy, restoring: Restoring, limit: int) -> Body:
    """Return the restorer for a body of `shape`, which holds at most about `limit` bytes."""
    if shape is Shape.JSON:
        return JsonBody(policy.response, restoring, limit)
    if shape is Shape.NDJSON:
        return LinesBody(policy.response, restoring, limit)
    if shape is Shape.SSE:
        return EventRestorer(policy, restoring, limit)
    if shape is Shape.EVENTSTREAM:
        return FrameRestorer(policy, restoring, limit)
    return TextBody(restoring)


class TextBody:
    """Plain text."""

    def __init__(self, restoring: Restoring, *, escaped: bool = False) -> None:
        """`escaped`: the text is JSON that is not parsed, so values go in JSON-escaped."""
        self._restorer: Piecewise = restoring.pieces(escaped=escaped)

    def feed(self, data: bytes) -> bytes:
        """Return what is settled."""
        return self._restorer.feed(data)

    def close(self) -> bytes:
        """Return what was held back."""
        return self._restorer.flush()


class JsonBody:
    """One JSON text: collected, then restored by its rules.

    One that is too large to collect, or no valid JSON, is restored as text, everything in it.
    """

    def __init__(self, rule: Rule, restoring: Restoring, limit: int) -> None:
        self._rule = rule
        self._restoring = restoring
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._text: TextBody | None = None

    def feed(self, data: bytes) -> bytes:
        """Return nothing, unless the body has outgrown the limit."""
        if self._text is not None:
            return self._text.feed(data)
        self._parts.append(data)
        self._size += len(data)
        if self._size <= self._limit:
            return b""
        self._text = TextBody(self._restoring, escaped=True)
        parts, self._parts = self._parts, []
        return self._text.feed(b"".join(parts))

    def close(self) -> bytes:
        """Return the whole body, or the rest of one that was too large."""
        if self._text is not None:
            return self._text.close()
        return _restored_or_text(b"".join(self._parts), self._rule, self._restoring)


class LinesBody:
    """JSON texts, each on a line of its own; a line beyond the limit makes text of it and all that follow."""

    def __init__(self, rule: Rule, restoring: Restoring, limit: int) -> None:
        self._rule = rule
        self._restoring = restoring
        self._limit = limit
        self._buffer = bytearray()
        self._seen = 0
        self._text: TextBody | None = None

    def feed(self, data: bytes) -> bytes:
        """Return the lines that are complete."""
        if self._text is not None:
            return self._text.feed(data)
        self._buffer += data
        out: list[bytes] = []
        start = 0
        while (end := self._buffer.find(b"\n", self._seen)) >= 0 and end - start <= self._limit:
            out.append(self._line(bytes(self._buffer[start:end])) + b"\n")
            start = self._seen = end + 1
        del self._buffer[:start]
        self._seen = len(self._buffer)
        if end >= 0 or self._seen > self._limit:
            self._text = TextBody(self._restoring, escaped=True)
            out.append(self._text.feed(bytes(self._buffer)))
            self._buffer.clear()
        return b"".join(out)

    def close(self) -> bytes:
        """Return the last line, if it had no end."""
        return self._text.close() if self._text is not None else self._line(bytes(self._buffer))

    def _line(self, line: bytes) -> bytes:
        return _restored_or_text(line, self._rule, self._restoring)


def _restored_or_text(raw: bytes, rule: Rule, restoring: Restoring) -> bytes:
    try:
        return restored(raw, rule, restoring)
    except NotJsonError:
        return restoring.whole(raw, escaped=True)
