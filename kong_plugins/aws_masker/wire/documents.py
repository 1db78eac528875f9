"""All texts of a request's body, taken out for masking in one go, and the masked ones put back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kong_plugins.aws_masker.text import Text
from kong_plugins.aws_masker.wire.jsontext import Edits, JsonText, NotJsonError, to_bytes
from kong_plugins.aws_masker.wire.leaves import is_attribution, maskable
from kong_plugins.aws_masker.wire.providers.common import FREE
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Walk

Write = Callable[[bytes], bytes]


class _Place(NamedTuple):
    """Where a text was found: a string of a document, and how the text is written into it."""

    document: _Document
    token: int
    write: Write | None = None
    digits: bytes = b""


class _Document:
    """One JSON text: the body, a line of it, or the contents of one of its strings (then with a parent)."""

    def __init__(self, text: JsonText, parent: _Place | None) -> None:
        self.text = text
        self.parent = parent
        self.strings = 0
        self.edits = Edits()


class Documents:
    """The JSON texts of one body and the texts to mask in them.

    `texts` goes to masking in one call; `signed` holds what is only counted.
    """

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.signed: list[Text] = []
        self._places: list[_Place] = []
        self._documents: list[_Document] = []
        self._roots: list[_Document] = []

    def add(self, raw: bytes, rule: Rule) -> Any:
        """Take in the texts of one JSON text of the body; return its tree.

        Raises:
            NotJsonError: not JSON, nested too deeply, or with a repeated key.
        """
        root = self._read(raw, rule, None)
        self._roots.append(root)
        return root.text.tree

    def put_back(self, masked: Sequence[bytes | None]) -> list[bytes] | None:
        """Return every JSON text added, with `masked` in the place of `texts`; None if nothing changed."""
        for place, text in zip(self._places, masked, strict=True):
            if text is not None:
                place.document.edits.change(place.token, place.write(text) if place.write else text, place.digits)
        spliced: dict[int, bytes] = {}
        # A document within a string was read after the one that holds it, so backwards the inner ones come first.
        for document in reversed(self._documents):
            if document.edits:
                raw = document.text.splice(document.edits, document.strings)
                if document.parent is None:
                    spliced[id(document)] = raw
                else:
                    document.parent.document.edits.change(document.parent.token, raw)
        if not spliced:
            return None
        return [spliced.get(id(root), root.text.raw) for root in self._roots]

    def _read(self, raw: bytes, rule: Rule, parent: _Place | None) -> _Document:
        document = _Document(JsonText(raw), parent)
        texts, places, documents = len(self.texts), len(self._places), len(self._documents)
        self._documents.append(document)
        try:
            walk = Walk(lambda token, value, leaf, key, _: self._visit(document, token, value, leaf, key))
            walk.over(document.text.tree, rule)
            document.text.check(walk.strings)
        except NotJsonError:
            # Only of use for an inner document, whose string is then taken as plain text instead.
            del self.texts[texts:], self._places[places:], self._documents[documents:]
            raise
        document.strings = walk.strings
        return document

    def _visit(self, document: _Document, token: int, value: str, leaf: Leaf, key: str) -> None:
        if leaf is Leaf.TEXT:
            self._take(_Place(document, token), to_bytes(value))
        elif leaf is Leaf.DATA:
            self._take(_Place(document, token), to_bytes(value), to_bytes(key))
        elif leaf is Leaf.NUMBER:
            self._take(_Place(document, token, digits=to_bytes(value)), to_bytes(value), to_bytes(key))
        elif leaf is Leaf.SIGNED:
            self.signed.append(Text(to_bytes(value)))
        elif leaf is Leaf.JSON:
            self._take_json(_Place(document, token), to_bytes(value))
        elif leaf in (Leaf.URL, Leaf.BLOB, Leaf.BINARY):
            found = maskable(value, leaf)
            if found is not None:
                self._take(_Place(document, token, found.write), found.text)
        elif not (leaf is Leaf.ATTRIBUTION and is_attribution(value)):
            self._take(_Place(document, token), to_bytes(value))

    def _take(self, place: _Place, text: bytes, key: bytes = b"") -> None:
        if text:
            self.texts.append(Text(text, key))
            self._places.append(place)

    def _take_json(self, place: _Place, value: bytes) -> None:
        try:
            self._read(value, FREE, place)
        except NotJsonError:
            self._take(place, value)
