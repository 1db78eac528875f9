"""One HTTP request inside Kong: what the client sent, what goes on, what came back, and what the plugin did."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.kong.instances import Config

Headers = dict[bytes, list[bytes]]
"""Names in lower case."""


def table(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return headers as a table, in order."""
    out: Headers = {}
    for name, value in pairs:
        out.setdefault(name.lower(), []).append(value)
    return out


def pairs(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return a table of headers as pairs."""
    return [(name, value) for name, values in headers.items() for value in values]


class LuaError(Exception):
    """A Lua error: it ends the plugin's handler, and Kong answers the client with 500."""


@dataclass
class Answer:
    """What Kong sends to the client."""

    status: int
    headers: Headers
    body: bytes


class Exited(Exception):
    """The plugin called `kong.response.exit`, or Kong did in its place: the handler is never resumed."""

    def __init__(self, status: int, body: bytes, headers: dict[bytes, Any]) -> None:
        self.status, self.body, self.headers = status, body, headers
        super().__init__(status)


@dataclass
class Call:
    """One call to the PDK that the plugin made."""

    phase: str
    method: str
    index: int
    """Its number within the phase, from 0."""


@dataclass
class Exchange:
    """The state of one request."""

    method: str
    raw_path: bytes
    """Path and query as they came."""
    headers: Headers
    body: bytes
    """What goes to the upstream."""
    body_file: Path | None = None
    """Where nginx put the body, too large for its memory; it sends it from there, though the file may lose its name."""
    consumer: dict[bytes, Any] | None = None
    logging: Config | None = None
    """The plugin whose `log` runs when the request is over."""
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    phase: str = "access"
    shared: dict[bytes, Any] = field(default_factory=dict)
    ctx: dict[bytes, Any] = field(default_factory=dict)
    upstream: Answer | None = None
    """What the upstream answered, if Kong collected it."""
    answer_headers: Headers = field(default_factory=dict)
    """The headers that the client's answer has so far."""
    answer_status: int = 0
    calls: list[Call] = field(default_factory=list)
    retries: int = 0
    logged: list[tuple[str, bytes]] = field(default_factory=list)
    """What the plugin logged: level and text."""
    errors: list[str] = field(default_factory=list)
    """What Kong wrote to its error log about it."""
    held: list[asyncio.StreamWriter] = field(default_factory=list)
    """Connections that are closed when the request ends."""

    def calls_in(self, phase: str) -> list[str]:
        """Return the PDK's functions that the plugin called in `phase`, in order."""
        return [call.method for call in self.calls if call.phase == phase]

    def replace_body(self, body: bytes) -> None:
        """Do what `ngx.req.set_body_data` does."""
        self.body = body
        self.drop_body_file()
        self.headers.pop(b"transfer-encoding", None)
        self.headers[b"content-length"] = [b"%d" % len(body)]

    def drop_body_file(self) -> None:
        """Remove the temporary file."""
        if self.body_file is not None:
            self.body_file.unlink(missing_ok=True)
            self.body_file = None
