"""`python -m bench [--write]`: measures and prints, or writes docs/bench.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import hostile, latency, masking, memory, report
from bench.bodies import SIZES, request_body

_PAGE = Path(__file__).parent.parent / "docs" / "bench.md"
_SENT = ("10 KB", "100 KB", "560 KB", "3.5 MB")
"""Sizes for the time to the first token."""


def main() -> None:
    """Run everything, about a minute or two."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {_PAGE.parent.name}/{_PAGE.name}")
    write = parser.parse_args().write
    measured = {}
    for name, size in SIZES.items():
        print(f"masking {name} ...", file=sys.stderr)
        measured[name] = masking.measure(request_body(size))
    print("stream, memory, time to the first token, hostile texts ...", file=sys.stderr)
    stream = masking.stream(request_body(SIZES["100 KB"]))
    grown = {name: memory.measure(size) for name, size in SIZES.items()}
    found = latency.measure([request_body(SIZES[name]) for name in _SENT])
    page = report.render(measured, stream, grown, dict(zip(_SENT, found, strict=True)), hostile.measure())
    print(page)
    if write:
        _PAGE.parent.mkdir(exist_ok=True)
        _PAGE.write_text(page)


if __name__ == "__main__":
    main()
