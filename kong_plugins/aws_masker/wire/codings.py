"""Content codings (RFC 9110, 8.4): gzip, deflate, br and zstd, in any stack, decoded with a bound.

Every decoder hands out its output in pieces of a few megabytes at most, so a bomb is seen and refused long before it is
inflated whole. `Decoder` works on bodies that arrive in parts; `decode` on a whole body.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import brotli
import zstandard

from kong_plugins.aws_masker.errors import BodyTooLarge, UnreadableCoding

PIECE = 1024 * 1024
"""Most bytes that one step of a decoder gives (zlib, brotli), bar small overheads."""

ZLIB_STEP = 4096
"""Bytes of zlib input a step. The library copies what it leaves over of a step, for every member and every piece."""

ZSTD_STEP = 256
"""Bytes of zstd input a step. The library cannot bound its output; a block header of 4 bytes gives 128 KiB at most,
so a step gives 8 MiB at most."""

ZSTD_WINDOW = 8 * 1024 * 1024
"""Largest window of the `zstd` coding in HTTP (RFC 9659)."""

MAX_CODINGS = 5
"""Most codings stacked on one body. Nobody uses more than two; each costs a decoder."""


class _Step(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded pieces that `data` makes available; raises UnreadableCoding."""

    def finished(self) -> bool:
        """Return whether the coded stream is complete."""


class _Zlib:
    """gzip (also of several members) and deflate, with the zlib header that RFC 9110 asks for or without it."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._gzip = is_gzip
        self._inflate: zlib._Decompress | None = None
        self._started = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), ZLIB_STEP):
            yield from self._step(self._started + data[start : start + ZLIB_STEP])

    def _step(self, data: bytes) -> Iterator[bytes]:
        self._started = b""
        while data:
            if self._inflate is None or self._inflate.eof:
                if self._inflate is not None and not self._gzip:
                    raise UnreadableCoding("something follows the end of the compressed data")
                if not self._gzip and len(data) < 2:
                    self._started = data
                    return
                self._inflate = zlib.decompressobj(self._window_bits(data))
            yield from self._inflated(self._inflate, data)
            data = self._inflate.unused_data

    def _inflated(self, inflate: zlib._Decompress, data: bytes) -> Iterator[bytes]:
        full = True
        # A full piece may leave output behind in zlib even where no input is left over.
        while (data or full) and not inflate.eof:
            try:
                piece = inflate.decompress(data, PIECE)
            except zlib.error:
                raise UnreadableCoding("broken compressed data") from None
            full = len(piece) == PIECE
            data = inflate.unconsumed_tail
            yield piece

    def _window_bits(self, data: bytes) -> int:
        if self._gzip:
            return 16 + zlib.MAX_WBITS
        # RFC 1950: the compression method is 8, and both bytes together are a multiple of 31.
        has_header = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
        return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS

    def finished(self) -> bool:
        return self._inflate is not None and self._inflate.eof


class _Brotli:
    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            piece = self._decompressor.process(data, output_buffer_limit=PIECE)
            # can_accept_more_data() is of no help: it says yes while output is still waiting (brotli 1.2.1).
            while piece:
                yield piece
                piece = self._decompressor.process(b"", output_buffer_limit=PIECE)
        except brotli.error:
            raise UnreadableCoding("broken compressed data") from None

    def finished(self) -> bool:
        return bool(self._decompressor.is_finished())


class _Zstd:
    """One or several zstd frames."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        self._frame = self._context.decompressobj()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), ZSTD_STEP):
            step = data[start : start + ZSTD_STEP]
            while step:
                if self._frame.eof:
                    self._frame = self._context.decompressobj()
                self._begun = True
                try:
                    yield self._frame.decompress(step)
                except zstandard.ZstdError:
                    raise UnreadableCoding("broken compressed data") from None
                step = self._frame.unused_data if self._frame.eof else b""

    def finished(self) -> bool:
        return self._begun and self._frame.eof


_STEPS: dict[str, Callable[[], _Step]] = {
    "gzip": lambda: _Zlib(is_gzip=True),
    "x-gzip": lambda: _Zlib(is_gzip=True),
    "deflate": lambda: _Zlib(is_gzip=False),
    "br": _Brotli,
    "zstd": _Zstd,
}

_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, compresslevel=6, mtime=0),
    "x-gzip": lambda body: gzip.compress(body, compresslevel=6, mtime=0),
    "deflate": zlib.compress,
    "br": lambda body: brotli.compress(body, quality=5),
    "zstd": zstandard.compress,
}

KNOWN = frozenset(_STEPS)
"""The codings, in lower case, that can be decoded and encoded; `identity` is none."""


def listed(values: Iterable[bytes]) -> list[str]:
    """Return the codings named by the values of all Content-Encoding headers, in the order they were applied.

    `identity` is left out. The names are in lower case and may be unknown.
    """
    tokens = b",".join(values).decode("latin-1").lower().split(",")
    return [token for token in (token.strip(" \t") for token in tokens) if token not in ("", "identity")]


class Decoder:
    """Undoes a stack of codings on a body that arrives in parts."""

    def __init__(self, codings: Sequence[str]) -> None:
        """`codings` in the order they were applied.

        Raises:
            UnreadableCoding: one of them is unknown, or there are too many.
        """
        if len(codings) > MAX_CODINGS:
            raise UnreadableCoding("too many content codings")
        if not KNOWN.issuperset(codings):
            raise UnreadableCoding("unknown content coding")
        self._steps = [_STEPS[coding]() for coding in reversed(codings)]

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded pieces, none of them empty, that `data` makes available.

        Raises:
            UnreadableCoding: the data is not validly coded; the decoder is of no use afterwards.
        """
        return self._through(data, 0)

    def _through(self, data: bytes, level: int) -> Iterator[bytes]:
        if not data:
            return
        if level == len(self._steps):
            yield data
            return
        for piece in self._steps[level].feed(data):
            yield from self._through(piece, level + 1)

    def finished(self) -> bool:
        """Return whether every coded stream is complete."""
        return all(step.finished() for step in self._steps)


def decode(body: bytes, codings: Sequence[str], limit: int) -> bytes:
    """Return `body` without its `codings` (in the order they were applied).

    Raises:
        UnreadableCoding: unknown, broken, cut off, or followed by something else.
        BodyTooLarge: more than `limit` bytes come out.
    """
    decoder = Decoder(codings)
    if not codings:
        return body
    pieces: list[bytes] = []
    size = 0
    for piece in decoder.feed(body):
        size += len(piece)
        if size > limit:
            raise BodyTooLarge("after decompression")
        pieces.append(piece)
    if not decoder.finished():
        raise UnreadableCoding("the compressed data is cut off")
    return b"".join(pieces)


def encode(body: bytes, codings: Sequence[str]) -> bytes:
    """Apply `codings`, all of them known, to `body` in their order."""
    for coding in codings:
        body = _ENCODERS[coding](body)
    return body
