"""The plugin server's process: asked and started by its commands, and started anew when it dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESPAWN = 1.0
"""Seconds between two starts, at least."""
PATIENCE = 20.0


@dataclass(frozen=True)
class Info:
    """What the query command tells about the plugin; Kong takes the first of the list only."""

    protocol: str
    name: str
    phases: tuple[str, ...]
    priority: int
    version: str
    schema: dict[str, Any]


def query(command: str, environment: dict[str, str] | None = None) -> Info:
    """Run the query command; what is no JSON on its standard output keeps Kong from starting."""
    output = subprocess.run(
        command, shell=True, check=True, stdout=subprocess.PIPE, env=environment, timeout=60, stdin=subprocess.DEVNULL
    ).stdout
    dump = json.loads(output)
    protocol, plugins = (dump["Protocol"], dump["Plugins"]) if isinstance(dump, dict) else ("MsgPack:1", dump)
    first = plugins[0]
    return Info(protocol, first["Name"], tuple(first["Phases"]), first["Priority"], first["Version"], first["Schema"])


class PluginServer:
    """A plugin server that Kong started."""

    def __init__(self, command: str, path: Path, log: Path, environment: dict[str, str] | None = None) -> None:
        """`log` gets its output, both kinds together."""
        self._command, self._log, self._environment = command, log, environment
        self.path = path
        self._stopping = threading.Event()
        self._process = self._spawn()
        self.starts = 1
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process that the start command became."""
        return self._process.pid

    def workers(self) -> list[int]:
        """Return its child processes."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def log(self) -> str:
        """Return what it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_listening(self) -> None:
        """Wait until it accepts connections."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(str(self.path))
                    return
                except OSError:
                    if time.monotonic() > deadline:
                        raise AssertionError(f"the plugin server does not listen:\n{self.log()}") from None
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL the whole of it, workers too."""
        os.killpg(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it for good, as Kong does when it stops."""
        self._stopping.set()
        process = self._process
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError("the plugin server does not end on SIGTERM") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            self._thread.join(PATIENCE)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                "exec " + self._command,
                shell=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def _watch(self) -> None:
        started = time.monotonic()
        while True:
            self._process.wait()
            if self._stopping.wait(max(0.0, started + RESPAWN - time.monotonic())):
                return
            started = time.monotonic()
            self._process = self._spawn()
            self.starts += 1
