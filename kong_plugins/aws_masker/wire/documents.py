"""All texts of a request's body, taken out for masking in one go, and the masked ones put back."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from typing import Any, NamedTuple, overload

from kong_plugins.aws_masker.text import Text
from kong_plugins.aws_masker.wire.jsontext import Edits, JsonText, LongString, NotJsonError, to_bytes, to_str
from kong_plugins.aws_masker.wire.leaves import encoded, is_attribution, maskable
from kong_plugins.aws_masker.wire.providers.common import FREE
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Walk

Write = Callable[[bytes], bytes]


class _Place(NamedTuple):
    """Where a text was found: a string of a document, and how the text is written into it."""

    document: _Document
    token: int
    write: Write | None = None
    digits: bytes = b""

    def change(self, text: bytes | None) -> None:
        """Note what is to be written here, if that changes."""
        if text is not None:
            self.document.edits.change(self.token, self.write(text) if self.write else text, self.digits)


class _Document:
    """One JSON text: the body, a line of it, or the contents of one of its strings (then with a parent)."""

    def __init__(self, text: JsonText, parent: _Place | None) -> None:
        self.text = text
        self.parent = parent
        self.strings = 0
        self.edits = Edits()


class _LongText(NamedTuple):
    string: LongString
    key: bytes


class Texts(Sequence[Text]):
    """The texts of a body; long ones are read anew whenever they are asked for, as they are most of what it holds."""

    def __init__(self) -> None:
        self._texts: list[Text | _LongText] = []
        self._last = (-1, Text(b""))

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> Text: ...
    @overload
    def __getitem__(self, index: slice) -> list[Text]: ...
    def __getitem__(self, index: int | slice) -> Text | list[Text]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        text = self._texts[index]
        if isinstance(text, Text):
            return text
        if self._last[0] != index:
            self._last = (index, Text(text.string.value(), text.key))
        return self._last[1]

    def add(self, text: bytes | LongString, key: bytes) -> None:
        """Add a text that stands under `key`."""
        self._texts.append(Text(text, key) if isinstance(text, bytes) else _LongText(text, key))

    def keep(self, count: int) -> None:
        """Drop all but the first `count`."""
        del self._texts[count:]
        self._last = (-1, Text(b""))


class Documents:
    """The JSON texts of one body and the texts to mask in them.

    `texts` goes to masking in one call; `signed` holds what is only counted.
    """

    def __init__(self) -> None:
        self.texts = Texts()
        self.signed: list[Text] = []
        self._places: list[_Place] = []
        self._documents: list[_Document] = []
        self._roots: list[_Document] = []
        self._rule = FREE

    def add(self, raw: bytes, rule: Rule) -> Any:
        """Take in the texts of one JSON text of the body; return its tree, where long strings may be empty.

        Raises:
            NotJsonError: not JSON, nested too deeply, or with a repeated key.
        """
        self._rule = rule
        tree, root = self._read(raw, rule, None)
        self._roots.append(root)
        return tree

    def put_back(self, masked: MutableSequence[bytes | None]) -> list[bytes] | None:
        """Return every JSON text added, with `masked` in the place of `texts`; None if nothing changed.

        `masked` is used up: each text is let go once it is written.
        """
        self.texts.keep(0)
        if len(masked) != len(self._places):
            raise ValueError("other texts than those asked for")
        for index, place in enumerate(self._places):
            place.change(masked[index])
            masked[index] = None
        spliced: dict[int, bytes] = {}
        # A document within a string was read after the one that holds it, so backwards the inner ones come first.
        for document in reversed(self._documents):
            if document.edits:
                raw = document.text.splice(document.edits, document.strings)
                if document.parent is None:
                    spliced[id(document)] = raw
                else:
                    document.parent.change(raw)
        if not spliced:
            return None
        return [spliced.get(id(root), root.text.raw) for root in self._roots]

    def _read(self, raw: bytes, rule: Rule, parent: _Place | None) -> tuple[Any, _Document]:
        text = JsonText(raw, cut=True)
        tree = text.take_tree()
        document = _Document(text, parent)
        texts, places, documents = len(self.texts), len(self._places), len(self._documents)
        self._documents.append(document)
        try:
            walk = Walk(lambda token, value, leaf, key, _: self._visit(document, token, value, leaf, key))
            walk.over(tree, rule)
            text.check(walk.strings)
        except NotJsonError:
            # Only of use for an inner document, whose string is then taken as plain text instead.
            self.texts.keep(texts)
            del self._places[places:], self._documents[documents:]
            raise
        document.strings = walk.strings
        return tree, document

    def _visit(self, document: _Document, token: int, value: str, leaf: Leaf, key: str) -> None:
        long = document.text.long.get(token) if leaf is not Leaf.NUMBER else None
        if long is not None and leaf not in _PROSE:
            value = to_str(long.value())
        text = to_bytes(value) if long is None or leaf not in _PROSE else long
        if leaf is Leaf.TEXT:
            self._take(_Place(document, token), text)
        elif leaf is Leaf.DATA:
            self._take(_Place(document, token), text, to_bytes(key))
        elif leaf is Leaf.NUMBER:
            self._take(_Place(document, token, digits=to_bytes(value)), text, to_bytes(key))
        elif leaf is Leaf.SIGNED:
            self.signed.append(Text(to_bytes(value)))
        elif leaf is Leaf.JSON:
            self._take_json(_Place(document, token), to_bytes(value))
        elif leaf is Leaf.ENCODED:
            found = encoded(value)
            self._take(_Place(document, token, found.write), found.text)
        elif leaf is Leaf.REQUEST:
            found = encoded(value)
            self._read(found.text, self._rule, _Place(document, token, found.write))
        elif leaf in (Leaf.URL, Leaf.BLOB, Leaf.BINARY):
            inside = maskable(value, leaf)
            if inside is not None:
                self._take(_Place(document, token, inside.write), inside.text)
        elif not (leaf is Leaf.ATTRIBUTION and is_attribution(value)):
            self._take(_Place(document, token), text)

    def _take(self, place: _Place, text: bytes | LongString, key: bytes = b"") -> None:
        if text:
            self.texts.add(text, key)
            self._places.append(place)

    def _take_json(self, place: _Place, value: bytes) -> None:
        try:
            self._read(value, FREE, place)
        except NotJsonError:
            self._take(place, value)


_PROSE = frozenset({Leaf.TEXT, Leaf.DATA})
"""Strings that are taken as they are, without a look at what they hold."""
