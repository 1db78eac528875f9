from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.errors import BodyTooLarge, UnreadableCoding
from kong_plugins.aws_masker.wire import codings
from kong_plugins.aws_masker.wire.codings import Decoder, decode, encode, listed

ONE = st.sampled_from(sorted(codings.KNOWN))
STACK = st.lists(ONE, max_size=3)
BODY = b"some text that repeats, some text that repeats; " * 5000
Cut = Callable[[bytes, list[int]], list[bytes]]


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


@settings(deadline=None)
@given(st.binary(), STACK)
def test_what_is_encoded_decodes(body: bytes, stack: list[str]) -> None:
    """Every stack of codings gives the body back."""
    assert decode(encode(body, stack), stack, len(body)) == body


@settings(deadline=None)
@given(STACK, st.lists(st.integers(min_value=0)))
def test_any_cut_decodes_the_same(cuts: Cut, stack: list[str], places: list[int]) -> None:
    """A body that arrives in any parts decodes to the same bytes."""
    decoder = Decoder(stack)
    parts = [piece for part in cuts(encode(BODY, stack), places) for piece in decoder.feed(part)]
    assert b"".join(parts) == BODY
    assert decoder.finished()


@settings(deadline=None)
@given(ONE, st.binary(max_size=200))
def test_garbage_is_refused(coding: str, garbage: bytes) -> None:
    """Bytes that are not validly coded raise our error and no other, and never pass."""
    try:
        decoded = decode(garbage, [coding], 10_000_000)
    except (UnreadableCoding, BodyTooLarge):
        return
    assert decode(encode(decoded, [coding]), [coding], len(decoded)) == decoded


def test_members_of_gzip_take_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zlib copies what it leaves over, so no member is handed all that is still to come behind it."""
    handed = 0
    real = zlib.decompressobj

    class Counting:
        def __init__(self, bits: int) -> None:
            self._real = real(bits)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            nonlocal handed
            handed += len(data)
            return self._real.decompress(data, most)

    monkeypatch.setattr("kong_plugins.aws_masker.wire.codings.zlib.decompressobj", Counting)
    ratios = []
    for times in (500, 5000):
        coded = encode(b"one", ["gzip"]) * times
        handed = 0
        assert decode(coded, ["gzip"], 1 << 20) == b"one" * times
        ratios.append(handed / len(coded))
    assert ratios[1] < 2 * ratios[0]


@pytest.mark.parametrize("coding", sorted(codings.KNOWN))
def test_a_bomb_is_not_inflated(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a body that would be 512 MiB, no more than the bound and one step's output are ever made."""
    bomb = encode(bytes(64 * 1024 * 1024), [coding])
    if coding in ("gzip", "x-gzip", "zstd"):
        bomb *= 8  # members and frames may follow each other
    made = 0
    through = Decoder._through

    def counted(self: Decoder, data: bytes, level: int) -> object:
        nonlocal made
        made += len(data) if level else 0
        return through(self, data, level)

    monkeypatch.setattr(Decoder, "_through", counted)
    with pytest.raises(BodyTooLarge):
        decode(bomb, [coding], 1024 * 1024)
    assert made <= 10 * 1024 * 1024


def test_a_bomb_within_a_bomb() -> None:
    """Stacked codings are bounded as well."""
    with pytest.raises(BodyTooLarge):
        decode(encode(bytes(32 * 1024 * 1024), ["zstd", "gzip", "br"]), ["zstd", "gzip", "br"], 1_000_000)


@pytest.mark.parametrize("coding", sorted(codings.KNOWN))
def test_a_cut_or_longer_body_is_refused(coding: str) -> None:
    """A body that is cut off anywhere, or followed by anything, is not what it claims to be."""
    coded = encode(BODY[:1000], [coding])
    for end in range(len(coded)):
        with pytest.raises(UnreadableCoding):
            decode(coded[:end], [coding], 10_000_000)
    with pytest.raises(UnreadableCoding):
        decode(coded + b"i-0123456789abcdef0", [coding], 10_000_000)


def test_deflate_without_its_header() -> None:
    """Some clients send raw deflate data, against the standard; they are understood."""
    assert decode(raw_deflate(BODY), ["deflate"], len(BODY)) == BODY


def test_members_and_frames_in_a_row() -> None:
    """gzip bodies may have several members, zstd bodies several frames."""
    assert decode(gzip.compress(b"a") + gzip.compress(b"b"), ["gzip"], 10) == b"ab"
    assert decode(zstandard.compress(b"a") + zstandard.compress(b"b"), ["zstd"], 10) == b"ab"


def test_unknown_codings_and_tall_stacks_are_refused() -> None:
    """Neither is worth guessing."""
    for stack in (["compress"], ["gzip", "snappy"], ["gzip"] * 6):
        with pytest.raises(UnreadableCoding):
            decode(b"", stack, 10)


def test_a_zstd_window_beyond_the_standard_is_refused() -> None:
    """RFC 9659 allows 8 MiB; a frame that asks for more memory is not decoded."""
    parameters = zstandard.ZstdCompressionParameters(window_log=25)
    wide = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(UnreadableCoding):
        decode(wide.compress(bytes(100)) + wide.flush(), ["zstd"], 1000)


def test_brotli_of_the_library_is_read() -> None:
    """What a client's own encoder makes decodes as well as what ours does."""
    assert decode(brotli.compress(BODY, quality=11), ["br"], len(BODY)) == BODY


def test_the_header_lists_codings_in_order() -> None:
    """Several headers and several names count alike; case, space and identity do not."""
    assert listed([b"GZip, identity", b" br ,", b""]) == ["gzip", "br"]
