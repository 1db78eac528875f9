"""Anthropic: Messages (also count_tokens and batches) and the older text completions.

Blocks of the conversation have the same form in requests, answers and stream events, so one rule, `BLOCK`, serves all;
it also serves block types that are not known yet. What is kept there is only what the API itself made or compares:
ids, types, roles, names of tools, and everything encrypted or signed, as a changed signed block is refused (400).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kong_plugins.aws_masker.wire.leaves import is_binary_type
from kong_plugins.aws_masker.wire.providers.common import (
    BINARY,
    BLOB,
    FREE,
    JSON_PIECE,
    KEEP,
    PIECE,
    SCHEMA,
    Policy,
    kept,
    type_of,
)
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Scope

_PROTOCOL = kept(
    "type", "role", "id", "tool_use_id", "tool_id", "file_id", "container_id", "skill_id", "signature",
    "encrypted_content", "encrypted_index", "encrypted_stdout", "tool_name", "server_name", "mcp_server_name",
    "allowed_callers", "exclude_tools", "allowed_tools", "fallback_credit_token",
)  # fmt: skip
# Words like `auto` or `ephemeral` are not listed: masking leaves them alone anyway, and what is not listed cannot leak.

_TYPES_WITH_TEXT = frozenset({"text", "tool_use", "tool_result", "document", "image", "search_result"})


def _block_of(block: dict[str, Any]) -> Rule:
    kind = type_of(block)
    if kind in ("thinking", "compaction") or ("signature" in block and kind not in _TYPES_WITH_TEXT):
        # A compaction block is the provider's own summary; without a signature it is text like any other.
        return SIGNED_BLOCK if kind == "thinking" or "signature" in block else BLOCK_FIELDS
    if kind == "redacted_thinking":
        return REDACTED
    if kind.endswith("tool_use"):
        return TOOL_USE
    return BLOCK_FIELDS


def _source_of(source: dict[str, Any]) -> Rule:
    if source.get("type") != "base64":
        return BLOCK_FIELDS
    return BINARY_SOURCE if is_binary_type(source.get("media_type")) else SOURCE


BLOCK = Rule(pick=_block_of)
BLOCK_FIELDS = Rule(fields=_PROTOCOL, other=BLOCK)
TOOL_USE = Rule(fields={**_PROTOCOL, "name": KEEP, "input": FREE}, other=BLOCK)
SIGNED_BLOCK = Rule(Leaf.SIGNED, fields=_PROTOCOL)
REDACTED = Rule(fields={**_PROTOCOL, "data": KEEP}, other=BLOCK)
SOURCE = Rule(fields={**_PROTOCOL, "data": BLOB}, other=BLOCK)
BINARY_SOURCE = Rule(fields={**_PROTOCOL, "data": BINARY}, other=BLOCK)
SCHEMA_FORMAT = Rule(fields={**_PROTOCOL, "name": KEEP, "schema": SCHEMA}, other=BLOCK)
BLOCK_FIELDS.fields |= {
    "source": Rule(pick=_source_of),
    "input": FREE,
    "caller": Rule(fields=kept("type", "tool_id"), other=BLOCK),
}

TOOL = Rule(
    fields={**_PROTOCOL, **kept("name", "model"), "input_schema": SCHEMA, "input_examples": FREE},
    other=BLOCK,
)
SYSTEM = Rule(Leaf.ATTRIBUTION, fields={**_PROTOCOL, "text": Rule(Leaf.ATTRIBUTION, other=BLOCK)}, other=BLOCK)
_NAMED = Rule(fields={**_PROTOCOL, "name": KEEP}, other=BLOCK)

REQUEST = Rule(
    fields={
        **_PROTOCOL,
        "model": KEEP,
        "fallbacks": Rule(fields={**_PROTOCOL, "model": KEEP}, other=BLOCK),
        "system": SYSTEM,
        "tools": TOOL,
        "tool_choice": _NAMED,
        "mcp_servers": _NAMED,
        "metadata": Rule(Leaf.DATA, fields=kept("user_id"), other=FREE),
        "container": Rule(Leaf.KEEP, fields=_PROTOCOL, other=BLOCK),
        "output_format": SCHEMA_FORMAT,
        "output_config": Rule(fields={**_PROTOCOL, "format": SCHEMA_FORMAT}, other=BLOCK),
    },
    other=BLOCK,
)
REQUEST.fields["requests"] = Rule(fields={"params": REQUEST}, other=BLOCK)  # of a batch


def _delta_of(delta: dict[str, Any]) -> Rule:
    return _DELTAS.get(type_of(delta), _OTHER_DELTA) if "type" in delta else BLOCK


_DELTAS = {
    "thinking_delta": Rule(Leaf.KEEP),
    "signature_delta": Rule(Leaf.KEEP),
    "compaction_delta": Rule(Leaf.KEEP),  # of a block that may be signed
    "citations_delta": BLOCK,
    "input_json_delta": Rule(fields={"type": KEEP, "partial_json": JSON_PIECE}, other=PIECE),
}
_OTHER_DELTA = Rule(fields={"type": KEEP}, other=PIECE)

EVENT = Rule(
    fields={**_PROTOCOL, "delta": Rule(pick=_delta_of), "completion": PIECE},
    other=BLOCK,
    scope=("index",),
)

_ENDS_ALL = frozenset({"message_delta", "message_stop", "error"})


def ended(event: Mapping[str, Any], blocks: Collection[Scope]) -> Collection[Scope]:
    """Return the blocks that end with `event`; their names begin with their index."""
    kind = type_of(event)
    if kind in _ENDS_ALL or event.get("stop_reason") is not None:
        return blocks
    if kind in ("content_block_stop", "content_block_start"):
        return [block for block in blocks if block[0] == event.get("index")]
    return ()


POLICY = Policy(REQUEST, BLOCK, EVENT, ended)
