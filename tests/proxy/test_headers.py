"""Which headers pass a proxy."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker.errors import RequestRefused
from kong_plugins.aws_masker.proxy.headers import end_to_end, framed, tenant_of


def test_headers_of_the_connection_are_dropped_whatever_their_case() -> None:
    """The fixed ones, those that any `Connection` header names, and those asked for; the rest keeps its order."""
    headers = [
        (b"B", b"1"),
        (b"CONNECTION", b"keep-alive, X-one"),
        (b"x-One", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"connection", b"x-two"),
        (b"X-Two", b"1"),
        (b"Trailer", b"x"),
        (b"Expect", b"100-continue"),
        (b"A", b"1"),
        (b"B", b"2"),
    ]
    assert end_to_end(headers, b"expect") == [(b"B", b"1"), (b"A", b"1"), (b"B", b"2")]


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ([(b"Host", b"old"), (b"a", b"1")], b"", [(b"host", b"new"), (b"a", b"1")]),
        ([(b"Content-Length", b"9")], b"four", [(b"host", b"new"), (b"content-length", b"4")]),
        ([(b"content-length", b"0")], b"", [(b"host", b"new"), (b"content-length", b"0")]),
        ([], b"four", [(b"host", b"new"), (b"content-length", b"4")]),
    ],
)
def test_host_and_length_are_those_of_the_request_that_is_sent(
    headers: list[tuple[bytes, bytes]], body: bytes, expected: list[tuple[bytes, bytes]]
) -> None:
    """The upstream's host, and the length of the masked body; a request that had no body gets no length."""
    assert framed(headers, body, b"new") == expected


def test_the_tenant_is_the_headers_value() -> None:
    """One value, given once or repeated, is the tenant; two are refused."""
    assert tenant_of([(b"X-Team", b"a")], b"x-team") == "a"
    assert tenant_of([(b"x-team", b"a"), (b"X-Team", b"a")], b"x-team") == "a"
    assert tenant_of([], b"x-team") == ""
    assert tenant_of([(b"x-team", b"a")], None) == ""
    with pytest.raises(RequestRefused):
        tenant_of([(b"x-team", b"a"), (b"x-team", b"b")], b"x-team")
