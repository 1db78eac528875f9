"""What HTTP headers say about a body, and the headers of a body that was changed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple
from urllib.parse import parse_qsl

from kong_plugins.aws_masker.errors import UpgradeRefused
from kong_plugins.aws_masker.wire import codings

Headers = Sequence[tuple[bytes, bytes]]

_LENGTH_AND_DIGESTS = frozenset(
    {b"content-length", b"content-md5", b"digest", b"content-digest", b"repr-digest", b"x-amz-content-sha256"}
)
_CODING = b"content-encoding"


class Shape(Enum):
    """How a body of some content type is read."""

    JSON = auto()
    NDJSON = auto()
    SSE = auto()
    EVENTSTREAM = auto()
    TEXT = auto()
    UNKNOWN = auto()


class ContentType(NamedTuple):
    """A media type and its charset, both in lower case and empty where not given."""

    media_type: str
    charset: str

    @property
    def shape(self) -> Shape:
        """Return how a body of this type is read."""
        if self.media_type == "application/json" or self.media_type.endswith("+json"):
            return Shape.JSON
        if self.media_type in _NDJSON:
            return Shape.NDJSON
        if self.media_type == "text/event-stream":
            return Shape.SSE
        if self.media_type == "application/vnd.amazon.eventstream":
            return Shape.EVENTSTREAM
        return Shape.TEXT if self.media_type.startswith("text/") else Shape.UNKNOWN


_NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines"}
)


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Return the values of every header called `name` (lower case)."""
    return [value for key, value in headers if key.lower() == name]


def is_signed(headers: Headers, query: str) -> bool:
    """Return whether AWS's signature (SigV4, SigV4a) is among the headers or, of a presigned request, in the query.

    It covers the body in both places. Only S3 takes presigned requests with another body, and only for objects
    (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
    """
    names = (name.lower() for name, _ in parse_qsl(query, keep_blank_values=True))
    return "x-amz-signature" in names or any(
        value.lstrip()[:5].upper() == b"AWS4-" for value in values(headers, b"authorization")
    )


def refuse_upgrade(headers: Headers) -> None:
    """Raise UpgradeRefused if there is an `Upgrade` header.

    An offer of h2c might be ignored (RFC 9110, section 7.8), but the HTTP parser takes what follows the head for the
    new protocol: the request would go on without its body.
    """
    if values(headers, b"upgrade"):
        raise UpgradeRefused


def content_type(value: bytes) -> ContentType:
    """Read the value of a Content-Type header."""
    media_type, *parameters = value.decode("latin-1").lower().split(";")
    charset = ""
    for parameter in parameters:
        name, _, setting = parameter.partition("=")
        if name.strip() == "charset":
            charset = setting.strip().strip('"')
    return ContentType(media_type.strip(), charset)


def of_changed_body(headers: Headers, length: int | None, *, coded: bool) -> list[tuple[bytes, bytes]]:
    """Return `headers` for a body that is not the one they came with.

    Digests go, Content-Length becomes `length` in its old place or goes if that is None. `coded`: whether the body
    still has the content codings that the headers name.
    """
    changed: list[tuple[bytes, bytes]] = []
    lengths = 0
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"content-length" and length is not None and not lengths:
            changed.append((name, b"%d" % length))
            lengths += 1
        elif lowered not in _LENGTH_AND_DIGESTS and (coded or lowered != _CODING):
            changed.append((name, value))
    if length is not None and not lengths and not values(headers, b"transfer-encoding"):
        changed.append((b"content-length", b"%d" % length))
    return changed


def with_readable_codings(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return `headers` with Accept-Encoding limited to what can be decoded here.

    A header that asks for nothing else stays as it came. One of which nothing is left becomes `identity`: an empty
    one means the same, but servers have been seen to take it for no header, which allows any coding.
    """
    limited: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if name.lower() == b"accept-encoding":
            offers = [offer.strip() for offer in value.split(b",")]
            readable = [offer for offer in offers if _is_readable(offer)]
            limited.append((name, value if len(readable) == len(offers) else b", ".join(readable) or b"identity"))
        else:
            limited.append((name, value))
    return limited


def _is_readable(offer: bytes) -> bool:
    coding, _, weight = offer.decode("latin-1").lower().partition(";")
    coding = coding.strip()
    is_refusal = weight.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return coding in codings.KNOWN or coding == "identity" or is_refusal
