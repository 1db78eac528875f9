"""`TEXT...` stands for what must be masked, `KEEP...` for what must not be touched, `SIGN...` for what is counted."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from kong_plugins.aws_masker.wire.documents import Documents
from kong_plugins.aws_masker.wire.jsontext import NotJsonError
from kong_plugins.aws_masker.wire.providers import Api, policy_of
from kong_plugins.aws_masker.wire.restoring import Restoring, restored

Look = Callable[[Api, Any], tuple[list[str], list[str]]]

ANTHROPIC = {
    "anthropic_version": "bedrock-2023-05-31",
    "system": "TEXT",
    "messages": [
        {"role": "user", "content": "TEXT"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "SIGN", "signature": "KEEP"},
                {"type": "tool_use", "id": "KEEP", "name": "KEEP", "input": {"TEXT": "TEXT"}},
            ],
        },
    ],
}
CONVERSE = {"messages": [{"role": "KEEP", "content": [{"toolUse": {"toolUseId": "KEEP", "input": {"TEXT": "TEXT"}}}]}]}
CHAT = {"messages": [{"role": "KEEP", "content": "TEXT"}, {"tool_call_id": "KEEP", "content": "TEXT"}]}
OTHER = {"inputText": "TEXT", "textGenerationConfig": {"TEXT": "TEXT", "id": "TEXT"}}
BODIES: dict[str, Any] = {
    "anthropic": ANTHROPIC,
    "nova": {"schemaVersion": "messages-v1", **CONVERSE},
    "nova without a version": CONVERSE,
    "nova with tools": {"toolConfig": {"tools": [{"toolSpec": {"name": "KEEP", "description": "TEXT"}}]}},
    "chat": CHAT,
    "other": OTHER,
    "counted converse": {"input": {"converse": CONVERSE}},
}


def _counted(body: Any) -> bytes:
    inner = base64.b64encode(json.dumps(body).encode()).decode()
    return json.dumps({"input": {"invokeModel": {"body": inner}}}).encode()


def _check(masked: list[str], signed: list[str], body: Any) -> None:
    raw = json.dumps(body)
    assert "KEEP" not in "".join(masked + signed)
    assert sum(text.count("TEXT") for text in masked) == raw.count("TEXT")
    assert sum(text.count("SIGN") for text in signed) == raw.count("SIGN")


@pytest.mark.parametrize("name", BODIES)
def test_the_body_tells_the_form(seen: Look, name: str) -> None:
    """Each maker's form is treated by its own rules, whatever the path calls the model."""
    _check(*seen(Api.BEDROCK_INVOKE, BODIES[name]), BODIES[name])


@pytest.mark.parametrize("name", ["anthropic", "nova", "nova without a version", "chat", "other"])
def test_a_request_that_is_counted(name: str) -> None:
    """It stands in base64 in another one, and is treated as if it came by itself."""
    documents = Documents()
    documents.add(_counted(BODIES[name]), policy_of(Api.BEDROCK_INVOKE).request)
    texts = [text.value for text in documents.texts]
    _check([text.decode() for text in texts], [text.value.decode() for text in documents.signed], BODIES[name])
    masked = documents.put_back([text.replace(b"TEXT", b"DONE") for text in texts])
    assert masked is not None
    inner = base64.b64decode(json.loads(masked[0])["input"]["invokeModel"]["body"])
    assert inner == json.dumps(BODIES[name]).replace("TEXT", "DONE").encode()


@pytest.mark.parametrize(
    "inner", ["", "no base64!", base64.b64encode(b"{").decode(), base64.b64encode(b"\xff").decode()]
)
def test_a_counted_request_that_cannot_be_read_is_refused(inner: str) -> None:
    """What is not JSON in base64 does not go on."""
    raw = json.dumps({"input": {"invokeModel": {"body": inner}}}).encode()
    with pytest.raises(NotJsonError):
        Documents().add(raw, policy_of(Api.BEDROCK_INVOKE).request)


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "message", "content": [{"type": "text", "text": "TEXT"}, {"type": "thinking", "thinking": "KEEP"}]},
        {"output": {"message": {"content": [{"text": "TEXT"}, {"toolUse": {"toolUseId": "KEEP", "input": "TEXT"}}]}}},
        {"choices": [{"message": {"content": "TEXT", "tool_calls": [{"id": "KEEP"}]}}]},
        {"generation": "TEXT", "results": [{"outputText": "TEXT"}]},
        {"message": "TEXT"},
    ],
)
def test_answers(restoring: Restoring, placeholder: str, value: str, answer: Any) -> None:
    """All text of an answer is restored, and what the API made or signed stays."""
    raw = json.dumps(answer).replace("TEXT", placeholder).replace("KEEP", f"keep {placeholder}")
    out = restored(raw.encode(), policy_of(Api.BEDROCK_INVOKE).response, restoring)
    expected = json.dumps(answer).replace("TEXT", json.dumps(value)[1:-1]).replace("KEEP", f"keep {placeholder}")
    assert json.loads(out) == json.loads(expected)
