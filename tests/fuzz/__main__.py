"""Fuzz one part: `python -m tests.fuzz NAME [--seconds N]`. Needs atheris.

Starts from the harness's seeds and from `tests/fuzz/corpus/NAME`. An input that fails is written to that folder as
`crash-...`; `pytest tests/fuzz` runs all of them again. `--keep N` adds up to N short inputs that reached new code.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import re2
import structlog

_CREDENTIAL = re2.compile(rb"A[KS]IA[A-Z0-9]{16}|ABSK|[A-Za-z0-9/+]{40}")
"""What secret scanners look for: an input with it is not kept."""
_SHORT = 512


def _fuzz(name: str, options: list[str]) -> None:
    """Run libFuzzer in this process, which it ends."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415 - an extra

    with atheris.instrument_imports(include=["kong_plugins.aws_masker"]):
        from tests.fuzz.harnesses import HARNESSES  # noqa: PLC0415 - what is imported here is instrumented

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(Path(os.devnull).open("w")))  # noqa: SIM115
    atheris.Setup([sys.argv[0], *options], HARNESSES[name].check)
    atheris.Fuzz()


def _run(name: str, seconds: int, keep: int) -> int:
    from tests.fuzz.harnesses import CORPUS, HARNESSES  # noqa: PLC0415 - the other process must not have them yet

    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        grown, seeds = Path(folder) / "grown", Path(folder) / "seeds"
        grown.mkdir()
        seeds.mkdir()
        for number, seed in enumerate(HARNESSES[name].seeds()):
            (seeds / str(number)).write_bytes(seed)
        options = [
            *(str(grown), str(seeds), str(kept), f"-max_total_time={seconds}", f"-max_len={HARNESSES[name].longest}"),
            *(
                "-timeout=20",
                "-rss_limit_mb=2048",
                f"-artifact_prefix={kept}/",
                "-print_final_stats=1",
                "-len_control=20",
            ),
        ]
        code = subprocess.run([sys.executable, "-m", "tests.fuzz", name, "--", *options], check=False).returncode
        found = sorted(grown.iterdir(), key=lambda path: path.stat().st_size)
        for path in [path for path in found if _keepable(path)][-keep:] if keep else []:
            data = path.read_bytes()
            (kept / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return code


def _keepable(path: Path) -> bool:
    return path.stat().st_size <= _SHORT and _CREDENTIAL.search(path.read_bytes()) is None


def main() -> None:
    """Read the command line."""
    if "--" in sys.argv:
        at = sys.argv.index("--")
        _fuzz(sys.argv[1], sys.argv[at + 1 :])
        return
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--keep", type=int, default=0)
    given = parser.parse_args()
    sys.exit(_run(given.name, given.seconds, given.keep))


if __name__ == "__main__":
    main()
