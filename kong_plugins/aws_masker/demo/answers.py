"""What the stand-in model answers, before any API's wire format, and how an answer is cut into deltas."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kong_plugins.aws_masker.demo.received import Received

_SIZES = (1, 2, 5, 3, 11, 4, 7)
"""Lengths of deltas, in characters: short and uneven, so that every placeholder is cut somewhere in the middle."""


@dataclass(frozen=True)
class Thinking:
    """A block of reasoning; it is signed, so a gateway that changes it is found out on the next turn."""

    text: str

    @property
    def signature(self) -> str:
        """Stands for the provider's signature of the thinking text."""
        return sign(self.text)


@dataclass(frozen=True)
class Say:
    """A block of text."""

    text: str


@dataclass(frozen=True)
class Call:
    """A call of the client's tool `name`."""

    name: str
    input: dict[str, Any]

    @property
    def arguments(self) -> str:
        """The input as the JSON text that a model writes."""
        return json.dumps(self.input, ensure_ascii=False)


Block = Thinking | Say | Call


@dataclass(frozen=True)
class Answer:
    """One turn of the model: its blocks in order."""

    blocks: tuple[Block, ...]
    interleaved: bool = field(default=False, kw_only=True)
    """Stream the blocks' deltas in turn instead of one block after the other."""

    @property
    def calls(self) -> list[Call]:
        """The tool calls among the blocks."""
        return [block for block in self.blocks if isinstance(block, Call)]

    @property
    def text(self) -> str:
        """All blocks of text, one after the other."""
        return "".join(block.text for block in self.blocks if isinstance(block, Say))


@dataclass(frozen=True)
class Failure:
    """An error of the API instead of an answer."""

    status: int
    kind: str
    message: str


Script = Callable[[Received], Answer | Failure]
"""The model: from what it received to what it says."""


def sign(thinking: str) -> str:
    """Return a signature of `thinking` that only the stand-in has any use for."""
    return base64.b64encode(hmac.digest(b"stand-in", thinking.encode(errors="surrogatepass"), hashlib.sha256)).decode()


def pieces(text: str) -> Iterator[str]:
    """Cut `text` into deltas of uneven sizes."""
    at = 0
    for size in itertools.cycle(_SIZES):
        if at >= len(text):
            return
        yield text[at : at + size]
        at += size


def turns(*scripts: Script) -> Script:
    """Return a script that answers with the n-th of `scripts` on the conversation's n-th turn, then with the last.

    The turn is read off the request, not counted here, so a request that is sent twice gets the same answer twice.
    """

    def script(received: Received) -> Answer | Failure:
        return scripts[min(received.turn, len(scripts) - 1)](received)

    return script
