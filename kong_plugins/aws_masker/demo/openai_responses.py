"""OpenAI's Responses on the stand-in's side: an `Answer` as JSON or as the events of a stream."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import orjson

from kong_plugins.aws_masker.demo.answers import Answer, Block, Call, Thinking, pieces
from kong_plugins.aws_masker.demo.received import Received


def response(answer: Answer, received: Received) -> dict[str, Any]:
    """Return the whole answer as one response object."""
    spoken = len(answer.text) // 4 + 1
    usage = {
        "input_tokens": received.tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": spoken,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": received.tokens + spoken,
    }
    items = [_item(block) for block in answer.blocks]
    return _begun(received) | {"status": "completed", "output": items, "usage": usage}


def events(whole: dict[str, Any]) -> Iterator[bytes]:
    """Yield `whole`, a response object, as server-sent events; the last one repeats it in full."""
    number = 0

    def event(kind: str, **fields: Any) -> bytes:
        nonlocal number
        data = orjson.dumps({"type": kind, "sequence_number": number, **fields})
        number += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for index, item in enumerate(whole["output"]):
        yield event("response.output_item.added", output_index=index, item=_emptied(item))
        for kind, fields in _progress(item):
            yield event(kind, item_id=item["id"], output_index=index, **fields)
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=whole)


def _begun(received: Received) -> dict[str, Any]:
    return {
        "id": f"resp_{secrets.token_hex(24)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": received.body.get("instructions"),
        "metadata": {},
        "model": received.body.get("model", "stand-in"),
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": received.body.get("previous_response_id"),
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": received.body.get("tools") or [],
        "top_p": 1.0,
    }


def _item(block: Block) -> dict[str, Any]:
    name = secrets.token_hex(24)
    if isinstance(block, Thinking):
        return {"id": f"rs_{name}", "type": "reasoning", "summary": [], "encrypted_content": block.signature}
    if isinstance(block, Call):
        called = {"call_id": f"call_{secrets.token_hex(12)}", "name": block.name, "arguments": block.arguments}
        return {"id": f"fc_{name}", "type": "function_call", "status": "completed"} | called
    part = {"type": "output_text", "text": block.text, "annotations": [], "logprobs": []}
    return {"id": f"msg_{name}", "type": "message", "status": "completed", "role": "assistant", "content": [part]}


def _emptied(item: dict[str, Any]) -> dict[str, Any]:
    """Return `item` as it is announced, before its content has come."""
    begun: dict[str, dict[str, Any]] = {
        "message": {"content": []},
        "function_call": {"arguments": ""},
        "reasoning": {"encrypted_content": ""},
    }
    return item | {"status": "in_progress"} | begun[item["type"]]


def _progress(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and fields of the events between an item's announcement and its end."""
    if item["type"] == "function_call":
        for piece in pieces(item["arguments"]):
            yield "response.function_call_arguments.delta", {"delta": piece}
        yield "response.function_call_arguments.done", {"arguments": item["arguments"], "name": item["name"]}
    elif item["type"] == "message":
        part = item["content"][0]
        yield "response.content_part.added", {"content_index": 0, "part": part | {"text": ""}}
        for piece in pieces(part["text"]):
            yield "response.output_text.delta", {"content_index": 0, "delta": piece, "logprobs": []}
        yield "response.output_text.done", {"content_index": 0, "text": part["text"], "logprobs": []}
        yield "response.content_part.done", {"content_index": 0, "part": part}
