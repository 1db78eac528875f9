"""Strings that are more than text: base64 and `data:` addresses, and the client's attribution line."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import NamedTuple

from kong_plugins.aws_masker.wire.jsontext import NotJsonError, to_bytes
from kong_plugins.aws_masker.wire.rules import Leaf

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_\r\n"
_SHORTEST = 64
"""Fewest characters taken for base64 of a file; keys and tokens of other kinds are words of the same alphabet."""
_SNIFFED = 4096
"""Characters of base64 (a multiple of 4) looked at before all of it is decoded."""
_BINARY_TYPES = ("image/", "audio/", "video/", "application/pdf", "application/zip")
_ATTRIBUTION = "x-anthropic-billing-header:"


class Maskable(NamedTuple):
    """Text found in a string, and how the masked text is written back."""

    text: bytes
    write: Callable[[bytes], bytes] | None = None


def is_binary_type(media_type: object) -> bool:
    """Return whether a media type stands for data in which no text can be masked without breaking it."""
    return isinstance(media_type, str) and media_type.lower().startswith(_BINARY_TYPES)


def is_attribution(value: str) -> bool:
    """Return whether a system text is the line by which Claude Code names itself; it must arrive unchanged.

    A text of several lines is not: whatever follows the line would go on unmasked.
    """
    return value.startswith(_ATTRIBUTION) and "\n" not in value and "\r" not in value


def maskable(value: str, leaf: Leaf) -> Maskable | None:
    """Return the text in a string of kind URL, BLOB or BINARY, or None where it is to be kept."""
    head, comma, payload = value.partition(",")
    if leaf in (Leaf.URL, Leaf.BLOB) and comma and head[:5].lower() == "data:" and head.lower().endswith(";base64"):
        prefix = to_bytes(head) + b","
        return _in_base64(payload, prefix, binary=is_binary_type(head[5:]))
    if leaf is Leaf.URL:
        return Maskable(to_bytes(value))
    return _in_base64(value, b"", binary=leaf is Leaf.BINARY)


def encoded(value: str) -> Maskable:
    """Return the text in a string that is base64 of one.

    Raises:
        NotJsonError: it is not base64, or not of UTF-8: whoever reads it might find a text that was not seen here.
    """
    decoded = _decoded(to_bytes(value))
    if not _is_text(decoded, cut=False):
        raise NotJsonError("a text in base64 is not UTF-8")
    return Maskable(decoded, base64.b64encode)


def _in_base64(value: str, prefix: bytes, *, binary: bool) -> Maskable | None:
    coded = to_bytes(value)
    if (len(coded) < _SHORTEST and not prefix) or coded.translate(None, _ALPHABET):
        return Maskable(prefix + coded)
    if binary or not _is_text(_decoded(coded[:_SNIFFED]), cut=len(coded) > _SNIFFED):
        return None
    decoded = _decoded(coded)
    if not _is_text(decoded, cut=False):
        return None
    return Maskable(decoded, lambda masked: prefix + base64.b64encode(masked))


def _decoded(coded: bytes) -> bytes:
    try:
        return base64.b64decode(coded.translate(bytes.maketrans(b"-_", b"+/"), b"\r\n"), validate=True)
    except binascii.Error:
        return b"\0"


def _is_text(data: bytes, *, cut: bool) -> bool:
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return cut and error.start >= len(data) - 3
    return True
