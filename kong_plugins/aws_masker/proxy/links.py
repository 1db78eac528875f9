"""Links in answers that lead past the proxy: a batch's `results_url` names the upstream's own address.

Followed as it is, the client would fetch results with placeholders in them, from an address that it may not even reach.
"""

from __future__ import annotations

from starlette.types import Scope

from kong_plugins.aws_masker.wire.headers import Headers

_BATCHES = "/v1/messages/batches"


class Links:
    """Rewrites the links of one answer; immutable."""

    def __init__(self, scope: Scope, upstream: bytes) -> None:
        """`scope`: the client's request; `upstream`: the upstream's base URL, without a slash at its end."""
        path = scope["path"]
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        # Only where the API describes batches, never in their results: there the text is a model's.
        self.concerned = bool(host) and _BATCHES in path and not path.endswith("/results")
        self._theirs = upstream + _BATCHES.encode() + b"/"
        here = (
            scope["scheme"].encode() + b"://" + host + path[: path.index(_BATCHES)].encode() if self.concerned else b""
        )
        self._ours = here + _BATCHES.encode() + b"/"

    def rewrite(self, answer: bytes, headers: Headers) -> tuple[bytes, Headers]:
        """Return a whole answer and its headers with links that lead through the proxy."""
        if not self.concerned or self._theirs not in answer:
            return answer, headers
        answer = answer.replace(self._theirs, self._ours)
        length = str(len(answer)).encode()
        return answer, [(name, length if name.lower() == b"content-length" else value) for name, value in headers]
