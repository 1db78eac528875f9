"""docs/configuration.md, made from `PluginSettings`, so that the document and the code cannot differ.

python -m kong_plugins.aws_masker.cli.reference > docs/configuration.md
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from kong_plugins.aws_masker.settings import CustomPattern, PluginSettings, Settings

HEAD = """\
<!-- Made from kong_plugins/aws_masker/settings.py by `python -m kong_plugins.aws_masker.cli.reference`. -->

# Configuration

All settings have defaults; a file is only needed to change some. `aws-masker` takes it with `--config FILE`, in TOML
(`.toml`) or YAML (`.yaml`, `.yml`), with the same field names:

```toml
mask_public_ips = true
allowlist = ["123456789012", "my-public-bucket"]
allowlist_presets = ["aws-documentation"]

[[custom_patterns]]
name = "ticket"
pattern = 'OPS-[0-9]{4,6}'
```

An unknown field, a value out of bounds or a pattern that RE2 does not take is an error (`AWS_MASKER_4001`) when the
file is loaded; nothing starts half configured. `aws-masker doctor --config FILE` checks a file,
`aws-masker detectors --config FILE` shows what it switches on and off.

The Kong plugin has the same settings in its `config`, and some of its own, listed at the end: see [Kong](kong.md).

The key is not in this file. It comes from `AWS_MASKER_KEY` (hex or base64, at least 32 bytes) or from `--key-file`;
without both, a key file is made on first use, readable by its owner only. Placeholders depend on it: another key gives
other placeholders.

Where a setting says "else REDIS_HOST", that environment variable counts where the setting is not set; an empty one
counts as not set. What is kept in Redis, and how to change its key, is in [Redis](redis.md).
"""

GROUPS = (
    ("What is masked", lambda name: name.startswith("mask_")),
    ("How it is masked", lambda name: name in {"preserve_structure", "custom_patterns"}),
    ("What is left alone", lambda name: name.startswith("allowlist")),
    ("Bounds", lambda name: name.startswith("max_") or name == "mapping_ttl"),
    ("Redis", lambda name: name.startswith(("use_redis", "redis_", "vault_")) and name != "redis_events"),
    (
        "What is told",
        lambda name: name in {"redis_events", "events_rate_limit", "audit_max_entries", "log_masked_requests"},
    ),
    ("Only in Kong's configuration", lambda name: name not in Settings.model_fields),
)


def render() -> str:
    """Return the document.

    Raises:
        ValueError: if a setting belongs to no group, or to several.
    """
    schema = PluginSettings.model_json_schema()["properties"]
    members = [(title, [name for name in schema if belongs(name)]) for title, belongs in GROUPS]
    if sorted(name for _, names in members for name in names) != sorted(schema):
        raise ValueError("every setting must be in exactly one group of the reference")
    parts = [HEAD]
    for title, names in members:
        rows = [
            (f"`{name}`", _type(schema[name]), _default(schema[name]), schema[name]["description"]) for name in names
        ]
        parts.append(f"## {title}\n\n{_table(('setting', 'type', 'default', 'meaning'), rows)}")
    fields = CustomPattern.model_json_schema()["properties"]
    custom = [(f"`{name}`", field["type"], field["description"]) for name, field in fields.items()]
    parts.append(f"### Fields of a custom pattern\n\n{_table(('field', 'type', 'meaning'), custom)}")
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _type(field: dict[str, Any]) -> str:
    """Return a setting's type and bounds in words."""
    if "anyOf" in field:
        (field,) = (choice for choice in field["anyOf"] if choice["type"] != "null")
    if _choices(field):
        return f"one of {', '.join(f'`{choice}`' for choice in _choices(field))}"
    if field["type"] == "array":
        items = field["items"]
        choices = f": {', '.join(f'`{choice}`' for choice in _choices(items))}" if _choices(items) else ""
        return f"list of {_kind(items)}s{choices}"
    if "minimum" in field:
        return f"{field['type']}, {field['minimum']:,} to {field['maximum']:,}"
    return "secret" if field.get("format") == "password" else str(field["type"])


def _kind(items: dict[str, Any]) -> str:
    if "$ref" in items:
        return "table"
    return "secret" if items.get("format") == "password" else "text"


def _choices(items: dict[str, Any]) -> list[str]:
    return items.get("enum") or ([items["const"]] if "const" in items else [])


def _default(field: dict[str, Any]) -> str:
    return "" if field["default"] is None else f"`{json.dumps(field['default'])}`"


if __name__ == "__main__":
    click.echo(render(), nl=False)
