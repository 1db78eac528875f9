"""`TEXT...` stands for what must be masked, `KEEP...` for what must not be touched, `SIGN...` for what is counted."""

# ruff: noqa: E501 - tables of samples, one a line

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kong_plugins.aws_masker.wire.providers import Api, openai_chat

Look = Callable[[Api, Any], tuple[list[str], list[str]]]

LONG = "KEEP" * 20
SCHEMA = {"type": "KEEP", "properties": {"name": {"description": "TEXT"}}, "required": ["KEEP"]}

MESSAGES: list[Any] = [
    {"role": "user", "content": "TEXT", "name": "TEXT"},
    {"role": "user", "content": [{"type": "text", "text": "TEXT"}, {"type": "refusal", "refusal": "TEXT"}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + LONG}}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://TEXT", "detail": "low"}}]},
    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": LONG, "format": "wav"}}]},
    {"role": "user", "content": [{"type": "file", "file": {"file_id": "KEEP", "filename": "TEXT"}}]},
    {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64," + LONG}}]},
    {"role": "assistant", "tool_calls": [{"id": "KEEP", "type": "function", "function": {"name": "KEEP", "arguments": '{"a": "TEXT"}'}}]},
    {"role": "assistant", "tool_calls": [{"id": "KEEP", "type": "custom", "custom": {"name": "KEEP", "input": "TEXT"}}]},
    {"role": "assistant", "function_call": {"name": "KEEP", "arguments": "TEXT {"}, "reasoning_content": "TEXT"},
    {"role": "assistant", "reasoning_details": [{"type": "reasoning.text", "text": "SIGN", "signature": "KEEP"}]},
    {"role": "assistant", "thinking_blocks": [{"type": "thinking", "thinking": "SIGN", "signature": "KEEP"}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "SIGN", "signature": "KEEP"}]},
    {"role": "tool", "tool_call_id": "KEEP", "name": "KEEP", "content": "TEXT"},
    {"role": "function", "name": "KEEP", "content": "TEXT"},
    {"role": "user", "brand_new": {"deep": ["TEXT"], "detail": "TEXT", "user": "TEXT", "model": "TEXT"}},
]  # fmt: skip

FIELDS: list[Any] = [
    {"model": "KEEP", "user": "KEEP", "safety_identifier": "KEEP", "prompt_cache_key": "KEEP"},
    {"metadata": {"TEXT": "TEXT"}, "stop": ["TEXT"], "brand_new": "TEXT", "prompt": ["TEXT"], "input": "TEXT"},
    {"tools": [{"type": "function", "function": {"name": "KEEP", "description": "TEXT", "parameters": SCHEMA}}]},
    {"tools": [{"type": "custom", "custom": {"name": "KEEP", "format": {"type": "grammar", "grammar": {"definition": "TEXT"}}}}]},
    {"functions": [{"name": "KEEP", "description": "TEXT", "parameters": SCHEMA}]},
    {"tool_choice": {"type": "function", "function": {"name": "KEEP"}}, "function_call": {"name": "KEEP"}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "KEEP", "description": "TEXT", "schema": SCHEMA}}},
    {"prediction": {"type": "content", "content": "TEXT"}},
]  # fmt: skip


def check(look: Look, body: Any) -> None:
    masked, signed = look(Api.OPENAI_CHAT, body)
    raw = json.dumps(body)
    assert "KEEP" not in "".join(masked + signed)
    assert sum(text.count("TEXT") for text in masked) == raw.count("TEXT")
    assert sum(text.count("SIGN") for text in signed) == raw.count("SIGN")


@pytest.mark.parametrize("message", MESSAGES)
def test_messages(seen: Look, message: Any) -> None:
    """Of every kind of message and part, known or not, all text is masked and nothing of the protocol is."""
    check(seen, {"model": "KEEP", "messages": [message]})


@pytest.mark.parametrize("body", FIELDS)
def test_fields(seen: Look, body: Any) -> None:
    """The same for every other field of a request."""
    check(seen, body)


def test_blocks_are_not_compared_with_every_choice() -> None:
    """Of many blocks and many choices that finish, each is looked up, not searched for."""
    compared = 0

    class Index(int):
        __hash__ = int.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return super().__eq__(other)

    blocks = [(Index(at), "content") for at in range(1000)]
    odd: list[Any] = [{"index": [], "finish_reason": "stop"}, "none", {"index": 1.0, "finish_reason": "stop"}]
    choices = [*odd, *({"index": at, "finish_reason": "stop"} for at in range(500, 3000))]
    assert openai_chat.ended({"choices": choices}, blocks) == [blocks[1], *blocks[500:]]
    assert compared < 4 * len(blocks)
