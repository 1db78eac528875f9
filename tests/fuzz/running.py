"""One fuzzer at work, in a process of its own, as libFuzzer ends the one that it runs in."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import re2

from tests.fuzz.harnesses import CORPUS, HARNESSES

_CREDENTIAL = re2.compile(rb"A[KS]IA[A-Z0-9]{16}|ABSK|[A-Za-z0-9/+]{40}")
"""What secret scanners look for: an input with it is not kept."""
_SHORT = 512
_COUNTED = "stat::number_of_executed_units:"
_FAILED = ("crash-*", "timeout-*", "oom-*", "leak-*", "slow-unit-*")


class Run(NamedTuple):
    """What came of it."""

    inputs: int
    """How many were tried."""
    failures: int
    """Inputs with which something did not hold, or that took 20 seconds or 2 GB; the first of them ends the run.

    One as well if the process ended before its time and left nothing behind.
    """
    code: int
    """The process's exit status."""


def run(name: str, seconds: int, keep: int = 0) -> Run:
    """Fuzz one part for some seconds; what libFuzzer says goes on to standard error.

    Args:
        name: Of the harness.
        seconds: How long.
        keep: Most inputs to add to the corpus: short ones that reached new code.
    """
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    failed_before = len(_failed(kept))
    with tempfile.TemporaryDirectory() as folder:
        grown, seeds = Path(folder) / "grown", Path(folder) / "seeds"
        grown.mkdir()
        seeds.mkdir()
        for number, seed in enumerate(HARNESSES[name].seeds()):
            (seeds / str(number)).write_bytes(seed)
        options = [
            *(str(grown), str(seeds), str(kept), f"-max_total_time={seconds}", f"-max_len={HARNESSES[name].longest}"),
            *("-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={kept}/", "-print_final_stats=1"),
            "-len_control=20",
        ]
        inputs, code = _watched([sys.executable, "-m", "tests.fuzz", name, "--", *options])
        found = sorted(grown.iterdir(), key=lambda path: path.stat().st_size)
        for path in [path for path in found if _keepable(path)][-keep:] if keep else []:
            data = path.read_bytes()
            (kept / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    failures = len(_failed(kept)) - failed_before
    return Run(inputs, failures or int(code != 0), code)


def _watched(command: list[str]) -> tuple[int, int]:
    """Run a fuzzer; return the number of inputs, and its exit status."""
    inputs = 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stderr or ():
            sys.stderr.write(line)
            if line.startswith(_COUNTED):
                inputs = int(line.removeprefix(_COUNTED))
    return inputs, process.returncode


def _failed(kept: Path) -> list[Path]:
    return [path for pattern in _FAILED for path in kept.glob(pattern)]


def _keepable(path: Path) -> bool:
    return path.stat().st_size <= _SHORT and _CREDENTIAL.search(path.read_bytes()) is None
