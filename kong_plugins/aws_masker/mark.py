"""What `access` leaves in `kong.ctx.shared`, for the later phases of the request and for plugins that run after it.

That it is there says: this request was looked at, and what goes upstream is masked (or is meant not to be, in mode
`observe`). It is a JSON text, as an external plugin can share nothing else. It holds values, and lives as long as the
request; Kong does not log it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from kong_plugins.aws_masker.pseudonym.addresses import Network
from kong_plugins.aws_masker.wire.providers import Api

NAME = "aws_masker"
VERSION = 2


@dataclass(frozen=True)
class Mark:
    """One request that `access` let pass."""

    request: str
    """Kong's own id of the request: the guard checks that the mark is this very request's."""
    api: Api
    tenant: str
    stream: bool = False
    """Whether the client asked for a stream."""
    observed: bool = False
    """Whether it passed as it was, in mode `observe`."""
    limit: int = 0
    """Bytes: most that are held back of an answer."""
    mapping: dict[bytes, bytes] = field(default_factory=dict)
    """Placeholder to value, for every value masked in this request, and for what else the answer may repeat."""
    networks: list[Network] = field(default_factory=list)
    """The private networks that the model was shown, and how addresses in them are turned back without the key."""
    counts: dict[str, int] = field(default_factory=dict)
    """Values by family that were masked, or would have been."""

    def dump(self) -> str:
        """Return the JSON text, in ASCII."""
        return json.dumps(
            {
                "v": VERSION,
                "request": self.request,
                "api": self.api.value,
                "tenant": self.tenant,
                "stream": self.stream,
                "observed": self.observed,
                "limit": self.limit,
                "mapping": {key.decode(): _text(value) for key, value in self.mapping.items()},
                "networks": self.networks,
                "counts": self.counts,
            },
            separators=(",", ":"),
        )


def load(text: str) -> Mark:
    """Return the mark that `Mark.dump` wrote.

    Raises:
        ValueError, KeyError: it is none, or one of another version.
    """
    fields = json.loads(text)
    if fields["v"] != VERSION:
        raise ValueError("a mark of another version")
    return Mark(
        fields["request"],
        Api(fields["api"]),
        fields["tenant"],
        fields["stream"],
        fields["observed"],
        fields["limit"],
        {key.encode(): value.encode("utf-8", "surrogatepass") for key, value in fields["mapping"].items()},
        [Network(*one) for one in fields["networks"]],
        fields["counts"],
    )


def _text(value: bytes) -> str:
    """Return a value as text; lone surrogates, which JSON texts can hold, stay what they are."""
    return value.decode("utf-8", "surrogatepass")
