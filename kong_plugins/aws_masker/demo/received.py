"""A request as the stand-in received it, raw and as a model would read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from kong_plugins.aws_masker.wire import codings

_LIMIT = 1 << 30
"""Bytes that a body may decompress to."""
_UNREAD = frozenset(
    {"type", "role", "id", "tool_use_id", "tool_call_id", "call_id", "signature", "cache_control", "name"}
)
"""Fields that a model does not read as text."""


@dataclass(frozen=True)
class Recorded:
    """One raw request: nothing parsed, nothing normalised."""

    method: str
    target: bytes
    """Path and query as sent."""
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def path(self) -> str:
        """The path without the query."""
        return self.target.split(b"?")[0].decode("latin-1")

    @cached_property
    def content(self) -> bytes:
        """The body without its content codings."""
        applied = codings.listed(value for name, value in self.headers if name.lower() == b"content-encoding")
        return codings.decode(self.body, applied, _LIMIT)

    @property
    def raw(self) -> bytes:
        """Everything that arrived, in one piece, to search in; a compressed body also as what it holds."""
        lines = [self.method.encode() + b" " + self.target, *(name + b": " + value for name, value in self.headers)]
        return b"\n".join([*lines, b"", self.body, self.content])


@dataclass(frozen=True)
class Received:
    """The JSON body of a request to generate, with what scripts ask for, whichever API it came by."""

    body: dict[str, Any]
    before: tuple[dict[str, Any], ...] = ()
    """Items of earlier responses that this request refers to (OpenAI's `previous_response_id`)."""

    @cached_property
    def items(self) -> list[dict[str, Any]]:
        """The conversation: messages of Anthropic and Chat Completions, items of Responses."""
        entries = self.body.get("messages", self.body.get("input", []))
        if isinstance(entries, str):
            entries = [{"role": "user", "content": entries}]
        return [*self.before, *entries]

    @cached_property
    def turn(self) -> int:
        """How often the model has spoken already; adjoining items of its own are one turn."""
        mine = [_is_models(item) for item in self.items]
        return sum(1 for previous, this in zip([False, *mine], mine, strict=False) if this and not previous)

    @cached_property
    def tools(self) -> frozenset[str]:
        """Names of the tools that the client offers."""
        offered = self.body.get("tools") or []
        return frozenset(tool.get("name") or tool.get("function", {}).get("name", "") for tool in offered)

    @cached_property
    def text(self) -> str:
        """What the user and the tools have said so far, one string a line."""
        return "\n".join(leaf for item in self.items if not _is_models(item) for leaf in _strings(item))

    @cached_property
    def latest(self) -> str:
        """What the user and the tools have said since the model spoke last."""
        entries: list[str] = []
        for item in reversed(self.items):
            if _is_models(item):
                break
            entries[:0] = _strings(item)
        return "\n".join(entries)

    @property
    def tokens(self) -> int:
        """About as many tokens as the request has."""
        return max(1, len(orjson.dumps(self.body)) // 4)


def _is_models(item: dict[str, Any]) -> bool:
    return item.get("role") == "assistant" or item.get("type") in {"function_call", "reasoning"}


def _strings(node: Any) -> Iterator[str]:
    """Yield the string leaves of `node` that a model reads."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in _UNREAD:
                yield from _strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value)
