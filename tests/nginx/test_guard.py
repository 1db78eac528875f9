"""Nothing reaches the API that the Python plugin has not masked, whatever is wrong with it; the client is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import orjson
import pytest

from kong_plugins.aws_masker.demo.answers import Failure
from kong_plugins.aws_masker.demo.echo import parrot
from kong_plugins.aws_masker.errors import MaskerError, MaskingFailed, NotMasked, RestoreFailed
from kong_plugins.aws_masker.wire.providers import Api, api_of, error_body
from tests.e2e.project import Planted
from tests.kong.bodies import HEADERS, everything, said
from tests.kong.exchange import Call, Exchange, LuaError
from tests.kong.gateway import untouched
from tests.kong.lab import OURS, ROOT, stock
from tests.nginx.events import question
from tests.nginx.lab import Lab, lab

NAME = b"aws_masker"
PATHS = {
    "messages": "/v1/messages",
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "other": "/v1/whatever",
}


@pytest.fixture(params=sorted(PATHS))
def path(request: pytest.FixtureRequest) -> str:
    """Where the client sends its request."""
    return PATHS[str(request.param)]


def _ask(here: Lab, planted: Planted, path: str, **options: Any) -> httpx2.Response:
    api = next(name for name, one in PATHS.items() if one == path)
    body = options.pop("content", question(api, everything(planted), stream=options.pop("stream", True)))
    headers = HEADERS | options.pop("headers", {})
    with here.client() as client:
        answer: httpx2.Response = client.post(path, content=body, headers=headers, **options)
        return answer


def _stopped(
    here: Lab, planted: Planted, path: str, answer: httpx2.Response, error: type[MaskerError] = NotMasked
) -> None:
    """The client got the guard's error in its API's own shape, the API got no request at all."""
    assert list(here.upstream.requests) == []
    assert answer.status_code == 503
    assert answer.json() == orjson.loads(error_body(api_of(path), error()))
    assert error.code in answer.json()["error"]["message"]
    assert answer.headers["content-type"].startswith("application/json")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert planted.found_in(answer.content) == set()


@pytest.mark.parametrize("buffering", [True, False])
def test_a_masked_request_passes(here: Lab, planted: Planted, buffering: bool) -> None:
    """The control: with both plugins, masked."""
    here.route.response_buffering = buffering
    assert said(_ask(here, planted, "/v1/messages", stream=False)) == everything(planted)
    assert len(here.upstream.requests) == 1
    assert planted.found_in(here.received) == set()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("lua_plugin", [True, False])
def test_the_api_is_not_told_where_the_client_is(here: Lab, planted: Planted, lua_plugin: bool, stream: bool) -> None:
    """Neither its address nor the gateway's name, both of which may be AWS's; without the plugin, Kong tells them."""
    here.route.lua_plugin = lua_plugin
    told = {"host": "internal-gateway-7.eu-central-1.elb.amazonaws.com", "x-forwarded-for": "10.8.0.17"}
    assert planted.found_in(_ask(here, planted, "/v1/messages", stream=stream, headers=told).content)
    (request,) = here.upstream.requests
    names = {name for name, _ in request.headers if name.startswith(b"x-forwarded-")}
    kinds = {b"x-forwarded-" + kind for kind in (b"for", b"proto", b"host", b"port", b"path")}
    assert names == (set() if lua_plugin else kinds)


def test_without_the_guard_a_request_would_pass(here: Lab, planted: Planted) -> None:
    """The control: with neither of the plugins every value arrives."""
    here.route.config, here.route.lua_plugin = None, False
    _ask(here, planted, "/v1/messages")
    assert planted.found_in(here.received) == set(planted.values)


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
@pytest.mark.parametrize("buffering", [True, False])
def test_the_python_plugin_is_not_enabled(
    here: Lab, planted: Planted, path: str, stream: bool, buffering: bool
) -> None:
    """Neither on the route nor globally."""
    here.route.config, here.route.response_buffering = None, buffering
    _stopped(here, planted, path, _ask(here, planted, path, stream=stream))


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_requests_without_a_body(here: Lab, method: str) -> None:
    """They pass with the Python plugin only."""
    with here.client() as client:
        client.request(method, "/v1/models?limit=1", headers={"anthropic-version": "2023-06-01"})
        assert [request.target for request in here.upstream.requests] == [b"/v1/models?limit=1"]
        here.upstream.requests.clear()
        here.route.config = None
        assert client.request(method, "/v1/models").status_code == 503
    assert not here.upstream.requests


def _forged(request: str = "") -> str:
    """A mark that says what the client would like."""
    mark = {
        "v": 2, "request": request, "api": "anthropic", "tenant": "", "stream": True, "observed": True,
        "limit": 1 << 27, "mapping": {}, "networks": [], "counts": {},
    }  # fmt: skip
    return orjson.dumps(mark).decode()


@pytest.mark.parametrize("header", ["aws_masker", "AWS-Masker", "X-AWS-Masker", "X-Kong-Request-Id", "Kong-Ctx-Shared"])
def test_a_client_cannot_forge_the_mark_by_a_header(here: Lab, planted: Planted, header: str) -> None:
    """Whatever a header says."""
    here.route.config = None
    forged = _forged("0" * 32)
    headers = {header: forged, "X-Kong-Request-Id": "0" * 32, "X-Request-Id": "0" * 32}
    _stopped(here, planted, "/v1/messages", _ask(here, planted, "/v1/messages", headers=headers))


def test_a_client_cannot_forge_the_mark_by_query_or_body(here: Lab, planted: Planted) -> None:
    """Nor parameters, nor fields, nor cookies."""
    here.route.config = None
    body = orjson.loads(question("messages", everything(planted))) | {"aws_masker": orjson.loads(_forged())}
    options: dict[str, Any] = {"params": {"aws_masker": _forged()}, "headers": {"cookie": f"aws_masker={_forged()}"}}
    _stopped(here, planted, "/v1/messages", _ask(here, planted, "/v1/messages", content=orjson.dumps(body), **options))


def _marking(here: Lab, change: Callable[[Exchange, dict[str, Any]], bytes | None]) -> None:
    """Put what `change` makes of the mark in its place; None removes it."""

    def after_access(exchange: Exchange) -> None:
        mark = change(exchange, orjson.loads(exchange.shared.pop(NAME)))
        if mark is not None:
            exchange.shared[NAME] = mark

    here.sidecar.after_access = after_access


def _edited(**fields: Any) -> Callable[[Exchange, dict[str, Any]], bytes | None]:
    return lambda _, mark: orjson.dumps({**mark, **fields})


def _without(name: str) -> Callable[[Exchange, dict[str, Any]], bytes | None]:
    return lambda _, mark: orjson.dumps({key: value for key, value in mark.items() if key != name})


BROKEN: dict[str, Callable[[Exchange, dict[str, Any]], bytes | None]] = {
    "missing": lambda *_: None,
    "empty": lambda *_: b"",
    "no JSON": lambda _, mark: orjson.dumps(mark)[:-1],
    "something behind": lambda _, mark: orjson.dumps(mark) + b"}",
    "an array": lambda _, mark: orjson.dumps([mark]),
    "a number": lambda *_: b"2",
    "true": lambda *_: b"true",
    "null": lambda *_: b"null",
    "another version": _edited(v=1),
    "a later version": _edited(v=3),
    "the version as a text": _edited(v="2"),
    "no version": _without("v"),
    "no request": _without("request"),
    "another request": _edited(request="0" * 32),
    "the request as an array": _edited(request=["0" * 32]),
    "an empty request": _edited(request=""),
}
DAMAGED = {
    "no mapping": _without("mapping"),
    "a mapping of another type": _edited(mapping="x"),
    "no stream": _without("stream"),
    "no api": _without("api"),
    "an unknown api": _edited(api="gopher"),
    "no networks": _without("networks"),
    "a broken network": _edited(networks=[["10.0.0.0", 40, "10.0.0.0", ""]]),
}


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
@pytest.mark.parametrize("how", sorted(BROKEN))
def test_a_mark_that_is_not_this_requests(here: Lab, planted: Planted, how: str, stream: bool) -> None:
    """Missing, broken, of another version or another request."""
    _marking(here, BROKEN[how])
    _stopped(here, planted, "/v1/messages", _ask(here, planted, "/v1/messages", stream=stream))


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
@pytest.mark.parametrize("how", sorted(DAMAGED))
def test_a_mark_of_which_something_is_missing(here: Lab, planted: Planted, how: str, stream: bool) -> None:
    """This request's, but the answer could not be restored with it."""
    _marking(here, DAMAGED[how])
    _stopped(here, planted, "/v1/messages", _ask(here, planted, "/v1/messages", stream=stream), MaskingFailed)


def test_a_mark_of_an_earlier_request(here: Lab, planted: Planted, path: str) -> None:
    """It was good then; it is not this request's."""
    _ask(here, planted, "/v1/messages")
    earlier = here.last.shared[NAME]
    here.upstream.requests.clear()
    _marking(here, lambda *_: earlier)
    _stopped(here, planted, path, _ask(here, planted, path))


GUARD_FAULTS: dict[str, tuple[bool, int, str]] = {
    "shared": (True, 503, MaskingFailed.code),
    "get_path": (False, 503, NotMasked.code),
    "exit": (False, 500, "An unexpected error occurred"),
}
"""What throws in the guard; whether the request is masked; what the client gets, in the last case from Kong."""


@pytest.mark.parametrize("function", sorted(GUARD_FAULTS))
@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
def test_an_error_of_the_guard_itself(here: Lab, planted: Planted, function: str, stream: bool) -> None:
    """What throws in it does not open it."""
    masked, status, words = GUARD_FAULTS[function]
    here.route.throws = function
    here.route.config = here.route.config if masked else None
    answer = _ask(here, planted, "/v1/messages", stream=stream)
    assert (answer.status_code, words in answer.text) == (status, True)
    assert not here.upstream.requests
    assert planted.found_in(answer.content) == set()


@pytest.mark.parametrize("function", ["get_source", "get_status", "get_headers"])
@pytest.mark.parametrize("kind", ["stream", "error"])
def test_an_error_of_the_filters(here: Lab, planted: Planted, function: str, kind: str) -> None:
    """The client is told in place of the answer, at whatever length the answer had."""
    here.route.throws = function
    if kind == "error":
        here.upstream.script = lambda received: Failure(429, "rate_limit_error", received.latest)
    answer = _ask(here, planted, "/v1/messages")
    assert answer.status_code == RestoreFailed.status
    assert answer.json() == orjson.loads(error_body(Api.ANTHROPIC, RestoreFailed()))
    assert planted.found_in(here.received) == set()


def test_another_plugin_refuses_first(here: Lab, planted: Planted, path: str) -> None:
    """Its answer comes through the Lua plugin's filters as it was."""
    here.route.refusing = True
    answer = _ask(here, planted, path)
    assert (answer.status_code, answer.content) == (401, b'{"message":"No API key found in request"}')
    assert not here.upstream.requests


def test_the_python_plugin_refuses(here: Lab, planted: Planted, path: str) -> None:
    """Its error comes through as it was: the guard has nothing to add."""
    answer = _ask(here, planted, path, content=b'{"messages": [' + planted.instance.encode())
    assert answer.status_code == 422
    assert "AWS_MASKER_6002" in answer.json()["error"]["message"]
    assert ("type" in answer.json()) is (path in ("/v1/messages", "/v1/whatever"))
    assert not here.upstream.requests


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
def test_observed_requests_pass(here: Lab, planted: Planted, stream: bool) -> None:
    """In mode `observe` nothing is masked on purpose, and nothing is restored."""
    here.configure(mode="observe")
    answer = _ask(here, planted, "/v1/messages", stream=stream)
    assert answer.status_code == 200
    assert planted.found_in(here.received) == set(planted.values)
    if not stream:
        assert said(answer) == everything(planted)


def test_a_fault_at_every_call(here: Lab, planted: Planted) -> None:
    """Kong throws at each PDK call of the Python plugin's `access` in turn: 5xx, and never an unmasked request."""
    _ask(here, planted, "/v1/messages")
    calls = here.last.calls_in("access")
    assert len(calls) > 5
    for index in range(len(calls)):
        here.upstream.requests.clear()

        async def on_call(_: Exchange, call: Call, index: int = index) -> bytes | None:
            if (call.phase, call.index) == ("access", index):
                raise LuaError("planted")
            return None

        here.sidecar.on_call = on_call
        answer = _ask(here, planted, "/v1/messages")
        here.sidecar.on_call = untouched
        assert answer.status_code >= 500
        assert not here.upstream.requests


def test_the_plugin_server_is_killed(here: Lab, planted: Planted) -> None:
    """SIGKILL: 500 by Kong or 503, and nothing reaches the API, until it is back."""
    here.server.kill()
    answers = [_ask(here, planted, path) for path in PATHS.values()]
    here.server.wait_listening()
    assert {answer.status_code for answer in answers} <= {200, 404, 500, 503}
    assert answers[0].status_code in (500, 503)
    assert planted.found_in(here.received) == set()


@pytest.fixture(scope="module", params=["ProtoBuf", "MsgPack"])
def _dying(request: pytest.FixtureRequest, _nginx: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose plugin server is going to be ended; that of MsgPack is Kong's own for Python plugins."""
    commands = stock(ROOT / "kong_plugins") if request.param == "MsgPack" else OURS
    with lab(tmp_path_factory.mktemp(request.param), commands, parrot) as here:
        yield here


def test_a_plugin_server_that_does_not_come_back(_dying: Lab, planted: Planted) -> None:
    """MsgPack lets every request pass as it came; the guard does not. With ProtoBuf Kong itself refuses."""
    here = _dying
    answer = _ask(here, planted, "/v1/messages")
    assert _text(answer) == everything(planted)
    assert planted.found_in(here.received) == set()
    here.idle()
    here.upstream.requests.clear()
    here.server.kill()
    here.server.stop()
    opens = here.sidecar.info.protocol == "MsgPack:1"
    for path in PATHS.values():
        for stream in (True, False):
            answer = _ask(here, planted, path, stream=stream)
            if opens:
                _stopped(here, planted, path, answer)
            assert answer.status_code == (503 if opens else 500)
    assert not here.upstream.requests
    if opens:
        here.route.lua_plugin = False
        _ask(here, planted, "/v1/messages")
        assert planted.found_in(here.received) == set(planted.values)
    assert planted.found_in(here.nginx.log()) == set()
    assert planted.found_in(here.server.log()) == set()


def _text(answer: httpx2.Response) -> str:
    """Return the text of a stream of Anthropic's."""
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    return "".join(orjson.loads(line).get("delta", {}).get("text", "") for line in lines)
