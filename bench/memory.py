"""Memory: how far a fresh process grows while it masks one request, beside what reading its JSON takes."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import orjson

from bench.bodies import request_body


class Memory(NamedTuple):
    """Bytes by which the largest resident size grew."""

    mask: int
    parse: int


def _peak() -> int:
    """Return the largest resident size so far, in bytes; not `ru_maxrss` on Linux, which a child inherits."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _grow(path: Path, mask: bool) -> int:
    from bench.masking import masked  # noqa: PLC0415 - in the child, before the measuring begins

    masked(request_body(10_000))
    body = path.read_bytes()
    before = _peak()
    if mask:
        masked(body)
    else:
        orjson.loads(body)
    return _peak() - before


def measure(size: int) -> Memory:
    """Mask, and parse, a body of `size` bytes, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    grown = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "body")  # made here: to make it takes more memory than to mask it
        path.write_bytes(request_body(size))
        for mask in (True, False):
            with context.Pool(1) as pool:
                grown.append(pool.apply(_grow, (path, mask)))
    return Memory(*grown)
