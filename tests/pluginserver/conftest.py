"""Plugin servers as processes, started as Kong starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kong_plugins.aws_masker.plugin import Plugin
from kong_plugins.aws_masker.pluginserver.connections import Connections
from kong_plugins.aws_masker.pluginserver.instances import Instances
from kong_plugins.aws_masker.pluginserver.server import Server
from tests.pluginserver.kong import Connection

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
MAIN = (sys.executable, "-m", "kong_plugins.aws_masker.pluginserver.main")


@dataclass
class Process:
    """A running plugin server."""

    popen: subprocess.Popen[bytes]
    path: Path
    log: Path

    def workers(self) -> list[int]:
        return children(self.popen.pid)

    def connect(self) -> Connection:
        return Connection(self.path)


Start = Callable[..., Process]


def children(process: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except FileNotFoundError:
        return []


def eventually(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)


def run(folder: Path, *options: str, workers: int = 1) -> Process:
    path, log = folder / "kong.sock", folder / "log"
    inode = path.stat().st_ino if path.exists() else 0
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [*MAIN, "--socket", str(path), "--workers", str(workers), *options],
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={name: os.environ[name] for name in ("PATH",) if name in os.environ},
        )
    process = Process(popen, path, log)
    eventually(lambda: popen.poll() is not None or (path.exists() and path.stat().st_ino != inode))
    assert popen.poll() is None, log.read_text()
    others = "--metrics-address" in options  # a process that serves its pages, started after the workers
    eventually(lambda: len(process.workers()) == workers + others)
    return process


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a plugin server with options; it ends with the test."""
    running: list[Process] = []

    def one(*options: str, workers: int = 1) -> Process:
        running.append(run(tmp_path, *options, workers=workers))
        return running[-1]

    yield one
    for process in running:
        process.popen.terminate()
        process.popen.wait(PATIENCE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One plugin server with two workers for a whole module."""
    process = run(tmp_path_factory.mktemp("server"), workers=2)
    yield process
    process.popen.terminate()
    assert process.popen.wait(PATIENCE) == 0


Here = Callable[..., Connection]


@pytest.fixture
def here() -> Iterator[Here]:
    """Serve a connection in this process, with another plugin than ours if one is given."""
    ends: list[socket.socket] = []

    def one(make: Callable[[dict[str, Any]], Any] = Plugin) -> Connection:
        ours, theirs = socket.socketpair()
        ends.append(theirs)
        Connections(Server(Instances(make))).serve(ours)
        return Connection(theirs)

    yield one
    for end in ends:
        end.close()
