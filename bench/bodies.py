"""Request bodies as a coding agent sends them: system prompt, tools, and a history of code, logs and tool results."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import orjson

from tests.planted.documents import DOCUMENTS
from tests.planted.model import Planted

SIZES = {"10 KB": 10_000, "100 KB": 100_000, "560 KB": 560_000, "3.5 MB": 3_500_000, "10 MB": 10_000_000}
"""560 KB is the median request of a long session with a coding agent, 3.5 MB its 99th percentile."""

_PROSE = (
    "I had a look at the module and at the plan. The change is small: the retry is now done by the client, so the loop "
    "in the handler can go, and the time-out comes from the settings instead of a constant. Größe und Prüfung bleiben "
    "gleich. I'd suggest to run the tests first and to apply it on staging before production. "
)
_TOOLS = (
    "Bash",
    "Read",
    "Edit",
    "Write",
    "Grep",
    "Glob",
    "WebFetch",
    "TodoWrite",
    "Task",
    "NotebookEdit",
    "Kill",
    "Ask",
)


@cache
def _sources() -> tuple[str, ...]:
    """Return pieces of program text, as a tool that reads files numbers them."""
    modules: tuple[ModuleType, ...] = (json, random, inspect, __import__("argparse"), __import__("tarfile"))
    pieces = []
    for module in modules:
        lines = [f"{number:6}\t{line}" for number, line in enumerate(inspect.getsource(module).splitlines(), 1)]
        pieces += ["\n".join(lines[start : start + 120]) for start in range(0, len(lines), 120)]
    return tuple(pieces)


def _log(rng: random.Random, document: Planted) -> str:
    """Return 40 lines of a log, ten of which name values of `document`."""
    lines = [
        f"2024-05-12T10:{rng.randrange(60):02}:{rng.randrange(60):02}.{rng.randrange(1000):03}Z INFO [worker-{n % 7}] "
        f"c.e.orders.Handler - handled 3f1c0a5e-0f5a-4d0e-9b8f-{rng.randrange(16**12):012x} in {rng.randrange(900)} ms"
        for n in range(40)
    ]
    for _ in range(10):
        lines[rng.randrange(40)] += f" from {rng.choice(document.secrets).text}"
    return "\n".join(lines)


def _turns(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Yield messages without end: the assistant says something and calls a tool, the user's side brings its result."""
    for number in range(10**9):
        document = rng.choice(DOCUMENTS)
        documents = "\n".join(one.text for one in rng.sample(DOCUMENTS, 8))
        result = rng.choice((documents, _log(rng, document), rng.choice(_sources()), rng.choice(_sources())))
        call_id = f"toolu_01{rng.randrange(10**18):018}ABCD"
        command = {"command": f"cat src/file{number}.py | head -120", "description": "Show the file"}
        call = {"type": "tool_use", "id": call_id, "name": "Bash", "input": command}
        yield {"role": "assistant", "content": [{"type": "text", "text": _PROSE}, call]}
        content = [{"type": "tool_result", "tool_use_id": call_id, "content": result}]
        yield {"role": "user", "content": content}


def _fixed(size: int) -> dict[str, Any]:
    """Return system prompt and tools: about 45 KB, or a fifth of the body if it is small."""
    share = min(45_000, size // 5)
    schema = {"type": "object", "properties": {"command": {"type": "string", "description": _PROSE}}}
    described = (_PROSE * 10)[: share // 30]
    tools = [{"name": name, "description": described, "input_schema": schema} for name in _TOOLS]
    system = [{"type": "text", "text": (_PROSE * 60)[: share // 3], "cache_control": {"type": "ephemeral"}}]
    return {"model": "claude-sonnet-4-5", "max_tokens": 32_000, "stream": True, "system": system, "tools": tools}


@cache
def request_body(size: int) -> bytes:
    """Return the JSON of an Anthropic Messages request of about `size` bytes, the same in every run."""
    rng = random.Random(size)
    body = _fixed(size)
    denied = next(document.text for document in DOCUMENTS if document.family == "document-access denied")
    messages = [{"role": "user", "content": f"Why does this fail? Please look at the logs.\n{denied}"}]
    left = size - len(orjson.dumps(body))
    for message in _turns(rng):
        left -= len(orjson.dumps(message)) + 1
        if left < 0:
            break
        messages.append(message)
    return orjson.dumps({**body, "messages": messages})


def events(text: str, width: int = 12) -> list[bytes]:
    """Return a stream of Anthropic's that says `text`, one delta of about `width` characters an event."""
    start: dict[str, Any] = {
        "type": "message_start",
        "message": {"id": "msg_01", "role": "assistant", "content": [], "usage": {}},
    }
    opening: dict[str, Any] = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    deltas: list[dict[str, Any]] = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text[at : at + width]}}
        for at in range(0, len(text), width)
    ]
    stop: dict[str, Any] = {"type": "content_block_stop", "index": 0}
    return [
        b"event: " + event["type"].encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n"
        for event in (start, opening, *deltas, stop, {"type": "message_stop"})
    ]
