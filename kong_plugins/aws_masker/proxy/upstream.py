"""The connection to the LLM API.

Requests go straight to httpx2's transport, below its client: nothing is added (user agent, cookies, default headers),
no redirect is followed; `HTTPS_PROXY`, `~/.netrc` and the like are not read, only `SSL_CERT_FILE` and `SSL_CERT_DIR`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx2

from kong_plugins.aws_masker.errors import ConfigError, RequestRefused, UpstreamTimedOut, UpstreamUnreachable
from kong_plugins.aws_masker.wire.headers import Headers

CONNECT_TIMEOUT = 10.0
WRITE_TIMEOUT = 60.0
READ_TIMEOUT = 600.0
"""Seconds between two pieces of an answer; a model may think for minutes before the first."""
STALE = 5.0
"""Seconds in which an idle connection turns out to have been closed by the other side when a request was on its way.
That takes a round trip; what breaks off later may have been at work on the request."""
_KEEP_ALIVE = 30.0
_MAX_IDLE = 100


class Address(NamedTuple):
    """Where to connect to."""

    host: str
    port: int


class Upstream:
    """An LLM API under one base URL, with a pool of connections."""

    def __init__(self, url: str, read_timeout: float = READ_TIMEOUT) -> None:
        """`read_timeout`: seconds to wait for each next piece of an answer.

        Raises:
            ConfigError: `url` is not an `http` or `https` URL, or has more than host, port and path.
        """
        self._url = _checked(url)
        self._prefix = self._url.raw_path.rstrip(b"/")
        self.host = self._url.netloc
        self.base = self._url.scheme.encode() + b"://" + self.host + self._prefix
        default = 443 if self._url.scheme == "https" else 80
        self.address = Address(self._url.host, self._url.port or default)
        self._timeout = {"connect": CONNECT_TIMEOUT, "read": read_timeout, "write": WRITE_TIMEOUT, "pool": None}
        # No bound on the number of connections: it would queue one engineer's stream behind another's.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=_MAX_IDLE, keepalive_expiry=_KEEP_ALIVE)
        self._transport = httpx2.AsyncHTTPTransport(limits=limits)

    async def send(self, method: str, target: bytes, headers: Headers, body: bytes) -> httpx2.Response:
        """Send a request and return the answer as soon as its head is there; the caller closes it.

        `target` is the path and query exactly as the client sent them. Where the other side closes a kept connection
        just when it is used again, the request goes once more on another one (RFC 9112, section 9.3.1), as browsers and
        SDKs do it; only where it cannot have been worked on, since sending it twice may be paid for twice.

        Raises:
            UpstreamUnreachable, UpstreamTimedOut: there is no answer.
            RequestRefused: HTTP/1.1 does not allow a header of the request.
        """
        trace = _Trace()
        request = httpx2.Request(
            method,
            self._url,
            headers=list(headers),
            stream=httpx2.ByteStream(body),
            extensions={"timeout": self._timeout, "target": self._prefix + target, "trace": trace},
        )
        with _own_errors():
            response = await self._sent(request, trace)
        if not 200 <= response.status_code <= 599:
            await response.aclose()
            raise UpstreamUnreachable("the answer's status is not one of a final answer")
        return response

    async def _sent(self, request: httpx2.Request, trace: _Trace) -> httpx2.Response:
        """Send, again while kept connections turn out to be closed: each is then gone, so the last is a fresh one."""
        latest = time.monotonic() + STALE
        while True:
            try:
                return await self._transport.handle_async_request(request)
            except (httpx2.ReadError, httpx2.RemoteProtocolError):
                if trace.connected or time.monotonic() >= latest:
                    raise

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


class _Trace:
    """Notes whether a connection was made for a request; called by httpcore2 at each step."""

    def __init__(self) -> None:
        self.connected = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        self.connected |= event == "connection.connect_tcp.started"


async def chunks(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """Yield the answer's body as it arrives, still encoded.

    Raises:
        UpstreamUnreachable, UpstreamTimedOut: the body broke off.
    """
    with _own_errors():
        async for chunk in response.aiter_raw():
            yield chunk


def _checked(url: str) -> httpx2.URL:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise ConfigError("upstream: not a URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigError("upstream: an http or https URL is needed, such as https://api.anthropic.com")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ConfigError("upstream: only scheme, host, port and path are allowed")
    return parsed


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except httpx2.TimeoutException as error:
        raise UpstreamTimedOut from error
    except httpx2.LocalProtocolError as error:
        raise RequestRefused("HTTP/1.1 does not allow one of the headers") from error
    except httpx2.TransportError as error:
        raise UpstreamUnreachable from error
