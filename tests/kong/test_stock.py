"""The plugin on Kong's own server for Python plugins: it works, and fails closed as far as that server lets it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kong_plugins.aws_masker.demo.answers import Failure
from kong_plugins.aws_masker.demo.echo import parrot
from tests.e2e.project import Planted
from tests.kong.bodies import HEADERS, question, said
from tests.kong.exchange import Call, Exchange, LuaError
from tests.kong.gateway import Limits, untouched
from tests.kong.lab import ROOT, Commands, Lab, lab, stock

_PLUGINS = ROOT / "kong_plugins"
_STYLE = " --no-lua-style"
_MODES = {"gevent": ("-g",), "processes": ("-m",)}


@pytest.fixture(scope="module", params=["exceptions", "pairs", "gevent", "processes"])
def _server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The stock server with threads (getters raise, or return pairs), with gevent and with processes."""
    commands = stock(_PLUGINS, *_MODES.get(request.param, ()))
    if request.param == "pairs":
        commands = Commands(commands.start.replace(_STYLE, ""), commands.query)
    with lab(tmp_path_factory.mktemp("stock"), commands, parrot) as here:
        yield here


@pytest.fixture
def on_stock(_server: Lab, planted: Planted) -> Iterator[Lab]:
    """With nothing received."""
    _server.kong.exchanges.clear()
    _server.standin.requests.clear()
    _server.standin.script = parrot
    _server.kong.on_call = untouched
    yield _server
    assert planted.found_in(_server.server.log()) == set()


@pytest.mark.parametrize("size", [1_000, 50_000, 1_000_000])
def test_it_masks_and_restores(on_stock: Lab, planted: Planted, size: int) -> None:
    """Also bodies that nginx keeps in a file."""
    with on_stock.client() as client:
        answer = client.post("/v1/messages", content=question(planted, size), headers=HEADERS)
    assert planted.found_in(said(answer)) == set(planted.values)
    assert planted.found_in(on_stock.received) == set()


def test_it_refuses(on_stock: Lab, planted: Planted) -> None:
    """What cannot be masked does not go on, and the next request works."""
    with on_stock.client() as client:
        answer = client.post("/v1/messages", content=b'{"a":"' + planted.instance.encode(), headers=HEADERS)
        assert (answer.status_code, "AWS_MASKER_6002" in answer.text) == (422, True)
        assert not on_stock.standin.requests
        assert said(client.post("/v1/messages", content=question(planted), headers=HEADERS))


def test_an_error_of_the_api(on_stock: Lab, planted: Planted) -> None:
    """Comes through with the values that it repeats."""
    on_stock.standin.script = lambda received: Failure(429, "rate_limit_error", received.latest)
    with on_stock.client() as client:
        answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
    assert answer.status_code == 429
    assert planted.found_in(answer.json()["error"]["message"]) == set(planted.values)


def test_a_fault_at_every_call(on_stock: Lab, planted: Planted, request: pytest.FixtureRequest) -> None:
    """Kong throws at each call in turn: the client is told, nothing unmasked goes on, and later events still run."""
    if request.node.callspec.params["_server"] == "processes":
        pytest.skip("with -m each fault takes one of that server's few processes away for ever; see the next test")
    with on_stock.client() as client:
        client.post("/v1/messages", content=question(planted), headers=HEADERS)
        on_stock.idle()
        calls = [call for call in on_stock.last.calls if call.phase != "log"]  # then the client has its answer
        for planned in calls:

            async def throw(exchange: Exchange, call: Call, planned: Call = planned) -> bytes | None:
                if call == planned:
                    raise LuaError("planted")
                return None

            on_stock.kong.on_call = throw
            answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
            assert answer.status_code == 500
            on_stock.kong.on_call = untouched
        assert planted.found_in(said(client.post("/v1/messages", content=question(planted), headers=HEADERS)))
    assert planted.found_in(on_stock.received) == set()


def test_processes_do_not_come_back(tmp_path: Path, planted: Planted) -> None:
    """With `-m`, as many failed calls as there are processes, and Kong sends everything on unmasked; not with ours."""

    async def throw(_: Exchange, call: Call) -> bytes | None:
        if call.phase == "access":
            raise LuaError("planted")
        return None

    with lab(tmp_path, stock(_PLUGINS, "-m"), parrot, limits=Limits(socket=1.0)) as here, here.client() as client:
        here.kong.on_call = throw
        for _ in range(os.cpu_count() or 1):
            assert client.post("/v1/messages", content=question(planted), headers=HEADERS).status_code == 500
        here.kong.on_call = untouched
        client.post("/v1/messages", content=question(planted), headers=HEADERS)
    assert planted.found_in(here.received) == set(planted.values)


def test_headers_that_are_no_utf8(on_stock: Lab, planted: Planted) -> None:
    """That server breaks off when it reads them, and Kong sends the request on unmasked; ours masks it."""
    with on_stock.client() as client:
        client.post("/v1/messages", content=question(planted), headers={b"x-own": b"caf\xe9"})
    assert planted.found_in(on_stock.received) == set(planted.values)


def test_what_nothing_here_can_prevent(tmp_path: Path, planted: Planted) -> None:
    """When that server is gone, Kong sends requests on unmasked; with ours it does not (`test_failures`)."""
    with lab(tmp_path, stock(_PLUGINS), parrot) as here, here.client() as client:
        client.post("/v1/messages", content=question(planted), headers=HEADERS)
        assert planted.found_in(here.received) == set()
        here.server.stop()
        client.post("/v1/messages", content=question(planted), headers=HEADERS)
        assert planted.found_in(here.received) == set(planted.values)
