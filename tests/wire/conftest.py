"""A placeholder of one known form, so that wire formats can be tested without detectors and keys."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from kong_plugins.aws_masker.wire.jsontext import escaped as json_escaped

PLACEHOLDER = "i-0a1b2c3d4e5f60718"
VALUE = 'na"me\\of i-0fedcba9876543210'
"""With a quote and a backslash, as a pattern of the user's own may match them."""

_SHAPE = re.compile(rb"i-[0-9a-f]{17}")
_BEGINNING = re.compile(rb"(?:i|i-[0-9a-f]{0,16})\Z")


class Pieces:
    def __init__(self, restoring: OnePlaceholder, *, escaped: bool) -> None:
        self._restoring = restoring
        self._escaped = escaped
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        text = self._held + data
        beginning = _BEGINNING.search(text)
        end = beginning.start() if beginning else len(text)
        self._held = text[end:]
        return self._restoring.whole(text[:end], escaped=self._escaped)

    def flush(self) -> bytes:
        held, self._held = self._held, b""
        return self._restoring.whole(held, escaped=self._escaped)


class OnePlaceholder:
    """Restores PLACEHOLDER to VALUE, and nothing else."""

    def whole(self, text: bytes, *, escaped: bool = False) -> bytes:
        value = VALUE.encode()
        value = json_escaped(value) if escaped else value
        return _SHAPE.sub(lambda found: value if found[0] == PLACEHOLDER.encode() else found[0], text)

    def pieces(self, *, escaped: bool = False) -> Pieces:
        return Pieces(self, escaped=escaped)


@pytest.fixture(scope="session")
def placeholder() -> str:
    return PLACEHOLDER


@pytest.fixture(scope="session")
def value() -> str:
    return VALUE


@pytest.fixture(scope="session")
def restoring() -> OnePlaceholder:
    return OnePlaceholder()


@pytest.fixture(scope="session")
def cuts() -> Callable[[bytes, list[int]], list[bytes]]:
    """Cut bytes at the given places (taken modulo their length)."""

    def cut(data: bytes, places: list[int]) -> list[bytes]:
        ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
        return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    return cut
