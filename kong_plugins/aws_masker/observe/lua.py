"""What the Lua plugin leaves in `kong.ctx.shared`: the guard's refusals, and what it restored in streams."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from kong_plugins.aws_masker import errors
from kong_plugins.aws_masker.errors import MaskerError
from kong_plugins.aws_masker.mark import Mark
from kong_plugins.aws_masker.observe.record import AnswerRecord, Record, RequestRecord
from kong_plugins.aws_masker.pseudonym.provenance import family_of

TOLD = "aws_masker_told"
"""Words with a space between: `refused`, the request's id, its API and the error's name; or `restored`, the bytes of
the answer, `well` or `failed`, and the placeholders that were turned back, each once (1000 at most)."""


def record(text: str, marked: Callable[[], Mark | None]) -> Record | None:
    """Return the record of what was told, None if it says nothing that this version knows.

    `marked` returns the request's mark; asked only for what was restored.
    """
    kind, *words = text.split(" ")
    if kind == "refused" and len(words) == 3:
        return _refused(*words)
    if kind == "restored" and len(words) >= 2 and (mark := marked()) is not None:
        size, outcome, *placeholders = words
        restored = Counter(family_of(one.encode()) for one in placeholders if one)
        now = time.time()
        return AnswerRecord(
            mark.request,
            "kong",
            mark.tenant,
            mark.api.value,
            now,
            dict(restored),
            size=int(size),
            success=outcome == "well",
        )
    return None


def _refused(request: str, api: str, name: str) -> RequestRecord | None:
    error = getattr(errors, name, None)
    if not (isinstance(error, type) and issubclass(error, MaskerError)):
        return None
    return RequestRecord(
        request,
        "kong",
        "",
        api,
        outcome=error.code,
        status=error.status,
        time=time.time(),
        sent=error is errors.RestoreFailed,
        guarded=error is errors.NotMasked,
    )
