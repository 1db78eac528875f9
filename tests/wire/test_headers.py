from __future__ import annotations

import pytest

from kong_plugins.aws_masker.errors import UpgradeRefused
from kong_plugins.aws_masker.wire.headers import (
    ContentType,
    Shape,
    content_type,
    of_changed_body,
    refuse_upgrade,
    values,
    with_readable_codings,
)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (b"application/json", Shape.JSON),
        (b"Application/JSON; charset=utf-8", Shape.JSON),
        (b"application/problem+json", Shape.JSON),
        (b"application/x-ndjson", Shape.NDJSON),
        (b"application/jsonl", Shape.NDJSON),
        (b"text/event-stream; charset=utf-8", Shape.SSE),
        (b"text/plain", Shape.TEXT),
        (b"application/x-www-form-urlencoded", Shape.UNKNOWN),
        (b"multipart/form-data; boundary=x", Shape.UNKNOWN),
        (b"application/vnd.amazon.eventstream", Shape.EVENTSTREAM),
        (b"", Shape.UNKNOWN),
    ],
)
def test_shapes(value: bytes, shape: Shape) -> None:
    """The media type alone, in any case, says how a body is read."""
    assert content_type(value).shape is shape


def test_the_charset_is_read_in_any_spelling() -> None:
    """Quotes, case and further parameters make no difference."""
    assert content_type(b'text/plain; format=flowed; Charset="UTF-8"') == ContentType("text/plain", "utf-8")


@pytest.mark.parametrize(
    ("came", "goes"),
    [
        (b"gzip, deflate, br, zstd", b"gzip, deflate, br, zstd"),
        (b"gzip;q=0.5,br", b"gzip;q=0.5,br"),
        (b"gzip, dcb, sdch;q=0.1", b"gzip"),
        (b"compress", b"identity"),
        (b"*", b"identity"),
        (b"gzip, *;q=0", b"gzip, *;q=0"),
        (b"", b"identity"),
    ],
)
def test_only_codings_that_can_be_decoded_are_asked_for(came: bytes, goes: bytes) -> None:
    """The upstream is never offered a coding that could not be read, and the header never ends up empty."""
    headers = [(b"Accept-Encoding", came), (b"X-Other", b"1")]
    assert with_readable_codings(headers) == [(b"Accept-Encoding", goes), (b"X-Other", b"1")]


def test_the_headers_of_a_changed_body() -> None:
    """The length is right and stays in its place, digests of the old body go, all others stay as they are."""
    headers = [(b"Host", b"h"), (b"Content-Length", b"10"), (b"Content-MD5", b"x"), (b"Content-Encoding", b"gzip")]
    assert of_changed_body(headers, 7, coded=True) == [
        (b"Host", b"h"), (b"Content-Length", b"7"), (b"Content-Encoding", b"gzip"),
    ]  # fmt: skip
    assert of_changed_body(headers, None, coded=False) == [(b"Host", b"h")]
    assert of_changed_body([(b"Host", b"h")], 7, coded=True)[1] == (b"content-length", b"7")
    chunked = [(b"Transfer-Encoding", b"chunked")]
    assert of_changed_body(chunked, 7, coded=True) == chunked


def test_values_of_a_header() -> None:
    """Names are compared without case, and every header of a name counts."""
    assert values([(b"A", b"1"), (b"b", b"2"), (b"a", b"3")], b"a") == [b"1", b"3"]


def test_every_upgrade_is_refused() -> None:
    """Whatever the protocol, and whatever the header's case."""
    refuse_upgrade([(b"connection", b"upgrade"), (b"x-upgrade", b"websocket")])
    for protocol in (b"h2c", b"WebSocket", b""):
        with pytest.raises(UpgradeRefused):
            refuse_upgrade([(b"a", b"b"), (b"Upgrade", protocol)])
