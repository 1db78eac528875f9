"""What the stand-in reads out of a request, whichever API it came by."""

from __future__ import annotations

from typing import Any

import pytest

from kong_plugins.aws_masker.demo.received import Received, Recorded

MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "first"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "x"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "second"}]},
]
CHAT: list[dict[str, Any]] = [
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1"}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "second"},
]
ITEMS: list[dict[str, Any]] = [
    {"role": "user", "content": "first"},
    {"type": "reasoning", "id": "rs_1", "encrypted_content": "..."},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "said"}]},
    {"type": "function_call", "call_id": "call_1", "name": "Bash", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "second"},
]


@pytest.mark.parametrize("body", [{"messages": MESSAGES}, {"messages": CHAT}, {"input": ITEMS}])
def test_a_conversation_is_read_the_same_from_each_api(body: dict[str, Any]) -> None:
    """One turn of the model's, whatever items it consists of; only users' and tools' text counts as text."""
    received = Received(body)
    assert received.turn == 1
    assert received.text == "first\nsecond"
    assert received.latest == "second"


def test_earlier_items_come_before_those_of_the_request() -> None:
    """A request that refers to an earlier response goes on where that one ended."""
    received = Received({"input": "third"}, before=tuple(ITEMS))
    assert received.turn == 1
    assert received.latest.endswith("third")


@pytest.mark.parametrize(
    "tool", [{"name": "Bash", "input_schema": {}}, {"type": "function", "function": {"name": "Bash"}}]
)
def test_offered_tools(tool: dict[str, Any]) -> None:
    """Anthropic and Responses name a tool at the top, Chat Completions one level down."""
    assert Received({"tools": [tool]}).tools == {"Bash"}


def test_a_recorded_request_keeps_all_that_arrived() -> None:
    """Path, headers and body can all be searched, so nothing can hide in one of them."""
    recorded = Recorded("POST", b"/v1/x?secret-a=1", ((b"x-secret-b", b"secret-c"),), b"secret-d")
    assert recorded.path == "/v1/x"
    assert all(f"secret-{letter}".encode() in recorded.raw for letter in "abcd")
