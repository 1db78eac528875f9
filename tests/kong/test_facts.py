"""The stand-in fails where a real Kong fails: with Kong's own server for Python plugins, and with ones that misbehave.

These tests are about the stand-in: what they show is what was measured on Kong 3.9, and why the masker has a plugin
server of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from kong_plugins.aws_masker.demo.serving import serving
from kong_plugins.aws_masker.demo.standin import StandIn
from tests.e2e.project import Planted
from tests.kong import wire
from tests.kong.bodies import HEADERS, question
from tests.kong.gateway import Kong, Limits, Route
from tests.kong.instances import Config
from tests.kong.lab import Lab, environment, lab, stock
from tests.kong.server import Info, query

TINY = stock(Path(__file__).parent / "plugins")
BODY = b'{"model":"m","messages":[{"role":"user","content":"planted"}]}'
QUICK = Limits(socket=0.3, claim=0.3)


def _send(here: Lab, body: bytes = BODY) -> httpx2.Response:
    with here.client() as client:
        answer: httpx2.Response = client.post("/v1/messages", content=body)
        return answer


def test_a_plugin_that_works(tmp_path: Path) -> None:
    """The stock server changes body and headers through the stand-in."""
    with lab(tmp_path, TINY, settings={"do": "replace"}) as here:
        _send(here)
        request = here.standin.requests[-1]
    assert request.body == b'{"masked":%d}' % len(BODY)
    assert [value for name, value in request.headers if name == b"x-seen"] == [b"POST", b"/v1/messages"]
    assert dict(request.headers)[b"content-length"] == b"%d" % len(request.body)


def test_an_exit_ends_the_request(tmp_path: Path) -> None:
    """Nothing goes upstream, and the client gets the plugin's answer."""
    with lab(tmp_path, TINY, settings={"do": "exit"}) as here:
        answer = _send(here)
    assert (answer.status_code, answer.content) == (403, b'{"message":"no"}')
    assert here.standin.requests == type(here.standin.requests)()


@pytest.mark.parametrize("do", ["raise", "sleep"])
def test_msgpack_fails_open(tmp_path: Path, do: str) -> None:
    """A handler that raises or is late: the request goes upstream as it came; after a raise, so do all later ones."""
    with lab(tmp_path, TINY, settings={"do": do}, limits=QUICK) as here:
        assert _send(here).status_code == 200
        assert here.standin.requests[-1].body == BODY
        assert here.last.errors == ["timeout"]
        if do == "raise":
            route = here.kong.routes[0]
            assert route.config is not None
            route.config = Config({"do": "replace"})
            assert _send(here).status_code == 200
            assert here.standin.requests[-1].body == BODY


def test_msgpack_fails_open_without_a_server(tmp_path: Path) -> None:
    """A server that died after it had started the instance: the request goes upstream as it came."""
    with lab(tmp_path, TINY, settings={"do": "replace"}) as here:
        _send(here)
        here.server.stop()
        assert _send(here).status_code == 200
        assert here.standin.requests[-1].body == BODY


def test_a_dead_server_is_started_again(tmp_path: Path) -> None:
    """A second later, and a new server means a new instance."""
    with lab(tmp_path, TINY, settings={"do": "replace"}) as here:
        _send(here)
        here.server.kill()
        while here.server.starts < 2:
            time.sleep(0.05)
        here.server.wait_listening()
        _send(here)
        assert here.standin.requests[-1].body == b'{"masked":%d}' % len(BODY)
        assert here.kong.rpc.instances.started == 2


def test_msgpack_has_no_body_beyond_the_buffer(tmp_path: Path) -> None:
    """`get_raw_body` fails on a body that nginx put into a file."""
    with lab(tmp_path, TINY, settings={"do": "replace"}) as here:
        assert _send(here, BODY + b" " * 8192).status_code == 500
    assert not here.standin.requests


def test_a_call_that_the_phase_does_not_allow(tmp_path: Path) -> None:
    """It is a Lua error, so 500."""
    with lab(tmp_path, TINY, settings={"do": "forbidden"}) as here:
        assert _send(here).status_code == 500
    assert not here.standin.requests


def test_a_file_that_is_no_plugin(tmp_path: Path) -> None:
    """The stock server tells about it on standard output, where Kong expects nothing but JSON."""
    (tmp_path / "tiny.py").write_text((Path(__file__).parent / "plugins" / "tiny.py").read_text())
    commands = stock(tmp_path)
    assert query(commands.query, environment()).name == "tiny"
    (tmp_path / "helper.py").write_text("")
    with pytest.raises(json.JSONDecodeError):
        query(commands.query, environment())


def test_a_route_without_the_plugin(here: Lab, planted: Planted) -> None:
    """The control for all other tests: there, every value arrives."""
    here.kong.routes[0].config = None
    with here.client() as client:
        client.post("/v1/messages", content=question(planted), headers=HEADERS)
    assert planted.found_in(here.received) == set(planted.values)


# Servers that speak ProtoBuf:1 and misbehave

Serve = Callable[[socket.socket, bytes], None]


def _frame(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _received(connection: socket.socket) -> bytes:
    (size,) = struct.unpack("<I", connection.recv(4, socket.MSG_WAITALL))
    return connection.recv(size, socket.MSG_WAITALL)


@contextlib.contextmanager
def _server(path: Path, serve: Serve) -> Iterator[None]:
    """Start instances properly, and leave events to `serve`."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)

    def connected(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, struct.error):
            while True:
                call = dict(wire.fields(_received(connection)))
                if wire.START_INSTANCE in call:
                    status = wire.field(2, 7)
                    connection.sendall(_frame(wire.field(1, call[1]) + wire.field(33, status)))
                else:
                    serve(connection, wire.field(1, call[1]))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=connected, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield
    listener.close()


def _through(
    tmp_path: Path, serve: Serve, phases: tuple[str, ...] = ("access",)
) -> tuple[httpx2.Response, Kong, StandIn]:
    """Send one request through a plugin server whose events `serve` handles."""
    info = Info("ProtoBuf:1", "fake", phases, 1, "1", {})
    standin = StandIn()
    path = tmp_path / "fake.sock"
    with _server(path, serve), serving(standin) as upstream:
        kong = Kong(info, path, [Route("/", upstream, Config({}))], tmp_path, QUICK)
        with serving(kong) as url, httpx2.Client(trust_env=False) as client:
            return client.post(url + "/v1/messages", content=BODY), kong, standin


def _silent(connection: socket.socket, sequence: bytes) -> None:
    connection.recv(1)


def _garbage(connection: socket.socket, sequence: bytes) -> None:
    connection.sendall(_frame(b"") + _frame(b"\xff\xff\xff"))


def _another_sequence(connection: socket.socket, sequence: bytes) -> None:
    connection.sendall(_frame(b"") + _frame(wire.field(1, 99)))


def _unknown_method(connection: socket.socket, sequence: bytes) -> None:
    connection.sendall(_frame(b"kong.no.such") + _frame(b""))


@pytest.mark.parametrize("serve", [_silent, _garbage, _another_sequence, _unknown_method])
def test_protobuf_fails_closed(tmp_path: Path, serve: Serve) -> None:
    """The client gets 500, and nothing goes upstream."""
    answer, kong, standin = _through(tmp_path, serve)
    assert answer.status_code == 500
    assert kong.exchanges[-1].errors
    assert not standin.requests


def test_protobuf_tries_again_when_the_connection_is_closed(tmp_path: Path) -> None:
    """It starts a new instance first."""
    events = itertools.count()

    def once(connection: socket.socket, sequence: bytes) -> None:
        if next(events) == 0:
            raise OSError("closes the connection")
        connection.sendall(_frame(b"") + _frame(sequence))

    answer, kong, standin = _through(tmp_path, once)
    assert answer.status_code == 200
    assert kong.exchanges[-1].retries == 1
    assert kong.rpc.instances.started == 2
    assert standin.requests[-1].body == BODY


@pytest.mark.parametrize("buffered", [True, False])
def test_buffering(tmp_path: Path, buffered: bool) -> None:
    """A plugin with `response` makes Kong collect the answer, unless `access` switches that off."""
    events = []

    def serve(connection: socket.socket, sequence: bytes) -> None:
        events.append(sequence)
        if not buffered and len(events) == 1:
            off = wire.field(1, b"buffered_proxying") + wire.field(2, wire.value(False))
            connection.sendall(_frame(b"kong.nginx.set_ctx") + _frame(off))
            _received(connection)
        connection.sendall(_frame(b"") + _frame(sequence))

    answer, kong, _ = _through(tmp_path, serve, ("access", "response"))
    assert answer.status_code == 200
    assert len(events) == (2 if buffered else 1)
    assert (kong.exchanges[-1].upstream is not None) is buffered


def test_an_exit_is_never_answered(tmp_path: Path) -> None:
    """Kong sends no result after `kong.response.exit` and closes the connection when the request is over."""
    after: list[bytes] = []

    def leave(connection: socket.socket, sequence: bytes) -> None:
        arguments = wire.field(1, 418) + wire.field(2, b"short and stout")
        connection.sendall(_frame(b"kong.response.exit") + _frame(arguments))
        after.append(connection.recv(1))

    answer, _, standin = _through(tmp_path, leave)
    assert (answer.status_code, answer.content) == (418, b"short and stout")
    assert not standin.requests
    assert after == [b""]
