"""Rules that all APIs share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Scope

TEXT = Rule()
"""Prose: every string below it is masked, no key is."""

FREE = Rule(Leaf.DATA)
"""Free-form data, such as a tool's input: a key may be a value as well, and `id`, `name` and `type` are data."""

KEEP = Rule(Leaf.KEEP, other=TEXT)
"""A string, or an array of strings, of the protocol. An object in this place is none, so its strings are masked."""

SIGNED = Rule(Leaf.SIGNED)
"""Text under a signature."""

URL = Rule(Leaf.URL, other=TEXT)
BLOB = Rule(Leaf.BLOB, other=TEXT)
BINARY = Rule(Leaf.BINARY, other=TEXT)
ENCODED = Rule(Leaf.ENCODED, other=TEXT)
JSON = Rule(Leaf.JSON, pick=lambda _: FREE)
"""A JSON text in a string. APIs that send the same data as an object get it treated as such."""

JSON_PIECE = Rule(Leaf.JSON_PIECE)


def kept(*names: str) -> dict[str, Rule]:
    """Return fields whose strings belong to the protocol."""
    return dict.fromkeys(names, KEEP)


PIECE = Rule(Leaf.PIECE, fields=kept("type", "id", "role"))


def _schema() -> Rule:
    schema = Rule()
    by_name = Rule(other=schema)  # property names are any words, so a property called `type` is not the keyword
    schema.fields |= kept("type", "$ref", "$schema", "$id", "$anchor", "$dynamicRef", "required", "format")
    schema.fields |= {"dependentRequired": Rule(Leaf.KEEP)}
    schema.fields |= dict.fromkeys(("properties", "patternProperties", "$defs", "definitions"), by_name)
    schema.fields |= {"dependentSchemas": by_name}
    schema.fields |= dict.fromkeys(("const", "default", "enum", "example", "examples"), FREE)
    return schema


SCHEMA = _schema()
"""A JSON Schema: descriptions and literal values are masked; property names, types and references are kept."""


def type_of(node: Mapping[str, Any]) -> str:
    """Return the `type` of an object, empty where it has none or where that is no string."""
    kind = node.get("type")
    return kind if isinstance(kind, str) else ""


class Policy(NamedTuple):
    """Where an API has its texts."""

    request: Rule
    response: Rule
    event: Rule
    """Of the events of a stream."""
    ended: Callable[[Mapping[str, Any], Collection[Scope]], Collection[Scope]]
    """From an event, and the blocks of which pieces have come, to those blocks that end with it or before it."""


def none_ended(_event: Mapping[str, Any], _open: Collection[Scope]) -> Collection[Scope]:
    """Return no blocks: for APIs without blocks that arrive in pieces."""
    return ()
