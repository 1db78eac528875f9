"""OpenAI's Chat Completions on the stand-in's side: an `Answer` as JSON or as the chunks of a stream."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator
from typing import Any

import orjson

from kong_plugins.aws_masker.demo.answers import Answer, Call, Failure, pieces
from kong_plugins.aws_masker.demo.received import Received


def completion(answer: Answer, received: Received) -> dict[str, Any]:
    """Return the whole answer as one completion."""
    spoken: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.calls:
        spoken["tool_calls"] = [_call(call) for call in answer.calls]
    choice = {"index": 0, "message": spoken, "logprobs": None, "finish_reason": _finish_reason(answer)}
    return _envelope("chat.completion", received) | {"choices": [choice], "usage": _usage(answer, received)}


def chunks(answer: Answer, received: Received) -> Iterator[bytes]:
    """Yield the answer as server-sent events."""
    envelope = _envelope("chat.completion.chunk", received)

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event(envelope | {"choices": [choice]})

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    streams = [[{"content": piece} for piece in pieces(answer.text)]]
    streams += [list(_call_deltas(index, call)) for index, call in enumerate(answer.calls)]
    if answer.interleaved:
        streams = [[delta for delta in deltas if delta] for deltas in itertools.zip_longest(*streams)]
    yield from (chunk(delta) for delta in itertools.chain.from_iterable(streams))
    yield chunk({}, _finish_reason(answer))
    if (received.body.get("stream_options") or {}).get("include_usage"):
        yield _event(envelope | {"choices": [], "usage": _usage(answer, received)})
    yield b"data: [DONE]\n\n"


def error(failure: Failure) -> dict[str, Any]:
    """Return `failure` in the API's own shape (Responses has the same)."""
    return {"error": {"message": failure.message, "type": failure.kind, "param": None, "code": None}}


def _envelope(kind: str, received: Received) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(14)}",
        "object": kind,
        "created": int(time.time()),
        "model": received.body.get("model", "stand-in"),
    }


def _finish_reason(answer: Answer) -> str:
    return "tool_calls" if answer.calls else "stop"


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}


def _call_deltas(index: int, call: Call) -> Iterator[dict[str, Any]]:
    start = _call(call)
    start["function"]["arguments"] = ""
    yield {"tool_calls": [{"index": index} | start]}
    for piece in pieces(call.arguments):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _usage(answer: Answer, received: Received) -> dict[str, int]:
    spoken = len(answer.text) // 4 + 1
    return {
        "prompt_tokens": received.tokens,
        "completion_tokens": spoken,
        "total_tokens": received.tokens + spoken,
    }


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"
