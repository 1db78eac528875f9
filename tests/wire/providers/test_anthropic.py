"""`TEXT...` stands for what must be masked, `KEEP...` for what must not be touched, `SIGN...` for what is counted."""

# ruff: noqa: E501 - tables of samples, one a line

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from kong_plugins.aws_masker.wire.providers import Api

Look = Callable[[Api, Any], tuple[list[str], list[str]]]

LONG = "KEEP" * 20  # base64 of a file is long

BLOCKS: list[Any] = [
    {"type": "text", "text": "TEXT", "cache_control": {"type": "KEEP", "ttl": "5m", "new": "TEXT"}},
    {"type": "text", "text": "TEXT", "citations": [{"type": "KEEP", "cited_text": "TEXT", "encrypted_index": "KEEP"}]},
    {"type": "text", "text": "TEXT", "signature": "KEEP"},
    {"type": "thinking", "thinking": "SIGN", "signature": "KEEP"},
    {"type": "redacted_thinking", "data": "KEEP", "new": "TEXT"},
    {"type": "compaction", "content": "SIGN", "signature": "KEEP", "encrypted_content": "KEEP"},
    {"type": "compaction", "content": "TEXT"},
    {"type": "brand_new", "verse": "SIGN", "signature": "KEEP"},
    {"type": "brand_new", "id": "KEEP", "name": "TEXT", "verse": ["TEXT", {"deep": "TEXT", "role": "KEEP"}]},
    {"type": "tool_use", "id": "KEEP", "name": "KEEP", "input": {"TEXT": ["TEXT"], "TEXT2": {"TEXT3": "TEXT"}}},
    {"type": "server_tool_use", "id": "KEEP", "name": "KEEP", "input": {"TEXT": "TEXT"}, "caller": {"tool_id": "KEEP"}},
    {"type": "mcp_tool_use", "id": "KEEP", "name": "KEEP", "server_name": "KEEP", "input": "TEXT"},
    {"type": "tool_result", "tool_use_id": "KEEP", "content": "TEXT"},
    {"type": "tool_result", "tool_use_id": "KEEP", "content": [{"type": "text", "text": "TEXT"}]},
    {"type": "web_search_tool_result", "content": [{"title": "TEXT", "encrypted_content": "KEEP"}]},
    {"type": "code_execution_tool_result", "content": {"stdout": "TEXT", "stderr": "TEXT", "encrypted_stdout": "KEEP"}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": LONG}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "TEXT no base64 " * 9}},
    {"type": "image", "source": {"type": "url", "url": "https://TEXT"}},
    {"type": "image", "source": {"type": "file", "file_id": "KEEP"}},
    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "TEXT" * 20}, "title": "TEXT"},
    {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "TEXT"}]}, "context": "TEXT"},
    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": LONG}},
    {"type": "search_result", "source": "https://TEXT", "title": "TEXT", "content": [{"type": "text", "text": "TEXT"}]},
    {"type": "tool_reference", "tool_name": "KEEP"},
]  # fmt: skip

FIELDS: list[Any] = [
    {"system": "TEXT", "model": "KEEP", "service_tier": "auto"},
    {"system": [{"type": "text", "text": "TEXT"}]},
    {"metadata": {"user_id": "KEEP", "TEXT": "TEXT"}},
    {"stop_sequences": ["TEXT"], "brand_new": {"deep": ["TEXT"]}},
    {"tool_choice": {"type": "tool", "name": "KEEP"}},
    {"mcp_servers": [{"type": "url", "name": "KEEP", "url": "https://TEXT", "authorization_token": "TEXT"}]},
    {"container": "KEEP"},
    {"container": {"id": "KEEP", "skills": [{"type": "custom", "skill_id": "KEEP"}], "new": "TEXT"}},
    {"output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"description": "TEXT"}}}},
    {"context_management": {"edits": [{"exclude_tools": ["KEEP"], "instructions": "TEXT"}]}},
    {"requests": [{"custom_id": "TEXT", "params": {"system": "TEXT", "model": "KEEP", "messages": [{"content": "TEXT"}]}}]},
    {"prompt": "TEXT"},
    {
        "tools": [
            {
                "name": "KEEP", "description": "TEXT", "cache_control": {"type": "KEEP"},
                "input_examples": [{"TEXT": "TEXT", "type": "TEXT"}],
                "input_schema": {
                    "type": "KEEP", "description": "TEXT", "required": ["KEEP"], "$ref": "KEEP",
                    "properties": {
                        "type": {"type": "KEEP", "enum": ["TEXT"], "default": "TEXT", "const": {"TEXT": "TEXT"}},
                        "required": {"type": ["KEEP"], "description": "TEXT", "items": {"title": "TEXT"}},
                        "description": {"anyOf": [{"description": "TEXT"}]},
                    },
                    "$defs": {"KEEP": {"description": "TEXT"}},
                },
            },
            {"type": "web_search_20250305", "name": "KEEP", "allowed_domains": ["TEXT"], "model": "KEEP"},
        ]
    },
]  # fmt: skip


def check(look: Look, body: Any) -> None:
    masked, signed = look(Api.ANTHROPIC, body)
    raw = json.dumps(body)
    assert "KEEP" not in "".join(masked + signed)
    assert sum(text.count("TEXT") for text in masked) == raw.count("TEXT")
    assert sum(text.count("SIGN") for text in signed) == len(re.findall("SIGN", raw))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block["type"]))
def test_blocks(seen: Look, block: Any) -> None:
    """Of every kind of block, known or not, all text is masked and nothing of the protocol is."""
    check(seen, {"messages": [{"role": "user", "content": [block]}]})
    check(seen, {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [block]}]}]})
    check(seen, {"requests": [{"params": {"messages": [{"role": "user", "content": [block]}]}}]})


@pytest.mark.parametrize("body", FIELDS, ids=lambda body: str(next(iter(body))))
def test_fields(seen: Look, body: Any) -> None:
    """The same for every other field of a request."""
    check(seen, body)


def test_the_attribution_line(seen: Look) -> None:
    """It stays in the system prompt only, as a string or a block; in a message it is text."""
    line = "x-anthropic-billing-header: cc_version=2.1.330.879;"
    blocks = [{"type": "text", "text": line}, {"type": "text", "text": "TEXT"}]
    assert seen(Api.ANTHROPIC, {"system": blocks})[0] == ["TEXT"]
    assert seen(Api.ANTHROPIC, {"system": line})[0] == []
    assert seen(Api.ANTHROPIC, {"messages": [{"role": "system", "content": line}]})[0] == [line]
