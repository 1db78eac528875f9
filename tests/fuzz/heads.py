"""Heads of requests: whatever path, query and headers say, no planted value goes on, and what goes on is sound."""

from __future__ import annotations

import contextlib

import orjson

from kong_plugins.aws_masker.errors import MaskerError, MaskingFailed, NotMasked, RequestRefused
from kong_plugins.aws_masker.pipeline import Head, MaskedRequest, mask_request
from kong_plugins.aws_masker.proxy.headers import end_to_end, framed, tenant_of
from kong_plugins.aws_masker.seal import seal_of
from kong_plugins.aws_masker.text import NoMemory
from kong_plugins.aws_masker.wire import codings
from kong_plugins.aws_masker.wire.headers import values
from kong_plugins.aws_masker.wire.providers import api_of, error_body, error_headers
from tests.fuzz.bytestream import Input
from tests.fuzz.common import KEY, MASKER, SETTINGS

VALUE = b"i-0f3c9a71be5d24806"
_SAID = orjson.dumps({"messages": [{"role": "user", "content": f"stop {VALUE.decode()} now"}], "input": VALUE.decode()})
_BODIES = (_SAID, _SAID + b"\n" + _SAID, b"say " + VALUE + b" now", b"data: " + _SAID + b"\n\n")
_GONE = (b"content-md5", b"digest", b"content-digest", b"repr-digest", b"x-amz-content-sha256")


def check(data: bytes) -> None:
    """Send a body with a value under the head that the bytes say: path, query and headers, a line each."""
    given = Input(data)
    body, behind_proxy, coded = given.pick(_BODIES), given.byte() % 2, given.byte() % 2
    path, query, *lines = (*given.rest.split(b"\n"), b"")
    headers = [(name, value.lstrip()) for name, colon, value in (line.partition(b":") for line in lines) if colon]
    if behind_proxy:
        headers = end_to_end(headers, b"expect")
        _tenant(headers)
    applied = codings.listed(values(headers, b"content-encoding"))
    if coded and codings.KNOWN.issuperset(applied):
        body = codings.encode(body, applied[: codings.MAX_CODINGS])
    head = Head(path.decode("latin-1"), headers, query.decode("latin-1"))
    try:
        masked = mask_request(head, body, MASKER.session("", NoMemory()), SETTINGS)
    except MaskingFailed as error:
        raise AssertionError(f"an unforeseen error: {error.detail}") from error
    except RequestRefused as error:
        _told(error, head)
        return
    _sound(masked)


def _told(error: MaskerError, head: Head) -> None:
    """The client is told why, in words of ours alone."""
    api = api_of(head.path)
    assert error.code.encode() in error_body(api, error)
    assert VALUE not in error_body(api, error)
    assert error_headers(api, error)["Content-Type"] == "application/json"


def _sound(masked: MaskedRequest) -> None:
    applied = codings.listed(values(masked.headers, b"content-encoding"))
    out = codings.decode(masked.body, applied, SETTINGS.max_decompressed_size)
    assert VALUE not in out, "a planted value goes out"
    assert masked.changed
    assert not any(name.lower() in _GONE for name, _ in masked.headers), "a digest of another body"
    sent = framed(masked.headers, masked.body, b"upstream")
    assert values(sent, b"host") == [b"upstream"]
    assert values(sent, b"content-length") == [b"%d" % len(masked.body)]
    for offer in b",".join(values(sent, b"accept-encoding")).split(b","):
        coding, _, weight = offer.decode("latin-1").lower().partition(";")
        assert coding.strip() in (*codings.KNOWN, "identity", "") or "0" in weight, "asks for what cannot be read"


def _tenant(headers: list[tuple[bytes, bytes]]) -> None:
    with contextlib.suppress(RequestRefused):
        assert len(tenant_of(headers, b"x-tenant")) <= 256
    with contextlib.suppress(NotMasked):
        seal_of(headers, KEY)


def seeds() -> list[bytes]:
    """Return heads of each API, with codings, digests, signatures and tenants."""
    json = b"Content-Type: application/json\n"
    heads = [
        b"/v1/messages\nbeta=true\n%sContent-Length: 12\nContent-MD5: x\nAccept-Encoding: gzip, dcz;q=0.5, *" % json,
        b'/v1/chat/completions\n\ncontent-type: Application/JSON ; charset="UTF-8"\nContent-Encoding: gzip, br',
        b"/v1/responses\nstream=true\ncontent-type: application/x-ndjson\nConnection: close\nx-tenant: a\nX-Tenant: b",
        b"/model/eu.m%%3A0/converse-stream\nX-Amz-Signature=0\n%s" % json,
        b"/model/m/invoke\n\n%sAuthorization: AWS4-HMAC-SHA256 Credential=x\nX-Amz-Content-Sha256: 0" % json,
        b"/anything\n\ncontent-type: text/plain\nContent-Encoding: identity, zstd\nX-AWS-Masker-Seal: 00",
        b"/anything\n\ncontent-type: multipart/form-data; boundary=x\nDigest: x",
        b"/anything\n\ncontent-type: text/event-stream; charset=utf-16\nContent-Encoding: deflate",
        b"/v1/messages/count_tokens\n\n",
    ]
    return [bytes([number % 4, number, number + 1]) + head for number in range(4) for head in heads]
