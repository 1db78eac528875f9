"""Kong's schema language, as far as the plugin's schema uses it: what Kong 3.9 does with a schema and with a config.

Written from `kong/db/schema/init.lua` and `metaschema.lua`; its verdicts and messages are Kong's. `faults_of` is what
Kong says of a schema when it loads the plugin, `filled` what the Admin API makes of a plugin's config.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Fields = Sequence[Mapping[str, Mapping[str, Any]]]
Errors = dict[Any, Any]

_ANY = frozenset({"string", "number", "integer", "boolean", "array", "set", "map", "record"})
_ALLOWED_TYPES = {
    # `attribute_types` of the metaschema, for what stands in it; the rest from the types that a validator can take.
    "between": frozenset({"integer", "number"}),
    "one_of": frozenset({"string", "number", "integer"}),
    "match_all": frozenset({"string"}),
    "match_none": frozenset({"string"}),
    "len_min": frozenset({"array", "set", "string", "map"}),
    "len_max": frozenset({"array", "set", "string", "map"}),
    "elements": frozenset({"array", "set"}),
    "keys": frozenset({"map"}),
    "values": frozenset({"map"}),
    "fields": frozenset({"record"}),
    "referenceable": frozenset({"string"}),
    "encrypted": frozenset({"string"}),
    **dict.fromkeys(("type", "required", "default", "description"), _ANY),
}
_NEEDED = {"array": ("elements",), "set": ("elements",), "map": ("keys", "values"), "record": ("fields",)}


def faults_of(fields: Fields) -> list[str]:
    """Return what Kong's metaschema has against `fields`, one line each."""
    faults: list[str] = []
    for entry in fields:
        if len(entry) != 1:
            faults.append("each entry of fields has one key")
        for name, field in entry.items():
            faults += _faults_of_field(name, field)
    return faults


def _faults_of_field(name: str, field: Mapping[str, Any]) -> list[str]:
    kind = field.get("type")
    if kind not in _ANY:
        return [f"{name}: invalid type"]
    faults = [
        f"{name}: field of type '{kind}' cannot have attribute '{attribute}'"
        for attribute in field
        if kind not in _ALLOWED_TYPES.get(attribute, ())
    ]
    needed = [attribute for attribute in _NEEDED.get(kind, ()) if attribute not in field]
    faults += [f"{name}: field of type '{kind}' must declare '{attribute}'" for attribute in needed]
    if not 10 <= len(field.get("description", "0123456789").encode()) <= 500:
        faults.append(f"{name}: description of 10 to 500 bytes")
    if not isinstance(field.get("required", False), bool) or field.get("default", 0) is None:
        faults.append(f"{name}: required is true or false, a default is not null")
    if len(field.get("between", (0, 0))) != 2:
        faults.append(f"{name}: between has two limits")
    for nested in ("elements", "keys", "values"):
        faults += _faults_of_field(name, field[nested]) if nested in field else []
    return faults + faults_of(field.get("fields", ()))


def filled(fields: Fields, config: Mapping[str, Any]) -> tuple[dict[str, Any], Errors]:
    """Return the config with its defaults, as Kong keeps it, and its errors by field: there are none if it is good.

    Args:
        fields: The fields of the `config` record.
        config: What was sent; None is JSON's null.
    """
    known = {name: field for entry in fields for name, field in entry.items()}
    complete = {name: _filled_field(field, config, name) for name, field in known.items()}
    complete |= {name: value for name, value in config.items() if name not in known}
    errors: Errors = {}
    for name, value in complete.items():
        error = _error(known[name], value) if name in known else "unknown field"
        if error:
            errors[name] = error
    return complete, errors


def _filled_field(field: Mapping[str, Any], config: Mapping[str, Any], name: str) -> Any:
    value = config[name] if name in config else field.get("default")
    if field["type"] == "record" and isinstance(value, dict):
        return filled(field["fields"], value)[0]
    if field["type"] == "array" and isinstance(value, list) and field["elements"]["type"] == "record":
        return [filled(field["elements"]["fields"], item)[0] if isinstance(item, dict) else item for item in value]
    return value


def _error(field: Mapping[str, Any], value: Any) -> Any:
    """Return what is wrong with a value, or None."""
    if value is None:
        return "required field missing" if field.get("required") else None
    expected, fits = _TYPES[field["type"]]
    if not fits(value):
        return f"expected {expected}"
    inside = _error_inside(field, value)
    if inside or (field.get("referenceable") and is_reference(value)):
        return inside
    return next(_broken_rules(field, value), None)


def _error_inside(field: Mapping[str, Any], value: Any) -> Any:
    """Return what is wrong with the parts of a value, or None."""
    if field["type"] in ("array", "set"):
        # Lua counts from 1
        return {number: error for number, item in enumerate(value, 1) if (error := _nested(field, "elements", item))}
    if field["type"] == "map":
        sides = [("keys", key) for key in value] + [("values", item) for item in value.values()]
        return next((error for side, item in sides if (error := _nested(field, side, item))), None)
    return filled(field["fields"], value)[1] if field["type"] == "record" else None


def _nested(field: Mapping[str, Any], side: str, value: Any) -> Any:
    return _error({**field[side], "required": True}, value)


def is_reference(value: str) -> bool:
    """Tell whether `value` is a reference to a secret in one of Kong's vaults."""
    return value.startswith("{vault://") and value.endswith("}")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "string": ("a string", lambda value: isinstance(value, str)),
    "boolean": ("a boolean", lambda value: isinstance(value, bool)),
    "integer": ("an integer", lambda value: _number(value) and value == value // 1),
    "array": ("an array", lambda value: isinstance(value, list) or value == {}),
    "set": ("a set", lambda value: isinstance(value, list) or value == {}),
    "map": ("a map", lambda value: isinstance(value, dict)),
    "record": ("a record", lambda value: isinstance(value, dict | list)),
}


def _broken_rules(field: Mapping[str, Any], value: Any) -> Iterator[str]:
    """Apply the validators in Kong's order (`validators_order`)."""
    if "one_of" in field and value not in field["one_of"]:
        yield f"expected one of: {', '.join(map(str, field['one_of']))}"
    if "between" in field and not field["between"][0] <= value <= field["between"][1]:
        yield "value should be between {} and {}".format(*field["between"])
    size = len(value.encode()) if isinstance(value, str) else 0
    minimum = field.get("len_min", 1) if field["type"] == "string" else 0  # Kong wants no empty texts by default
    if size < minimum:
        yield f"length must be at least {minimum}"
    if size > field.get("len_max", size):
        yield f"length must be at most {field['len_max']}"
    for rule in field.get("match_none", ()):
        if lua_pattern(rule["pattern"]).search(value):
            yield rule["err"]
    for rule in field.get("match_all", ()):
        if not lua_pattern(rule["pattern"]).search(value):
            yield rule["err"]


_LUA_TOKENS = re.compile(
    r"(?P<escape>%[^A-Za-z0-9])|(?P<set>\[\^?[^\]%]+\])|(?P<repeat>[*+?])|(?P<anchor>^\^|\$$)|(?P<plain>[^%\[\]()-])"
)


def lua_pattern(pattern: str) -> re.Pattern[str]:
    """Return a Lua pattern as a regular expression: characters, `%` escapes, sets, `* + ?` and anchors.

    Raises:
        ValueError: the pattern uses more than that.
    """
    parts: list[str] = []
    place = 0
    while place < len(pattern):
        token = _LUA_TOKENS.match(pattern, place)
        if token is None:
            raise ValueError(f"not known here: {pattern[place:]}")
        text = token[0]
        parts.append(
            {
                "escape": re.escape(text[1:]),
                "set": text.replace("\\", "\\\\"),
                "repeat": text,
                "anchor": "^" if text == "^" else r"\Z",
                "plain": "." if text == "." else re.escape(text),
            }[str(token.lastgroup)]
        )
        place = token.end()
    return re.compile("".join(parts), re.DOTALL)
