"""Links in answers that lead past Kong: a batch's `results_url` names the provider's own address.

Followed as it is, as the SDKs do, the client would fetch results with placeholders in them.
"""

from __future__ import annotations

import json

import re2

_FOLDER = "/v1/messages/batches"
_LINK = re2.compile(rb'("results_url"\s*:\s*")https?://[^"\\]*?(/v1/messages/batches/)')


def has_links(answer: bytes) -> bool:
    """Return whether there may be such a link: what a model says of one has its quotes escaped."""
    return b'"results_url"' in answer


def led_here(answer: bytes, gateway: str, path: str) -> bytes:
    """Return a whole answer, its links leading to `gateway`.

    `gateway`: scheme, host and port as the client sees them; `path`: the request's, with what Kong takes off.
    """
    before, folder, after = path.partition(_FOLDER)
    if not folder or after.endswith("/results"):  # there the texts are a model's
        return answer
    base = json.dumps(gateway + before)[1:-1].encode()
    changed: bytes = _LINK.sub(lambda found: found.group(1) + base + found.group(2), answer)
    return changed
