"""The API: it checks that no value arrives, repeats what it got and more, and breaks as planned."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from kong_plugins.aws_masker.demo import anthropic_api, openai_chat
from kong_plugins.aws_masker.demo.answers import Answer, Failure, Say
from kong_plugins.aws_masker.demo.received import Received
from tests.faults.plan import Request
from tests.faults.planted import owners, placeholder_after, recalled
from tests.proxy.harness import Exchange, headers_of

_STALL = 3.0
_KEPT = 200


class Sent(NamedTuple):
    """How the API answered a request."""

    kind: str
    masked: str
    """The text that it got, and repeated."""
    tail: list[tuple[str, set[str]]]
    """Lines that it added: each with what the client may get for it."""
    body: bytes
    """The whole body, be it that it sent all of it or not."""
    status: int = 200


@dataclass
class Api:
    """Its state; `plan` by number of request."""

    plan: Mapping[int, Request]
    violations: list[str] = field(default_factory=list)
    sent: dict[int, list[Sent]] = field(default_factory=lambda: defaultdict(list))
    received: int = 0
    _standing: dict[int, str] = field(default_factory=dict)
    _earlier: dict[int, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a request; the connection is closed afterwards."""
        self.received += 1
        headers = {name.lower(): value for name, value in headers_of(exchange.head)}
        number = int(headers.get(b"x-number", b"0"))
        found = owners(exchange.head) | owners(exchange.body)
        if found:
            self.violations.append(f"request {number}: a value of tenant {sorted(found)} reached the API")
        await self._answer(exchange, self.plan[number])
        exchange.writer.close()

    async def _answer(self, exchange: Exchange, request: Request) -> None:
        received = Received(orjson.loads(exchange.body))
        masked = str(received.body["messages"][-1]["content"])
        tail = self._tail(request, masked)
        said = "\n".join([masked, *(line for line, _ in tail)])
        body, status, kind = _body(request, received, said)
        self.sent[request.number].append(Sent(request.upstream, masked, tail, body, status))
        if request.upstream == "refuse":
            exchange.reset()
            return
        if request.upstream == "not http":
            await exchange.send(body)
            return
        await _send(exchange, request, _wire(request, body, status, kind))

    def _tail(self, request: Request, masked: str) -> list[tuple[str, set[str]]]:
        """Return a placeholder of another tenant, and one of an earlier request of this tenant's."""
        lines: list[tuple[str, set[str]]] = []
        own = placeholder_after(masked, "standing")
        if own is not None:
            self._standing[request.tenant] = own
        foreign = self._standing.get(request.foreign)
        if foreign is not None:
            lines.append((f"foreign {foreign}", {f"foreign {foreign}"}))
        earlier = self._earlier[request.tenant]
        if len(earlier) >= request.recall:
            number, placeholder = earlier[-request.recall]
            line = f"earlier {placeholder}"
            lines.append((line, {line, f"earlier {recalled(request.tenant, number)}"}))
        instance = placeholder_after(masked, "instance")
        if instance is not None:
            earlier.append((request.number, instance))
            del earlier[:-_KEPT]
        return lines


def _body(request: Request, received: Received, said: str) -> tuple[bytes, int, bytes]:
    """Return the body, its status and its content type."""
    stream = b"text/event-stream; charset=utf-8" if request.stream else b"application/json"
    answer = Answer((Say(said),))
    module: Any = anthropic_api if request.api == "messages" else openai_chat
    if request.upstream == "error":
        return orjson.dumps(module.error(Failure(529, "overloaded_error", said))), 529, b"application/json"
    if request.upstream == "not http":
        return random.Random(request.number).randbytes(40) + b"\r\n\r\n", 200, stream
    if request.upstream == "garbage":
        return random.Random(request.number).randbytes(600), 200, stream
    if request.stream:
        events = module.events if request.api == "messages" else module.chunks
        body = b"".join(events(answer, received))
    else:
        body = orjson.dumps((module.message if request.api == "messages" else module.completion)(answer, received))
    return body[: int(len(body) * request.at)] if request.upstream == "early" else body, 200, stream


def _wire(request: Request, body: bytes, status: int, kind: bytes) -> bytes:
    head = b"HTTP/1.1 %d X\r\ncontent-type: %b\r\nconnection: close\r\n" % (status, kind)
    if not request.chunked:
        return head + b"content-length: %d\r\n\r\n" % len(body) + body
    chunks = [body[at : at + 700] for at in range(0, len(body), 700)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"transfer-encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


async def _send(exchange: Exchange, request: Request, wire: bytes) -> None:
    kind = request.upstream
    if kind in ("cut", "reset", "stall"):
        await exchange.send(wire[: int((len(wire) - 1) * request.at)])
        if kind == "stall":
            await asyncio.sleep(_STALL)
        if kind != "cut":
            exchange.reset()
        return
    if kind != "slow":
        await exchange.send(wire)
        return
    step = len(wire) // 8 + 1
    for at in range(0, len(wire), step):
        await exchange.send(wire[at : at + step])
        await asyncio.sleep(0.1 * request.at)
