"""Frames of `application/vnd.amazon.eventstream`, in which Bedrock streams, read from bytes that arrive in any cuts.

A frame is a prelude of 12 bytes (length of the frame, length of its headers, CRC-32 of both), the headers, a payload
and the CRC-32 of all before it, numbers in network order. Bedrock's payloads are JSON: of ConverseStream the event
itself, of InvokeModelWithResponseStream `{"bytes": "...", "p": "..."}`, where `bytes` is base64 of an event of the
model's own API and `p` is padding.
https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream has the format.

Written here because the libraries that read it either cannot write it (botocore) or bring a whole HTTP client along;
what is not trivial in it, the checksum, is the standard library's.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kong_plugins.aws_masker.wire.jsontext import Edits, JsonText, NotJsonError, to_bytes
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Scope, Walk

_PRELUDE = struct.Struct(">III")
_LENGTHS = struct.Struct(">II")
_CHECKSUM = struct.Struct(">I")
_AROUND = _PRELUDE.size + _CHECKSUM.size
"""Bytes of a frame without headers and payload."""

_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type: the kinds of a fixed size."""
_SIZED = frozenset({6, 7})
"""The types whose values (bytes, text) have their length before them."""
_TEXT = 7

_WRAPPED = Rule(Leaf.KEEP, fields={"bytes": Rule()}, other=Rule(Leaf.KEEP))


class Frame(NamedTuple):
    """One frame as it came."""

    raw: bytes
    data: bytes | None
    """The event in it; None where there is none that could be put back changed."""

    headers: bytes = b""
    kind: bytes = b""
    """`event`, `exception` or `error`: the value of `:message-type`."""

    wrapper: bytes | None = None
    """The payload, where the event is base64 in it."""

    def with_data(self, data: bytes) -> bytes:
        """Return the frame with another event in it; its headers and the other fields of its payload stay."""
        if data == self.data:
            return self.raw
        return framed(self.headers, data if self.wrapper is None else _wrapped(self.wrapper, data))

    def like(self, data: bytes) -> bytes:
        """Return another frame of the same kind."""
        return self.with_data(data)


def framed(headers: bytes, payload: bytes) -> bytes:
    """Return a frame with its checksums."""
    lengths = _LENGTHS.pack(_AROUND + len(headers) + len(payload), len(headers))
    message = b"".join((lengths, _CHECKSUM.pack(zlib.crc32(lengths)), headers, payload))
    return message + _CHECKSUM.pack(zlib.crc32(message))


class Reader:
    """Cuts a stream into frames; however its bytes are cut, the same frames come out."""

    def __init__(self, limit: int) -> None:
        """`limit`: most bytes of one frame."""
        self._limit = limit
        self._buffer = bytearray()
        self._size = 0  # of the frame that the buffer begins with; 0: not known yet
        self.is_lost = False
        """Whether what comes next is no frame, so that nothing after it can be read either."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that `data` completes."""
        self._buffer += data
        while not self.is_lost and self._is_whole():
            raw = bytes(self._buffer[: self._size])
            (checksum,) = _CHECKSUM.unpack(raw[-_CHECKSUM.size :])
            if zlib.crc32(raw[: -_CHECKSUM.size]) != checksum:
                self.is_lost = True
                return
            del self._buffer[: self._size]
            self._size = 0
            yield _read(raw)

    def rest(self) -> bytes:
        """Return the bytes that are no frame, or not a whole one, as they came, and forget them."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._size = 0
        return rest

    def _is_whole(self) -> bool:
        if not self._size and len(self._buffer) >= _PRELUDE.size:
            size, headers, checksum = _PRELUDE.unpack_from(self._buffer)
            is_sound = zlib.crc32(bytes(self._buffer[: _LENGTHS.size])) == checksum
            if not is_sound or not _AROUND + headers <= size <= self._limit:
                self.is_lost = True
                return False
            self._size = size
        return 0 < self._size <= len(self._buffer)


def _read(raw: bytes) -> Frame:
    _, size, _ = _PRELUDE.unpack_from(raw)
    begin = _PRELUDE.size + size
    headers, payload = raw[_PRELUDE.size : begin], raw[begin : -_CHECKSUM.size]
    texts = _texts(headers)
    kind = texts.get(b":message-type", b"")
    if kind != b"event" or texts.get(b":event-type") != b"chunk":
        return Frame(raw, payload, headers, kind)
    return Frame(raw, _unwrapped(payload), headers, kind, payload)


def _texts(headers: bytes) -> Mapping[bytes, bytes]:
    """Return the headers whose values are texts; as far as they can be read."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(headers):
        name = headers[at + 1 : at + 1 + headers[at]]
        at += 1 + len(name)
        kind = headers[at] if at < len(headers) else -1
        at += 1
        size = _FIXED.get(kind, -1)
        if kind in _SIZED:
            size = int.from_bytes(headers[at : at + 2], "big")
            at += 2
        if size < 0 or at + size > len(headers):
            break
        if kind == _TEXT:
            found[name] = headers[at : at + size]
        at += size
    return found


def _unwrapped(payload: bytes) -> bytes | None:
    """Return the event that is base64 in `payload`, or None."""
    try:
        found = _Wrapped(JsonText(payload)).value
        return None if found is None else base64.b64decode(found, validate=True)
    except (NotJsonError, binascii.Error):
        return None


def _wrapped(payload: bytes, data: bytes) -> bytes:
    """Return `payload`, of which `_unwrapped` gave an event, with `data` in the event's place."""
    place = _Wrapped(JsonText(payload))
    edits = Edits()
    edits.change(place.token, base64.b64encode(data))
    return place.text.splice(edits, place.strings)


class _Wrapped:
    """Where base64 stands in the payload of a frame."""

    def __init__(self, text: JsonText) -> None:
        """Raises NotJsonError where a key is repeated, or `text` is nested too deeply."""
        self.text = text
        self.value: bytes | None = None
        self.token = -1
        walk = Walk(self._visit)
        if isinstance(text.tree, dict) and isinstance(text.tree.get("bytes"), str):
            walk.over(text.tree, _WRAPPED)
        self.strings = walk.strings
        if self.value is not None:
            text.check(self.strings)

    def _visit(self, token: int, value: str, _leaf: Leaf, _key: str, _scope: Scope) -> None:
        self.token, self.value = token, to_bytes(value)
