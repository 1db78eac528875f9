"""The plugin's options as Kong knows them: its schema made from `PluginSettings`, and its config read into them.

Kong refuses a bad value at its Admin API by this schema (types, bounds, choices, lengths). What only RE2 can judge, a
pattern, is checked when the plugin starts an instance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kong_plugins.aws_masker import keys
from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.settings import PATTERN_FORMAT, PluginSettings, from_mapping

KEY_FILE_VARIABLE = "AWS_MASKER_KEY_FILE"

_PORTABLE_PATTERN = re.compile(r"\^(?:(?:[A-Za-z0-9_]|\[[A-Za-z0-9._-]+\])[*+]?)+\$")
"""What means the same as a Lua pattern (Kong's `match_all`) and as a regular expression (pydantic's `pattern`)."""

_NOT_IN_RE2 = [
    {"pattern": pattern, "err": "RE2 patterns have no look-around and no atomic groups"}
    for pattern in ("^%(%?<?[=!>]", r"[^\]%(%?<?[=!>]")
]
"""The commonest mistakes in a pattern, as Lua patterns, so that the Admin API says no at once."""

_ADDED_BY_KONG = frozenset(
    {"route_id", "service_id", "consumer_id", "consumer_group_id", "plugin_instance_name", "ws_id"}
)
"""What Kong puts beside the options of an instance (`kong/runloop/plugins_iterator.lua`), with `__...` and `$refs`."""

_LISTS = frozenset(name for name, field in PluginSettings.model_fields.items() if isinstance(field.default, tuple))


def kong_fields() -> list[dict[str, Any]]:
    """Return the fields of the plugin's `config` record in Kong's schema language, one name each.

    Raises:
        ValueError: an option cannot be said in that language.
    """
    schema = PluginSettings.model_json_schema()
    return _fields(schema, schema.get("$defs", {}))


def _fields(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[dict[str, Any]]:
    compulsory = schema.get("required", ())
    return [
        {name: {**_field(field, definitions), **_presence(field, name in compulsory)}}
        for name, field in schema["properties"].items()
    ]


def _presence(field: Mapping[str, Any], compulsory: bool) -> dict[str, Any]:
    """Say whether a value is needed: an option with a default has one always, one without may be null."""
    default = field.get("default")
    if default is not None:
        return {"required": True, "default": default}
    return {"required": compulsory}


def _field(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    described = {"description": field["description"]} if "description" in field else {}
    if "anyOf" in field:  # of a value or null
        (field,) = (choice for choice in field["anyOf"] if choice["type"] != "null")
    if "$ref" in field:
        field = definitions[field["$ref"].rpartition("/")[2]]
    return {"type": _TYPES[field["type"]], **described, **_rules(field, definitions)}


_TYPES = {"boolean": "boolean", "integer": "integer", "string": "string", "array": "array", "object": "record"}


def _rules(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that go with a type."""
    if field["type"] == "integer":
        return {"between": [field["minimum"], field["maximum"]]}
    if field["type"] == "array":
        return {"elements": _field(field["items"], definitions)}
    if field["type"] == "object":
        return {"fields": _fields(field, definitions)}
    if field["type"] == "string":
        return _string_rules(field)
    return {}


def _string_rules(field: Mapping[str, Any]) -> dict[str, Any]:
    choices = field.get("enum") or ([field["const"]] if "const" in field else None)
    if choices:
        return {"one_of": choices}
    rules: dict[str, Any] = {"len_min": field.get("minLength", 0)}
    if "maxLength" in field:
        rules["len_max"] = field["maxLength"]
    if "pattern" in field:
        if not _PORTABLE_PATTERN.fullmatch(field["pattern"]):
            raise ValueError("a pattern that Lua would read differently")
        rules["match_all"] = [{"pattern": field["pattern"], "err": f"should match {field['pattern']}"}]
    if field.get("format") == PATTERN_FORMAT:
        rules["match_none"] = _NOT_IN_RE2
    if field.get("format") == "password":
        rules |= {"referenceable": True, "encrypted": True}
    return rules


_SECRETS = frozenset(name for field in kong_fields() for name, rules in field.items() if rules.get("referenceable"))


def settings_of(config: Mapping[str, Any]) -> PluginSettings:
    """Return the options of a plugin instance from the config that Kong starts it with.

    Args:
        config: As it came, parsed: with what Kong adds to it, null for what is not set, and `{}` for an empty list
            (Lua has one kind of table). Vault references are resolved; one that could not be is an empty text.

    Raises:
        ConfigError: naming every wrong field and why, without repeating the values.
    """
    fields = {
        name: [] if name in _LISTS and value == {} else value
        for name, value in config.items()
        if value is not None and not _is_kongs(name)
    }
    unresolved = sorted(name for name in _SECRETS if fields.get(name) == "")
    if unresolved:
        raise ConfigError(f"{', '.join(unresolved)}: empty, as Kong leaves a vault reference that it cannot resolve")
    return from_mapping(fields, PluginSettings)


def _is_kongs(name: str) -> bool:
    return name in _ADDED_BY_KONG or name.startswith(("__", "$"))


def key_of(settings: PluginSettings, environ: Mapping[str, str]) -> bytes:
    """Return the masking key: the option `key`, else AWS_MASKER_KEY, else a key file.

    Args:
        settings: The options of an instance.
        environ: The plugin server's environment variables. AWS_MASKER_KEY_FILE names the key file; without it, the
            default place is looked at (`keys.default_key_file`). None is made here: every node of a gateway needs the
            same key.

    Raises:
        ConfigError: there is no key, it is malformed or too short, or the file is open to others.
    """
    if settings.key is None:
        path = environ.get(KEY_FILE_VARIABLE)
        return keys.load_key(environ, Path(path) if path else None)
    given = settings.key.get_secret_value()
    if not given.strip():  # to `load_key` an empty variable is none, and it would look for a file
        raise ConfigError("key: empty")
    try:
        return keys.load_key({keys.VARIABLE: given})
    except ConfigError as error:
        raise ConfigError(error.detail.replace(keys.VARIABLE, "key", 1)) from None
