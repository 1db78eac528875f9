"""Masking a text and turning it back, whole, in pieces, and through the streams of the three APIs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from kong_plugins.aws_masker.demo import anthropic_api, openai_chat, openai_responses
from kong_plugins.aws_masker.demo.answers import Answer, Call, Say
from kong_plugins.aws_masker.demo.received import Received
from kong_plugins.aws_masker.masking import Masker, StreamRestorer, restore
from kong_plugins.aws_masker.pipeline import ResponseRestorer
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Lookup, Text, values_of
from kong_plugins.aws_masker.wire.providers import Api

SETTINGS = Settings()


class Masked(NamedTuple):
    """A text, masked."""

    text: bytes
    found: list[tuple[str, bytes]]
    """Family and value of each distinct finding."""
    lookup: Lookup


def mask(masker: Masker, text: bytes) -> Masked:
    """Mask `text` as a request of its own."""
    session = masker.session()
    (new,) = session.mask([Text(text)])
    found = [(entry.family, entry.value) for entry in session.mapping.values()]
    return Masked(text if new is None else new, found, masker.lookup(values_of(session.mapping)))


@dataclass
class Fidelity:
    """How many texts came back byte for byte, by the way they went."""

    texts: Counter[str] = field(default_factory=Counter)
    size: int = 0
    values: int = 0
    broken: dict[str, list[str]] = field(default_factory=dict)
    """By the way: the names of the texts that did not come back."""

    def see(self, way: str, name: str, same: bool) -> None:
        """Count one text."""
        self.texts[way] += 1
        if not same:
            self.broken.setdefault(way, []).append(name)


WHOLE, PIECES = "whole", "in random pieces of 1 to 40 bytes"
_STREAMED = 6_000
"""Bytes of a text that go through the APIs' streams."""


def check(masker: Masker, texts: Iterable[tuple[str, bytes]], every: int, seed: int = 0) -> Fidelity:
    """Mask and restore each text whole and in pieces.

    The first text that changes, and each `every`-th after it, goes through the streams of the APIs as well.
    """
    rng = random.Random(seed)
    result = Fidelity()
    changed = 0
    for name, text in texts:
        masked = mask(masker, text)
        result.size += len(text)
        result.values += len(masked.found)
        result.see(WHOLE, name, restore(masked.text, masked.lookup) == text)
        if masked.text == text:
            continue
        result.see(PIECES, name, in_pieces(masked, rng) == text)
        changed += 1
        if (changed - 1) % every == 0:
            start = text[:_STREAMED].decode("utf-8", "ignore").encode()
            for api, said, arguments in _streams(mask(masker, start), start):
                result.see(f"{api}: stream of text", name, said)
                result.see(f"{api}: arguments of a tool call", name, arguments)
    return result


def in_pieces(masked: Masked, rng: random.Random) -> bytes:
    """Return the text that comes back if the masked one arrives in random pieces."""
    restorer = StreamRestorer(masked.lookup)
    out, at = [], 0
    while at < len(masked.text):
        end = at + rng.randrange(1, 41)
        out.append(restorer.feed(masked.text[at:end]))
        at = end
    return b"".join((*out, restorer.flush()))


def _streams(masked: Masked, text: bytes) -> Iterator[tuple[str, bool, bool]]:
    """Let a model say the masked text, and call a tool with it, in each API's stream; compare what the client gets."""
    answer = Answer((Say(masked.text.decode()), Call("write", {"content": masked.text.decode()})))
    received = Received({"model": "m", "messages": [], "stream": True})
    whole = openai_responses.response(answer, received)
    for name, api, events in (
        ("Messages", Api.ANTHROPIC, list(anthropic_api.events(answer, received))),
        ("Chat Completions", Api.OPENAI_CHAT, list(openai_chat.chunks(answer, received))),
        ("Responses", Api.OPENAI_RESPONSES, list(openai_responses.events(whole))),
    ):
        restorer = ResponseRestorer(api, 200, ((b"content-type", b"text/event-stream"),), masked.lookup, SETTINGS)
        out = b"".join([*(restorer.feed(event) for event in events), restorer.close()])
        said, arguments = _heard(out)
        yield name, said == text, _content(arguments) == text


def _content(arguments: str) -> bytes | None:
    try:
        content: str = orjson.loads(arguments)["content"]
    except (orjson.JSONDecodeError, KeyError):
        return None
    return content.encode()


def _heard(stream: bytes) -> tuple[bytes, str]:
    """Put together the text and the tool call's arguments from a stream's deltas, of whichever API."""
    said, arguments = [], []
    for line in stream.split(b"\n"):
        if not line.startswith(b"data: {"):
            continue
        event = orjson.loads(line[6:])
        kind = event.get("type", "")
        delta = event.get("delta")
        for choice in event.get("choices", ()):
            said.append(choice["delta"].get("content") or "")
            arguments += [call["function"].get("arguments", "") for call in choice["delta"].get("tool_calls", ())]
        if kind == "content_block_delta":
            said.append(delta.get("text", ""))
            arguments.append(delta.get("partial_json", ""))
        elif kind == "response.output_text.delta":
            said.append(delta)
        elif kind == "response.function_call_arguments.delta":
            arguments.append(delta)
    return "".join(said).encode(), "".join(arguments)
