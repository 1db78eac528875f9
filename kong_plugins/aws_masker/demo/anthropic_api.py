"""Anthropic's Messages API on the stand-in's side: an `Answer` as JSON or as the events of a stream."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from typing import Any

import orjson

from kong_plugins.aws_masker.demo.answers import Answer, Block, Call, Failure, Say, Thinking, pieces, sign
from kong_plugins.aws_masker.demo.received import Received


def message(answer: Answer, received: Received) -> dict[str, Any]:
    """Return the whole answer as one message."""
    return _message(received) | {
        "content": [_block(block) for block in answer.blocks],
        "stop_reason": _stop_reason(answer),
        "usage": {"input_tokens": received.tokens, "output_tokens": len(answer.text) // 4 + 1},
    }


def events(answer: Answer, received: Received) -> Iterator[bytes]:
    """Yield the answer as server-sent events."""
    start = _message(received) | {"usage": {"input_tokens": received.tokens, "output_tokens": 1}}
    yield _event("message_start", message=start)
    streams = [_block_events(index, block) for index, block in enumerate(answer.blocks)]
    if answer.interleaved:  # all blocks begin in order, then one delta of each in turn
        yield from [next(stream) for stream in streams]
        rounds = itertools.zip_longest(*streams)
        streams = [iter([event for event in events if event]) for events in rounds]
    yield _event("ping")
    yield from itertools.chain.from_iterable(streams)
    delta = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
    yield _event("message_delta", delta=delta, usage={"output_tokens": len(answer.text) // 4 + 1})
    yield _event("message_stop")


def error(failure: Failure) -> dict[str, Any]:
    """Return `failure` in the API's own shape."""
    return {"type": "error", "error": {"type": failure.kind, "message": failure.message}}


def objection(received: Received) -> Failure | None:
    """Return what the real API would refuse: a signed block that was changed, a result of a tool that it never called.

    These are the two ways in which a gateway that touches too much breaks a conversation.
    """
    called: set[str] = set()
    for number, item in enumerate(received.items):
        blocks = item.get("content")
        for place, block in enumerate(blocks if isinstance(blocks, list) else []):
            where = f"messages.{number}.content.{place}"
            if block.get("type") == "thinking" and block.get("signature") != sign(block.get("thinking", "")):
                return Failure(400, "invalid_request_error", f"{where}: Invalid `signature` in `thinking` block")
            if block.get("type") == "tool_use":
                called.add(block["id"])
            if block.get("type") == "tool_result" and block.get("tool_use_id") not in called:
                return Failure(400, "invalid_request_error", f"{where}: unexpected `tool_use_id` in a `tool_result`")
    return None


def _message(received: Received) -> dict[str, Any]:
    return {
        "id": f"msg_01{secrets.token_hex(11)}",
        "type": "message",
        "role": "assistant",
        "model": received.body.get("model", "stand-in"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _stop_reason(answer: Answer) -> str:
    return "tool_use" if answer.calls else "end_turn"


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Thinking):
        return {"type": "thinking", "thinking": block.text, "signature": block.signature}
    if isinstance(block, Call):
        return {"type": "tool_use", "id": f"toolu_01{secrets.token_hex(11)}", "name": block.name, "input": block.input}
    return {"type": "text", "text": block.text}


def _block_events(index: int, block: Block) -> Iterator[bytes]:
    empty: dict[type[Block], dict[str, Any]] = {
        Thinking: {"thinking": "", "signature": ""},
        Say: {"text": ""},
        Call: {"input": {}},
    }
    yield _event("content_block_start", index=index, content_block=_block(block) | empty[type(block)])
    for delta in _deltas(block):
        yield _event("content_block_delta", index=index, delta=delta)
    yield _event("content_block_stop", index=index)


def _deltas(block: Block) -> Iterator[dict[str, str]]:
    if isinstance(block, Thinking):
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in pieces(block.text))
        yield {"type": "signature_delta", "signature": block.signature}
    elif isinstance(block, Call):
        yield {"type": "input_json_delta", "partial_json": ""}  # the real API begins with an empty one
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in pieces(block.arguments))
    else:
        yield from ({"type": "text_delta", "text": piece} for piece in pieces(block.text))


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **fields}) + b"\n\n"
