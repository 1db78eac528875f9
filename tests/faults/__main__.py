"""Run a campaign of faults: `python -m tests.faults [--requests 10000] [--seed N] [--write FILE]`.

Prints what went wrong, how requests ended, and every violation; ends with 1 if there is one. The same seed gives the
same requests and the same faults at the same places of their order. What differs from run to run: which requests are
under way when a fault begins, as clients and processes are as fast as they are; and which bytes a damaged connection
damages.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from tests.faults.campaign import Result, run
from tests.faults.plan import WAYS, drawn


def rendered(result: Result, seed: int, requests: int) -> str:
    """Return the result as Markdown."""
    outcomes = sorted({outcome for _, outcome in result.outcomes})
    rows = [
        f"| {outcome} | " + " | ".join(f"{result.outcomes[way, outcome]:,}" for way in WAYS) + " |"
        for outcome in outcomes
    ]
    faults = [f"| {name} | {count:,} |" for name, count in sorted(result.faults.items())]
    return "\n".join(
        [
            f"Seed {seed}: {requests:,} requests in {result.seconds:,.0f} s ({os.cpu_count()} cores), "
            f"{result.received:,} of them reached the API, {sum(result.faults.values()):,} faults, "
            f"**{len(result.violations)} violations**.",
            "",
            "| how it ended | proxy | Kong | nginx |\n| --- | ---: | ---: | ---: |",
            *rows,
            "",
            "| fault | times |\n| --- | ---: |",
            *faults,
            "",
            *(f"- {violation}" for violation in result.violations),
        ]
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--write", type=Path, help="write what is printed to this file, too")
    given = parser.parse_args()
    result = asyncio.run(run(drawn(given.seed, given.requests, tuple(given.ways)), given.seed))
    text = rendered(result, given.seed, given.requests)
    print(text)
    if given.write is not None:
        given.write.write_text(text)
    sys.exit(bool(result.violations))


if __name__ == "__main__":
    main()
