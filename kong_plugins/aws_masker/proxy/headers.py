"""Headers on their way through a proxy: what belongs to one connection only, and what names the tenant."""

from __future__ import annotations

from collections.abc import Iterable

from kong_plugins.aws_masker.errors import RequestRefused
from kong_plugins.aws_masker.wire.headers import Headers, values

_HOP_BY_HOP = frozenset(
    {
        # RFC 9110, section 7.6.1
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        # Trailers are not forwarded, so they must not be announced.
        b"trailer",
        # Between a client and its proxy (RFC 9110, section 11.7).
        b"proxy-authenticate",
        b"proxy-authorization",
    }
)
_MAX_TENANT_SIZE = 256


def end_to_end(headers: Headers, *more: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers without those of the connection, those that `Connection` names, and `more` (lower case)."""
    dropped = _HOP_BY_HOP | set(more) | set(_tokens(values(headers, b"connection")))
    return [header for header in headers if header[0].lower() not in dropped]


def framed(headers: Headers, body: bytes, host: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers for the upstream: its `Host`, and the length of `body` if it has or had one."""
    result = [(b"host", host)]
    result += (header for header in headers if header[0].lower() not in (b"host", b"content-length"))
    if body or values(headers, b"content-length"):
        result.append((b"content-length", b"%d" % len(body)))
    return result


def tenant_of(headers: Headers, name: bytes | None) -> str:
    """Return the tenant that the header `name` (lower case) gives, "" without one.

    Raises:
        RequestRefused: two headers disagree, or the tenant is longer than 256 bytes.
    """
    given = set(values(headers, name)) if name is not None else set()
    if len(given) > 1:
        raise RequestRefused("the tenant header is there more than once")
    tenant = given.pop() if given else b""
    if len(tenant) > _MAX_TENANT_SIZE:
        raise RequestRefused("the tenant header is too long")
    return tenant.decode("latin-1")


def _tokens(fields: Iterable[bytes]) -> list[bytes]:
    return [token.strip().lower() for field in fields for token in field.split(b",")]
