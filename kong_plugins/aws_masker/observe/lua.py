"""What the Lua plugin leaves in `kong.ctx.shared`: the guard's refusals, and what it restored in streams."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from kong_plugins.aws_masker import errors
from kong_plugins.aws_masker.errors import MaskerError
from kong_plugins.aws_masker.mark import Mark
from kong_plugins.aws_masker.observe.record import AnswerRecord, Record, RequestRecord
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.pseudonym.provenance import family_of, maker_of

MISSED = "missed"
TOLD = "aws_masker_told"
"""Words with a space between: `refused`, the request's id, its API and the error's name; or `restored`, the bytes of
the answer, `well` or `failed`, the placeholders that were turned back, and behind a word `missed` what looked like some
and is in no mapping: a thousand of each at most, each once."""


def record(text: str, marked: Callable[[], Mark | None], key: bytes) -> Record | None:
    """Return the record of what was told, None if it says nothing that this version knows.

    `marked` returns the request's mark; asked only for what was restored. `key`: the masking key, to tell whose the
    placeholders are that nobody knows.
    """
    kind, *words = text.split(" ")
    if kind == "refused" and len(words) == 3:
        return _refused(*words)
    if kind == "restored" and len(words) >= 2 and (mark := marked()) is not None:
        size, outcome, *told = words
        split = told.index(MISSED) if MISSED in told else len(told)
        prf = Prf(key, mark.tenant)
        makers = Counter(maker_of(prf, one.encode()) for one in told[split + 1 :])
        return AnswerRecord(
            mark.request,
            "kong",
            mark.tenant,
            mark.api.value,
            time.time(),
            dict(Counter(family_of(one.encode()) for one in told[:split] if one)),
            makers["own"],
            makers["foreign"],
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
        sent=error in (errors.RestoreFailed, errors.UpstreamUnreachable),
        guarded=error is errors.NotMasked,
    )
