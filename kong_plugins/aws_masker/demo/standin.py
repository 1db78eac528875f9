"""A stand-in for the LLM APIs: it answers like a model that works with what it received, and records every request.

It serves Anthropic Messages and OpenAI Chat Completions and Responses, streaming and not. What it says comes from a
script (see `answers`); where a request breaks what the real API insists on (a changed signature, a tool result without
its call), it refuses as the real one does. `uvicorn --factory kong_plugins.aws_masker.demo.standin:create_app` runs it.
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
from cachetools import LRUCache
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from kong_plugins.aws_masker.demo import anthropic_api, echo, openai_chat, openai_responses
from kong_plugins.aws_masker.demo.answers import Failure, Script
from kong_plugins.aws_masker.demo.received import Received, Recorded

_KEPT = 1000
"""Requests, batches and responses that are remembered; the oldest go first."""


class StandIn:
    """An ASGI application that stands in for an LLM API.

    Attributes:
        script: what it answers; may be replaced at any time.
        requests: every request as it arrived, oldest first, at most the last 1000.
    """

    def __init__(self, script: Script = echo.script) -> None:
        self.script = script
        self.requests: deque[Recorded] = deque(maxlen=_KEPT)
        self._batches: LRUCache[str, list[dict[str, Any]]] = LRUCache(_KEPT)
        self._responses: LRUCache[str, tuple[dict[str, Any], ...]] = LRUCache(_KEPT)
        self._routes = Starlette(
            routes=[
                Route("/", _empty, methods=["GET", "HEAD"]),
                Route("/v1/models", _models),
                Route("/v1/messages", self._messages, methods=["POST"]),
                Route("/v1/messages/count_tokens", self._count_tokens, methods=["POST"]),
                Route("/v1/messages/batches", self._create_batch, methods=["POST"]),
                Route("/v1/messages/batches/{name}", self._batch),
                Route("/v1/messages/batches/{name}/results", self._batch_results),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/responses", self._respond, methods=["POST"]),
                Route("/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            ],
            exception_handlers={orjson.JSONDecodeError: _malformed},
            # The real APIs compress, too. Streams stay plain.
            middleware=[Middleware(GZipMiddleware, minimum_size=200)],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record the request, then answer it."""
        if scope["type"] != "http":
            await self._routes(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        recorded = Recorded(scope["method"], target, tuple(scope["headers"]), body)
        self.requests.append(recorded)
        again: list[Message] = [{"type": "http.request", "body": recorded.content, "more_body": False}]

        async def replay() -> Message:
            return again.pop() if again else await receive()

        await self._routes(scope, replay, send)

    async def _messages(self, request: Request) -> Response:
        received = Received(await _json(request))
        answer = anthropic_api.objection(received) or self.script(received)
        if isinstance(answer, Failure):
            return _reply(anthropic_api.error(answer), answer.status)
        if received.body.get("stream"):
            return _stream(anthropic_api.events(answer, received))
        return _reply(anthropic_api.message(answer, received))

    async def _count_tokens(self, request: Request) -> Response:
        return _reply({"input_tokens": Received(await _json(request)).tokens})

    async def _create_batch(self, request: Request) -> Response:
        name = f"msgbatch_01{secrets.token_hex(11)}"
        self._batches[name] = [self._batch_result(entry) for entry in (await _json(request))["requests"]]
        return self._batch_state(name, request)

    def _batch_result(self, entry: dict[str, Any]) -> dict[str, Any]:
        received = Received(entry["params"])
        answer = anthropic_api.objection(received) or self.script(received)
        if isinstance(answer, Failure):
            result = {"type": "errored", "error": anthropic_api.error(answer)}
        else:
            result = {"type": "succeeded", "message": anthropic_api.message(answer, received)}
        return {"custom_id": entry["custom_id"], "result": result}

    async def _batch(self, request: Request) -> Response:
        name = request.path_params["name"]
        return self._batch_state(name, request) if name in self._batches else await _unknown(request)

    def _batch_state(self, name: str, request: Request) -> Response:
        now = "2025-01-01T00:00:00Z"
        kinds = Counter(line["result"]["type"] for line in self._batches[name])
        none = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        times = {"created_at": now, "expires_at": now, "ended_at": now}
        state = {"id": name, "type": "message_batch", "processing_status": "ended", "request_counts": none | kinds}
        return _reply(state | times | {"results_url": f"{request.base_url}v1/messages/batches/{name}/results"})

    async def _batch_results(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._batches:
            return await _unknown(request)
        lines = b"".join(orjson.dumps(line) + b"\n" for line in self._batches[name])
        return Response(lines, media_type="application/x-jsonl")

    async def _chat(self, request: Request) -> Response:
        received = Received(await _json(request))
        answer = self.script(received)
        if isinstance(answer, Failure):
            return _reply(openai_chat.error(answer), answer.status)
        if received.body.get("stream"):
            return _stream(openai_chat.chunks(answer, received))
        return _reply(openai_chat.completion(answer, received))

    async def _respond(self, request: Request) -> Response:
        body = await _json(request)
        received = Received(body, self._responses.get(body.get("previous_response_id") or "", ()))
        answer = self.script(received)
        if isinstance(answer, Failure):
            return _reply(openai_chat.error(answer), answer.status)
        whole = openai_responses.response(answer, received)
        self._responses[whole["id"]] = (*received.items, *whole["output"])
        return _stream(openai_responses.events(whole)) if body.get("stream") else _reply(whole)


def create_app() -> StandIn:
    """Return a stand-in with its default script."""
    return StandIn()


def _stream(events: Iterator[bytes]) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for event in events:
            middle = len(event) // 3  # so that a network read does not end where an event ends
            yield event[:middle]
            yield event[middle:]

    return StreamingResponse(pieces(), media_type="text/event-stream; charset=utf-8", headers=_headers())


def _headers() -> dict[str, str]:
    return {"request-id": f"req_01{secrets.token_hex(11)}", "cache-control": "no-cache"}


def _reply(data: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, _headers(), "application/json")


async def _json(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(await request.body())
    return body


async def _empty(_: Request) -> Response:
    return Response()


async def _models(request: Request) -> Response:
    if "anthropic-version" in request.headers:
        claude = {"type": "model", "id": "stand-in", "display_name": "Stand-in", "created_at": "2025-01-01T00:00:00Z"}
        return _reply({"data": [claude], "has_more": False, "first_id": "stand-in", "last_id": "stand-in"})
    model = {"id": "stand-in", "object": "model", "created": 1_735_689_600, "owned_by": "stand-in"}
    return _reply({"object": "list", "data": [model]})


async def _malformed(_: Request, __: Exception) -> Response:
    return _reply(anthropic_api.error(Failure(400, "invalid_request_error", "The request body is not valid JSON")), 400)


async def _unknown(request: Request) -> Response:
    return _reply(anthropic_api.error(Failure(404, "not_found_error", request.url.path)), 404)
