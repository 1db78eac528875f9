"""`mask` and `restore` in processes of their own."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
Leaks = Callable[..., list[str]]


def test_round_trip(run: Run, text: bytes, leaks: Leaks, folder: Path) -> None:
    """What `mask` prints holds none of the values, and `restore` gives the very same bytes back."""
    masked = run("mask", "--mapping", "m.json", input=text)
    assert (masked.returncode, masked.stderr) == (0, b"")
    assert leaks(text) != []
    assert leaks(masked.stdout, masked.stderr) == []
    assert "# Grüße, 你好: what a session looks like".encode() in masked.stdout

    restored = run("restore", "--mapping", "m.json", input=masked.stdout)
    assert (restored.returncode, restored.stderr) == (0, b"")
    assert restored.stdout == text


def test_files(run: Run, text: bytes, leaks: Leaks, folder: Path) -> None:
    """Both commands read a file as they read standard input."""
    (folder / "main.tf").write_bytes(text)
    masked = run("mask", "main.tf", "--mapping", "m.json").stdout
    assert leaks(masked) == []
    (folder / "masked.tf").write_bytes(masked)
    assert run("restore", "masked.tf", "--mapping", "m.json").stdout == text


def test_mapping_is_private_and_only_on_demand(run: Run, text: bytes, leaks: Leaks, folder: Path) -> None:
    """Without --mapping no original is kept anywhere; with it, in a file that only its owner can read."""
    run("mask", input=text)
    assert list(folder.iterdir()) == []
    kept = b"".join(path.read_bytes() for path in folder.parent.rglob("*") if path.is_file())
    assert leaks(kept) == []

    run("mask", "--mapping", "m.json", input=text)
    assert [path.name for path in folder.iterdir()] == ["m.json"]
    assert stat.S_IMODE((folder / "m.json").stat().st_mode) == 0o600
    values = {entry["value"] for entry in json.loads((folder / "m.json").read_bytes())["entries"].values()}
    assert {os.fsdecode(family) for family in leaks(*(value.encode() for value in values))} == set(leaks(text))


def test_stable_across_runs_and_separate_by_tenant(run: Run, text: bytes, leaks: Leaks) -> None:
    """The same key gives the same placeholders in every process; another tenant or another key gives others."""
    first = run("mask", input=text).stdout
    assert run("mask", input=text).stdout == first
    others = [
        run("mask", "--tenant", "other", input=text).stdout,
        run("mask", input=text, AWS_MASKER_KEY="ab" * 32).stdout,
        run("mask", "--key-file", "another.key", input=text).stdout,
    ]
    assert len({first, *others}) == 4
    assert leaks(first, *others) == []


def test_mapping_grows_and_is_used(run: Run, planted: dict[str, str]) -> None:
    """What an earlier run made certain is masked without its context too, and all runs can be restored."""
    bucket, account = planted["bucket"], planted["account_id"]
    certain = f"s3://{bucket}/key of arn:aws:iam::{account}:root".encode()
    bare = f"{bucket} is full, says {account}.".encode()
    assert run("mask", input=bare).stdout == bare
    first = run("mask", "--mapping", "m.json", input=certain).stdout
    second = run("mask", "--mapping", "m.json", input=bare).stdout
    for value in (bucket.encode(), account.encode()):
        assert value not in first + second
    assert run("restore", "--mapping", "m.json", input=first).stdout == certain
    assert run("restore", "--mapping", "m.json", input=second).stdout == bare


def test_nothing_to_mask(run: Run) -> None:
    """What holds no value, UTF-8 or not, goes through byte for byte."""
    data = bytes(range(1, 256)) + b"\r\nno newline at the end"
    result = run("mask", input=data)
    assert (result.returncode, result.stdout, result.stderr) == (0, data, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_large(run: Run, planted: dict[str, str], unbuffered: str) -> None:
    """A text larger than any pipe comes out whole, also if Python does not buffer its output."""
    text = (b"x" * 999 + b"\n") * 3000 + planted["ec2_instance"].encode()
    masked = run("mask", "--mapping", "m.json", input=text, PYTHONUNBUFFERED=unbuffered).stdout
    assert len(masked) == len(text)
    assert masked != text
    assert run("restore", "--mapping", "m.json", input=masked, PYTHONUNBUFFERED=unbuffered).stdout == text


def test_utf16_is_refused(run: Run, text: bytes, leaks: Leaks) -> None:
    """In UTF-16 nothing would be found, so it does not go out at all."""
    result = run("mask", input=text.decode().encode("utf-16"))
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"Error AWS_MASKER_2003: ")
    assert leaks(result.stderr, result.stderr.replace(b"\0", b"")) == []


def test_too_large_is_refused(run: Run, text: bytes, folder: Path) -> None:
    """An input over the bound is refused, one of just that size is not."""
    (folder / "small.toml").write_text("max_decompressed_size = 1024")
    fitting = text + b" " * (1024 - len(text))
    assert run("mask", "--config", "small.toml", input=fitting).returncode == 0
    result = run("mask", "--config", "small.toml", input=fitting + b" ")
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"Error AWS_MASKER_2004: ")


def test_config(run: Run, text: bytes, planted: dict[str, str], leaks: Leaks, folder: Path) -> None:
    """The switches and the allowlist of --config hold."""
    (folder / "c.yaml").write_text(f"mask_private_ips: false\nallowlist: [{planted['bucket']}]\n")
    assert set(leaks(run("mask", "--config", "c.yaml", input=text).stdout)) == {"private_ip", "bucket"}


def test_no_output_without_its_mapping(run: Run, text: bytes, leaks: Leaks, folder: Path) -> None:
    """If the mapping cannot be written or is not one, nothing is printed; the message shows nothing of either."""
    (folder / "broken.json").write_bytes(text)
    (folder / "other.json").write_text('{"format": "something else", "entries": {}}')
    for mapping in ("missing/m.json", "broken.json", "other.json"):
        result = run("mask", "--mapping", mapping, input=text)
        assert (result.returncode, result.stdout) == (2, b"")
        assert result.stderr.startswith(b"Error")
        assert result.stderr.count(b"\n") == 1
        assert leaks(result.stderr) == []
    assert (folder / "broken.json").read_bytes() == text


def test_parallel_runs_share_a_mapping(
    started: Callable[..., subprocess.Popen[bytes]], run: Run, planted: dict[str, str]
) -> None:
    """Several `mask` that write one mapping file at the same time lose nothing of each other."""
    texts = [f"{planted['ec2_instance'][:-1]}{digit}".encode() for digit in range(6)]
    processes = [started("mask", "--mapping", "m.json") for _ in texts]
    masked = [process.communicate(text)[0] for process, text in zip(processes, texts, strict=True)]
    assert run("restore", "--mapping", "m.json", input=b" ".join(masked)).stdout == b" ".join(texts)
