"""`TEXT...` stands for what must be masked, `KEEP...` for what must not be touched, `SIGN...` for what is counted."""

# ruff: noqa: E501 - tables of samples, one a line

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from kong_plugins.aws_masker.wire.documents import Documents
from kong_plugins.aws_masker.wire.jsontext import NotJsonError
from kong_plugins.aws_masker.wire.providers import Api, policy_of

Look = Callable[[Api, Any], tuple[list[str], list[str]]]

LONG = "KEEP" * 20  # base64 of a file is long
FILE = base64.b64encode(b"TEXT").decode()

BLOCKS: list[Any] = [
    {"text": "TEXT"},
    {"brandNew": {"verse": ["TEXT", {"role": "KEEP", "deep": "TEXT"}]}},
    {"cachePoint": {"type": "KEEP", "ttl": "5m"}},
    {"toolUse": {"toolUseId": "KEEP", "name": "KEEP", "type": "KEEP", "input": {"TEXT": ["TEXT"], "type": "TEXT"}}},
    {"toolUse": {"toolUseId": "KEEP", "name": "KEEP", "input": "TEXT", "new": "TEXT"}},
    {"toolResult": {"toolUseId": "KEEP", "status": "success", "content": [{"text": "TEXT"}, {"json": {"TEXT": {"name": "TEXT"}}}]}},
    {"toolResult": {"toolUseId": "KEEP", "content": [{"document": {"format": "txt", "name": "TEXT", "source": {"bytes": FILE}}}]}},
    {"image": {"format": "png", "source": {"bytes": LONG}}},
    {"image": {"format": "png", "source": {"s3Location": {"uri": "KEEP", "bucketOwner": "KEEP", "new": "TEXT"}}}},
    {"image": {"format": "png", "source": {"bytes": "TEXT no base64 " * 9}}},
    {"video": {"format": "png", "source": {"bytes": LONG}}},
    {"document": {"format": "md", "name": "TEXT", "source": {"bytes": FILE}, "context": "TEXT"}},
    {"document": {"format": "txt", "name": "TEXT", "source": {"text": "TEXT"}, "citations": {"enabled": True}}},
    {"document": {"format": "txt", "name": "TEXT", "source": {"content": [{"text": "TEXT"}]}}},
    {"document": {"format": "pdf", "name": "TEXT", "source": {"bytes": base64.b64encode(b"\0" * 90).decode()}}},
    {"document": {"format": "pdf", "name": "TEXT", "source": {"bytes": base64.b64encode(b"TEXT" * 30).decode()}}},
    {"reasoningContent": {"reasoningText": {"text": "SIGN", "signature": "KEEP"}}},
    {"reasoningContent": {"reasoningText": {"text": "TEXT"}}},
    {"reasoningContent": {"redactedContent": "KEEP"}},
    {"guardContent": {"text": {"text": "TEXT", "qualifiers": ["query"]}, "image": {"format": "png", "source": {"bytes": LONG}}}},
    {"searchResult": {"source": "TEXT", "title": "TEXT", "content": [{"text": "TEXT"}]}},
    {"citationsContent": {"content": [{"text": "TEXT"}], "citations": [{"title": "TEXT", "source": "TEXT", "location": {"web": {"url": "TEXT"}}}]}},
    {"toolAddition": {"tool": {"type": "KEEP", "name": "KEEP", "serverName": "KEEP"}}},
]  # fmt: skip

FIELDS: list[Any] = [
    {"system": [{"text": "TEXT"}, {"cachePoint": {"type": "KEEP"}}]},
    {"inferenceConfig": {"maxTokens": 9, "stopSequences": ["TEXT"]}},
    {"guardrailConfig": {"guardrailIdentifier": "KEEP", "guardrailVersion": "KEEP", "new": "TEXT"}},
    {"additionalModelRequestFields": {"TEXT": {"type": "TEXT"}}},
    {"additionalModelResponseFieldPaths": ["KEEP"]},
    {"promptVariables": {"name": {"text": "TEXT"}}},
    {"requestMetadata": {"TEXT": "TEXT"}},
    {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "KEEP", "description": "TEXT", "schema": '{"description":"TEXT"}'}}}}},
    {"brandNew": {"deep": ["TEXT"]}},
    {
        "toolConfig": {
            "tools": [
                {"toolSpec": {"name": "KEEP", "description": "TEXT", "strict": True, "inputSchema": {"json": {
                    "type": "KEEP", "description": "TEXT", "required": ["KEEP"],
                    "properties": {"type": {"type": "KEEP", "enum": ["TEXT"], "default": "TEXT"}},
                }}}},
                {"systemTool": {"name": "KEEP"}},
                {"cachePoint": {"type": "KEEP"}},
            ],
            "toolChoice": {"tool": {"name": "KEEP"}},
        }
    },
]  # fmt: skip


def check(look: Look, body: Any) -> None:
    masked, signed = look(Api.BEDROCK_CONVERSE, body)
    raw = json.dumps(body).replace(FILE, "TEXT").replace(base64.b64encode(b"TEXT" * 30).decode(), "TEXT" * 30)
    assert "KEEP" not in "".join(masked + signed)
    assert sum(text.count("TEXT") for text in masked) == raw.count("TEXT")
    assert sum(text.count("SIGN") for text in signed) == raw.count("SIGN")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(next(iter(block))))
def test_blocks(seen: Look, block: Any) -> None:
    """Of every kind of block, known or not, all text is masked and nothing of the protocol is."""
    check(seen, {"messages": [{"role": "user", "content": [block]}]})


@pytest.mark.parametrize("body", FIELDS, ids=lambda body: str(next(iter(body))))
def test_fields(seen: Look, body: Any) -> None:
    """The same for every other field of a request."""
    check(seen, body)


def _document(contents: bytes) -> bytes:
    source = {"bytes": base64.b64encode(contents).decode()}
    return json.dumps({"messages": [{"content": [{"document": {"format": "csv", "source": source}}]}]}).encode()


def test_a_short_text_file_goes_back_as_base64() -> None:
    """However short it is, its text is masked, and written the way it came."""
    documents = Documents()
    documents.add(_document(b"i-1"), policy_of(Api.BEDROCK_CONVERSE).request)
    assert [text.value for text in documents.texts] == [b"csv", b"i-1"]
    assert documents.put_back([None, b"i-2"]) == [_document(b"i-2")]


@pytest.mark.parametrize("contents", [b"caf\xe9", "é".encode("utf-16"), b"a\0b"])
def test_a_text_file_that_is_no_utf8_is_refused(contents: bytes) -> None:
    """Nobody here could read what Bedrock reads in it."""
    with pytest.raises(NotJsonError, match="not UTF-8"):
        Documents().add(_document(contents), policy_of(Api.BEDROCK_CONVERSE).request)
