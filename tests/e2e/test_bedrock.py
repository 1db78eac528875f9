"""Clients of Bedrock through the proxy: Anthropic's SDK for it, AWS's own, and Claude Code."""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError, EventStreamError  # type: ignore[import-untyped,unused-ignore]

from kong_plugins.aws_masker.demo.answers import Answer, Failure, Say, turns
from kong_plugins.aws_masker.demo.echo import parrot
from kong_plugins.aws_masker.demo.serving import serving
from kong_plugins.aws_masker.proxy.app import create_app
from kong_plugins.aws_masker.settings import Settings
from tests.e2e.agents import Outcome, ask_for_files, by_messages, looked_through, tell
from tests.e2e.bedrock import CLAUDE, LLAMA, REGION, Bedrock, bedrock_client, by_converse, runtime
from tests.e2e.claude import ClaudeCode
from tests.e2e.lab import assert_stable, proxy_process
from tests.e2e.project import Planted
from tests.e2e.scripts import read_main, show_log
from tests.proxy.harness import running
from tests.proxy.test_tls import made

AGENTS: dict[str, Callable[..., Outcome]] = {
    "messages": partial(by_messages, client_of=bedrock_client),
    "converse": by_converse,
}


@dataclass
class Here:
    """The stand-in behind the proxy."""

    standin: Bedrock
    url: str

    @property
    def received(self) -> bytes:
        assert self.standin.requests
        return b"\n".join(request.raw for request in self.standin.requests)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """A model that repeats what it is told. AWS's SDK finds an API key, which it sends by HTTPS only."""
    tls = made(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tls.certificate))
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "anything")
    with contextlib.ExitStack() as stack:
        standin = Bedrock(parrot)
        upstream = stack.enter_context(serving(standin))
        proxy = create_app(upstream, Settings(), secrets.token_bytes(32))
        yield Here(standin, stack.enter_context(running(proxy, tls)))


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
@pytest.mark.parametrize("api", sorted(AGENTS))
def test_a_conversation_with_tools(here: Here, planted: Planted, api: str, stream: bool) -> None:
    """The API sees no value; tools and engineer see the real ones; signed reasoning comes back as it was."""
    here.standin.script = turns(ask_for_files, tell)
    looked_through(AGENTS[api], here.url, planted, stream=stream)
    assert len(here.standin.requests) == 2
    assert planted.found_in(here.received) == set()
    first, second = (orjson.loads(request.body)["messages"] for request in here.standin.requests)
    assert second[: len(first)] == first


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
def test_another_maker_s_model(here: Here, planted: Planted, stream: bool) -> None:
    """A model that only completes, in its own form."""
    body = orjson.dumps({"prompt": f"{planted.log}{planted.terraform}", "max_gen_len": 9})
    client = runtime(here.url)
    if stream:
        answer = client.invoke_model_with_response_stream(modelId=LLAMA, body=body)
        said = "".join(orjson.loads(event["chunk"]["bytes"])["generation"] for event in answer["body"])
    else:
        said = orjson.loads(client.invoke_model(modelId=LLAMA, body=body)["body"].read())["generation"]
    assert said == f"{planted.log}{planted.terraform}"
    assert planted.found_in(here.received) == set()


def test_counting_tokens(here: Here, planted: Planted) -> None:
    """What is counted is masked as if it were sent, also where it is base64 inside of the request."""
    message = {"role": "user", "content": [{"text": planted.terraform}]}
    client = runtime(here.url)
    assert client.count_tokens(modelId=CLAUDE, input={"converse": {"messages": [message]}})["inputTokens"] > 100
    native = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9}
    body = orjson.dumps({**native, "messages": [{"role": "user", "content": planted.terraform}]})
    assert client.count_tokens(modelId=CLAUDE, input={"invokeModel": {"body": body}})["inputTokens"] > 100
    assert planted.found_in(here.received) == set()
    coded = orjson.loads(here.standin.requests[-1].body)["input"]["invokeModel"]["body"]
    inner = orjson.loads(base64.b64decode(coded))
    assert inner["anthropic_version"] == "bedrock-2023-05-31"
    text = inner["messages"][0]["content"]
    assert "instance_id" in text
    assert planted.found_in(text) == set()


def test_documents(here: Here, planted: Planted) -> None:
    """A text file's text is masked inside of its base64; a picture arrives bit by bit."""
    picture = secrets.token_bytes(600)
    content: list[Any] = [
        {"text": "?"},
        {"document": {"format": "txt", "name": "log", "source": {"bytes": planted.instance.encode()}}},
        {"image": {"format": "png", "source": {"bytes": picture}}},
    ]
    runtime(here.url).converse(modelId=CLAUDE, messages=[{"role": "user", "content": content}])
    sent = orjson.loads(here.standin.requests[0].body)["messages"][0]["content"]
    masked = base64.b64decode(sent[1]["document"]["source"]["bytes"]).decode()
    assert masked.startswith("i-") and masked != planted.instance
    assert base64.b64decode(sent[2]["image"]["source"]["bytes"]) == picture


def test_the_model_s_address_arrives_as_it_is(here: Here, planted: Planted) -> None:
    """An ARN in the path says where the model is; in a message, the same ARN is masked."""
    arn = f"arn:aws:bedrock:{REGION}:{planted.account}:inference-profile/eu.anthropic.claude"
    outcome = by_converse(here.url, f"What is {arn}?", lambda _: "", stream=True, model=arn)
    assert outcome.text == f"What is {arn}?"
    (request,) = here.standin.requests
    assert request.target == f"/model/{arn.replace(':', '%3A').replace('/', '%2F')}/converse-stream".encode()
    assert planted.found_in(request.body) == set()


def test_an_error_of_the_api(here: Here, planted: Planted) -> None:
    """Its message is restored, whether it comes instead of an answer or inside of one."""
    here.standin.script = lambda received: Failure(400, "ValidationException", f"no: {received.text}")
    with pytest.raises(ClientError) as failed:
        by_converse(here.url, planted.instance, lambda _: "", stream=True)
    assert failed.value.response["Error"] == {"Code": "ValidationException", "Message": f"no: {planted.instance}"}
    here.standin.script = lambda received: Failure(200, "modelStreamErrorException", f"no: {received.text}")
    with pytest.raises(EventStreamError, match=planted.instance):
        by_converse(here.url, planted.instance, lambda _: "", stream=True)
    assert planted.found_in(here.received) == set()


def test_our_own_error(here: Here) -> None:
    """AWS's SDK raises it as one of Bedrock's, with our code."""
    client = runtime(here.url)
    with pytest.raises(client.exceptions.ValidationException) as failed:
        client.invoke_model(modelId=CLAUDE, contentType="application/json", body=b"{")
    assert "AWS_MASKER_6002" in failed.value.response["Error"]["Message"]
    assert not here.standin.requests


def test_a_signed_request_is_refused(here: Here, planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS would refuse it, as its body has changed; with nothing to mask it goes on, signature and all."""
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK" + "IA" + "Q3EGRTN2LKWVXJ7P")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a" * 40)
    with pytest.raises(ClientError) as failed:
        by_converse(here.url, planted.instance, lambda _: "", stream=False)
    error = failed.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert "AWS_MASKER_2005" in error["Message"]
    assert not here.standin.requests
    assert by_converse(here.url, "hello", lambda _: "", stream=False).text == "hello"
    assert dict(here.standin.requests[0].headers)[b"authorization"].startswith(b"AWS4-HMAC-SHA256 ")


def test_claude_code(planted: Planted, claude_binary: Path, tmp_path: Path) -> None:
    """Told to use Bedrock at the proxy's address, it works on the real values, and none of them leaves."""
    home, project = tmp_path / "home", tmp_path / f"network-{planted.vpc}"
    home.mkdir()
    project.mkdir()
    (project / "main.tf").write_text(planted.terraform, encoding="utf-8")
    (project / "state.json").write_text(planted.state, encoding="utf-8")
    (project / f"console-{planted.instance}.log").write_text(planted.log, encoding="utf-8")
    standin = Bedrock(turns(read_main, show_log, lambda received: Answer((Say(received.text),))))
    with serving(standin) as upstream, proxy_process(upstream, tmp_path) as url:
        environment = {
            "CLAUDE_CODE_USE_BEDROCK": "1",
            "AWS_BEARER_TOKEN_BEDROCK": "anything",
            "ANTHROPIC_BEDROCK_BASE_URL": url,
            "AWS_REGION": REGION,
            "ANTHROPIC_MODEL": CLAUDE,
            "ANTHROPIC_SMALL_FAST_MODEL": CLAUDE,
        }
        claude = ClaudeCode(claude_binary, home, project, "http://127.0.0.1:9", environment)
        output = claude(f"Why can't {planted.instance} read the ledger?")
    assert planted.found_in(output) == set(planted.values)
    assert planted.found_in(b"\n".join(request.raw for request in standin.requests)) == set()
    asked = [request for request in standin.requests if request.path.endswith("/invoke-with-response-stream")]
    assert len(asked) >= 3
    assert all((b"authorization", b"Bearer anything") in request.headers for request in asked)
    assert_stable([request.body for request in asked])
