"""The configuration file: TOML or YAML, with the fields of `Settings`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.settings import Settings, from_mapping

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def load_settings(path: Path | None = None) -> Settings:
    """Return the settings of the file, or the defaults if there is none.

    Args:
        path: A file that ends in `.toml`, `.yaml` or `.yml`.

    Raises:
        ConfigError: the file cannot be read or parsed, or a field is wrong. Names the place, never a value.
    """
    if path is None:
        return Settings()
    parse = {".toml": _toml, ".yaml": _yaml, ".yml": _yaml}.get(path.suffix.lower())
    if parse is None:
        raise ConfigError(f"{path}: the file must end in .toml, .yaml or .yml")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None
    try:
        return from_mapping(parse(text))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.detail}") from None


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's wording can quote the file; the position at its end cannot.
        _, found, position = str(error).rpartition(" (at ")
        raise ConfigError(f"not valid TOML (at {position}" if found else "not valid TOML") from None


def _yaml(text: str) -> dict[str, Any]:
    try:
        fields = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2024-99-99
        mark = getattr(error, "problem_mark", None)
        position = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ConfigError(f"not valid YAML{position}") from None
    if fields is None:
        return {}
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise ConfigError("a mapping of field names to values is expected")
    return fields
