"""What a scan finds in a file: where, and of which family; the value itself stays behind."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import NamedTuple

from kong_plugins.aws_masker.detect.spans import Span
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.text import Text

SNIFFED = 8192  # bytes looked at to tell binary from text, as git does


class Finding(NamedTuple):
    """One value; lines and columns count from 1, columns in characters, the end is behind the last one."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    family: str
    preview: str


def as_text(data: bytes) -> bytes | None:
    """Return `data` as text in which ASCII stands for itself (UTF-16 with its mark is converted), or None if binary."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return None if b"\0" in data[:SNIFFED] else data


def find(masker: Masker, path: str, text: bytes) -> list[Finding]:
    """Return the findings of one file in order."""
    return _located(path, text, masker.scan([Text(text)])[0])


def preview(value: bytes) -> str:
    """Return the first characters of a value (4, and no more than a third) and its length, nothing else of it."""
    text = value.decode("utf-8", "replace")
    shown = text[: min(4, len(text) // 3)]
    return f"{''.join(char if char.isprintable() else '?' for char in shown)}... ({len(text)} characters)"


def _located(path: str, text: bytes, spans: Sequence[Span]) -> list[Finding]:
    """Turn offsets into lines and columns in one sweep, so that one long line stays linear."""
    found = []
    line, column, at = 1, 1, 0
    for span in spans:
        line, column = _moved(line, column, text[at : span.start])
        value = text[span.start : span.end]
        end_line, end_column = _moved(line, column, value)
        found.append(Finding(path, line, column, end_line, end_column, span.family, preview(value)))
        line, column, at = end_line, end_column, span.end
    return found


def _moved(line: int, column: int, over: bytes) -> tuple[int, int]:
    """Return the position behind `over`."""
    lines = over.count(b"\n")
    if lines:
        return line + lines, 1 + len(over[over.rfind(b"\n") + 1 :].decode("utf-8", "replace"))
    return line, column + len(over.decode("utf-8", "replace"))
