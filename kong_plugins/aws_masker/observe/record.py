"""What is told about a request: figures and fixed words, never a value, a path, a header or a credential.

A request is told in two parts, as Kong handles the two in different processes: how it was masked and how it ended, and
what was turned back in its answer. The request's id joins them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["kong", "proxy"]
Mode = Literal["enforce", "observe"]
Decision = Literal["masked", "passed", "observed", "refused", "failed", "abandoned"]
"""`passed`: nothing to mask was found. `observed`: nothing was masked, as the mode wants it. The others never went
upstream: `refused` is the client's to mend, `failed` ours, and `abandoned` was left by its client."""
Families = Mapping[str, int]
"""How many, by family."""

ANSWERED = "answered"
CLIENT_GONE = "client_gone"
SENT = "sent"
"""It went upstream; in Kong, how that ended is not for a plugin outside it to know at that time."""
_WELL = frozenset({ANSWERED, CLIENT_GONE, SENT})

_ROUTES = {
    "/v1/messages/count_tokens": "count_tokens",
    "/v1/messages/batches": "batches",
    "/v1/messages": "messages",
    "/v1/complete": "complete",
    "/chat/completions": "chat_completions",
    "/completions": "completions",
    "/embeddings": "embeddings",
    "/moderations": "moderations",
    "/responses": "responses",
    "/v1/models": "models",
    "/v1/files": "files",
    "/v1/batches": "batches",
}
OTHER = "other"
ROUTES = frozenset((*_ROUTES.values(), OTHER))


def route_of(path: str) -> str:
    """Return which kind of path (without the query) this is, one of `ROUTES`: the path itself may hold a value."""
    path = path.rstrip("/") + "/"
    return next((route for place, route in _ROUTES.items() if f"{place}/" in path), OTHER)


@dataclass(frozen=True)
class RequestRecord:
    """How a request was masked, and how it ended."""

    request: str
    """Kong's own id of the request, or the proxy's."""
    source: Source
    tenant: str
    api: str
    route: str = OTHER
    """One of `ROUTES`."""
    mode: Mode = "enforce"
    outcome: str = ANSWERED
    """`ANSWERED`, `CLIENT_GONE`, `SENT`, or an error code of ours."""
    status: int = 0
    """The HTTP status that the client got, 0 if that is not known."""
    time: float = 0.0
    """When it arrived, in seconds since 1970."""
    masked: Families = field(default_factory=dict)
    """Values masked (in mode `observe`: that would have been), as often as they stood in the request."""
    signed: Families = field(default_factory=dict)
    """Values in signed blocks, which went upstream."""
    size: int = 0
    """Bytes of the request's body."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time by stage, see `STAGES`."""
    stable: int = 0
    """Bytes of texts seen before of this tenant that were masked as then; see `stability`."""
    changed: int = 0
    """Bytes of such texts that were masked in another way."""
    sent: bool = True
    """Whether it went upstream."""
    guarded: bool = False
    """Whether the guard (the Lua plugin) stopped it because it had not been masked."""

    @property
    def error(self) -> str:
        """The error code, or nothing."""
        return "" if self.outcome in _WELL else self.outcome

    @property
    def decision(self) -> Decision:
        """What was done with the request."""
        if self.mode == "observe" and self.sent:
            return "observed"
        if self.sent:
            return "masked" if self.masked else "passed"
        if self.outcome == CLIENT_GONE:
            return "abandoned"
        return "refused" if 400 <= self.status < 500 else "failed"


@dataclass(frozen=True)
class AnswerRecord:
    """What was turned back in an answer."""

    request: str
    source: Source
    tenant: str
    api: str
    time: float = 0.0
    """When the answer was done, in seconds since 1970."""
    restored: Families = field(default_factory=dict)
    """Placeholders turned back, each counted once."""
    forgotten: int = 0
    """Placeholders, each counted once, that prove to be this tenant's own and that nobody knows any more."""
    foreign: int = 0
    """What looks like a placeholder, each counted once, but is none of this tenant and key."""
    size: int = 0
    """Bytes of the answer's body as the upstream sent it."""
    seconds: float = 0.0
    """Time that restoring took."""
    success: bool = True


Record = RequestRecord | AnswerRecord

STAGES = ("mask", "vault", "restore")
"""Masking a request; reading and keeping mappings; restoring an answer."""
