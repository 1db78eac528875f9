"""The group: help, version, and how whatever goes wrong ends."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kong_plugins.aws_masker import __version__
from kong_plugins.aws_masker.cli import main as module
from kong_plugins.aws_masker.cli.edge import edge
from kong_plugins.aws_masker.errors import MaskingFailed

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def test_version(run: Run) -> None:
    """--version tells the version."""
    assert run("--version").stdout.decode() == f"aws-masker {__version__}\n"


@pytest.mark.parametrize("command", [(), *((name,) for name in module.COMMANDS)])
def test_help(run: Run, command: tuple[str, ...]) -> None:
    """Every command explains itself, with an example."""
    result = run(*command, "--help")
    assert result.returncode == 0
    assert b"Usage: aws-masker" in result.stdout
    assert b"Example" in result.stdout
    assert run(*command, "-h").stdout == result.stdout


def test_commands_are_listed(run: Run) -> None:
    """The help of the group lists every command."""
    listed = run("--help").stdout.decode().split("Commands:")[1].split("Examples:")[0]
    assert [line.split()[0] for line in listed.splitlines() if line.strip()] == list(module.COMMANDS)


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("mask", "--nonsense"), ("mask", "missing.txt"), ("restore",), ("scan",), ("proxy",)]
)
def test_usage_errors(run: Run, arguments: tuple[str, ...]) -> None:
    """A wrong command line ends with 2 and says what is wrong."""
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"Error: " in result.stderr
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["mask", "scan", "detectors", "proxy"])
@pytest.mark.parametrize(
    ("name", "content"),
    [("c.toml", "mask_s3_buckets = 'SECRET'"), ("c.yaml", "[SECRET"), ("c.toml", "allowlist_patterns = ['(SECRET)?']")],
)
def test_config_errors(run: Run, folder: Path, command: str, name: str, content: str) -> None:
    """A wrong configuration is one line with its code, without what the file holds."""
    (folder / name).write_text(content)
    arguments = {"scan": ["-"], "proxy": ["--upstream", "http://127.0.0.1:9"]}.get(command, [])
    result = run(command, "--config", name, *arguments)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"Error AWS_MASKER_4001: ")
    assert result.stderr.count(b"\n") == 1
    assert b"SECRET" not in result.stderr


def test_key_errors(run: Run, text: bytes) -> None:
    """A bad key is one line with its code, without the key, and nothing is printed."""
    result = run("mask", input=text, AWS_MASKER_KEY="TOOSHORT")
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"Error AWS_MASKER_4001: ")
    assert result.stderr.count(b"\n") == 1
    assert b"TOOSHORT" not in result.stderr


def test_interrupted(started: Callable[..., subprocess.Popen[bytes]], folder: Path) -> None:
    """Ctrl-C ends a command with 130, without a traceback."""
    (folder / "m.json").write_text('{"format": "aws-masker mapping 1", "entries": {}}')
    process = started("restore", "--mapping", "m.json")
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write(b"a line\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"a line\n"  # so it runs, and waits for more
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert process.stderr.read().strip() == b""


def test_full_disk(run: Run, folder: Path) -> None:
    """A file that cannot be written is told by its name."""
    result = run("scan", "--format", "json", "--output", "missing/report", "-")
    assert result.returncode == 2
    assert result.stderr.endswith(b"Error: missing/report: No such file or directory\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MaskingFailed("of a detector"), "Error AWS_MASKER_2001: masking failed: of a detector\n"),
        (OSError(28, "No space left on device"), "Error: No space left on device\n"),
        (KeyError("a secret"), "Error AWS_MASKER_9999: unexpected KeyError at test_main.py:"),
        (UnicodeDecodeError("utf-8", b"a secret", 0, 1, "a secret"), "Error AWS_MASKER_9999: unexpected Unicode"),
    ],
)
def test_whatever_goes_wrong(error: Exception, line: str) -> None:
    """Any error ends with 2 and one line, that of a bug without its message, which may hold a value."""

    @click.command()
    def broken() -> None:
        with edge():
            raise error

    result = CliRunner().invoke(broken)
    assert result.exit_code == 2
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert "a secret" not in result.output
