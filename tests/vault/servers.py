"""Real Redis servers, started by the tests and treated badly."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

PATIENCE = 30.0
"""Seconds after which a test gives up; nothing is asserted about time."""


def find_binary() -> str | None:
    """Return Redis's or Valkey's server, or None."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


def free_port() -> int:
    """Return a port that nobody listens on; below 55,536, as a cluster's node takes the one 10,000 above too."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 55_536:
            return port


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Return what `condition` gives as soon as that is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for: {what}")


@dataclass
class Server:
    """A Redis server on a port of its own; `options` are lines of its configuration, or Sentinel's."""

    folder: Path
    options: list[str] = field(default_factory=list)
    sentinel: bool = False
    password: str | None = None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        self.folder.mkdir(exist_ok=True)
        config = self.folder / f"{self.port}.conf"
        common = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", f"logfile {self.folder}/{self.port}.log"]
        if not config.exists():
            persistent = [] if self.sentinel else ['save ""', f"unixsocket {self.socket}"]
            config.write_text("\n".join([*common, *persistent, *self.options]) + "\n")
        binary = find_binary()
        assert binary is not None
        command = [binary, str(config), *(["--sentinel"] if self.sentinel else [])]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._answers, "an answer of Redis")
        return self

    @property
    def socket(self) -> Path:
        return self.folder / f"{self.port}.sock"

    @contextmanager
    def client(self, **options: Any) -> Iterator[Any]:
        """Yield a client for the test's own use."""
        known = {"password": self.password, "socket_timeout": PATIENCE, "retry": Retry(NoBackoff(), 0), **options}
        client = Redis(host="127.0.0.1", port=self.port, protocol=2, **known)
        try:
            yield client
        finally:
            client.close()

    def do(self, *command: Any) -> Any:
        """Run a command."""
        with self.client() as client:
            return client.execute_command(*command)

    def dump(self) -> bytes:
        """Return all keys and all that is under them, one way or another: the dump file of the server."""
        self.do("SAVE")
        return (self.folder / "dump.rdb").read_bytes()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "Redis ended at its start"
        try:
            self.do("PING")
        except RedisError as error:
            return isinstance(error, AuthenticationError)  # it is there, and lets nobody in
        return True


class Slow:
    """A TCP proxy in front of a server, which can hold back what passes."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.delay = 0.0
        """Seconds before each piece is handed on."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._run(self._accept)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._run(partial(self._pass, near, far))
                self._run(partial(self._pass, far, near))

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError), source, target:
            while piece := source.recv(65_536):
                time.sleep(self.delay)
                target.sendall(piece)

    @staticmethod
    def _run(work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True).start()
