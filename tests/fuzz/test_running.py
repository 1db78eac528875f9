"""Fuzzers are run, counted and published."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.evidence import page
from bench.evidence.fuzzing import Fuzzed
from tests.fuzz import running
from tests.fuzz.harnesses import CORPUS, HARNESSES


def test_a_run_counts_its_inputs() -> None:
    """One second with what the corpus has: many inputs, none of which fails."""
    pytest.importorskip("atheris", reason="the extra `fuzz` is not installed")
    done = running.run("records", 1)
    assert done.inputs > len(list((CORPUS / "records").iterdir()))
    assert (done.failures, done.code) == (0, 0)


def test_a_failure_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What libFuzzer leaves behind is counted once, by the run that found it."""

    def found(command: list[str]) -> tuple[int, int]:
        assert f"-artifact_prefix={tmp_path}/records/" in command
        (tmp_path / "records" / f"crash-{len(list((tmp_path / 'records').iterdir()))}").write_bytes(b"x")
        return 12, 77

    monkeypatch.setattr(running, "CORPUS", tmp_path)
    monkeypatch.setattr(running, "_watched", found)
    assert running.run("records", 1) == running.Run(12, 1, 77)
    assert running.run("records", 1) == running.Run(12, 1, 77)


def test_a_fuzzer_that_was_killed_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves no input behind, and no count."""
    monkeypatch.setattr(running, "CORPUS", tmp_path)
    monkeypatch.setattr(running, "_watched", lambda _: (0, -9))
    assert running.run("records", 1) == running.Run(0, 1, -9)


def test_every_harness_says_what_holds() -> None:
    """In one line, which stands on the page with what was tried and what failed."""
    shown = page.fuzzing({"records": Fuzzed("What holds.", 1_234, 2, 3)}, 60)
    assert "| records | What holds. | 1,234 | 2 | 3 |" in shown
    assert "60 seconds" in shown
    assert "Not measured, atheris" in page.fuzzing("atheris is not installed", 60)
    for name in HARNESSES:
        claim = (sys.modules[HARNESSES[name].check.__module__].__doc__ or "").partition("\n")[0]
        assert ":" in claim and claim.endswith("."), name
