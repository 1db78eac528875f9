"""`restore`: as the text arrives, and from the mapping alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
Started = Callable[..., "subprocess.Popen[bytes]"]


def test_streams(run: Run, started: Started, planted: dict[str, str]) -> None:
    """Text comes out while the input is still open, and a placeholder that is cut in two is restored."""
    value = planted["ec2_instance"].encode()
    placeholder = run("mask", "--mapping", "m.json", input=value).stdout
    assert placeholder != value
    process = started("restore", "--mapping", "m.json")
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"first line, " + placeholder + b" and more.\nthen " + placeholder[:7])
    process.stdin.flush()
    assert process.stdout.readline() == b"first line, " + value + b" and more.\n"
    process.stdin.write(placeholder[7:] + b" end")
    process.stdin.close()
    assert process.stdout.read() == b"then " + value + b" end"
    assert process.wait() == 0


def test_needs_no_key(run: Run, text: bytes) -> None:
    """The mapping is enough: a wrong key does not matter, and none is made."""
    masked = run("mask", "--mapping", "m.json", input=text, AWS_MASKER_KEY="cd" * 32).stdout
    assert masked != text
    assert run("restore", "--mapping", "m.json", input=masked, AWS_MASKER_KEY="not a key").stdout == text


def test_foreign_placeholders_stay(run: Run, text: bytes) -> None:
    """What the mapping does not know stays as it is, placeholder or not."""
    foreign = run("mask", "--tenant", "other", input=text).stdout
    run("mask", "--mapping", "m.json", input=text)
    assert foreign != text
    assert run("restore", "--mapping", "m.json", input=foreign).stdout == foreign


def test_no_mapping(run: Run) -> None:
    """A mapping file that does not exist is an error, not an empty mapping."""
    result = run("restore", "--mapping", "m.json", input=b"text")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"m.json" in result.stderr
