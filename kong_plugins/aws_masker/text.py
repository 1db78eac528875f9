"""The types that wire formats, masking and vaults share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol


class Text(NamedTuple):
    """One piece of text of a request, as UTF-8 (lone surrogates in their 3-byte form)."""

    value: bytes
    key: bytes = b""
    """The JSON key that the text stands under, or nothing: `{"Bucket": "logs"}` tells that `logs` is a bucket."""


class Entry(NamedTuple):
    """What a placeholder stands for."""

    value: bytes
    family: str


def values_of(mapping: Mapping[bytes, Entry]) -> dict[bytes, bytes]:
    """Return placeholders and values without the families."""
    return {placeholder: entry.value for placeholder, entry in mapping.items()}


class Memory(Protocol):
    """What earlier requests of the same tenant left behind; read without any I/O."""

    def entry(self, placeholder: bytes) -> Entry | None:
        """Return what `placeholder` (canonical form) stands for, or None."""

    def names(self) -> Sequence[Entry]:
        """Return the names that earlier requests made certain, so that they are masked without their context too."""


class NoMemory:
    """The memory of a tenant that is seen for the first time."""

    def entry(self, placeholder: bytes) -> Entry | None:
        """Return None: nothing is known."""
        return None

    def names(self) -> Sequence[Entry]:
        """Return no names."""
        return ()


Lookup = Callable[[bytes], "bytes | None"]
"""From a placeholder in canonical form to the value it stands for, or None."""


class MaskSession(Protocol):
    """Masking of one request: all its texts in one call, so that a name certain in one is masked in all."""

    mapping: dict[bytes, Entry]
    """Placeholder (canonical form) to what it stands for, for every value masked so far."""

    known: dict[bytes, Entry]
    """What the placeholders that are in the texts already stand for, as far as the tenant's memory knows them."""

    counts: dict[str, int]
    """Masked values by family."""

    def mask(self, texts: Sequence[Text]) -> list[bytes | None]:
        """Return each text masked, or None where nothing in it changes."""

    def inspect(self, texts: Sequence[Text]) -> dict[str, int]:
        """Count by family what would be masked, without masking: for signed blocks that must not be touched."""
