"""docs/events.md and docs/events.schema.json, made from the models, so that document and code cannot differ.

python -m kong_plugins.aws_masker.observe.document docs
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

from kong_plugins.aws_masker.observe.events import CHANNELS, Event, schema

HEAD = """\
<!-- Made from observe/events.py by `python -m kong_plugins.aws_masker.observe.document docs`. -->

# Events

With `redis_events` on (or `ENABLE_REDIS_EVENTS=true`) and Redis in use, the plugin and the proxy publish what they do
on Redis Pub/Sub, each event a JSON object. No field holds a value, a path or a header of a request. `aws-masker events`
shows them as they happen; [events.schema.json](events.schema.json) is the JSON Schema of each channel.

Events are told when the request has gone its way, by a thread of their own: they delay nothing. Where more come than
`events_rate_limit` allows, or Redis is away, they are dropped, and counted in `aws_masker_events_dropped_total`.
Pub/Sub reaches who listens at that moment; what has to be kept is in the audit trail, see
[observability](observability.md).
"""


def render() -> str:
    """Return the page."""
    parts = [HEAD, f"## Fields of all events\n\n{_table(Event, set())}"]
    common = set(Event.model_fields)
    for channel, model in CHANNELS.items():
        parts.append(f"## `{channel}`\n\n{model.__doc__}\n\n{_table(model, common)}")
    return "\n".join(parts)


def schema_text() -> bytes:
    """Return the JSON Schema as a file holds it."""
    return orjson.dumps(schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _table(model: type[Event], without: set[str]) -> str:
    shown = model.model_json_schema()["properties"]
    rows = [
        f"| `{name}` | {_type(shown[name])} | {field.description or ''} |"
        for name, field in model.model_fields.items()
        if name not in without
    ]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows]) + "\n"


def _type(field: dict[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field["enum"])
    return "numbers by name" if field["type"] == "object" else str(field["type"])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "events.md").write_text(render())
    (folder / "events.schema.json").write_bytes(schema_text())
