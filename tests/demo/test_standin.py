"""The stand-in behaves like the APIs that it stands in for, as their own SDKs see them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anthropic
import openai
import orjson
import pytest
from starlette.testclient import TestClient

from kong_plugins.aws_masker.demo.answers import Answer, Call, Failure, Say, Thinking, sign
from kong_plugins.aws_masker.demo.serving import serving
from kong_plugins.aws_masker.demo.standin import StandIn, create_app

CALLS = (Call("Bash", {"command": 'echo "ü"'}), Call("Read", {"path": "/tmp/a"}))
ANSWER = Answer((Thinking("hm, i-0f3c9a71be5d24806"), Say("Grüße an i-0f3c9a71be5d24806 ☂"), *CALLS))
MESSAGES: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def standin() -> StandIn:
    """One for all: each test sets its script."""
    return StandIn()


@pytest.fixture(scope="module")
def url(standin: StandIn) -> Iterator[str]:
    """Where it is."""
    with serving(standin) as address:
        yield address


@pytest.fixture(params=[False, True], ids=["sequential", "interleaved"])
def answer(request: pytest.FixtureRequest, standin: StandIn) -> Answer:
    """What the stand-in answers."""
    answer = replace(ANSWER, interleaved=request.param)
    standin.script = lambda _: answer
    return answer


@pytest.fixture(params=[False, True], ids=["whole", "streaming"])
def stream(request: pytest.FixtureRequest) -> bool:
    """Whether it comes as a stream."""
    return bool(request.param)


def test_messages(url: str, answer: Answer, stream: bool) -> None:
    """The anthropic SDK reads thinking, text and tool calls, in their order and with every letter."""
    with anthropic.Anthropic(base_url=url, api_key="x", max_retries=0) as client:
        if stream:
            with client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as events:
                message: Any = events.get_final_message()
        else:
            message = client.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    thinking, text, *calls = message.content
    assert (thinking.thinking, thinking.signature) == ("hm, i-0f3c9a71be5d24806", sign("hm, i-0f3c9a71be5d24806"))
    assert text.text == answer.text
    assert [(call.name, call.input) for call in calls] == [(call.name, call.input) for call in CALLS]
    assert message.stop_reason == "tool_use"


def test_chat(url: str, answer: Answer, stream: bool) -> None:
    """The openai SDK reads text and tool calls of Chat Completions."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        if stream:
            with client.chat.completions.stream(model="m", messages=MESSAGES) as events:
                choice: Any = events.until_done().get_final_completion().choices[0]
        else:
            choice = client.chat.completions.create(model="m", messages=MESSAGES).choices[0]
    assert choice.message.content == answer.text
    found = [(call.function.name, orjson.loads(call.function.arguments)) for call in choice.message.tool_calls]
    assert found == [(call.name, call.input) for call in CALLS]
    assert choice.finish_reason == "tool_calls"


def test_responses(url: str, answer: Answer, stream: bool) -> None:
    """The openai SDK reads reasoning, text and tool calls of Responses."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        if stream:
            with client.responses.stream(model="m", input="hi") as events:
                response: Any = events.until_done().get_final_response()
        else:
            response = client.responses.create(model="m", input="hi")
    assert response.output_text == answer.text
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call", "function_call"]
    found = [(item.name, orjson.loads(item.arguments)) for item in response.output[2:]]
    assert found == [(call.name, call.input) for call in CALLS]


def test_batches(url: str, standin: StandIn) -> None:
    """A batch ends at once; its results hold answers and errors."""
    standin.script = lambda received: ANSWER if received.text == "hi" else Failure(400, "invalid_request_error", "no")
    params: Any = {"model": "m", "max_tokens": 9}
    requests: Any = [
        {"custom_id": "good", "params": params | {"messages": MESSAGES}},
        {"custom_id": "bad", "params": params | {"messages": [{"role": "user", "content": "else"}]}},
    ]
    with anthropic.Anthropic(base_url=url, api_key="x", max_retries=0) as client:
        batch = client.messages.batches.create(requests=requests)
        results = {entry.custom_id: entry.result.type for entry in client.messages.batches.results(batch.id)}
    assert (batch.request_counts.succeeded, batch.request_counts.errored) == (1, 1)
    assert results == {"good": "succeeded", "bad": "errored"}


def test_it_records_requests_as_they_arrive() -> None:
    """Method, target, headers and body, byte for byte."""
    standin = create_app()
    body = b'{ "messages": [{"role":"user","content":"\\u0041"}] }'
    with TestClient(standin) as client:
        client.post("/v1/messages?beta=true", content=body, headers={"X-Some": "Thing"})
    recorded = standin.requests[0]
    assert (recorded.method, recorded.target, recorded.body) == ("POST", b"/v1/messages?beta=true", body)
    assert dict(recorded.headers)[b"x-some"] == b"Thing"


def test_it_reads_compressed_requests() -> None:
    """A compressed body is understood, recorded as it came, and can be searched all the same."""
    body = gzip.compress(orjson.dumps({"messages": [{"role": "user", "content": "i-0f3c9a71be5d24806"}]}))
    standin = create_app()
    with TestClient(standin) as client:
        answer = client.post("/v1/messages", content=body, headers={"content-encoding": "gzip"})
    assert "i-0f3c9a71be5d24806" in answer.text
    assert standin.requests[0].body == body
    assert b"i-0f3c9a71be5d24806" in standin.requests[0].raw


def test_malformed_json_is_an_error_of_the_request() -> None:
    """As with the real API."""
    with TestClient(create_app()) as client:
        answer = client.post("/v1/messages", content=b'{"messages": ')
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ({"type": "thinking", "thinking": "changed", "signature": sign("original")}, "signature"),
        ({"type": "tool_result", "tool_use_id": "toolu_unknown", "content": "x"}, "tool_use_id"),
    ],
)
def test_it_refuses_what_the_real_api_refuses(block: dict[str, Any], reason: str) -> None:
    """A changed signed block and a tool result without its call are errors of the request."""
    messages = [{"role": "assistant", "content": [block]}]
    with TestClient(create_app()) as client:
        answer = client.post("/v1/messages", json={"messages": messages})
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1/responses"])
def test_failures_have_the_shape_of_the_api(path: str) -> None:
    """A script may fail as the API would."""
    standin = StandIn(lambda _: Failure(429, "rate_limit_error", "slow down"))
    with TestClient(standin) as client:
        answer = client.post(path, json={"messages": MESSAGES})
    assert answer.status_code == 429
    assert (answer.json().get("type") == "error") == (path == "/v1/messages")
    assert answer.json()["error"]["message"] == "slow down"


def test_other_paths() -> None:
    """Models are listed, the root answers, and what is not there is not found."""
    with TestClient(create_app()) as client:
        assert client.head("/").status_code == 200
        assert client.get("/v1/models").json()["data"][0]["id"] == "stand-in"
        assert client.get("/v1/models", headers={"anthropic-version": "2023-06-01"}).json()["has_more"] is False
        assert client.post("/v1/messages/count_tokens", json={"messages": MESSAGES}).json()["input_tokens"] > 0
        assert client.get("/v1/messages/batches/none").status_code == 404
        assert client.get("/v1/messages/batches/none/results").status_code == 404
        assert client.post("/v1/anything", json={}).status_code == 404
