"""The harnesses by name; each takes bytes and fails if something does not hold that should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.fuzz import bodies, coding, detecting, documents, events, eventstream, frames, records, restoring


class Harness(NamedTuple):
    """One of them."""

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    """What it starts from; made at run time, as much of it looks like credentials."""
    longest: int = 4096
    """Bytes of an input."""


HARNESSES: dict[str, Harness] = {
    "bodies": Harness(bodies.check, bodies.seeds),
    "coding": Harness(coding.check, coding.seeds),
    "detecting": Harness(detecting.check, detecting.seeds, 1024),
    "documents": Harness(documents.check, documents.seeds),
    "events": Harness(events.check, events.seeds),
    "eventstream": Harness(eventstream.check, eventstream.seeds),
    "frames": Harness(frames.check, frames.seeds),
    "records": Harness(records.check, records.seeds, 256),
    "restoring": Harness(restoring.check, restoring.seeds, 1024),
}
CORPUS = Path(__file__).with_name("corpus")
"""A folder for each harness: inputs that were of use once, and every one that failed."""
