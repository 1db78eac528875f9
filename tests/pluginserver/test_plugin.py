"""The plugin's phases: what goes upstream, what the client gets, and how often Kong is asked."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import structlog

from kong_plugins.aws_masker.errors import ConfigError, RestoreFailed
from kong_plugins.aws_masker.pluginserver import protocol
from kong_plugins.aws_masker.wire.providers import api_of, error_body
from tests.pluginserver.conftest import Here
from tests.pluginserver.kong import CONFIG, INSTANCE, KEY, Request, headers

VALUE = INSTANCE.encode()
BODY = json.dumps({"messages": [{"role": "user", "content": f"stop {INSTANCE}"}]}).encode()
JSON = {"content-type": "application/json"}


def accessed(here: Here, request: Request, **config: Any) -> Request:
    connection = here()
    request.run(connection, connection.start({**CONFIG, **config}), "access")
    return request


def both(here: Here, request: Request, then: Any, **config: Any) -> Request:
    """Run `access`, have `then` set the answer, and run `response`."""
    connection = here()
    number = connection.start({**CONFIG, **config})
    request.run(connection, number, "access")
    assert request.upstream() is not None, request.exit
    then(request)
    request.calls.clear()
    request.run(connection, number, "response")
    return request


def placeholder(request: Request) -> str:
    (one,) = request.mark["mapping"]
    assert isinstance(one, str)
    return one


def echo(request: Request) -> None:
    """The API repeats the placeholder."""
    request.answer = json.dumps({"content": [{"type": "text", "text": placeholder(request)}]}).encode()


def test_access(here: Here) -> None:
    """The body goes masked with its length, in eight calls; the mark has what is needed to restore."""
    sent = {**JSON, "content-length": str(len(BODY)), "accept-encoding": "gzip"}
    request = accessed(here, Request(body=BODY, headers=sent))
    assert request.upstream() == BODY.replace(VALUE, placeholder(request).encode())
    assert request.headers["content-length"] == str(len(request.body))
    assert request.mark["mapping"] == {placeholder(request): INSTANCE}
    assert len(request.calls) == 8
    assert request.calls[-1] == "kong.ctx.shared.set"


def test_access_with_nothing_to_mask(here: Here) -> None:
    """The body stays as it is, in six calls."""
    request = accessed(here, Request(body=b'{"messages": []}'))
    assert request.upstream() == b'{"messages": []}'
    assert request.headers == JSON
    assert len(request.calls) == 6
    assert request.mark["mapping"] == {}


def test_response(here: Here) -> None:
    """Restored in six calls, with the length of what is sent and no more headers than differ."""
    request = both(here, Request(body=BODY), echo)
    assert request.exit == (
        200,
        json.dumps({"content": [{"type": "text", "text": INSTANCE}]}).encode(),
        {"content-length": str(len(request.exit[1])).encode()} if request.exit else {},
    )
    assert len(request.calls) == 6


@pytest.mark.parametrize(
    ("path", "link", "expected"),
    [
        ("/v1/messages/batches/b", "https://api.anthropic.com/v1/messages/batches/b/results", "http://gateway:8000"),
        ("/team/v1/messages/batches", "http://up:9/x/v1/messages/batches/b/results", "http://gateway:8000/team"),
        ("/v1/messages/batches/b/results", "https://api.anthropic.com/v1/messages/batches/b/results", ""),
        ("/v1/messages", "https://api.anthropic.com/v1/messages/batches/b/results", ""),
        ("/v1/messages/batches/b", "https://api.anthropic.com/elsewhere", ""),
    ],
)
def test_links_to_the_results_of_a_batch(here: Here, path: str, link: str, expected: str) -> None:
    """They lead through Kong, by the way on which the client came, where the API tells of a batch; nowhere else."""

    def linking(request: Request) -> None:
        request.answer = b'{"id": "b", "results_url": "%s", "type": "message_batch"}' % link.encode()
        request.answer_headers["content-length"] = str(len(request.answer))

    request = both(here, Request(path=path, body=b"{}"), linking)
    if not expected:
        assert request.exit is None
        return
    assert request.exit is not None
    _, body, sent = request.exit
    assert json.loads(body)["results_url"] == f"{expected}/v1/messages/batches/b/results"
    assert sent == {"content-length": str(len(body)).encode()}


def test_links_where_something_stands_in_front_of_kong(here: Here) -> None:
    """They lead to what the client reached."""

    def linking(request: Request) -> None:
        request.answer = b'{"results_url": "https://api.anthropic.com/v1/messages/batches/b/results"}'

    told = {b"http_x_forwarded_proto": "https", b"http_x_forwarded_host": "llm.example"}
    request = both(here, Request(path="/v1/messages/batches/b", body=b"{}", variables=told), linking)
    assert request.exit is not None
    assert json.loads(request.exit[1]) == {"results_url": "https://llm.example/v1/messages/batches/b/results"}


def test_response_with_nothing_to_restore(here: Here) -> None:
    """Kong sends what it has, after five calls."""

    def other(request: Request) -> None:
        request.answer = b'{ "content":[] }'

    request = both(here, Request(body=BODY), other)
    assert request.exit is None
    assert len(request.calls) == 5


def test_response_without_a_body(here: Here) -> None:
    """HEAD, 204, 304: three calls."""
    request = both(here, Request(path="/"), lambda _: None)
    assert request.exit is None
    assert len(request.calls) == 3


def test_a_coded_answer(here: Here) -> None:
    """Should the upstream code it although it was asked not to: decoded, restored, and said so."""

    def coded(request: Request) -> None:
        assert request.headers["accept-encoding"] == "identity"
        echo(request)
        request.answer = gzip.compress(request.answer)
        request.answer_headers |= {"content-encoding": "gzip", "content-length": str(len(request.answer))}

    request = both(here, Request(body=BODY, headers={**JSON, "accept-encoding": "gzip, br"}), coded)
    assert request.exit is not None
    assert VALUE in request.exit[1]
    assert "content-encoding" not in request.answer_headers
    assert request.exit[2]["content-length"] == str(len(request.exit[1])).encode()


@pytest.mark.parametrize("status", [400, 429, 529])
def test_the_status_stays(here: Here, status: int) -> None:
    """Errors of the API are restored as well."""

    def failing(request: Request) -> None:
        echo(request)
        request.status = status

    request = both(here, Request(body=BODY), failing)
    assert request.exit is not None
    assert (request.exit[0], VALUE in request.exit[1]) == (status, True)


@pytest.mark.parametrize("stale", ["another's", "nothing"])
@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_the_data_of_another_request(here: Here, stale: str, mode: str) -> None:
    """An error, and nothing of the other one's; where nothing was masked, the answer stays as it is.

    When a `log` phase breaks, because the plugin server is gone, Kong keeps what it saved of that request with the
    coroutine (`req_data` in `kong/runloop/plugin_servers/plugin.lua`), and nginx uses coroutines again: a later
    request's `response` is handed the headers and `kong.ctx.shared` of the earlier one.
    """
    connection = here()
    number = connection.start({**CONFIG, "mode": mode})
    other, request = (Request(id=one * 32, body=BODY, consumer=one) for one in "ab")
    for each in (other, request):
        each.run(connection, number, "access")
    request.answer = other.upstream() or b""
    request.shared = other.shared if stale == "another's" else {}
    request.run(connection, number, "response")
    if mode == "observe":
        assert request.exit is None
        return
    assert request.exit is not None
    status, body, _ = request.exit
    assert (status, VALUE in body) == (500, False)
    assert b"AWS_MASKER_3001" in body


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/team/v1/res%70onses", "/v1/models"])
@pytest.mark.parametrize("mark", [b'{"v": 9}', b"{", b"7"])
def test_a_mark_that_cannot_be_read(here: Here, path: str, mark: bytes) -> None:
    """The client is told, in its API's own shape; the answer could not be restored."""
    connection = here()
    request = Request(path=path, answer=b'{"content": []}', shared={"aws_masker": mark})
    request.run(connection, connection.start(), "response")
    assert request.exit is not None
    assert request.exit[0] == 500
    assert request.exit[1] == error_body(api_of(unquote(path)), RestoreFailed())


@pytest.mark.parametrize("phase", ["access", "response"])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/team/v1/res%70onses", "/v1/models"])
def test_an_instance_that_cannot_be_made(here: Here, path: str, phase: str) -> None:
    """Its error, too, has the shape of the API that the client speaks."""
    connection = here()
    request = Request(path=path, body=BODY, answer=b'{"content": []}')
    request.run(connection, connection.start({"key": "short"}), phase)
    assert request.exit is not None
    told, expected = json.loads(request.exit[1]), json.loads(error_body(api_of(unquote(path)), ConfigError()))
    assert ConfigError.code in told["error"].pop("message")
    del expected["error"]["message"]
    assert told == expected


def test_digests_of_the_body_go(here: Here) -> None:
    """They would not fit the masked one."""
    request = accessed(here, Request(body=BODY, headers={**JSON, "content-md5": "abc", "digest": "x"}))
    assert set(request.headers) == {"content-type", "content-length"}


def test_repeated_headers_stay_lists(here: Here) -> None:
    """What is not changed is not sent to Kong at all."""
    request = accessed(here, Request(body=BODY, headers={**JSON, "x-many": ["a", "b"]}))
    assert request.headers["x-many"] == ["a", "b"]


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_body_in_a_file(here: Here, tmp_path: Path, size: int) -> None:
    """It is read there, and what goes upstream is masked."""
    body = json.dumps({"messages": [{"role": "user", "content": INSTANCE + " x" * size}]}).encode()
    file = tmp_path / "0001"
    file.write_bytes(body)
    request = accessed(here, Request(body_file=file))
    assert request.upstream() == body.replace(VALUE, placeholder(request).encode())


@pytest.mark.parametrize(
    "reply",
    [
        {"kong.request.get_raw_body": protocol.RawBodyResult(body_filepath=b"/does/not/exist").SerializeToString()},
        {"kong.request.get_raw_body": protocol.RawBodyResult(error=b"cannot").SerializeToString()},
        {"kong.request.get_raw_body": protocol.RawBodyResult(content=BODY[:-9]).SerializeToString()},
        {"kong.request.get_raw_body": b""},
        {"kong.request.get_headers": b"\xff"},
        {"kong.client.get_consumer": b"\xff"},
    ],
    ids=["no file", "an error", "half", "nothing", "no headers", "no consumer"],
)
def test_what_kong_cannot_tell(here: Here, reply: dict[str, bytes]) -> None:
    """The request does not go on, and the client is told so."""
    sent = {**JSON, "content-length": str(len(BODY))}
    request = accessed(here, Request(body=BODY, headers=sent, replies=reply))
    assert request.exit is not None
    assert request.exit[0] == 503
    assert b"AWS_MASKER_2001" in request.exit[1]
    assert request.shared == {}


def test_a_header_that_is_no_utf8(here: Here) -> None:
    """Kong hands out bytes; they neither break the request nor change."""
    table = (
        headers(JSON)
        + protocol.Struct(fields=[{"key": b"x-name", "value": {"string_value": b"Jos\xe9"}}]).SerializeToString()
    )
    request = accessed(here, Request(body=BODY, replies={"kong.request.get_headers": table}))
    assert VALUE not in (request.upstream() or VALUE)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"upgrade": "websocket"}, 426),
        ({f"x-{n}": "" for n in range(1000)}, 431),
        ({"content-encoding": "xor"}, 415),
        ({"content-type": ["application/json", "text/plain"]}, 415),
        ({"content-type": "image/png"}, 415),
    ],
)
def test_what_cannot_be_masked(here: Here, more: dict[str, Any], status: int) -> None:
    """Refused, and not marked."""
    request = accessed(here, Request(body=BODY, headers={**JSON, **more}))
    assert request.exit is not None
    assert request.exit[0] == status
    assert b"AWS_MASKER_" in request.exit[1]
    assert request.shared == {}


def test_tenants(here: Here) -> None:
    """A consumer, a namespace of the same name, another consumer and nobody: four kinds of placeholders."""
    requests = [
        accessed(here, Request(body=BODY)),
        accessed(here, Request(body=BODY), namespace="a"),
        accessed(here, Request(body=BODY, consumer="a")),
        accessed(here, Request(body=BODY, consumer="a"), namespace="b"),
        accessed(here, Request(body=BODY, consumer="b"), namespace="b"),
    ]
    nobody, namespace, consumer, same, other = map(placeholder, requests)
    assert len({nobody, namespace, consumer, other}) == 4
    assert consumer == same


def test_earlier_requests_of_the_tenant_are_restored(here: Here) -> None:
    """And those of another tenant are not."""
    connection = here()
    number = connection.start()
    first = Request(body=BODY, consumer="a")
    first.run(connection, number, "access")
    got: dict[str, bool] = {}
    for consumer in ("a", "b"):
        later = Request(body=b'{"messages": []}', consumer=consumer)
        later.run(connection, number, "access")
        later.answer = json.dumps({"content": [{"type": "text", "text": placeholder(first)}]}).encode()
        later.run(connection, number, "response")
        got[consumer] = later.exit is not None and VALUE in later.exit[1]
        if later.exit:
            connection.send(b"")
            connection.receive()
            connection.receive()
    assert got == {"a": True, "b": False}


def test_observe(here: Here) -> None:
    """Request and answer pass as they are; the mark says so, and a line tells what would have been masked."""
    with structlog.testing.capture_logs() as lines:
        connection = here()
        number = connection.start({**CONFIG, "mode": "observe"})
        request = Request(body=BODY, headers={**JSON, "accept-encoding": "zstd, x"})
        for phase in ("access", "response", "log"):
            request.answer = b'{"content": []}'
            request.run(connection, number, phase)
    assert request.upstream() == BODY
    assert request.headers == {**JSON, "accept-encoding": "zstd, x"}
    assert request.mark["observed"]
    assert request.mark["mapping"] == {}
    assert not any(".set_" in call or "exit" in call for call in request.calls)
    (line,) = lines
    assert (line["event"], line["families"]) == ("request_would_be_masked", {"ec2_instance": 1})


@pytest.mark.parametrize(
    ("body", "reply", "code"),
    [
        (b"{" + VALUE, {}, "AWS_MASKER_6002"),
        (BODY, {"kong.request.get_raw_body": b"\xff"}, "AWS_MASKER_2001"),
    ],
)
def test_observe_refuses_nothing(here: Here, body: bytes, reply: dict[str, bytes], code: str) -> None:
    """It only says what it would refuse."""
    with structlog.testing.capture_logs() as lines:
        request = accessed(here, Request(body=body, replies=reply), mode="observe")
    assert request.upstream() == body
    assert request.mark["observed"]
    assert [(line["event"], line["code"]) for line in lines] == [("request_would_be_refused", code)]


@pytest.mark.parametrize("wanted", [True, False])
def test_log(here: Here, wanted: bool) -> None:
    """A line for each request, if it is wanted, without a value; `log` asks only what the Lua plugin did."""
    with structlog.testing.capture_logs() as lines:
        connection = here()
        number = connection.start({**CONFIG, "log_masked_requests": wanted})
        for body in (BODY, b'{"messages": []}'):
            request = Request(body=body)
            request.run(connection, number, "access")
            request.calls.clear()
            request.run(connection, number, "log")
            assert request.calls == ["kong.ctx.shared.get"]
    told = [(line["event"], line["families"]) for line in lines if line["request"] == Request.id]
    expected: list[Any] = [("request_masked", {"ec2_instance": 1}), ("request_passed", {})]
    assert told == (expected if wanted else [])
    assert INSTANCE not in str(lines)


CREDENTIAL = "sk-ant-" + "test"


@pytest.mark.parametrize(
    ("path", "sent", "added"),
    [
        ("/v1/messages", {}, True),
        ("/v1/messages", {"x-api-key": "mine"}, False),
        ("/v1/messages", {"authorization": "Bearer mine"}, False),
        ("/v1/messages", {"anthropic-api-key": "mine"}, False),
        ("/v1/chat/completions", {}, False),
        ("/v1/models", {}, False),
        ("/v1/models", {"anthropic-version": "2023-06-01"}, True),
    ],
)
@pytest.mark.parametrize("source", ["config", "environment", "none"])
def test_a_credential_of_the_gateway(  # noqa: PLR0917 - the parameters
    here: Here, monkeypatch: pytest.MonkeyPatch, path: str, sent: dict[str, str], added: bool, source: str
) -> None:
    """Sent for clients of the Anthropic API that have none; their own goes as it came."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    if source == "environment":
        monkeypatch.setenv("ANTHROPIC_API_KEY", CREDENTIAL)
    config = {"anthropic_api_key": CREDENTIAL + "\n"} if source == "config" else {}
    request = accessed(here, Request(path=path, body=BODY, headers={**JSON, **sent}), **config)
    expected = {**sent, "x-api-key": CREDENTIAL} if added and source != "none" else sent
    names = ("x-api-key", "authorization", "anthropic-api-key", "anthropic-version")
    assert {name: request.headers[name] for name in names if name in request.headers} == expected
    assert VALUE not in (request.upstream() or VALUE)


def test_the_key_of_the_environment(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same placeholders as with the key in the configuration."""
    given = placeholder(accessed(here, Request(body=BODY)))
    monkeypatch.setenv("AWS_MASKER_KEY", KEY)
    assert placeholder(accessed(here, Request(body=BODY), key=None)) == given


@pytest.mark.parametrize(
    ("text", "stream"),
    [('"stream": true', True), ('"stream":\ntrue', True), ('"stream": false', False), ('"a": 1', False)],
)
def test_the_mark_tells_streams(here: Here, text: str, stream: bool) -> None:
    """By what the client asked for."""
    body = b'{"messages": [{"role": "user", "content": "\\"stream\\": true"}], ' + text.encode() + b"}"
    assert accessed(here, Request(body=body)).mark["stream"] == stream


def test_the_mark_holds_what_a_stream_may_repeat(here: Here) -> None:
    """Nobody can be asked while it is restored: what the request itself repeats, and the networks shown.

    What the tenant was told in earlier requests goes along where the request refers to what the provider keeps.
    """
    connection = here()
    number = connection.start()

    def mark(consumer: str, **members: Any) -> dict[str, Any]:
        request = Request(path="/v1/responses", body=json.dumps(members).encode(), consumer=consumer)
        request.run(connection, number, "access")
        return request.mark

    first = mark("a", input=f"{INSTANCE} in 10.1.0.0/16", stream=True)
    assert sorted(first["mapping"].values()) == ["10.1.0.0/16", INSTANCE]
    assert [bits for _, bits, _, _ in first["networks"]] == [16]
    assert first["request"] == Request().id
    repeated = next(name for name in first["mapping"] if name.startswith("i-"))
    assert mark("a", input="go on", stream=True)["mapping"] == {}
    assert mark("a", input=f"and {repeated}?", stream=True)["mapping"] == {repeated: INSTANCE}
    asked = {"input": "go on", "previous_response_id": "resp_1"}
    assert mark("a", **asked)["mapping"] == {}
    assert mark("a", **asked, stream=True)["mapping"] == first["mapping"]
    assert mark("b", **asked, stream=True)["mapping"] == {}


def test_signed_blocks_are_told(here: Here) -> None:
    """A value in a block under a signature goes on, as it must; the log says so without the value."""
    block = {"type": "thinking", "thinking": f"about {INSTANCE}", "signature": "abc"}
    body = json.dumps({"messages": [{"role": "assistant", "content": [block]}]}).encode()
    with structlog.testing.capture_logs() as lines:
        request = accessed(here, Request(body=body))
    assert request.upstream() == body
    assert [(line["event"], line["families"]) for line in lines] == [
        ("values_in_signed_blocks", {"ec2_instance": 1}),
    ]
