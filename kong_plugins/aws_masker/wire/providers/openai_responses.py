"""OpenAI: Responses.

Items have the same form in requests, answers and stream events, so one rule, `ITEM`, serves all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kong_plugins.aws_masker.wire.providers.common import (
    BINARY,
    BLOB,
    FREE,
    JSON,
    JSON_PIECE,
    KEEP,
    PIECE,
    SCHEMA,
    URL,
    Policy,
    kept,
    type_of,
)
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Scope

_PROTOCOL = kept(
    "type", "role", "id", "call_id", "item_id", "file_id", "response_id", "container_id", "approval_request_id",
    "previous_response_id", "vector_store_ids", "connector_id", "encrypted_content", "signature",
)  # fmt: skip
# Words like `auto` or `low` are not listed: masking leaves them alone anyway, and what is not listed cannot leak.

_NAMED_TYPES = ("_call", "_approval_request", "function", "custom", "json_schema", "namespace", "mcp")


def _item_of(item: dict[str, Any]) -> Rule:
    kind = type_of(item)
    if kind == "image_generation_call":
        return IMAGE
    return NAMED if kind.endswith(_NAMED_TYPES) else ITEM_FIELDS


ITEM = Rule(pick=_item_of)
ITEM_FIELDS = Rule(fields=_PROTOCOL, other=ITEM)
NAMED = Rule(other=ITEM)
"""An item whose `name` is a tool's: a tool, a call of one; or the schema of an answer."""

ITEM_FIELDS.fields |= {
    "arguments": JSON,
    "parameters": SCHEMA,
    "schema": SCHEMA,
    "input_schema": SCHEMA,
    "tools": NAMED,
    "tool_choice": NAMED,
    "allowed_tools": KEEP,
    "image_url": URL,
    "file_data": BLOB,
    "partial_image_b64": BINARY,
    "env": FREE,
    "attributes": FREE,
    "metadata": FREE,
    "prompt": Rule(fields={**kept("id", "version"), "variables": FREE}, other=ITEM),
}
NAMED.fields |= {**ITEM_FIELDS.fields, **kept("name", "server_label")}
IMAGE = Rule(fields={**ITEM_FIELDS.fields, "result": BINARY}, other=ITEM)
REQUEST = Rule(
    fields={
        **ITEM_FIELDS.fields,
        **kept("model", "user", "safety_identifier", "prompt_cache_key"),
        "conversation": Rule(Leaf.KEEP, fields=_PROTOCOL, other=ITEM),
    },
    other=ITEM,
)

_BLOCK = ("type", "item_id", "output_index", "content_index", "summary_index", "command_index")
"""The fields that tell which block a delta belongs to."""

_AUDIO = frozenset({"response.audio.delta", "response.output_audio.delta"})


def _event_of(event: dict[str, Any]) -> Rule:
    kind = type_of(event)
    if not kind.endswith(".delta"):
        return ITEM_FIELDS
    if kind in _AUDIO:
        return AUDIO
    return ARGUMENTS if kind.endswith("arguments.delta") else PROSE


AUDIO = Rule(fields={**_PROTOCOL, "delta": BINARY}, other=ITEM)
ARGUMENTS = Rule(fields={**_PROTOCOL, "obfuscation": KEEP, "delta": JSON_PIECE}, other=ITEM, scope=_BLOCK)
PROSE = Rule(fields={**_PROTOCOL, "obfuscation": KEEP, "delta": PIECE}, other=ITEM, scope=_BLOCK)
EVENT = Rule(pick=_event_of)

_ENDS_ALL = frozenset({"response.completed", "response.failed", "response.incomplete", "error"})


def ended(event: Mapping[str, Any], blocks: Collection[Scope]) -> Collection[Scope]:
    """Return the blocks that end with `event`: the delta's own `.done`, or that of its part, item or answer."""
    kind = type_of(event)
    if kind in _ENDS_ALL:
        return blocks
    if kind == "response.output_item.done":
        return [block for block in blocks if block[2] == event.get("output_index")]
    if not kind.endswith(".done"):
        return ()
    delta = kind[: -len("done")] + "delta"
    # A part's end names neither the kind of its deltas nor every index; whatever index it names must be the same.
    return [
        block
        for block in blocks
        if (block[0] == delta or kind.endswith("part.done"))
        and all(name not in event or event[name] == value for name, value in zip(_BLOCK[1:], block[1:], strict=False))
    ]


POLICY = Policy(REQUEST, ITEM, EVENT, ended)
