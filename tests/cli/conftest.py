"""The command line in a process of its own, in an empty home, with values to look for in whatever it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "kong_plugins.aws_masker.cli"]
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]

# Put together here, so that no secret scanner takes this file for a leak.
PLANTED = {
    "ec2_instance": "i-" + "0a1b2c3d4e5f67890",
    "resource_id": "subnet-" + "0fedcba9876543210",
    "account_id": "4815" + "16234200",
    "access_key": "AKIA" + "QYLPMN5HHHFPZAM2",
    "secret_key": "7fKq2Lw9Zx4Tn8Vb3Rm6" + "Yc1Hs5Jd0Gp+AeUiOoQz",
    "bucket": "acme-billing" + "-exports",
    "role": "Payroll" + "Deployer",
    "private_ip": "10." + "42.7.19",
    "database": "orders-" + "primary",
}

TEXT = f"""\
# Grüße, 你好: what a session looks like
resource "aws_instance" "web" {{
  id        = "{PLANTED["ec2_instance"]}"
  subnet_id = "{PLANTED["resource_id"]}"
  role      = "arn:aws:iam::{PLANTED["account_id"]}:role/{PLANTED["role"]}"
  private_ip = "{PLANTED["private_ip"]}"
}}
export AWS_ACCESS_KEY_ID={PLANTED["access_key"]}
export AWS_SECRET_ACCESS_KEY={PLANTED["secret_key"]}
aws s3 ls s3://{PLANTED["bucket"]}/2024/
aws rds describe-db-instances --db-instance-identifier {PLANTED["database"]}
"""


@pytest.fixture
def text() -> bytes:
    """A text that holds every planted value."""
    return TEXT.encode()


@pytest.fixture
def planted() -> dict[str, str]:
    """The planted values by family."""
    return PLANTED


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment without a key and with an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "XDG_", "COLUMNS"))}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that the command line runs in."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def run(folder: Path, environment: dict[str, str]) -> Run:
    """`run("mask", "file", input=b"...")`: run the command line to its end."""

    def _run(*arguments: str | Path, input: bytes = b"", **extra: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            input=input,
            capture_output=True,
            cwd=folder,
            env={**environment, **extra},
            timeout=120,
            check=False,
        )

    return _run


@pytest.fixture
def started(folder: Path, environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`started("restore", ...)`: start the command line with pipes; ended with the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def _start(*arguments: str | Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment,
        )
        processes.append(process)
        return process

    yield _start
    for process in processes:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture
def leaks(planted: dict[str, str]) -> Callable[..., list[str]]:
    """`leaks(output, ...)`: the families whose planted value stands in one of the outputs."""

    def _leaks(*outputs: bytes) -> list[str]:
        return [family for family, value in planted.items() if any(value.encode() in output for output in outputs)]

    return _leaks
