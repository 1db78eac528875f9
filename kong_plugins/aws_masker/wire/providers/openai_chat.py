"""OpenAI: Chat Completions, the older Completions, and the other endpoints of the same plain form (Embeddings, ...).

Many servers speak this format with fields of their own. `reasoning_details` is one that carries signed text: it is
Anthropic's thinking, passed along by a gateway, and must go back as it came.
"""

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
    SIGNED,
    URL,
    Policy,
    kept,
)
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Scope

_PROTOCOL = kept("type", "role", "id", "tool_call_id", "call_id", "file_id", "signature", "encrypted_content")
# Words like `auto` or `stop` are not listed: masking leaves them alone anyway, and what is not listed cannot leak.


def _item_of(item: dict[str, Any]) -> Rule:
    if item.get("type") == "thinking":
        return SIGNED_ITEM
    # A message of a function has the function's name; one of a person has the person's.
    return NAMED if item.get("role") in ("function", "tool") else ITEM_FIELDS


ITEM = Rule(pick=_item_of)
ITEM_FIELDS = Rule(fields=_PROTOCOL, other=ITEM)
SIGNED_ITEM = Rule(Leaf.SIGNED, fields=_PROTOCOL)
NAMED = Rule(other=ITEM)
FUNCTION = Rule(
    fields={**_PROTOCOL, "name": KEEP, "arguments": JSON, "parameters": SCHEMA, "schema": SCHEMA}, other=ITEM
)
"""A function or custom tool: declared, called or chosen; and the schema of an answer, declared in the same form."""

ITEM_FIELDS.fields |= {
    "image_url": Rule(Leaf.URL, fields={**_PROTOCOL, "url": URL}, other=ITEM),
    "input_audio": Rule(fields={**_PROTOCOL, "data": BINARY}, other=ITEM),
    "audio": Rule(fields={**_PROTOCOL, "data": BINARY}, other=ITEM),
    "file": Rule(fields={**_PROTOCOL, "file_data": BLOB}, other=ITEM),
    "b64_json": BINARY,
    "function": FUNCTION,
    "function_call": FUNCTION,
    "custom": FUNCTION,
    "functions": FUNCTION,
    "json_schema": FUNCTION,
    "metadata": FREE,
    "reasoning_details": Rule(Leaf.SIGNED, fields={**_PROTOCOL, "data": KEEP}, other=SIGNED),
    "thinking_blocks": Rule(Leaf.SIGNED, fields={**_PROTOCOL, "data": KEEP}, other=SIGNED),
}
NAMED.fields |= {**ITEM_FIELDS.fields, "name": KEEP}

REQUEST = Rule(
    fields={
        **ITEM_FIELDS.fields,
        **kept("model", "user", "safety_identifier", "prompt_cache_key"),
    },
    other=ITEM,
)

_UNTOUCHED = Rule(Leaf.KEEP)
_CALL = Rule(fields={**_PROTOCOL, "name": KEEP, "arguments": JSON_PIECE}, other=PIECE)
_DELTA = Rule(
    fields={
        **_PROTOCOL,
        "function_call": _CALL,
        "tool_calls": Rule(fields={**_PROTOCOL, "function": _CALL, "custom": _CALL}, other=PIECE, scope=("index",)),
        "audio": Rule(fields={**_PROTOCOL, "data": BINARY}, other=PIECE),
        "reasoning_details": _UNTOUCHED,
        "thinking_blocks": _UNTOUCHED,
    },
    other=PIECE,
)
_CHOICE = Rule(fields={**_PROTOCOL, "delta": _DELTA, "text": PIECE}, other=ITEM, scope=("index",))
EVENT = Rule(
    fields={**_PROTOCOL, **kept("object", "model", "system_fingerprint", "service_tier"), "choices": _CHOICE},
    other=ITEM,
)


def ended(event: Mapping[str, Any], blocks: Collection[Scope]) -> Collection[Scope]:
    """Return the blocks of the choices that finish with `event`; their names begin with the choice's index."""
    if "error" in event:
        return blocks
    choices = event.get("choices")
    if not isinstance(choices, list):
        return ()
    ending = [choice for choice in choices if isinstance(choice, dict) and choice.get("finish_reason") is not None]
    finished = {choice.get("index") for choice in ending if not isinstance(choice.get("index"), (list, dict))}
    return [block for block in blocks if block[0] in finished] if finished else ()


POLICY = Policy(REQUEST, ITEM, EVENT, ended)
