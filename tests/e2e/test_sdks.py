"""The anthropic and openai SDKs, unmodified, work through the proxy, and the API behind it never sees a value."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import openai
import orjson
import pytest

from kong_plugins.aws_masker.demo.answers import Answer, Call, Failure, Say, Thinking, turns
from kong_plugins.aws_masker.demo.received import Received, Recorded
from kong_plugins.aws_masker.settings import CustomPattern, Settings
from kong_plugins.aws_masker.wire import codings
from tests.e2e.agents import (
    AGENTS,
    TOOL,
    Shell,
    anthropic_client,
    by_responses,
    openai_client,
)
from tests.e2e.lab import assert_stable, lab
from tests.e2e.project import Planted

PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions", "responses": "/v1/responses"}

CODENAME = CustomPattern(name="codename", pattern=r'Projekt "[^"]+"')
AWKWARD = "Projekt \"Jörmungandr \\ ☂\n\t'n' Co\""
"""A value that takes escapes wherever it is put into JSON."""


@pytest.fixture(params=[True, False], ids=["streaming", "whole"])
def stream(request: pytest.FixtureRequest) -> bool:
    """Whether answers come as streams."""
    return bool(request.param)


@pytest.fixture(params=sorted(AGENTS))
def api_name(request: pytest.FixtureRequest) -> str:
    """The API that the client speaks."""
    return str(request.param)


def _shells(planted: Planted) -> Shell:
    """Return the engineer's shell, which has the project's files and knows the real names only."""
    files = {
        f"cat {planted.instance}.tf": planted.terraform,
        "cat terraform.tfstate": planted.state,
        f"cat /var/log/{planted.instance}.log": planted.log,
    }
    return lambda command: files[command]


def _files(received: Received) -> Answer:
    """Ask for three files at once; the instance's id is the last word of the question."""
    instance = received.text.split()[-1]
    commands = (f"cat {instance}.tf", "cat terraform.tfstate", f"cat /var/log/{instance}.log")
    calls = [Call(TOOL, {"command": command}) for command in commands]
    return Answer((Thinking(f"{instance}?"), Say(f"I need the files of {instance}."), *calls), interleaved=True)


def _all(received: Received) -> Answer:
    return Answer((Say(f"I know: {received.text}"),))


MODEL = turns(_files, _all)


@pytest.mark.parametrize("preserve_structure", [True, False], ids=["shaped", "opaque"])
def test_a_conversation_with_tools(api_name: str, stream: bool, preserve_structure: bool, planted: Planted) -> None:
    """The API sees no value; the tools got the real ones, even while their arguments are streamed side by side."""
    with lab(MODEL, settings=Settings(preserve_structure=preserve_structure)) as here:
        outcome = AGENTS[api_name](here.url, f"Look at {planted.instance}", _shells(planted), stream=stream)
    assert planted.found_in(here.received) == set()
    assert planted.found_in(outcome.text) == set(planted.values)
    assert all(content in outcome.text for content in (planted.terraform, planted.state, planted.log))
    assert outcome.streamed == (outcome.text if stream else "")
    assert len(outcome.commands) == 3
    assert_stable([request.body for request in here.requests(PATHS[api_name])], _history(api_name))


def test_without_the_proxy_every_value_is_seen(api_name: str, stream: bool, planted: Planted) -> None:
    """The control: the same conversation, not masked, shows the API every value."""
    with lab(MODEL, masked=False) as here:
        AGENTS[api_name](here.url, f"Look at {planted.instance}", _shells(planted), stream=stream)
    assert planted.found_in(here.received) == set(planted.values)


def test_history_kept_by_the_api(stream: bool, planted: Planted) -> None:
    """Responses with `previous_response_id`: placeholders of an earlier request are restored as well."""
    with lab(MODEL) as here:
        outcome = by_responses(here.url, f"Look at {planted.instance}", _shells(planted), stream=stream, chained=True)
    assert b"previous_response_id" in here.requests("/v1/responses")[-1].body
    assert planted.found_in(here.received) == set()
    assert planted.found_in(outcome.text) == set(planted.values)


def test_a_value_that_needs_escaping(api_name: str, stream: bool) -> None:
    """Quotes, a backslash, a line break and letters beyond ASCII come back as they were, in text and in arguments."""
    shown: list[str] = []

    def shell(command: str) -> str:
        shown.append(command)
        return AWKWARD

    model = turns(
        lambda received: Answer((Say(received.text), Call(TOOL, {"command": f"echo {received.text}"}))),
        lambda received: Answer((Say(received.latest),)),
    )
    with lab(model, settings=Settings(custom_patterns=(CODENAME,))) as here:
        outcome = AGENTS[api_name](here.url, AWKWARD, shell, stream=stream)
    assert "Jörmungandr".encode() not in here.received
    assert b"rmungandr" not in here.received
    assert shown == [f"echo {AWKWARD}"]
    assert outcome.text == AWKWARD


def test_count_tokens_is_masked(planted: Planted) -> None:
    """What is only counted must not leave either."""
    with lab(MODEL) as here, anthropic_client(here.url) as client:
        counted = client.messages.count_tokens(
            model="m",
            system=planted.state,
            messages=[{"role": "user", "content": planted.terraform}, {"role": "assistant", "content": planted.log}],
        )
    assert counted.input_tokens > 100
    assert [request.path for request in here.standin.requests] == ["/v1/messages/count_tokens"]
    assert planted.found_in(here.received) == set()


def _batch(client: anthropic.Anthropic, question: str) -> str:
    entry: Any = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": question}]}
    return client.messages.batches.create(requests=[{"custom_id": "one", "params": entry}]).id


def test_batches_are_masked_and_their_results_restored(planted: Planted) -> None:
    """Requests of a batch are masked; its results, which come by another request, hold the real values."""
    question = f"{planted.terraform} {planted.state} {planted.log}"
    with lab(_all) as here, anthropic_client(here.url) as client:
        results = client.get(f"/v1/messages/batches/{_batch(client, question)}/results", cast_to=httpx2.Response)
    assert planted.found_in(here.received) == set()
    assert question in results.json()["result"]["message"]["content"][0]["text"]


def test_the_sdk_gets_batch_results_restored(planted: Planted) -> None:
    """The SDK follows the batch's `results_url`, which must lead through the proxy."""
    with lab(_all) as here, anthropic_client(here.url) as client:
        results: Any = list(client.messages.batches.results(_batch(client, planted.log)))
    assert planted.log in results[0].result.message.content[0].text


def _models(url: str) -> list[str]:
    with anthropic_client(url) as client, openai_client(url) as other:
        return [model.id for model in client.models.list()] + [model.id for model in other.models.list()]


def test_requests_without_text_pass_as_they_are() -> None:
    """Path, credentials and all other headers arrive as the SDKs send them."""
    with lab(MODEL) as here:
        assert _models(here.url) == ["stand-in", "stand-in"]
    with lab(MODEL, masked=False) as direct:
        _models(direct.url)
    arrived, sent = ([_end_to_end(request) for request in each.requests("/v1/models")] for each in (here, direct))
    assert arrived == sent
    assert all(b"anything" in headers[b"authorization"] for headers in arrived)


def test_errors_of_the_api_keep_their_wording(planted: Planted) -> None:
    """The SDK raises the same error as without the proxy; clients decide by its wording whether to try again."""
    overloaded = Failure(529, "overloaded_error", "Overloaded")
    with (
        lab(lambda _: overloaded) as here,
        anthropic_client(here.url) as client,
        pytest.raises(anthropic.APIStatusError) as raised,
    ):
        client.messages.create(model="m", max_tokens=5, messages=[{"role": "user", "content": planted.log}])
    assert raised.value.status_code == 529
    assert raised.value.body == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize("coding", sorted(codings.KNOWN))
def test_compressed_requests_are_masked(coding: str, planted: Planted) -> None:
    """Clients that compress their requests are masked like the others."""
    asked = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": planted.log}]}
    headers = {"content-type": "application/json", "content-encoding": coding, "x-api-key": "anything"}
    body = codings.encode(orjson.dumps(asked), [coding])
    with lab(_all) as here:
        answer = httpx2.post(f"{here.url}/v1/messages", content=body, headers=headers, trust_env=False)
    assert planted.found_in(here.received) == set()
    assert planted.log in answer.json()["content"][0]["text"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1/responses"])
def test_what_cannot_be_read_is_refused(path: str, planted: Planted) -> None:
    """A body in a coding that is not known gets an error of our own, and nothing goes upstream."""
    body = orjson.dumps({"messages": [{"role": "user", "content": planted.log}]})
    headers = {"content-type": "application/json", "content-encoding": "compress", "x-api-key": "anything"}
    with lab(MODEL) as here:
        answer = httpx2.post(here.url + path, content=body, headers=headers, trust_env=False)
    assert answer.status_code == 415
    assert "AWS_MASKER_2003" in answer.json()["error"]["message"]
    assert not here.standin.requests


def test_refusals_are_errors_of_the_sdk(planted: Planted) -> None:
    """Our own errors come in each API's shape, so the SDKs raise them with their message."""
    settings = Settings(max_body_size=1024)
    question = planted.log * 50
    with lab(MODEL, settings=settings) as here:
        with anthropic_client(here.url) as client, pytest.raises(anthropic.APIStatusError, match="AWS_MASKER_2004"):
            client.messages.create(model="m", max_tokens=5, messages=[{"role": "user", "content": question}])
        with openai_client(here.url) as other, pytest.raises(openai.APIStatusError, match="AWS_MASKER_2004"):
            other.responses.create(model="m", input=question)
    assert not here.standin.requests


def _end_to_end(request: Recorded) -> dict[bytes, bytes]:
    return {name: value for name, value in request.headers if name not in (b"host", b"connection")}


def _history(api_name: str) -> str:
    return "input" if api_name == "responses" else "messages"
