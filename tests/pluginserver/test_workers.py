"""Processes: several workers that know the same, replaced when they die, and an end that breaks off nothing."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from kong_plugins.aws_masker.pluginserver import protocol
from tests.pluginserver.conftest import MAIN, PATIENCE, ROOT, Process, Start, children, eventually
from tests.pluginserver.kong import INSTANCE, Closed, Connection, Request

BODY = json.dumps({"messages": [{"role": "user", "content": f"stop {INSTANCE}"}]}).encode()


def masked(process: Process, number: int) -> bytes:
    request = Request(body=BODY)
    request.run(process.connect(), number, "access")
    sent = request.upstream()
    assert sent is not None
    assert INSTANCE.encode() not in sent
    return sent


class Waiting:
    """An event that stands still at its first PDK call until it is told to go on."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.connection, self.number = connection, number
        self.go_on = threading.Event()
        self.stands = threading.Event()
        self.request = Request(body=BODY)
        self.request.before["kong.request.get_path_with_query"] = self._wait
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.stands.wait(PATIENCE)

    def _wait(self) -> None:
        self.stands.set()
        assert self.go_on.wait(PATIENCE)

    def _run(self) -> None:
        try:
            self.request.run(self.connection, self.number, "access")
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def finish(self) -> Request:
        self.go_on.set()
        self.thread.join(PATIENCE)
        if self.error:
            raise self.error
        return self.request


def test_all_workers_mask_alike(start: Start) -> None:
    """An instance started in one is known in all, and connections reach all of them."""
    process = start(workers=3)
    number = process.connect().start()
    assert len({masked(process, number) for _ in range(20)}) == 1
    assert len(process.workers()) == 3


def test_a_worker_that_dies_is_replaced(start: Start) -> None:
    """The instances are still known, and the supervisor goes on."""
    process = start(workers=2)
    number = process.connect().start()
    before = set(process.workers())
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: len(set(process.workers()) - before) == 2)
    assert masked(process, number)
    assert process.popen.poll() is None
    assert process.log.read_text().count("worker_ended") == 2


def test_a_body_that_ends_workers_is_refused_at_last(start: Start) -> None:
    """Kong would send it again for ever; the third worker answers, and other bodies pass meanwhile."""
    process = start(workers=1)
    number = process.connect().start()
    body = json.dumps({"messages": [{"role": "user", "content": f"{INSTANCE} " + "x" * 100_000}]}).encode()
    for _ in range(2):
        (worker,) = process.workers()
        request = Request(body=body)
        # The consumer is asked for when the body is there.
        request.before["kong.client.get_consumer"] = partial(os.kill, worker, signal.SIGKILL)
        with pytest.raises((Closed, OSError)):
            request.run(process.connect(), number, "access")
        eventually(lambda worker=worker: set(process.workers()) - {worker} != set())  # type: ignore[misc]
    request = Request(body=body)
    request.run(process.connect(), number, "access")
    assert request.exit is not None
    assert request.exit[0] == 503
    assert b"AWS_MASKER_2001" in request.exit[1]
    assert masked(process, number)
    request = Request(body=body + b" ")
    request.run(process.connect(), number, "access")
    assert request.upstream() is not None


def test_sigterm_lets_events_end(start: Start) -> None:
    """An event under way is finished, an idle connection is closed, and the process ends with status 0."""
    process = start(workers=1)
    idle = process.connect()
    number = idle.start()
    event = Waiting(process.connect(), number)
    process.popen.terminate()
    with pytest.raises(Closed):
        idle.receive()
    request = event.finish()
    assert INSTANCE.encode() not in (request.upstream() or INSTANCE.encode())
    with pytest.raises(Closed):
        event.connection.receive()
    assert process.popen.wait(PATIENCE) == 0
    assert not process.path.exists()


def test_a_call_that_came_before_sigterm_is_answered(start: Start) -> None:
    """Kong may send a call at the very moment; as long as it was there, it counts."""
    process = start(workers=1)
    connection = process.connect()
    number = connection.start()
    (worker,) = process.workers()
    os.kill(worker, signal.SIGSTOP)
    event = protocol.RpcCall(sequence=9, cmd_handle_event={"instance_id": number, "event_name": b"log"})
    connection.send(event.SerializeToString())
    os.kill(worker, signal.SIGTERM)
    os.kill(worker, signal.SIGCONT)
    assert connection.receive() == b"kong.ctx.shared.get"
    connection.receive()
    connection.send(b"")
    assert connection.receive() == b""
    assert protocol.RpcReturn.FromString(connection.receive()).sequence == 9


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """When Kong's worker dies, the server goes, and with it its workers."""
    path = tmp_path / "kong.sock"
    command = [*MAIN, "--socket", str(path), "--workers", "1"]
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess; subprocess.Popen({command!r}).wait()"],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: path.exists() and bool(children(parent.pid)) and bool(children(children(parent.pid)[0])))
    (supervisor,) = children(parent.pid)
    (worker,) = children(supervisor)
    parent.kill()
    parent.wait(PATIENCE)
    eventually(lambda: not Path(f"/proc/{supervisor}").exists() and not Path(f"/proc/{worker}").exists())
    assert not path.exists()


def test_workers_end_with_the_supervisor(start: Start) -> None:
    """A supervisor that was killed leaves nobody behind who would answer for an old configuration."""
    process = start(workers=2)
    workers = process.workers()
    process.popen.kill()
    process.popen.wait(PATIENCE)
    eventually(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def test_a_new_server_takes_over(start: Start) -> None:
    """On `kong reload` a new one starts while the old one ends; the old one leaves the new one's socket alone."""
    old = start(workers=1)
    event = Waiting(old.connect(), old.connect().start())
    new = start(workers=1)
    old.popen.terminate()
    assert masked(new, new.connect().start())
    event.finish()
    assert old.popen.wait(PATIENCE) == 0
    assert masked(new, new.connect().start())


def test_a_socket_that_a_killed_server_left(start: Start) -> None:
    """It is replaced."""
    old = start(workers=1)
    old.popen.kill()
    old.popen.wait(PATIENCE)
    assert old.path.exists()
    new = start(workers=1)
    assert masked(new, new.connect().start())


def test_a_shortage_of_files_ends_nothing(start: Start) -> None:
    """With too many connections the next ones wait, and those that are there go on."""
    process = start(workers=1)
    first = process.connect()
    number = first.start()
    (worker,) = process.workers()
    used = len(list(Path(f"/proc/{worker}/fd").iterdir()))
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 2, used + 2))
    many = [process.connect() for _ in range(6)]
    eventually(lambda: "connection_not_accepted" in process.log.read_text())
    request = Request(body=BODY)
    request.run(first, number, "access")
    assert request.upstream() is not None
    for connection in many[:4]:
        connection.socket.close()
    time.sleep(0.3)
    request = Request(body=BODY)
    request.run(many[5], number, "access")
    assert request.upstream() is not None
    assert process.workers() == [worker]
