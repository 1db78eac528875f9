"""`demo`: the command; what the demo shows is tested where it lives."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def test_demo(run: Run) -> None:
    """With nothing set up it runs to its end and says that nothing reached the provider."""
    result = run("demo")
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"OK: none of the" in result.stdout


def test_own_text(run: Run, text: bytes, folder: Path) -> None:
    """With a file it shows what becomes of that text."""
    (folder / "main.tf").write_bytes(text)
    for result in (run("demo", "main.tf"), run("demo", "-", input=text)):
        assert (result.returncode, result.stderr) == (0, b"")
        assert b"OK: the text came back exactly" in result.stdout
