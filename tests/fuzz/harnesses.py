"""The harnesses by name; each takes bytes and fails if something does not hold that should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.fuzz import (
    answers,
    bodies,
    coding,
    deltas,
    detecting,
    documents,
    events,
    eventstream,
    frames,
    heads,
    lua,
    options,
    records,
    restoring,
)


class Harness(NamedTuple):
    """One of them."""

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    """What it starts from; made at run time, as much of it looks like credentials."""
    longest: int = 4096
    """Bytes of an input."""


HARNESSES: dict[str, Harness] = {
    "answers": Harness(answers.check, answers.seeds, 1024),
    "bodies": Harness(bodies.check, bodies.seeds),
    "coding": Harness(coding.check, coding.seeds),
    "deltas": Harness(deltas.check, deltas.seeds, 256),
    "detecting": Harness(detecting.check, detecting.seeds, 1024),
    "documents": Harness(documents.check, documents.seeds),
    "events": Harness(events.check, events.seeds, 1536),
    "eventstream": Harness(eventstream.check, eventstream.seeds),
    "frames": Harness(frames.check, frames.seeds),
    "heads": Harness(heads.check, heads.seeds, 512),
    "lua": Harness(lua.check, lua.seeds, 1536),
    "options": Harness(options.check, options.seeds, 1024),
    "records": Harness(records.check, records.seeds, 256),
    "restoring": Harness(restoring.check, restoring.seeds, 1024),
}
CORPUS = Path(__file__).with_name("corpus")
"""A folder for each harness: inputs that were of use once, and every one that failed."""
