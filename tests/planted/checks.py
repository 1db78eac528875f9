"""What has to hold for every masked text, whatever carried the value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kong_plugins.aws_masker.families import NAME_FAMILIES
from kong_plugins.aws_masker.masking import Masker, restore
from kong_plugins.aws_masker.text import Entry, Text
from tests.planted.carriers import Carrier
from tests.planted.model import Planted


class Remembered:
    """The memory that a vault has of one request."""

    def __init__(self, mapping: Mapping[bytes, Entry]) -> None:
        self._mapping = mapping

    def entry(self, placeholder: bytes) -> Entry | None:
        """Return what `placeholder` stands for."""
        return self._mapping.get(placeholder)

    def names(self) -> Sequence[Entry]:
        """Return the names of the request."""
        return [entry for entry in self._mapping.values() if entry.family in NAME_FAMILIES]


def masked(masker: Masker, texts: Sequence[Text]) -> tuple[list[bytes], list[str]]:
    """Mask `texts` as one request; return the results, and what is wrong with them whatever they hold."""
    session = masker.session()
    results = [text.value if new is None else new for text, new in zip(texts, session.mask(texts), strict=True)]
    mapping = session.mapping

    def lookup(placeholder: bytes) -> bytes | None:
        entry = mapping.get(placeholder)
        return None if entry is None else entry.value

    wrong = []
    if [restore(result, lookup) for result in results] != [text.value for text in texts]:
        wrong.append("is not restored")
    again = masker.session(memory=Remembered(mapping)).mask(
        [Text(result, text.key) for result, text in zip(results, texts, strict=True)]
    )
    if any(new is not None for new in again):
        wrong.append("masked again")
    return results, wrong


def carried(planted: Planted, carrier: Carrier) -> list[Text]:
    """Return the request that carries the value; a bare carrier of a value without a shape gets a context beside it."""
    key = planted.context.key.encode() if carrier.leaf_key else b""
    texts = [Text(carrier.write(planted).encode(), key)]
    if not planted.shaped and not carrier.keyed:
        texts.insert(0, Text(planted.text.encode(), planted.context.key.encode()))
    return texts


def problems(masker: Masker, planted: Planted, carrier: Carrier) -> Iterable[str]:
    """Yield in words what is wrong with the value in this carrier."""
    texts = carried(planted, carrier)
    results, wrong = masked(masker, texts)
    yield from wrong
    whole = b"\n".join(results)
    for secret in planted.secrets:
        if secret.text.encode() in whole:
            yield f"leaks {secret.kind}"
    for public in () if carrier.glued else planted.public:
        expected = carrier.encode(public).encode()
        before = b"\n".join(text.value for text in texts)
        if whole.count(expected) < before.count(expected):
            yield f"loses {public!r}"
