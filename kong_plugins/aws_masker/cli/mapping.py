"""The mapping file of `mask` and `restore`: placeholders and what they stand for.

It holds the originals in clear, because restoring needs nothing but it. So it is only written when asked for, and
readable by its owner only.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.families import CONTEXT_FAMILIES
from kong_plugins.aws_masker.text import Entry

FORMAT = "aws-masker mapping 1"


class StoredMapping:
    """The entries of a mapping file; a `Memory` for masking and a `Lookup` for restoring."""

    def __init__(self, entries: Mapping[bytes, Entry]) -> None:
        self.entries = dict(entries)

    def entry(self, placeholder: bytes) -> Entry | None:
        """Return what `placeholder` stands for, or None."""
        return self.entries.get(placeholder)

    def names(self) -> Sequence[Entry]:
        """Return what earlier runs made certain by its context."""
        return [entry for entry in self.entries.values() if entry.family in CONTEXT_FAMILIES]

    def value(self, placeholder: bytes) -> bytes | None:
        """Return the value of `placeholder`, or None."""
        entry = self.entries.get(placeholder)
        return entry.value if entry else None


def load(path: Path) -> StoredMapping:
    """Read a mapping file.

    Raises:
        ConfigError: if it is no mapping file. OSError: if it cannot be read.
    """
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise ValueError
        entries = {
            _bytes(placeholder): Entry(_bytes(entry["value"]), str(entry["family"]))
            for placeholder, entry in document["entries"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError("the mapping file is not one that `aws-masker mask --mapping` wrote") from None
    return StoredMapping(entries)


def load_or_empty(path: Path) -> StoredMapping:
    """Read a mapping file that need not exist yet."""
    return load(path) if path.exists() else StoredMapping({})


def merge(path: Path, mapping: Mapping[bytes, Entry]) -> None:
    """Add `mapping` to the file, whatever other processes add to it at the same time.

    Raises:
        ConfigError: if a placeholder stands for another value there. OSError: if the file cannot be written.
    """
    with _locked(path.parent):
        entries = load_or_empty(path).entries
        if any(entries.get(placeholder, entry).value != entry.value for placeholder, entry in mapping.items()):
            raise ConfigError("the mapping file gives a placeholder another value; use a new mapping file")
        _write(path, {**entries, **mapping})


def _write(path: Path, entries: Mapping[bytes, Entry]) -> None:
    """Replace the file in one step; mkstemp makes the new one readable by its owner only."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "entries": {
            _text(placeholder): {"value": _text(entry.value), "family": entry.family}
            for placeholder, entry in entries.items()
        },
    }
    descriptor, name = tempfile.mkstemp(prefix=".aws-masker-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(document, file, ensure_ascii=True, indent=1)
        os.replace(name, path)  # noqa: PTH105  the name is a string already
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _text(value: bytes) -> str:
    """Any bytes as text: what is not UTF-8 becomes lone surrogates, which JSON can hold escaped."""
    return value.decode("utf-8", "surrogateescape")


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, where the system has one: two `mask` must not lose each other's entries."""
    try:
        import fcntl  # noqa: PLC0415  not on Windows
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
