"""Whole JSON texts restored: an answer, a line of NDJSON, the data of a stream event."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from kong_plugins.aws_masker.wire.jsontext import Edits, JsonText, NotJsonError, to_bytes
from kong_plugins.aws_masker.wire.providers.common import FREE
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Scope, Walk


class Piecewise(Protocol):
    """Restores a text that arrives in pieces."""

    def feed(self, data: bytes) -> bytes:
        """Return what is settled of the text so far."""

    def flush(self) -> bytes:
        """Return what was held back: the text has ended."""


class Restoring(Protocol):
    """Placeholders to values; `escaped` where the text is the inside of a JSON string that is not parsed here."""

    def whole(self, text: bytes, *, escaped: bool = False) -> bytes:
        """Return `text` restored."""

    def pieces(self, *, escaped: bool = False) -> Piecewise:
        """Begin a text that arrives in pieces."""


class Piece(NamedTuple):
    """A string of kind PIECE or JSON_PIECE."""

    token: int
    text: bytes
    leaf: Leaf
    name: Scope
    """Of its block."""


_UNTOUCHED = frozenset({Leaf.SIGNED, Leaf.BLOB, Leaf.BINARY, Leaf.ENCODED, Leaf.REQUEST})


def restored(raw: bytes, rule: Rule, restoring: Restoring) -> bytes:
    """Return a JSON text with its strings restored; `raw` itself if nothing changes.

    Raises:
        NotJsonError: not JSON, nested too deeply, or with a repeated key.
    """
    changes = Changes(JsonText(raw), restoring)
    changes.over(rule)
    return changes.applied()


class Changes:
    """The changed strings of one JSON text."""

    def __init__(self, text: JsonText, restoring: Restoring, pieces: list[Piece] | None = None) -> None:
        """`pieces` takes the pieces, which are then left as they are; without it they are restored as whole texts."""
        self.text = text
        self.edits = Edits()
        self._restoring = restoring
        self._pieces = pieces
        self._strings = 0

    def over(self, rule: Rule) -> None:
        """Restore all strings under `rule`; raises NotJsonError."""
        walk = Walk(self._visit)
        walk.over(self.text.tree, rule)
        self._strings = walk.strings

    def check(self) -> None:
        """Raise NotJsonError if a key is repeated."""
        self.text.check(self._strings)

    def applied(self) -> bytes:
        """Return the text with its changes; raises NotJsonError if a key is repeated."""
        return self.text.splice(self.edits, self._strings) if self.edits else self.text.raw

    def _visit(self, token: int, value: str, leaf: Leaf, key: str, scope: Scope) -> None:
        if leaf in _UNTOUCHED or (leaf is Leaf.URL and value[:5].lower() == "data:"):
            return
        old = to_bytes(value)
        if self._pieces is not None and leaf in (Leaf.PIECE, Leaf.JSON_PIECE):
            self._pieces.append(Piece(token, old, leaf, (*scope, key)))
            return
        new = self._json(old) if leaf in (Leaf.JSON, Leaf.JSON_PIECE) else self._restoring.whole(old)
        if new != old:
            self.edits.change(token, new, old if leaf is Leaf.NUMBER else b"")

    def _json(self, value: bytes) -> bytes:
        try:
            return restored(value, FREE, self._restoring)
        except NotJsonError:
            return self._restoring.whole(value)
