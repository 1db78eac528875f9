"""Texts that models say in pieces: whatever the pieces, what the client hears is the whole text, restored."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from itertools import chain, zip_longest
from typing import Any, NamedTuple

import orjson

from kong_plugins.aws_masker.masking import restore
from kong_plugins.aws_masker.wire.eventstream import Reader, framed
from kong_plugins.aws_masker.wire.jsontext import escaped, parse, to_bytes, to_str
from kong_plugins.aws_masker.wire.providers import Api, policy_of
from kong_plugins.aws_masker.wire.streams import EventRestorer, FrameRestorer
from tests.fuzz.bytestream import Input
from tests.fuzz.common import LOOKUP, PLACEHOLDERS, Restoring

_LIMIT = 1 << 20
_TEXT, _CALL = 0, 1
"""The blocks of an answer: what the model says, and the arguments of a tool that it calls."""
Event = dict[str, Any]


class _Way(NamedTuple):
    """How an API sends pieces."""

    api: Api
    piece: Callable[[int, str], Event]
    """From a block and a piece of it to an event."""
    end: Event
    """Ends all blocks."""
    heard: Callable[[Event], Iterator[tuple[int, str]]]
    """The pieces in an event."""


def _anthropic(block: int, piece: str) -> Event:
    delta = {"type": "input_json_delta", "partial_json": piece} if block else {"type": "text_delta", "text": piece}
    return {"type": "content_block_delta", "index": block, "delta": delta}


def _anthropic_heard(event: Event) -> Iterator[tuple[int, str]]:
    delta = event.get("delta", {})
    yield event.get("index", 0), delta.get("text", "") + delta.get("partial_json", "")


def _chat(block: int, piece: str) -> Event:
    delta = {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} if block else {"content": piece}
    return {"id": "c", "choices": [{"index": 0, "delta": delta}]}


def _chat_heard(event: Event) -> Iterator[tuple[int, str]]:
    for choice in event["choices"]:
        yield _TEXT, choice["delta"].get("content", "")
        for call in choice["delta"].get("tool_calls", ()):
            yield _CALL, call["function"]["arguments"]


def _responses(block: int, piece: str) -> Event:
    kind = "function_call_arguments" if block else "output_text"
    return {"type": f"response.{kind}.delta", "output_index": block, "item_id": f"i{block}", "delta": piece}


def _responses_heard(event: Event) -> Iterator[tuple[int, str]]:
    if "delta" in event:
        yield event["output_index"], event["delta"]


def _converse(block: int, piece: str) -> Event:
    return {"contentBlockIndex": block, "delta": {"toolUse": {"input": piece}} if block else {"text": piece}, "p": "ab"}


def _converse_heard(event: Event) -> Iterator[tuple[int, str]]:
    delta = event.get("delta", {})
    yield event.get("contentBlockIndex", 0), delta.get("text", "") + delta.get("toolUse", {}).get("input", "")


_CHAT_END = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
_WAYS = (
    _Way(Api.ANTHROPIC, _anthropic, {"type": "message_stop"}, _anthropic_heard),
    _Way(Api.OPENAI_CHAT, _chat, _CHAT_END, _chat_heard),
    _Way(Api.OPENAI_RESPONSES, _responses, {"type": "response.completed", "response": {}}, _responses_heard),
    _Way(Api.BEDROCK_CONVERSE, _converse, {"stopReason": "end_turn"}, _converse_heard),
    _Way(Api.BEDROCK_INVOKE, _anthropic, {"type": "message_stop"}, _anthropic_heard),
)
_HEADERS = b"\x0b:event-type\x07\x00\x05chunk\x0d:message-type\x07\x00\x05event"
_CONVERSE_HEADERS = _HEADERS.replace(b"\x05chunk", b"\x11contentBlockDelta")


def check(data: bytes) -> None:
    """Say a text and call a tool with another, in pieces that come in turn; put together what the client gets."""
    given = Input(data)
    way, cuts, wire_cuts = given.pick(_WAYS), given.cuts(), given.cuts()
    said, _, argument = given.rest.partition(b"\xff")
    told = _clean(said), _clean(escaped(_clean(argument).encode()))
    pieces = [[to_str(piece) for piece in _characters(cuts.of(to_bytes(text)))] for text in told]
    turns = chain.from_iterable(zip_longest(*([(block, one) for one in pieces[block]] for block in (_TEXT, _CALL))))
    events = [way.piece(*turn) for turn in turns if turn is not None]
    if way.api is Api.OPENAI_CHAT and events and len(data) % 3 == 0:  # the last piece may say that it is the last
        events[-1]["choices"][0]["finish_reason"] = "stop"
    events += [way.end] * (len(data) % 2)
    heard = ["", ""]
    for event in _client(way, events, lambda stream: list(wire_cuts.of(stream))):
        for block, piece in way.heard(event):
            heard[block] += piece
    assert heard[_TEXT] == _whole(told[_TEXT], escape=False), "the text is another"
    assert heard[_CALL] == _whole(told[_CALL], escape=True), "the tool's arguments are others"


def _clean(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _characters(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces, none of them cut within a character."""
    held = b""
    for piece in pieces:
        held += piece
        try:
            held.decode()
        except UnicodeDecodeError:
            continue
        yield held
        held = b""


def _whole(text: str, *, escape: bool) -> str:
    return to_str(restore(text.encode(), LOOKUP, escaped if escape else None))


def _client(way: _Way, events: list[Event], cut: Callable[[bytes], list[bytes]]) -> Iterator[Event]:
    """Yield the events that a client gets."""
    if way.api in (Api.BEDROCK_CONVERSE, Api.BEDROCK_INVOKE):
        yield from _client_of_frames(way, events, cut)
        return
    stream = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    restorer = EventRestorer(policy_of(way.api), Restoring(), _LIMIT)
    out = b"".join([*map(restorer.feed, cut(stream)), restorer.close()])
    for row in out.split(b"\n\n")[:-1]:
        yield parse(row.removeprefix(b"data: "))


def _client_of_frames(way: _Way, events: list[Event], cut: Callable[[bytes], list[bytes]]) -> Iterator[Event]:
    wrap = way.api is Api.BEDROCK_INVOKE
    bodies = [orjson.dumps(event) for event in events]
    stream = b"".join(
        framed(_HEADERS, orjson.dumps({"bytes": base64.b64encode(body).decode()}))
        if wrap
        else framed(_CONVERSE_HEADERS, body)
        for body in bodies
    )
    restorer = FrameRestorer(policy_of(way.api), Restoring(), _LIMIT)
    out = b"".join([*map(restorer.feed, cut(stream)), restorer.close()])
    for frame in Reader(_LIMIT).feed(out):
        assert frame.data is not None
        yield parse(frame.data)


def seeds() -> list[bytes]:
    """Return texts with placeholders as models write them, for each API."""
    made = []
    for number in range(0, len(PLACEHOLDERS) - 3, 3):
        one, other = PLACEHOLDERS[number], PLACEHOLDERS[number + 1]
        head = bytes([number % len(_WAYS), 1 + number % 7, 9, 3, 250, 1 + number % 30, 90])
        made.append(
            head + b"see " + one + b", \xc3\xa4 and " + other[:9] + b"\n" + other[9:] + b"\xff" + one + b'"\n%22'
        )
        made.append(head + one.replace(b"-", b"\\-") + b"%22" + other + b"%22\xff" + other.upper() + one[:8])
    return made
