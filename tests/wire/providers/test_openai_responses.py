"""`TEXT...` stands for what must be masked, `KEEP...` for what must not be touched."""

# ruff: noqa: E501 - tables of samples, one a line

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kong_plugins.aws_masker.wire.providers import Api

Look = Callable[[Api, Any], tuple[list[str], list[str]]]

LONG = "KEEP" * 20
SCHEMA = {"type": "KEEP", "properties": {"name": {"description": "TEXT"}}, "required": ["KEEP"]}

ITEMS: list[Any] = [
    {"role": "user", "content": "TEXT"},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "TEXT"}]},
    {"content": [{"type": "input_image", "image_url": "data:image/png;base64," + LONG, "file_id": "KEEP"}]},
    {"content": [{"type": "input_image", "image_url": "https://TEXT"}]},
    {"content": [{"type": "input_file", "file_data": "data:application/pdf;base64," + LONG, "filename": "TEXT"}]},
    {"type": "message", "id": "KEEP", "content": [{"type": "output_text", "text": "TEXT", "annotations": [{"title": "TEXT"}]}]},
    {"type": "function_call", "id": "KEEP", "call_id": "KEEP", "name": "KEEP", "arguments": '{"a": "TEXT"}'},
    {"type": "function_call_output", "call_id": "KEEP", "output": "TEXT"},
    {"type": "function_call_output", "call_id": "KEEP", "output": [{"type": "input_text", "text": "TEXT"}]},
    {"type": "custom_tool_call", "call_id": "KEEP", "name": "KEEP", "input": "TEXT"},
    {"type": "mcp_call", "name": "KEEP", "server_label": "KEEP", "arguments": '{"TEXT": 1}', "output": "TEXT"},
    {"type": "mcp_list_tools", "tools": [{"name": "KEEP", "description": "TEXT", "input_schema": SCHEMA}]},
    {"type": "mcp_approval_response", "approval_request_id": "KEEP", "reason": "TEXT"},
    {"type": "reasoning", "id": "KEEP", "summary": [{"type": "summary_text", "text": "TEXT"}], "encrypted_content": "KEEP"},
    {"type": "compaction", "encrypted_content": "KEEP"},
    {"type": "local_shell_call", "action": {"type": "exec", "command": ["TEXT"], "env": {"TEXT": "TEXT"}}},
    {"type": "file_search_call", "queries": ["TEXT"], "results": [{"file_id": "KEEP", "text": "TEXT", "attributes": {"TEXT": "TEXT"}}]},
    {"type": "code_interpreter_call", "container_id": "KEEP", "code": "TEXT", "outputs": [{"logs": "TEXT"}]},
    {"type": "image_generation_call", "result": LONG},
    {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64," + LONG}},
    {"type": "brand_new", "name": "TEXT", "result": "TEXT" * 20, "detail": "TEXT", "status": "TEXT", "user": "TEXT"},
]  # fmt: skip

FIELDS: list[Any] = [
    {"model": "KEEP", "input": "TEXT", "instructions": "TEXT", "previous_response_id": "KEEP", "conversation": "KEEP"},
    {"user": "KEEP", "safety_identifier": "KEEP", "prompt_cache_key": "KEEP", "conversation": {"id": "KEEP"}},
    {"metadata": {"TEXT": "TEXT"}, "brand_new": {"deep": ["TEXT"]}},
    {"prompt": {"id": "KEEP", "version": "KEEP", "variables": {"TEXT": "TEXT"}}},
    {"text": {"format": {"type": "json_schema", "name": "KEEP", "description": "TEXT", "schema": SCHEMA}}},
    {"tool_choice": {"type": "function", "name": "KEEP"}},
    {"tools": [{"type": "function", "name": "KEEP", "description": "TEXT", "parameters": SCHEMA}]},
    {"tools": [{"type": "custom", "name": "KEEP", "format": {"type": "grammar", "definition": "TEXT"}}]},
    {"tools": [{"type": "mcp", "server_label": "KEEP", "server_url": "https://TEXT", "headers": {"x": "TEXT"}, "allowed_tools": ["KEEP"]}]},
    {"tools": [{"type": "file_search", "vector_store_ids": ["KEEP"], "filters": {"value": "TEXT"}}]},
]  # fmt: skip


def check(look: Look, body: Any) -> None:
    masked, signed = look(Api.OPENAI_RESPONSES, body)
    assert "KEEP" not in "".join(masked)
    assert sum(text.count("TEXT") for text in masked) == json.dumps(body).count("TEXT")
    assert signed == []


@pytest.mark.parametrize("item", ITEMS)
def test_items(seen: Look, item: Any) -> None:
    """Of every kind of item and part, known or not, all text is masked and nothing of the protocol is."""
    check(seen, {"model": "KEEP", "input": [item]})


@pytest.mark.parametrize("body", FIELDS)
def test_fields(seen: Look, body: Any) -> None:
    """The same for every other field of a request."""
    check(seen, body)
