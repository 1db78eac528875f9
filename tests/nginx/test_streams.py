"""Streams through nginx and the Lua plugin: each event goes out when it comes in, with all values in their places."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from threading import Event

import anyio
import httpx2
import orjson
import pytest
import re2
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from kong_plugins.aws_masker.demo.answers import Answer, Call, Failure, Say
from kong_plugins.aws_masker.demo.received import Received
from kong_plugins.aws_masker.mark import load
from kong_plugins.aws_masker.pipeline import ResponseRestorer
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.wire import codings
from kong_plugins.aws_masker.wire.providers import api_of
from tests.e2e.project import Planted
from tests.kong.bodies import HEADERS, everything, messages, said
from tests.kong.exchange import Exchange
from tests.nginx import events
from tests.nginx.events import PATHS, TYPE, Turns, acknowledged, answer, crlf, events_of, received_by, streamed, told
from tests.nginx.lab import Lab


@pytest.fixture(params=sorted(PATHS))
def api(request: pytest.FixtureRequest) -> str:
    """The API that the client speaks."""
    return str(request.param)


def _ask(here: Lab, api: str, text: str) -> httpx2.Response:
    with here.client() as client:
        response: httpx2.Response = client.post(PATHS[api], content=events.question(api, text), headers=HEADERS)
        return response


def _whole(api: str, response: httpx2.Response, text: str) -> None:
    assert response.status_code == 200
    assert told(api, response.content) == (text, f"echo '{text}'")


def _untold(here: Lab, planted: Planted) -> None:
    """The API got requests, none of which held a value; Python had no part in the answer."""
    assert here.upstream.requests
    assert planted.found_in(here.received) == set()
    assert all(not exchange.calls_in("response") for exchange in here.sidecar.exchanges.values())


@pytest.mark.parametrize("change", [bytes, crlf], ids=["LF", "CRLF"])
def test_each_event_reaches_the_client_before_the_next_is_sent(
    here: Lab, planted: Planted, api: str, change: Callable[[bytes], bytes]
) -> None:
    """From the first one on, while the API is still sending; small ones as well, though nginx would gather them."""
    turns = here.upstream.instead = Turns(api, change)
    text = f"{planted.instance} {planted.address} {planted.log}"
    sent_at_first, chunks = 0, []
    with (
        here.client() as client,
        client.stream("POST", PATHS[api], content=events.question(api, text), headers=HEADERS) as response,
    ):
        for _, chunk in acknowledged(response, turns):
            sent_at_first = sent_at_first or turns.sent
            chunks.append(chunk)
    assert turns.late is None
    assert turns.ended
    assert sent_at_first == 1
    assert turns.sent > 50
    assert told(api, b"".join(chunks)) == (text, f"echo '{text}'")
    assert planted.found_in(b"".join(chunks)) >= {"instance", "address"} or api != "responses"
    _untold(here, planted)


@pytest.mark.parametrize("width", [1, 7, 1000, 0])
def test_any_chunking(here: Lab, planted: Planted, api: str, width: int) -> None:
    """However the network cuts the stream."""
    here.upstream.instead = streamed(api, width=width)
    text = f"{planted.instance} {planted.log}" if width == 1 else everything(planted)
    _whole(api, _ask(here, api, text), text)
    _untold(here, planted)


def test_line_ends(here: Lab, planted: Planted, api: str) -> None:
    """A stream with CRLF keeps them."""
    here.upstream.instead = streamed(api, crlf, width=100)
    response = _ask(here, api, everything(planted))
    _whole(api, response, everything(planted))
    assert response.content.count(b"\r\n") == response.content.count(b"\n")
    _untold(here, planted)


def test_a_long_stream(here: Lab, planted: Planted, api: str) -> None:
    """Thousands of events, with values to the end."""
    text = everything(planted) + "nothing to see here, " * 1500 + planted.log
    here.upstream.instead = streamed(api, width=4000)
    _whole(api, _ask(here, api, text), text)
    _untold(here, planted)


def test_headers_of_a_stream(here: Lab, planted: Planted, api: str) -> None:
    """Type and the provider's own headers come through; no length, no coding, and Kong's id."""
    here.upstream.script = answer
    response = _ask(here, api, everything(planted))
    _whole(api, response, everything(planted))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["request-id"].startswith("req_")
    assert "content-length" not in response.headers
    assert response.headers["x-kong-request-id"] == here.last.id
    assert dict(here.upstream.requests[0].headers)[b"accept-encoding"] == b"identity"


@pytest.mark.parametrize("masked", [True, False])
def test_byte_for_byte_as_the_proxy_does(here: Lab, planted: Planted, api: str, masked: bool) -> None:
    """Comments, events that are cut off and all else: what the client gets is what `aws-masker proxy` would give."""
    sent: list[bytes] = []

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        sent.append(b": comment\n\n" + b"".join(events_of(api, received_by(scope))) + b"data: cut of")
        await Response(sent[0], media_type="text/event-stream")(scope, receive, send)

    here.upstream.instead = upstream
    text = f"{planted.terraform} {planted.state}" if masked else "Why is the sky blue?"
    got = _ask(here, api, text).content
    mapping = load(here.last.shared[b"aws_masker"].decode()).mapping
    headers = [(b"content-type", b"text/event-stream")]
    restorer = ResponseRestorer(api_of(PATHS[api]), 200, headers, mapping.get, Settings())
    assert got == restorer.feed(sent[0]) + restorer.close()
    assert bool(mapping) is masked


@pytest.mark.parametrize("status", [400, 429, 529])
def test_an_error_instead_of_a_stream(here: Lab, planted: Planted, api: str, status: int) -> None:
    """JSON with the values that it repeats; its status and its wording stay, by which clients decide to try again."""
    here.upstream.script = lambda received: Failure(status, "overloaded_error", f"Overloaded: {received.latest}")
    response = _ask(here, api, planted.log)
    assert response.status_code == status
    assert response.json()["error"]["message"] == f"Overloaded: {planted.log}"
    assert response.json()["error"]["type"] == "overloaded_error"
    assert response.headers["content-type"] == "application/json"
    _untold(here, planted)


def test_an_error_within_a_stream(here: Lab, planted: Planted) -> None:
    """It comes as an event; what was said so far has its values."""

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        begun = events_of("messages", received_by(scope))[:12]
        failure = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
        await Response(b"".join([*begun, failure]), media_type="text/event-stream")(scope, receive, send)

    here.upstream.instead = upstream
    response = _ask(here, "messages", planted.instance)
    assert planted.instance in "".join(_deltas(response.content))
    assert response.content.endswith(b'"message":"Overloaded"}}\n\n')
    _untold(here, planted)


def _deltas(stream: bytes) -> list[str]:
    lines = [line[6:] for line in stream.splitlines() if line.startswith(b"data: {")]
    return [orjson.loads(line).get("delta", {}).get("text", "") for line in lines]


def test_the_api_dies_in_the_middle(here: Lab, planted: Planted) -> None:
    """The client gets what came, whole placeholders restored, and no proper end: it must not take it for an answer."""

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        async def dying() -> AsyncIterator[bytes]:
            whole = b"".join(events_of("messages", received_by(scope)))
            yield whole[: len(whole) // 2]
            raise RuntimeError

        await StreamingResponse(dying(), media_type="text/event-stream")(scope, receive, send)

    here.upstream.instead = upstream
    got, text = b"", planted.log * 4
    with (
        here.client() as client,
        client.stream("POST", "/v1/messages", content=messages(text, stream=True), headers=HEADERS) as response,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        for chunk in response.iter_raw():
            got += chunk
    restored = "".join(_deltas(got))
    assert len(restored) > len(planted.log)
    assert text.startswith(restored)
    _untold(here, planted)
    here.upstream.instead = None
    here.upstream.script = answer
    _whole("messages", _ask(here, "messages", text), text)


def test_a_client_that_goes_away(here: Lab, planted: Planted) -> None:
    """The API is told, so that it stops; the request ends, and the next one works."""
    gone = Event()

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        first = events_of("messages", received_by(scope))[0]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", TYPE)]})
        async with anyio.create_task_group() as both:

            async def listen() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                gone.set()
                both.cancel_scope.cancel()

            both.start_soon(listen)
            while True:
                await send({"type": "http.response.body", "body": first, "more_body": True})
                await anyio.sleep(0.01)

    here.upstream.instead = upstream
    with here.client() as client:
        body = messages(planted.log, stream=True)
        with client.stream("POST", "/v1/messages", content=body, headers=HEADERS) as response:
            assert b"message_start" in next(response.iter_raw())
    assert gone.wait(events.PATIENCE)
    here.idle()
    here.upstream.instead = streamed("messages")
    _whole("messages", _ask(here, "messages", planted.log), planted.log)
    _untold(here, planted)


def _coded(coding: str, body: Callable[[Scope], bytes], kind: str) -> ASGIApp:
    """Return an API that codes its answer though it was asked not to, in chunks that know nothing of the coding."""

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        coded = codings.encode(body(scope), [coding])
        pieces = [coded[at : at + 100] for at in range(0, len(coded), 100)]

        async def chunks() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        headers = {"content-encoding": coding, "content-type": kind}
        await StreamingResponse(chunks(), headers=headers)(scope, receive, send)

    return upstream


def _raw(here: Lab, content: bytes) -> tuple[httpx2.Response, bytes]:
    with here.client() as client, client.stream("POST", "/v1/messages", content=content, headers=HEADERS) as response:
        return response, b"".join(response.iter_raw())


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_coded_stream(here: Lab, planted: Planted, coding: str) -> None:
    """The plugins ask for none; an API that codes all the same gets decoded and restored."""
    here.upstream.instead = _coded(
        coding, lambda scope: b"".join(events_of("messages", received_by(scope))), "text/event-stream"
    )
    text = everything(planted)
    response, body = _raw(here, messages(text, stream=True))
    assert "content-encoding" not in response.headers
    assert told("messages", body) == (text, f"echo '{text}'")
    _untold(here, planted)


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_a_coding_that_cannot_be_undone(here: Lab, planted: Planted, coding: str) -> None:
    """The answer comes through as it is, with placeholders, which are no secret."""
    sent: list[bytes] = []

    def body(scope: Scope) -> bytes:
        sent.append(b"".join(events_of("messages", received_by(scope))))
        return sent[0]

    here.upstream.instead = _coded(coding, body, "text/event-stream")
    response, got = _raw(here, messages(planted.log, stream=True))
    assert response.headers["content-encoding"] == coding
    assert codings.decode(got, [coding], 1 << 20) == sent[0]
    _untold(here, planted)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_compressed_request(here: Lab, planted: Planted, coding: str) -> None:
    """That it asks for a stream stands in its body: it is masked and streamed like any other."""
    here.upstream.instead = streamed("messages", width=50)
    text = everything(planted)
    body = codings.encode(events.question("messages", text), [coding])
    with here.client() as client:
        response = client.post("/v1/messages", content=body, headers=HEADERS | {"content-encoding": coding})
    _whole("messages", response, text)
    _untold(here, planted)


def test_an_address_that_the_model_derived(here: Lab, api: str) -> None:
    """The model was shown a network and speaks of another host in it: the client gets that host's real address."""

    def derive(received: Received) -> Answer:
        (network,) = re2.findall(r"(\d+\.\d+\.\d+)\.0/24", received.latest)
        return Answer((Say(f"Try {network}.99 and {network}.128/25."), Call("shell", {"command": f"ping {network}.7"})))

    here.upstream.script = derive
    response = _ask(here, api, "Which hosts are in 10.42.17.0/24?")
    assert told(api, response.content) == ("Try 10.42.17.99 and 10.42.17.128/25.", "ping 10.42.17.7")
    assert b"10.42.17." not in here.received


def test_json_though_a_stream_was_asked_for(here: Lab, planted: Planted, api: str) -> None:
    """An API that does not stream: the whole answer has its values."""

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        body = {"content": [{"type": "text", "text": received_by(scope).latest}]}
        await Response(orjson.dumps(body), media_type="application/json")(scope, receive, send)

    here.upstream.instead = upstream
    response = _ask(here, api, everything(planted))
    assert response.status_code == 200
    assert said(response) == everything(planted)
    _untold(here, planted)


def test_without_the_lua_plugin_it_comes_whole(here: Lab, planted: Planted) -> None:
    """The Python plugin alone restores a stream, too, in one piece at the end."""
    here.route.lua_plugin = False
    here.upstream.script = answer
    _whole("messages", _ask(here, "messages", everything(planted)), everything(planted))
    assert here.last.calls_in("response")
    assert planted.found_in(here.received) == set()


def _chain(here: Lab) -> None:
    """Let the mark say that one placeholder's value is another placeholder."""

    def chained(exchange: Exchange) -> None:
        mark = orjson.loads(exchange.shared[b"aws_masker"])
        mark["mapping"] |= {"i-0aaaaaaaaaaaaaaa1": "i-0bbbbbbbbbbbbbbb2", "i-0bbbbbbbbbbbbbbb2": "i-0ccccccccccccccc3"}
        exchange.shared[b"aws_masker"] = orjson.dumps(mark)

    here.sidecar.after_access = chained


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
@pytest.mark.parametrize("buffering", [True, False])
def test_a_value_that_looks_like_a_placeholder(here: Lab, stream: bool, buffering: bool) -> None:
    """Restored is once, by one of the two plugins: what comes of it is not looked at again."""
    here.route.response_buffering = buffering
    here.upstream.script = lambda received: Answer((Say("It is i-0aaaaaaaaaaaaaaa1."),))
    _chain(here)
    with here.client() as client:
        response = client.post("/v1/messages", content=messages("?", stream=stream), headers=HEADERS)
    text = "".join(_deltas(response.content)) if stream else said(response)
    assert text == "It is i-0bbbbbbbbbbbbbbb2."
    assert bool(here.last.calls_in("response")) is not stream


@pytest.mark.parametrize("size", [0, 100_000])
def test_whole_answers(here: Lab, planted: Planted, size: int) -> None:
    """Not asked to stream, the answer comes by the Python plugin; the guard lets it pass."""
    text = everything(planted) + "x " * size
    with here.client() as client:
        response = client.post("/v1/messages", content=messages(text), headers=HEADERS)
    assert said(response) == text
    assert here.last.calls_in("response")
    assert int(response.headers["content-length"]) == len(response.content)
    assert planted.found_in(here.received) == set()


def _held_back(here: Lab, planted: Planted, buffering: bool) -> int | None:
    here.route.response_buffering = buffering
    turns = here.upstream.instead = Turns("messages")
    with (
        here.client() as client,
        client.stream(
            "POST", "/v1/messages", content=events.question("messages", planted.instance), headers=HEADERS
        ) as response,
    ):
        for _ in acknowledged(response, turns):
            pass
    return turns.late


def test_the_setting_of_the_route_is_what_it_takes(
    here: Lab, planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Kong's default, nginx holds small events back: the check above is able to fail."""
    monkeypatch.setattr(events, "PATIENCE", 0.5)
    assert _held_back(here, planted, buffering=True) == 0
