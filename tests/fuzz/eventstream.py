"""Frames of Bedrock's streams: whatever comes, and however it is cut, the same goes out, and nothing fails.

Fuzzers do not find checksums, so most inputs are the contents of frames, which are put together here; the rest is the
stream itself.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib

from kong_plugins.aws_masker.wire.eventstream import Reader
from kong_plugins.aws_masker.wire.providers import Api, policy_of
from kong_plugins.aws_masker.wire.streams import FrameRestorer
from tests.fuzz.bytestream import Input
from tests.fuzz.common import PLACEHOLDERS, Restoring

_APIS = (Api.BEDROCK_INVOKE, Api.BEDROCK_CONVERSE, Api.OTHER)
_LIMITS = (1 << 20, 64, 4096)
_MADE = (b"chunk", b"contentBlockDelta", b"raw", b"exception")


def _frame(payload: bytes, headers: bytes) -> bytes:
    head = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    head += struct.pack("!I", zlib.crc32(head))
    return head + headers + payload + struct.pack("!I", zlib.crc32(head + headers + payload))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + b"\x07" + struct.pack("!H", len(value)) + value


def _framed(kind: bytes, part: bytes) -> bytes:
    if kind == b"raw":  # headers that are none, too
        return _frame(part[1:], part[1 : 1 + part[0]]) if part else _frame(b"", b"")
    message = b"exception" if kind == b"exception" else b"event"
    payload = json.dumps({"bytes": base64.b64encode(part).decode(), "p": "ab"}).encode() if kind == b"chunk" else part
    return _frame(payload, _header(b":event-type", kind) + _header(b":message-type", message))


def _restored(api: Api, limit: int, pieces: list[bytes]) -> bytes:
    restorer = FrameRestorer(policy_of(api), Restoring(), limit)
    return b"".join([*map(restorer.feed, pieces), restorer.close()])


def check(data: bytes) -> None:
    """Read and restore a stream, in one piece and in many; frames are separated by newlines in the input."""
    given = Input(data)
    api, limit, cuts, bare = given.pick(_APIS), given.pick(_LIMITS), given.cuts(), given.byte() % 4 == 3
    parts = given.rest.split(b"\n")
    stream = given.rest if bare else b"".join(_framed(_MADE[part[:1][0] % 4], part[1:]) for part in parts if part)
    reader = Reader(limit)
    frames = [frame for piece in cuts.of(stream) for frame in reader.feed(piece)]
    assert b"".join(frame.raw for frame in frames) + reader.rest() == stream, "bytes were lost"
    for frame in frames:
        assert frame.with_data(frame.data or b"") == frame.raw or frame.data is None, "a frame is not its own"
    out = _restored(api, limit, list(cuts.of(stream)))
    assert out == _restored(api, limit, [stream]), "cut differently, it is restored differently"
    again = Reader(1 << 22)
    for _ in again.feed(out):
        pass
    assert again.is_lost <= reader.is_lost, "a frame that was written cannot be read"


def seeds() -> list[bytes]:
    """Return streams of both APIs with placeholders cut in two, an exception, and bytes that are no frames."""
    one = PLACEHOLDERS[3].decode()
    anthropic = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": one[:7]}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": one[7:]}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": one[:9]}},
        {"type": "content_block_stop", "index": 1},
    ]
    converse = [
        {"contentBlockIndex": 0, "delta": {"text": one[:7]}, "p": "abc"},
        {"contentBlockIndex": 0, "delta": {"text": one[7:]}, "p": "abc"},
        {"contentBlockIndex": 1, "delta": {"toolUse": {"input": one}}},
        {"contentBlockIndex": 1},
        {"stopReason": "end_turn"},
    ]
    others = [{"generation": one[:5]}, {"choices": [{"index": 0, "delta": {"content": one[:5]}}]}, {"outputText": one}]
    head = bytes((0, 5, 1, 60, 0))
    made = [
        b"\x00" + head + b"\n".join(b"\x00" + json.dumps(event).encode() for event in anthropic),
        b"\x01" + head + b"\n".join(b"\x01" + json.dumps(event).encode() for event in converse),
        b"\x00" + head + b"\n".join(b"\x00" + json.dumps(event).encode() for event in others),
        b"\x01" + head + b"\x03" + json.dumps({"message": one}).encode() + b"\n\x02\x05abcdefgh",
    ]
    stream = _framed(b"chunk", json.dumps(anthropic[0]).encode()) + _framed(b"contentBlockDelta", b"{}")
    return [*made, b"\x00\x00\x05\x01\x3c\x03" + stream, b"\x00\x01\x05\x01\x3c\x03" + stream[:-3]]
