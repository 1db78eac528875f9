"""Who may look: one password, a bound on guesses, sessions that can be ended, and what every answer says of itself."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs

from cachetools import TTLCache
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kong_plugins.aws_masker.errors import ConfigError

SHORTEST = 12
"""Characters of a password."""
LIFETIME = 8 * 3600
"""Seconds that a session lasts."""
LOCKED = 60
"""Seconds without another guess, after too many from one address."""
GUESSES = 5
_MOST_SESSIONS = 1000
_MOST_ADDRESSES = 10_000
_LARGEST_FORM = 4096

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Access:
    """The password, and the sessions that it has opened. For one thread."""

    def __init__(self, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds.

        Raises:
            ConfigError: the password is too short.
        """
        if len(password) < SHORTEST:
            raise ConfigError(f"the dashboard's password: at least {SHORTEST} characters are needed")
        self._password = _digest(password)
        self._sessions: TTLCache[str, str] = TTLCache(_MOST_SESSIONS, LIFETIME, clock)
        self._failures: TTLCache[str, int] = TTLCache(_MOST_ADDRESSES, LOCKED, clock)

    def locked(self, address: str) -> bool:
        """Tell whether too many wrong passwords came from `address` lately."""
        failures: int = self._failures.get(_network(address), 0)
        return failures >= GUESSES

    def open(self, address: str, password: str) -> str | None:
        """Return the id of a new session, None if the password is wrong."""
        if secrets.compare_digest(_digest(password), self._password):
            self._failures.pop(_network(address), None)
            session = secrets.token_urlsafe(32)
            self._sessions[session] = secrets.token_urlsafe(32)
            return session
        self._failures[_network(address)] = self._failures.get(_network(address), 0) + 1
        return None

    def token(self, session: str) -> str | None:
        """Return what the forms of a session must bring along, None if there is no such session."""
        token: str | None = self._sessions.get(session)
        return token

    def close(self, session: str) -> None:
        """End a session."""
        self._sessions.pop(session, None)


def session_of(request: Request) -> str:
    """Return the id that the browser's cookie has, or nothing."""
    return str(request.session.get("id", ""))


def signed_in(request: Request, access: Access) -> str:
    """Return the token of the request's session. Raises HTTPException 401 if it has none."""
    token = access.token(session_of(request))
    if token is None:
        raise HTTPException(HTTPStatus.UNAUTHORIZED)
    return token


def check_token(given: str, token: str) -> None:
    """Raise HTTPException 403 unless a form brings along what it was given."""
    if not token or not secrets.compare_digest(given.encode(), token.encode()):
        raise HTTPException(HTTPStatus.FORBIDDEN)


async def read_body(request: Request, largest: int) -> bytes:
    """Return the body. Raises HTTPException 413 as soon as it is over `largest` bytes."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > largest:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        pieces.append(piece)
    return b"".join(pieces)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form, each once. Raises HTTPException."""
    body = await read_body(request, _LARGEST_FORM)
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None
    return {name: values[-1] for name, values in fields.items()}


def _digest(password: str) -> bytes:
    """Return what can be compared in a time that does not depend on the password's length."""
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()


def _network(address: str) -> str:
    """Return the network that one client may have for itself: in IPv6 that is a /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


class Guarded:
    """Adds to every answer what browsers are to hold it to."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, guarded)
