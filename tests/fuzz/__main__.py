"""Fuzz one part, or all one after the other: `python -m tests.fuzz NAME|--all [--seconds N]`. Needs atheris.

Starts from the harness's seeds and from `tests/fuzz/corpus/NAME`. An input that fails is written to that folder as
`crash-...`; `pytest tests/fuzz` runs all of them again. `--keep N` adds up to N short inputs that reached new code.
`python -m bench.evidence --only fuzzing --write` publishes what a run of all comes to.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import structlog


def _fuzz(name: str, options: list[str]) -> None:
    """Run libFuzzer in this process, which it ends."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415 - an extra

    with atheris.instrument_imports(include=["kong_plugins.aws_masker"]):
        from tests.fuzz.harnesses import HARNESSES  # noqa: PLC0415 - what is imported here is instrumented

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(Path(os.devnull).open("w")))  # noqa: SIM115
    atheris.Setup([sys.argv[0], *options], HARNESSES[name].check)
    atheris.Fuzz()


def main() -> None:
    """Read the command line."""
    if "--" in sys.argv:
        at = sys.argv.index("--")
        _fuzz(sys.argv[1], sys.argv[at + 1 :])
        return
    from tests.fuzz.harnesses import HARNESSES  # noqa: PLC0415 - the other process must not have them yet
    from tests.fuzz.running import run  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", choices=HARNESSES)
    which.add_argument("--all", action="store_true", help="all of them, one after the other")
    parser.add_argument("--seconds", type=int, default=120, help="for each")
    parser.add_argument("--keep", type=int, default=0, help="most inputs of each to add to the corpus")
    given = parser.parse_args()
    runs = {name: run(name, given.seconds, given.keep) for name in (HARNESSES if given.all else [given.name])}
    for name, done in runs.items():
        print(f"{name}: {done.inputs:,} inputs, {done.failures} failures")
    sys.exit(any(done.failures for done in runs.values()))


if __name__ == "__main__":
    main()
