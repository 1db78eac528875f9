"""A stand-in for Bedrock's runtime API, its frames written by a few lines of their own, and agents on its SDKs."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import boto3  # type: ignore[import-untyped,unused-ignore]
import orjson
from botocore import UNSIGNED  # type: ignore[import-untyped,unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped,unused-ignore]
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from kong_plugins.aws_masker.demo import anthropic_api
from kong_plugins.aws_masker.demo.answers import Answer, Block, Call, Failure, Script, Thinking, pieces
from kong_plugins.aws_masker.demo.received import Received
from kong_plugins.aws_masker.demo.standin import StandIn
from tests.e2e.agents import TOOL, Outcome, Shell

REGION = "eu-central-1"
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
LLAMA = "meta.llama3-70b-instruct-v1:0"
_PARAMETERS = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}


class Bedrock(StandIn):
    """Answers on Bedrock's paths: Claude by InvokeModel and Converse, and a Llama that only completes."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self._routes.routes[:0] = [
            Route("/model/{model:path}/invoke", self._invoke, methods=["POST"]),
            Route("/model/{model:path}/invoke-with-response-stream", self._invoke_stream, methods=["POST"]),
            Route("/model/{model:path}/converse", self._converse, methods=["POST"]),
            Route("/model/{model:path}/converse-stream", self._converse_stream, methods=["POST"]),
            Route("/model/{model:path}/count-tokens", self._count, methods=["POST"]),
        ]

    async def _asked(self, request: Request) -> tuple[Received, Answer | Failure]:
        received = Received(orjson.loads(await request.body()))
        if "prompt" in received.body:
            received = Received({"messages": [{"role": "user", "content": received.body["prompt"]}]})
        return received, anthropic_api.objection(received) or self.script(received)

    async def _invoke(self, request: Request) -> Response:
        received, answer = await self._asked(request)
        if isinstance(answer, Failure):
            return _failed(answer)
        if "llama" in request.path_params["model"]:
            return Response(orjson.dumps({"generation": answer.text, "stop_reason": "stop"}), 200, {}, _JSON)
        return Response(orjson.dumps(anthropic_api.message(answer, received)), 200, {}, _JSON)

    async def _invoke_stream(self, request: Request) -> Response:
        received, answer = await self._asked(request)
        if isinstance(answer, Failure):
            return _failed(answer)
        if "llama" in request.path_params["model"]:
            events = [json.dumps({"generation": piece, "stop_reason": None}).encode() for piece in pieces(answer.text)]
            events.append(b'{"generation":"","stop_reason":"stop"}')
        else:
            events = [event.partition(b"data: ")[2].strip() for event in anthropic_api.events(answer, received)]
        coded = (base64.b64encode(event).decode() for event in events)
        return _stream(_event("chunk", {"bytes": text, "p": "abcdefghij"}) for text in coded)

    async def _converse(self, request: Request) -> Response:
        _, answer = await self._asked(request)
        if isinstance(answer, Failure):
            return _failed(answer)
        message = {"role": "assistant", "content": [_block(number, one) for number, one in enumerate(answer.blocks)]}
        reason = "tool_use" if answer.calls else "end_turn"
        usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
        whole = {"output": {"message": message}, "stopReason": reason, "usage": usage, "metrics": {"latencyMs": 1}}
        return Response(orjson.dumps(whole), 200, {}, _JSON)

    async def _converse_stream(self, request: Request) -> Response:
        _, answer = await self._asked(request)
        if isinstance(answer, Failure) and answer.status != 200:
            return _failed(answer)
        return _stream(_converse_frames(answer))

    async def _count(self, request: Request) -> Response:
        given = orjson.loads(await request.body())["input"]
        counted = (
            given["converse"] if "converse" in given else orjson.loads(base64.b64decode(given["invokeModel"]["body"]))
        )
        return Response(orjson.dumps({"inputTokens": len(orjson.dumps(counted))}), 200, {}, _JSON)


_JSON = "application/json"


def _failed(failure: Failure) -> Response:
    return Response(
        orjson.dumps({"message": failure.message}), failure.status, {"x-amzn-ErrorType": failure.kind}, _JSON
    )


def _converse_frames(answer: Answer | Failure) -> Iterator[bytes]:
    """Frames of an answer; of a failure with status 200, the exception that ends a stream."""
    yield _event("messageStart", {"role": "assistant", "p": "ab"})
    if isinstance(answer, Failure):
        yield _event(answer.kind, {"message": answer.message}, "exception")
        return
    for index, block in enumerate(answer.blocks):
        if isinstance(block, Call):
            start = {"toolUse": {"toolUseId": f"tooluse_{index}", "name": block.name}}
            yield _event("contentBlockStart", {"contentBlockIndex": index, "start": start})
        for delta in _deltas(block):
            yield _event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abcd"})
        yield _event("contentBlockStop", {"contentBlockIndex": index, "p": "abc"})
    yield _event("messageStop", {"stopReason": "tool_use" if answer.calls else "end_turn"})
    yield _event(
        "metadata", {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}}
    )


def _block(index: int, block: Block) -> dict[str, Any]:
    if isinstance(block, Thinking):
        return {"reasoningContent": {"reasoningText": {"text": block.text, "signature": block.signature}}}
    if isinstance(block, Call):
        return {"toolUse": {"toolUseId": f"tooluse_{index}", "name": block.name, "input": block.input}}
    return {"text": block.text}


def _deltas(block: Block) -> Iterator[dict[str, Any]]:
    if isinstance(block, Thinking):
        yield from ({"reasoningContent": {"text": piece}} for piece in pieces(block.text))
        yield {"reasoningContent": {"signature": block.signature}}
    elif isinstance(block, Call):
        yield from ({"toolUse": {"input": piece}} for piece in pieces(block.arguments))
    else:
        yield from ({"text": piece} for piece in pieces(block.text))


def _event(kind: str, payload: dict[str, Any], message: str = "event") -> bytes:
    typed = ":event-type" if message == "event" else ":exception-type"
    headers = _header(typed, kind) + _header(":content-type", _JSON) + _header(":message-type", message)
    body = orjson.dumps(payload)
    head = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    head += struct.pack("!I", zlib.crc32(head))
    return head + headers + body + struct.pack("!I", zlib.crc32(head + headers + body))


def _header(name: str, value: str) -> bytes:
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()


def _stream(frames: Iterator[bytes]) -> Response:
    async def cut() -> AsyncIterator[bytes]:
        for frame in frames:
            yield frame[: len(frame) // 3]
            yield frame[len(frame) // 3 :]

    return StreamingResponse(cut(), media_type="application/vnd.amazon.eventstream")


@contextmanager
def bedrock_client(url: str) -> Iterator[Any]:
    """Anthropic's SDK for Bedrock, with an API key of Bedrock's."""
    with anthropic.AnthropicBedrock(base_url=url, api_key="anything", aws_region=REGION, max_retries=0) as client:
        yield client


def runtime(url: str) -> Any:
    """AWS's SDK; it takes its credentials, and whose certificates it trusts, from the environment.

    Without TLS it sends none: what comes after the masker is then to sign.
    """
    unsigned = {} if url.startswith("https:") else {"signature_version": UNSIGNED}
    config = Config(retries={"total_max_attempts": 1}, proxies={}, **unsigned)
    return boto3.Session().client("bedrock-runtime", region_name=REGION, endpoint_url=url, config=config)


def by_converse(url: str, question: str, shell: Shell, *, stream: bool, model: str = CLAUDE) -> Outcome:
    """An agent on AWS's SDK."""
    client = runtime(url)
    outcome = Outcome(conversation=[{"role": "user", "content": [{"text": question}]}])
    specification = {"name": TOOL, "description": "Runs a command.", "inputSchema": {"json": _PARAMETERS}}
    tools = {"tools": [{"toolSpec": specification}]}
    ask: Callable[..., dict[str, Any]] = _streamed if stream else _whole
    while True:
        message = ask(client, modelId=model, messages=outcome.conversation, toolConfig=tools)
        outcome.text = "".join(block.get("text", "") for block in message["content"])
        results = []
        for block in message["content"]:
            if "toolUse" in block:
                outcome.commands.append(block["toolUse"]["input"]["command"])
                told = [{"text": shell(outcome.commands[-1])}]
                results.append({"toolResult": {"toolUseId": block["toolUse"]["toolUseId"], "content": told}})
        if not results:
            return outcome
        outcome.conversation += [message, {"role": "user", "content": results}]


def _whole(client: Any, **asked: Any) -> dict[str, Any]:
    message: dict[str, Any] = client.converse(**asked)["output"]["message"]
    return message


def _streamed(client: Any, **asked: Any) -> dict[str, Any]:
    """Return the message that the events of a stream make."""
    blocks: dict[int, dict[str, Any]] = {}
    for event in client.converse_stream(**asked)["stream"]:
        ((kind, told),) = event.items()
        if kind == "contentBlockStart":
            blocks[told["contentBlockIndex"]] = {"toolUse": {**told["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta":
            _add(blocks.setdefault(told["contentBlockIndex"], {}), told["delta"])
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
        elif "reasoningContent" in block:
            block["reasoningContent"] = {"reasoningText": block["reasoningContent"]}
    return {"role": "assistant", "content": [blocks[index] for index in sorted(blocks)]}


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if isinstance(value, str):
            block[name] = block.get(name, "") + value
        else:
            _add(block.setdefault(name, {}), value)
