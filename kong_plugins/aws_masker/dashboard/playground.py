"""A text masked and restored, cut up so that a page can colour what was found. Nothing is kept."""

from __future__ import annotations

import secrets
from typing import Any

from kong_plugins.aws_masker.masking import Masker, restore
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Entry, Text, values_of

LARGEST = 256 * 1024
"""Bytes of a text."""
Piece = tuple[str, str]
"""A piece of text and its family, or nothing."""


class Playground:
    """Masks with a key, or with one that is made for this process."""

    def __init__(self, settings: Settings, key: bytes | None) -> None:
        """`key`: at least 32 bytes, or None. Raises ConfigError if it is too short."""
        self.own_key = key is None
        self._masker = Masker(settings, secrets.token_bytes(32) if key is None else key)

    def show(self, text: bytes) -> dict[str, Any]:
        """Return `text`, masked and restored, in pieces; and what each placeholder stands for."""
        session = self._masker.session()
        (masked,) = session.mask([Text(text)])
        masked = text if masked is None else masked
        restored = restore(masked, self._masker.lookup(values_of(session.mapping)))
        placeholders = {entry: placeholder for placeholder, entry in session.mapping.items()}
        before: list[Piece] = []
        after: list[Piece] = []
        done = 0
        for start, end, family, _ in self._masker.scan([Text(text)])[0]:
            value = text[start:end]
            placeholder = placeholders.get(Entry(value, family))
            if placeholder is None:
                continue  # one already
            between = (_text(text[done:start]), "")
            before += (between, (_text(value), family))
            after += (between, (_text(placeholder), family))
            done = end
        for pieces in (before, after):
            pieces.append((_text(text[done:]), ""))
        return {
            "masked": after if "".join(piece for piece, _ in after) == _text(masked) else [(_text(masked), "")],
            "restored": before if restored == text else [(_text(restored), "")],
            "same": restored == text,
            "counts": session.counts,
            "mapping": [
                {"family": entry.family, "value": _text(entry.value), "placeholder": placeholder.decode()}
                for placeholder, entry in session.mapping.items()
            ],
            "own_key": self.own_key,
        }


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
