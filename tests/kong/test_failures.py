"""Whatever breaks between Kong and the plugin server: nothing unmasked goes on, the client is told, the next works."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import httpx2
import orjson
import pytest

from kong_plugins.aws_masker.demo.echo import parrot
from tests.e2e.project import Planted
from tests.kong import wire
from tests.kong.bodies import HEADERS, everything, messages, question, said
from tests.kong.exchange import Call, Exchange, LuaError
from tests.kong.gateway import untouched
from tests.kong.lab import MODULE, OURS, Commands, Lab, lab
from tests.kong.rpc import OnCall

SETTLED = 15.0
"""Seconds in which a server that died must be back."""


def _ask(here: Lab, planted: Planted, size: int = 0) -> httpx2.Response:
    with here.client() as client:
        answer: httpx2.Response = client.post("/v1/messages", content=question(planted, size), headers=HEADERS)
        return answer


def _well(here: Lab, planted: Planted) -> None:
    """The next request works: at once, or as soon as the server is back."""
    deadline = time.monotonic() + SETTLED
    while (answer := _ask(here, planted)).status_code != 200:
        assert time.monotonic() < deadline, "it does not recover"
        time.sleep(0.1)
    assert planted.found_in(said(answer)) == set(planted.values)
    assert planted.found_in(here.received) == set()


def _failed_well(answer: httpx2.Response, here: Lab, planted: Planted) -> None:
    """An error that says so, or the whole answer; and in no case did a value reach the API."""
    assert planted.found_in(here.received) == set()
    if answer.status_code == 200:
        assert planted.found_in(said(answer)) == set(planted.values)
        return
    assert answer.status_code >= 500
    body = answer.json()
    assert "message" in body or body["error"]["message"].startswith("AWS_MASKER_")
    assert planted.found_in(answer.content) == set()


def _calls(here: Lab, planted: Planted, phase: str) -> list[str]:
    """Return the PDK calls of a request that works."""
    _ask(here, planted)
    here.idle()
    calls = here.last.calls_in(phase)
    here.standin.requests.clear()
    return calls


def _at(phase: str, index: int, act: Callable[[], bytes | None]) -> OnCall:
    """Do `act` once, before the PDK call number `index` of `phase`."""
    done: list[bool] = []

    async def on_call(exchange: Exchange, call: Call) -> bytes | None:
        if (call.phase, call.index) == (phase, index) and not done:
            done.append(True)
            return act()
        return None

    return on_call


def _throw() -> bytes | None:
    raise LuaError("planted")


FAULTS: dict[str, Callable[[], bytes | None]] = {
    "Kong throws": _throw,
    "garbage": lambda: b"\xff\xff\xff\xff",
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("phase", ["access", "response"])
def test_a_fault_at_every_call(here: Lab, planted: Planted, phase: str, fault: str) -> None:
    """Each call of the PDK fails in turn, in each way."""
    calls = _calls(here, planted, phase)
    assert calls
    for index in range(len(calls)):
        here.kong.on_call = _at(phase, index, FAULTS[fault])
        _failed_well(_ask(here, planted), here, planted)
        here.kong.on_call = untouched
    _well(here, planted)


@pytest.fixture(scope="module")
def _sabotaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Path]]:
    """A plugin server in which exceptions can be planted, and the file that says which."""
    folder = tmp_path_factory.mktemp("sabotaged")
    plan = folder / "plan"
    plan.touch()
    commands = Commands(OURS.start.replace(MODULE, "tests.kong.sabotaged"), OURS.query)
    with lab(folder, commands, parrot, SABOTAGE=str(plan)) as here:
        yield here, plan


@pytest.mark.parametrize("error", ["RuntimeError", "KeyError", "MemoryError", "RecursionError", "OSError"])
def test_an_exception_at_every_call(_sabotaged: tuple[Lab, Path], planted: Planted, error: str) -> None:
    """The plugin itself fails at each call in turn, with values in the exception's text: no answer or log has them."""
    here, plan = _sabotaged
    here.standin.requests.clear()
    _well(here, planted)
    here.idle()
    for call in [call for call in here.last.calls if call.phase != "log"]:
        here.idle()  # the log phase of the request before must not be the one that fails
        plan.write_text(f"{call.method} {error}")
        answer = _ask(here, planted)
        assert plan.read_text() == "", "the exception was not raised"
        _failed_well(answer, here, planted)
        assert "AWS_MASKER_" in answer.text or call.method == "kong.response.exit"
        assert not here.last.retries
    _well(here, planted)
    assert planted.found_in(here.server.log()) == set()


def test_a_fault_in_log(here: Lab, planted: Planted) -> None:
    """The client has its answer already; nothing else happens."""
    for fault in FAULTS.values():
        here.kong.on_call = _at("log", 0, fault)
        assert planted.found_in(said(_ask(here, planted))) == set(planted.values)
        here.idle()
    _well(here, planted)


@pytest.mark.parametrize(
    ("phase", "method"),
    [
        ("access", "kong.request.get_path_with_query"),
        ("access", "kong.request.get_raw_body"),
        ("access", "kong.service.request.set_raw_body"),
        ("response", "kong.service.response.get_raw_body"),
    ],
)
def test_the_server_is_killed_in_an_event(here: Lab, planted: Planted, phase: str, method: str) -> None:
    """SIGKILL to all of its processes: 500 until Kong has started it again."""
    index = _calls(here, planted, phase).index(method)
    here.kong.on_call = _at(phase, index, here.server.kill)
    answer = _ask(here, planted)
    assert answer.status_code == 500
    _failed_well(answer, here, planted)
    here.kong.on_call = untouched
    _well(here, planted)


def test_the_server_is_killed_before_an_event(here: Lab, planted: Planted) -> None:
    """With Kong still holding connections and an instance: 500 until it is back."""
    _well(here, planted)
    before = len(here.standin.requests)
    here.server.kill()
    time.sleep(0.1)
    answer = _ask(here, planted)
    assert answer.status_code == 500
    assert len(here.standin.requests) == before
    _well(here, planted)


def test_workers_are_killed_in_an_event(here: Lab, planted: Planted) -> None:
    """SIGKILL to all workers, before the masked body is in place or after: others take over.

    Kong tries the event again. If the connection that it takes from its pool for that was a dead worker's, the client
    gets Kong's 500 (`assert(c:send)` in `plugin_servers/rpc/pb_rpc.lua`); else it notices nothing.
    """
    calls = _calls(here, planted, "access")
    place = calls.index("kong.service.request.set_raw_body")

    def kill() -> bytes | None:
        for worker in here.server.workers():
            os.kill(worker, signal.SIGKILL)
        return None

    supervisor = here.server.pid
    for phase, index in (("access", 0), ("access", place - 1), ("response", 1)):
        here.kong.on_call = _at(phase, index, kill)
        answer = _ask(here, planted)
        assert answer.status_code in (200, 500)
        if answer.status_code == 200:
            assert here.last.retries
            assert planted.found_in(said(answer)) == set(planted.values)
        assert planted.found_in(here.received) == set()
        here.kong.on_call = untouched
        _well(here, planted)
    assert here.server.pid == supervisor


def test_a_worker_is_killed_when_the_body_is_in_place(here: Lab, planted: Planted) -> None:
    """The second try finds placeholders in place of values: nothing leaks, and what it answers is not another's."""
    calls = _calls(here, planted, "access")

    def kill() -> bytes | None:
        for worker in here.server.workers():
            os.kill(worker, signal.SIGKILL)
        return None

    here.kong.on_call = _at("access", calls.index("kong.service.request.set_raw_body") + 1, kill)
    answer = _ask(here, planted)
    assert planted.found_in(here.received) == set()
    assert answer.status_code in (200, 500, 503)
    here.kong.on_call = untouched
    _well(here, planted)


def test_sigterm_lets_events_end(here: Lab, planted: Planted) -> None:
    """A server that is told to stop finishes what it has begun."""
    index = _calls(here, planted, "access").index("kong.request.get_raw_body")

    async def on_call(exchange: Exchange, call: Call) -> bytes | None:
        if (call.phase, call.index) == ("access", index):
            os.kill(here.server.pid, signal.SIGTERM)
            time.sleep(0.3)
        return None

    here.kong.on_call = on_call
    starts = here.server.starts
    answer = _ask(here, planted)
    # `access` ends in the old server; `response` may find nobody until Kong has started the next one.
    assert len(here.standin.requests) == 1
    _failed_well(answer, here, planted)
    here.kong.on_call = untouched
    _well(here, planted)
    assert here.server.starts == starts + 1


def test_a_body_that_is_not_whole(here: Lab, planted: Planted) -> None:
    """Where Kong hands over no body, or less than the request announced, it does not go on."""
    index = _calls(here, planted, "access").index("kong.request.get_raw_body")
    part = wire.field(1, messages("hello"))
    for instead in (b"", wire.field(1, b""), part):
        here.kong.on_call = _at("access", index, lambda instead=instead: instead)  # type: ignore[misc]
        answer = _ask(here, planted)
        assert answer.status_code >= 400
        assert "AWS_MASKER_" in answer.json()["error"]["message"]
        assert not here.standin.requests


BODY_FILES: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path,
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:9000]),
}


@pytest.mark.parametrize("what", sorted(BODY_FILES))
def test_a_body_file_that_cannot_be_read(here: Lab, planted: Planted, what: str) -> None:
    """Kong names a file that is not there for the plugin server, or not whole: the request does not go on."""
    index = _calls(here, planted, "access").index("kong.request.get_raw_body")

    async def on_call(exchange: Exchange, call: Call) -> bytes | None:
        if (call.phase, call.index) == ("access", index):
            assert exchange.body_file is not None
            BODY_FILES[what](exchange.body_file)
            if what == "a folder":
                return wire.field(2, str(exchange.body_file.parent).encode())
        return None

    here.kong.on_call = on_call
    answer = _ask(here, planted, 20_000)
    assert answer.status_code >= 400
    assert "AWS_MASKER_" in answer.json()["error"]["message"]
    assert not here.standin.requests
    here.kong.on_call = untouched
    _well(here, planted)


def test_a_full_disk(here: Lab, planted: Planted) -> None:
    """nginx cannot write the body's file: 500, and small requests still work."""
    here.kong.body_file = Path("/dev/full")
    assert _ask(here, planted, 20_000).status_code == 500
    assert not here.standin.requests
    _well(here, planted)


@pytest.mark.parametrize("sent", [0.0, 0.5, 1.0], ids=["head", "half", "all"])
def test_a_client_that_goes_away(here: Lab, planted: Planted, sent: float) -> None:
    """In the middle of its body, or before its answer."""
    body = question(planted, 50_000)
    head = b"POST /v1/messages HTTP/1.1\r\nhost: kong\r\ncontent-type: application/json\r\n"
    address = httpx2.URL(here.url)
    for _ in range(5):
        with socket.create_connection((address.host, address.port or 80)) as client:
            client.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body[: int(sent * len(body))])
    _well(here, planted)


def _frame(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


GARBAGE = {
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "zeros": b"\0" * 64,
    "ones": b"\xff" * 64,
    "a huge frame": b"\xff\xff\xff\xff",
    "half a frame": struct.pack("<I", 1000) + b"x" * 10,
    "no message": _frame(b"\xff\xff\xff\xff\xff"),
    "no command": _frame(wire.field(1, 1)),
    "an unknown command": _frame(wire.rpc_call(1, 77, b"")),
    "another plugin": _frame(wire.rpc_call(1, wire.START_INSTANCE, wire.start_instance("other", b"{}"))),
    "an unknown instance": _frame(wire.rpc_call(1, wire.HANDLE_EVENT, wire.handle_event(987_654, "access"))),
    "a negative instance": _frame(wire.rpc_call(1, wire.HANDLE_EVENT, wire.handle_event(-1, "access"))),
    "MessagePack": b"\x94\x00\x01\xb1plugin.GetPluginInfo\x90",
}


@pytest.mark.parametrize("what", sorted(GARBAGE))
def test_garbage_on_the_socket(here: Lab, planted: Planted, what: str) -> None:
    """It is closed without an answer, and touches nothing else; an open connection that says nothing does neither."""
    workers = here.server.workers()
    with socket.socket(socket.AF_UNIX) as connection, socket.socket(socket.AF_UNIX) as idle:
        for one in (connection, idle):
            one.settimeout(10)
            one.connect(str(here.server.path))
        connection.sendall(GARBAGE[what])
        _well(here, planted)
        with contextlib.suppress(ConnectionError):  # closed before all was read
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1000) == b""
    assert here.server.workers() == workers


@pytest.mark.parametrize("config", [b"", b"[]", b"{", b"null", b"\xff", b'{"key": 1}', b"[" * 100_000])
def test_a_configuration_that_is_none(here: Lab, planted: Planted, config: bytes) -> None:
    """The instance starts, so that the client can be told what is wrong; nothing passes through it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(here.server.path))
        message = wire.start_instance("aws-masker", config)
        connection.sendall(_frame(wire.rpc_call(5, wire.START_INSTANCE, message)))
        head = connection.recv(4, socket.MSG_WAITALL)
        if head:  # or it is closed: Kong answers 500 then
            sequence, instance = wire.rpc_return(connection.recv(struct.unpack("<I", head)[0], socket.MSG_WAITALL))
            assert sequence == 5
            assert instance is not None
    _well(here, planted)


def test_an_event_that_is_slow_holds_up_no_other(here: Lab, planted: Planted) -> None:
    """While one waits for Kong, all others pass."""
    released = threading.Event()

    async def on_call(exchange: Exchange, call: Call) -> bytes | None:
        if b"slow" in exchange.raw_path:
            while not released.is_set():
                await anyio.sleep(0.02)
        return None

    here.kong.on_call = on_call
    slow: list[httpx2.Response] = []

    def ask_slowly() -> None:
        with here.client() as client:
            slow.append(client.post("/v1/messages?slow", content=question(planted), headers=HEADERS))

    threads = [threading.Thread(target=ask_slowly) for _ in range(20)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            _well(here, planted)
        assert not slow
    finally:
        released.set()
        for thread in threads:
            thread.join(20)
    assert [planted.found_in(said(answer)) for answer in slow] == [set(planted.values)] * 20


def test_hostile_marks_are_not_believed(here: Lab, planted: Planted) -> None:
    """What another plugin left in `ctx.shared` under our name is replaced by what this request is."""

    async def on_call(exchange: Exchange, call: Call) -> bytes | None:
        if call.phase == "access":
            forged = {"v": 1, "mapping": {planted.instance: "forged"}}
            exchange.shared.setdefault(b"aws_masker", orjson.dumps(forged))
        return None

    here.kong.on_call = on_call
    answer = _ask(here, planted)
    assert said(answer) == everything(planted) + planted.log
    assert "forged" not in here.last.shared[b"aws_masker"].decode()


def test_a_text_without_values_needs_no_body(here: Lab, planted: Planted) -> None:
    """A request in which nothing is masked is still marked, and its body is not touched."""
    with here.client() as client:
        answer = client.post("/v1/messages", content=messages("hello"), headers=HEADERS)
    assert said(answer) == "hello"
    assert "kong.service.request.set_raw_body" not in here.last.calls_in("access")
    assert b"aws_masker" in here.last.shared
