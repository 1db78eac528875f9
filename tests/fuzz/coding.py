"""Content codings: whatever comes, it is decoded within its bound, or refused with one of our own errors."""

from __future__ import annotations

import itertools

from kong_plugins.aws_masker.errors import BodyTooLarge, UnreadableCoding
from kong_plugins.aws_masker.wire import codings
from tests.fuzz.bytestream import Input

_STACKS = [
    [*stack] for size in (1, 2) for stack in itertools.product(("gzip", "deflate", "br", "zstd", "x-gzip"), repeat=size)
]
_LIMIT = 1 << 20
_LARGEST_PIECE = 9 << 20


def check(data: bytes) -> None:
    """Decode whole and in pieces, with the same result; what is encoded decodes to the same."""
    given = Input(data)
    stack, cuts = given.pick(_STACKS), given.cuts()
    try:
        whole: bytes | None = codings.decode(given.rest, stack, _LIMIT)
    except (UnreadableCoding, BodyTooLarge):
        whole = None
    if whole is not None:
        assert len(whole) <= _LIMIT
        decoder = codings.Decoder(stack)
        pieces = [piece for cut in cuts.of(given.rest) for piece in decoder.feed(cut)]
        assert b"".join(pieces) == whole, "cut differently, it decodes differently"
        assert decoder.finished()
    else:
        _bounded(stack, given.rest)
    assert codings.decode(codings.encode(given.rest, stack), stack, _LIMIT) == given.rest
    codings.listed([given.rest])


def _bounded(stack: list[str], data: bytes) -> None:
    """No step gives more than it may, and none fails with another error."""
    size = 0
    try:
        for piece in codings.Decoder(stack).feed(data):
            assert 0 < len(piece) <= _LARGEST_PIECE
            size += len(piece)
            if size > _LIMIT:
                return
    except UnreadableCoding:
        return


def seeds() -> list[bytes]:
    """Return each coding of a short and of a long text."""
    texts = (b"", b"i-0123456789abcdef0 " * 3, bytes(range(256)) * 20, b"\0" * 300_000)
    head = bytes((7, 1, 200))
    return [
        bytes([number]) + head + codings.encode(text, stack)
        for number, stack in enumerate(_STACKS[:12])
        for text in texts
    ]
