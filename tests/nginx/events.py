"""Streams as the API sends them, and as a client reads them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from threading import Condition
from typing import Any

import anyio.to_thread
import httpx2
import orjson
import re2
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from kong_plugins.aws_masker.demo import anthropic_api, openai_chat, openai_responses
from kong_plugins.aws_masker.demo.answers import Answer, Call, Say
from kong_plugins.aws_masker.demo.received import Received

PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions", "responses": "/v1/responses"}
PATIENCE = 20.0
"""Seconds for which the API waits for the client before it gives up."""
TYPE = b"text/event-stream; charset=utf-8"


def answer(received: Received) -> Answer:
    """Say what was said last, and call a tool with it."""
    return Answer((Say(received.latest), Call("shell", {"command": f"echo '{received.latest}'"})))


def events_of(api: str, received: Received) -> list[bytes]:
    """Return `answer` as the events of a stream."""
    said = answer(received)
    if api == "messages":
        return list(anthropic_api.events(said, received))
    if api == "chat":
        return list(openai_chat.chunks(said, received))
    return list(openai_responses.events(openai_responses.response(said, received)))


def question(api: str, text: str, **more: Any) -> bytes:
    """Return a request for a stream."""
    key = "input" if api == "responses" else "messages"
    body = {"model": "m", key: [{"role": "user", "content": text}], "stream": True, **more}
    return orjson.dumps(body | ({"max_tokens": 9} if api == "messages" else {}))


def told(api: str, stream: bytes) -> tuple[str, str]:
    """Return the text and the tool's command that a client puts together from a stream."""
    text, arguments = [], []
    for line in stream.replace(b"\r\n", b"\n").splitlines():
        if not line.startswith(b"data: {"):
            continue
        data = orjson.loads(line[6:])
        if api == "messages":
            delta = data.get("delta") or {}
            text.append(delta.get("text", ""))
            arguments.append(delta.get("partial_json", ""))
        elif api == "chat":
            for choice in data["choices"]:
                text.append(choice["delta"].get("content") or "")
                for call in choice["delta"].get("tool_calls", []):
                    arguments.append(call["function"].get("arguments", ""))
        else:
            kinds = {"response.output_text.delta": text, "response.function_call_arguments.delta": arguments}
            kinds.get(data["type"], []).append(data.get("delta", ""))
    return "".join(text), orjson.loads("".join(arguments))["command"]


def crlf(event: bytes) -> bytes:
    """Return an event with the other line ends that the standard allows."""
    return event.replace(b"\n", b"\r\n")


def streamed(api: str, change: Callable[[bytes], bytes] = bytes, width: int = 0) -> ASGIApp:
    """Return an API that sends its events changed, in chunks of `width` bytes if that is not 0."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        whole = b"".join(change(event) for event in events_of(api, received_by(scope)))

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(whole), width or len(whole)):
                yield whole[at : at + (width or len(whole))]

        await StreamingResponse(chunks(), headers={"content-type": TYPE.decode()})(scope, receive, send)

    return app


def received_by(scope: Scope) -> Received:
    """Return the request's body, which the stand-in has read already."""
    body: bytes = scope["state"]["body"]
    return Received(orjson.loads(body))


class Turns:
    """An API that sends an event only when the client has got the one before; each carries its number."""

    def __init__(self, api: str, change: Callable[[bytes], bytes] = bytes) -> None:
        self._api, self._change = api, change
        self._seen = Condition()
        self._got = -1
        self.sent = 0
        self.ended = False
        self.late: int | None = None
        """The number of an event that the client did not get in time."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        events = events_of(self._api, received_by(scope))

        async def chunks() -> AsyncIterator[bytes]:
            for number, event in enumerate(events):
                self.sent += 1
                yield self._change(event.replace(b"data: {", b'data: {"n":%d,' % number, 1))
                if b"data: {" in event and not await anyio.to_thread.run_sync(self._wait, number):
                    self.late = number
                    return
            self.ended = True

        await StreamingResponse(chunks(), headers={"content-type": TYPE.decode()})(scope, receive, send)

    def _wait(self, number: int) -> bool:
        with self._seen:
            return self._seen.wait_for(lambda: self._got >= number, PATIENCE)

    def acknowledge(self, number: int) -> None:
        """Tell that the client has got event `number`."""
        with self._seen:
            self._got = number
            self._seen.notify()


_NUMBER = re2.compile(rb'"n":(\d+)')


def acknowledged(response: httpx2.Response, turns: Turns) -> Iterator[tuple[float, bytes]]:
    """Read a stream, telling the API of each whole event; yields when each chunk came, and the chunk."""
    pending = b""
    for chunk in response.iter_raw():
        yield time.perf_counter(), chunk
        pending += chunk.replace(b"\r\n", b"\n")
        while b"\n\n" in pending:
            event, _, pending = pending.partition(b"\n\n")
            number = _NUMBER.search(event)
            if number:
                turns.acknowledge(int(number.group(1)))
