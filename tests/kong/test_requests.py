"""What passes through Kong with the masker's plugin server: the API sees no value, the client sees all of them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator

import brotli
import orjson
import pytest
import zstandard
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from kong_plugins.aws_masker.demo.answers import Answer, Failure, Say
from kong_plugins.aws_masker.demo.serving import serving
from tests.e2e.project import Planted
from tests.kong.bodies import HEADERS, everything, messages, question, said
from tests.kong.instances import Config
from tests.kong.lab import Lab

_KB, _MB = 1000, 1_000_000


@pytest.mark.parametrize("size", [_KB, 8 * _KB, 50 * _KB, 560 * _KB, 3 * _MB], ids="{:,} bytes".format)
def test_a_request_of_any_size(here: Lab, planted: Planted, size: int) -> None:
    """Small ones in memory and large ones from nginx's file: masked going, restored coming back."""
    body = question(planted, size)
    with here.client() as client:
        answer = client.post("/v1/messages", content=body, headers=HEADERS)
    assert said(answer) == orjson.loads(body)["messages"][0]["content"]
    assert planted.found_in(here.received) == set()
    assert len(here.standin.requests) == 1


def test_thirty_megabytes(here: Lab, planted: Planted) -> None:
    """About the largest request that the API takes; the answer names what the request began and ended with."""
    here.standin.script = lambda received: Answer((Say(received.latest[:3000] + received.latest[-500:]),))
    with here.client() as client:
        answer = client.post("/v1/messages", content=question(planted, 30 * _MB), headers=HEADERS)
    assert planted.found_in(said(answer)) == set(planted.values)
    assert len(here.standin.requests[0].body) > 29 * _MB
    assert planted.found_in(here.standin.requests[0].body) == set()


_CODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}


@pytest.mark.parametrize("coding", sorted(_CODINGS))
def test_a_coded_request(here: Lab, planted: Planted, coding: str) -> None:
    """It is decoded, masked and coded again; its length is right."""
    body = question(planted)
    headers = HEADERS | {"content-encoding": coding}
    with here.client() as client:
        answer = client.post("/v1/messages", content=_CODINGS[coding](body), headers=headers)
    assert said(answer) == orjson.loads(body)["messages"][0]["content"]
    assert planted.found_in(here.received) == set()
    assert dict(here.standin.requests[0].headers)[b"content-encoding"] == coding.encode()


@pytest.mark.parametrize("accepted", ["gzip", "gzip, br, zstd", "identity", "snappy, gzip"])
def test_a_coded_answer(here: Lab, planted: Planted, accepted: str) -> None:
    """Whatever coding the client accepts: it gets the values, and no header of a coding that is no longer there."""
    with here.client() as client:
        answer = client.post("/v1/messages", content=question(planted), headers=HEADERS | {"accept-encoding": accepted})
    assert planted.found_in(said(answer)) == set(planted.values)
    assert "snappy" not in dict(here.standin.requests[0].headers).get(b"accept-encoding", b"").decode()


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_body_of_unknown_length(here: Lab, planted: Planted, path: str) -> None:
    """It comes in chunks and goes on with its length."""
    body = question(planted, 20_000)
    with here.client() as client:
        answer = client.post(path, content=iter([body[:7000], body[7000:]]), headers=HEADERS)
    assert answer.status_code == 200
    headers = dict(here.standin.requests[0].headers)
    assert headers[b"content-length"] == b"%d" % len(here.standin.requests[0].body)
    assert b"transfer-encoding" not in headers
    assert planted.found_in(here.received) == set()


def test_the_api_is_away(here: Lab, planted: Planted) -> None:
    """Kong's own 502 comes through."""
    route = here.kong.routes[0]
    there, route.upstream = route.upstream, "http://127.0.0.1:9"
    try:
        with here.client() as client:
            answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
    finally:
        route.upstream = there
    assert answer.status_code == 502
    assert "invalid response" in answer.json()["message"]


def test_a_stream(here: Lab, planted: Planted) -> None:
    """Without the Lua plugin it comes in one piece, with all values."""
    with here.client() as client:
        answer = client.post("/v1/messages", content=question(planted, stream=True), headers=HEADERS)
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    deltas = [orjson.loads(line).get("delta", {}).get("text", "") for line in lines]
    assert "".join(deltas) == everything(planted) + planted.log
    assert planted.found_in(here.received) == set()


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 529])
def test_an_error_of_the_api(here: Lab, planted: Planted, status: int) -> None:
    """Its status, headers and body come through, with the values that it repeats."""
    here.standin.script = lambda received: Failure(status, "api_error", received.latest)
    with here.client() as client:
        answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
    assert answer.status_code == status
    assert answer.headers["request-id"].startswith("req_")
    assert planted.found_in(answer.json()["error"]["message"]) == set(planted.values)
    assert planted.found_in(here.received) == set()


def test_what_has_no_value_passes_as_it_is(here: Lab) -> None:
    """Body and answer, byte for byte; headers but for those that Kong itself sets."""
    body = b'{ "model":"m",  "max_tokens":9, "messages":[{"role":"user","content":"h\\u00e9llo"}]}'
    with here.client() as client:
        answer = client.post(
            "/v1/messages", content=body, headers=HEADERS | {"x-own": "1", "authorization": "Bearer x"}
        )
    assert said(answer) == "héllo"
    request = here.standin.requests[0]
    assert request.body == body
    headers = dict(request.headers)
    assert {headers[name] for name in (b"x-own", b"authorization", b"x-api-key")} == {b"1", b"Bearer x", b"anything"}


def test_get_and_head(here: Lab) -> None:
    """Requests without a body pass, and so do answers without one."""
    with here.client() as client:
        models = client.get("/v1/models", headers={"anthropic-version": "2023-06-01"})
        head = client.head("/")
    assert models.json()["data"][0]["id"] == "stand-in"
    assert (head.status_code, head.content) == (200, b"")


def test_masking_costs_few_calls(here: Lab, planted: Planted) -> None:
    """So many times Kong and the plugin server wait for each other."""
    with here.client() as client:
        client.post("/v1/messages", content=question(planted), headers=HEADERS)
    here.idle()
    assert len(here.last.calls_in("access")) <= 8
    assert len(here.last.calls_in("response")) <= 6  # 5 where the answer has no coding that has to go
    assert here.last.calls_in("log") == ["kong.ctx.shared.get"]


def test_the_mark_for_the_guard(here: Lab, planted: Planted) -> None:
    """What `ctx.shared` holds afterwards: JSON with the request's placeholders and what they stand for."""
    with here.client() as client:
        client.post("/v1/messages", content=question(planted, stream=True), headers=HEADERS)
    mark = orjson.loads(here.last.shared[b"aws_masker"])
    assert mark["v"] == 2
    assert mark["stream"] is True
    assert planted.instance in mark["mapping"].values()
    sent = here.standin.requests[0].body.decode()
    assert all(placeholder in sent for placeholder, value in mark["mapping"].items() if value == planted.instance)


def test_an_answer_that_breaks_off(here: Lab, planted: Planted) -> None:
    """Kong sends its own error under the API's status, 200, and asks no plugin outside it; the next request works.

    Only the Lua plugin can help that: tests/nginx/test_cut.py.
    """

    async def dying() -> AsyncIterator[bytes]:
        yield b'{"content":[{"type":"text","text":"half of'
        raise RuntimeError

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(dying(), media_type="application/json")(scope, receive, send)

    (route,) = here.kong.routes
    whole = route.upstream
    with serving(upstream) as route.upstream, here.client() as client:
        answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
    assert (answer.status_code, answer.json()) == (200, {"message": "The upstream server responded with 200"})
    assert here.last.calls_in("response") == []
    route.upstream = whole
    with here.client() as client:
        answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
    assert planted.found_in(said(answer)) == set(planted.values)


_REFUSED = {
    "no JSON": (HEADERS, b'{"messages": [', 422, "AWS_MASKER_6002"),
    "unknown coding": (HEADERS | {"content-encoding": "snappy"}, b"xx", 415, "AWS_MASKER_2003"),
    "broken coding": (HEADERS | {"content-encoding": "gzip"}, b"no gzip", 415, "AWS_MASKER_2003"),
    "binary": (HEADERS | {"content-type": "application/pdf"}, b"%PDF-1.7", 415, "AWS_MASKER_2003"),
}


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("case", sorted(_REFUSED))
def test_a_refusal(here: Lab, planted: Planted, path: str, case: str) -> None:
    """What cannot be masked does not go on; the client gets our code in its API's own shape."""
    headers, body, status, code = _REFUSED[case]
    with here.client() as client:
        answer = client.post(path, content=body + planted.instance.encode(), headers=headers)
    assert answer.status_code == status
    assert code in answer.json()["error"]["message"]
    assert ("type" in answer.json()) is (path == "/v1/messages")
    assert answer.headers["content-type"].startswith("application/json")
    assert not here.standin.requests


def test_observe_changes_nothing(here: Lab, planted: Planted) -> None:
    """It only reports."""
    here.configure(mode="observe")
    body = question(planted)
    with here.client() as client:
        answer = client.post("/v1/messages", content=body, headers=HEADERS)
    assert here.standin.requests[0].body == body
    assert planted.found_in(said(answer)) == set(planted.values)


def test_settings_reach_the_plugin(here: Lab, planted: Planted) -> None:
    """A switch of the route's configuration takes effect, and only its own."""
    here.configure(mask_s3_buckets=False)
    with here.client() as client:
        client.post("/v1/messages", content=question(planted), headers=HEADERS)
    assert planted.found_in(here.received) == {"bucket"}


def test_empty_arrays_and_nulls(here: Lab, planted: Planted) -> None:
    """Lua writes an empty array as `{}` where its mark got lost, and `null` for what is not set."""
    here.kong.routes[0].config = Config({"allowlist": {}, "custom_patterns": {}, "namespace": None})
    with here.client() as client:
        answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
    assert planted.found_in(said(answer)) == set(planted.values)
    assert planted.found_in(here.received) == set()


def test_a_wrong_setting_lets_nothing_pass(here: Lab, planted: Planted) -> None:
    """Kong's own check comes first; if it is passed by, every request is refused until the setting is right."""
    here.kong.routes[0].config = Config({"max_body_size": "many"})
    with here.client() as client:
        answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
        assert answer.status_code >= 500
        assert not here.standin.requests
        here.kong.routes[0].config = here.kong.routes[0].config.changed({})
        assert planted.found_in(said(client.post("/v1/messages", content=question(planted), headers=HEADERS)))


def _secret_of(here: Lab, planted: Planted, apikey: str) -> str:
    """Let a consumer mention the instance, and return its placeholder."""
    with here.client() as client:
        client.post("/v1/messages", content=messages(planted.instance), headers=HEADERS | {"apikey": apikey})
    placeholder: str = orjson.loads(here.standin.requests[-1].body)["messages"][0]["content"]
    assert placeholder != planted.instance
    return placeholder


def test_consumers_share_nothing(here: Lab, planted: Planted) -> None:
    """A consumer's placeholders are its own: another one's stay as they are."""
    here.kong.routes[0].consumers = {"key-a": "consumer-a", "key-b": "consumer-b"}
    theirs = _secret_of(here, planted, "key-a")
    assert _secret_of(here, planted, "key-b") != theirs
    here.standin.script = lambda received: Answer((Say(theirs),))
    with here.client() as client:
        other = client.post("/v1/messages", content=messages("?"), headers=HEADERS | {"apikey": "key-b"})
        nobody = client.post("/v1/messages", content=messages("?"), headers=HEADERS | {"apikey": "wrong"})
    assert said(other) == theirs
    assert nobody.status_code == 401


def test_a_namespace_is_a_tenant(here: Lab, planted: Planted) -> None:
    """Without consumers, routes of one namespace share, and another namespace has other placeholders."""
    placeholders = []
    for namespace in ("one", "two", "one"):
        here.configure(namespace=namespace)
        placeholders.append(_secret_of(here, planted, ""))
    assert placeholders[0] == placeholders[2] != placeholders[1]


@pytest.mark.parametrize("value", [b"caf\xe9", b"\xff\xfe", "☂".encode()])
def test_a_header_that_is_no_utf8(here: Lab, planted: Planted, value: bytes) -> None:
    """HTTP allows any bytes; the request is masked as any other, and the header goes on as it came."""
    headers = [(name.encode(), text.encode()) for name, text in HEADERS.items()] + [(b"x-own", value)]
    with here.client() as client:
        answer = client.post("/v1/messages", content=question(planted), headers=headers)
    assert planted.found_in(said(answer)) == set(planted.values)
    assert dict(here.standin.requests[0].headers)[b"x-own"] == value
    assert planted.found_in(here.received) == set()


def test_more_headers_than_kong_shows(here: Lab, planted: Planted) -> None:
    """What a body is may hide behind a thousand headers; it does not go on."""
    many = [(b"x-%d" % number, b"1") for number in range(1100)]
    headers = [(b"content-type", b"application/json"), *many, (b"content-encoding", b"gzip")]
    with here.client() as client:
        answer = client.post("/v1/messages", content=gzip.compress(question(planted)), headers=headers)
    assert answer.status_code == 431
    assert not here.standin.requests


def test_two_content_types(here: Lab, planted: Planted) -> None:
    """Which one the API would go by is not known, so neither passes."""
    headers = [(b"content-type", b"application/json"), (b"content-type", b"text/plain")]
    with here.client() as client:
        answer = client.post("/v1/messages", content=question(planted), headers=headers)
    assert answer.status_code == 415
    assert not here.standin.requests


def test_the_log_phase_is_quiet(here: Lab, planted: Planted) -> None:
    """It ends properly, and what the plugin writes into Kong's log has no value."""
    with here.client() as client:
        client.post("/v1/messages", content=question(planted), headers=HEADERS)
    here.idle()
    assert not here.last.errors
    assert planted.found_in(b"\n".join(text for _, text in here.last.logged)) == set()
