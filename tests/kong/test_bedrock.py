"""Clients of Bedrock through Kong, which collects the answers, streams too, and has the plugin restore them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import orjson
import pytest

from kong_plugins.aws_masker.demo.answers import turns
from kong_plugins.aws_masker.demo.echo import parrot
from kong_plugins.aws_masker.demo.serving import serving
from tests.e2e.agents import Outcome, ask_for_files, by_messages, looked_through, tell
from tests.e2e.bedrock import CLAUDE, REGION, Bedrock, bedrock_client, by_converse
from tests.e2e.project import Planted
from tests.kong.lab import Lab

AGENTS: dict[str, Callable[..., Outcome]] = {
    "messages": partial(by_messages, client_of=bedrock_client),
    "converse": by_converse,
}


@pytest.fixture
def bedrock(here: Lab) -> Iterator[Bedrock]:
    """A stand-in for Bedrock behind Kong."""
    standin = Bedrock(parrot)
    (route,) = here.kong.routes
    other = route.upstream
    with serving(standin) as route.upstream:
        yield standin
    route.upstream = other


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
@pytest.mark.parametrize("api", sorted(AGENTS))
def test_a_conversation_with_tools(here: Lab, bedrock: Bedrock, planted: Planted, api: str, stream: bool) -> None:
    """The API sees no value; tools and engineer see the real ones, by the `response` phase, not by the Lua plugin."""
    bedrock.script = turns(ask_for_files, tell)
    looked_through(AGENTS[api], here.url, planted, stream=stream)
    assert len(bedrock.requests) == 2
    assert planted.found_in(b"\n".join(request.raw for request in bedrock.requests)) == set()
    here.idle()
    assert orjson.loads(here.last.shared[b"aws_masker"])["stream"] is False
    assert here.last.calls_in("response")


def test_a_body_that_asks_for_a_stream(here: Lab, bedrock: Bedrock, planted: Planted) -> None:
    """Some models' own forms have `stream` in the body; the answer is frames nevertheless."""
    body = orjson.dumps({"messages": [{"role": "user", "content": planted.instance}], "stream": True})
    with here.client() as client:
        answer = client.post(
            f"/model/{CLAUDE}/invoke-with-response-stream", content=body, headers={"content-type": "application/json"}
        )
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert int(answer.headers["content-length"]) == len(answer.content)
    here.idle()
    assert orjson.loads(here.last.shared[b"aws_masker"])["stream"] is False


def test_the_model_s_address_arrives_as_it_is(here: Lab, bedrock: Bedrock, planted: Planted) -> None:
    """An ARN in the path, escaped as clients do it, is where the request goes."""
    arn = f"arn:aws:bedrock:{REGION}:{planted.account}:inference-profile/eu.anthropic.claude"
    assert by_converse(here.url, planted.instance, lambda _: "", stream=True, model=arn).text == planted.instance
    (request,) = bedrock.requests
    assert request.target == f"/model/{arn.replace(':', '%3A').replace('/', '%2F')}/converse-stream".encode()


@pytest.mark.parametrize("operation", ["invoke", "converse-stream"])
def test_a_refusal(here: Lab, bedrock: Bedrock, planted: Planted, operation: str) -> None:
    """In Bedrock's shape, its type in a header; a signed request is refused where its body would change."""
    body = orjson.dumps({"messages": [{"role": "user", "content": [{"text": planted.instance}]}]})
    headers = {"content-type": "application/json", "authorization": "AWS4-HMAC-SHA256 Credential=x"}
    with here.client() as client:
        malformed = client.post(f"/model/m/{operation}", content=b"{", headers={"content-type": "application/json"})
        signed = client.post(f"/model/m/{operation}", content=body, headers=headers)
    assert [(one.status_code, one.headers["x-amzn-errortype"]) for one in (malformed, signed)] == [
        (422, "ValidationException"),
        (400, "ValidationException"),
    ]
    assert malformed.json()["message"].startswith("AWS_MASKER_6002: ")
    assert signed.json()["message"].startswith("AWS_MASKER_2005: ")
    assert not bedrock.requests
