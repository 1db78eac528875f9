"""What the Lua plugin leaves in `kong.ctx.shared`: the guard's refusals, and what it restored in streams."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kong_plugins.aws_masker.observe.record import AnswerRecord, Record, RequestRecord
from kong_plugins.aws_masker.pseudonym.provenance import family_of

TOLD = "aws_masker_told"
"""A JSON object: `request`, `api`, and `error` (a code: the guard stopped the request) or `tenant`, `placeholders`
(those turned back, each once) and `size` (bytes of the answer)."""
_MOST = 10_000


def records(text: str) -> Iterator[Record]:
    """Yield the records of what was told.

    Raises:
        ValueError, KeyError, TypeError: it is not what the Lua plugin writes.
    """
    fields: dict[str, Any] = json.loads(text)
    if "error" in fields:
        yield RequestRecord(
            fields["request"],
            "kong",
            "",
            fields["api"],
            outcome=fields["error"],
            status=503,
            time=time.time(),
            sent=False,
            guarded=True,
        )
        return
    placeholders = [str(one).encode() for one in fields["placeholders"][:_MOST]]
    yield AnswerRecord(
        fields["request"],
        "kong",
        fields["tenant"],
        fields["api"],
        time.time(),
        dict(Counter(map(family_of, placeholders))),
        size=int(fields["size"]),
    )
