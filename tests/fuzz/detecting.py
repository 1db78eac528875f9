"""Detectors: over any bytes, spans in order that lie inside the text; and what was masked comes back as it was."""

from __future__ import annotations

from itertools import pairwise

from kong_plugins.aws_masker.masking import restore
from kong_plugins.aws_masker.text import Text
from tests.fuzz.bytestream import Input
from tests.fuzz.common import MASKER, PLANTED
from tests.properties.texts import lookup_in

_KEYS = (b"", b"Bucket", b"FunctionName", b"AccountId", b"KeyId", b"DBName", b"secret", b"Arn")


def check(data: bytes) -> None:
    """Find, mask and restore; the texts of one request are separated by a byte that is none of UTF-8's."""
    given = Input(data)
    key = given.pick(_KEYS)
    texts = [Text(one, key) for one in given.rest.split(b"\xff")[:4]]
    for text, spans in zip(texts, MASKER.scan(texts), strict=True):
        assert all(0 <= span.start < span.end <= len(text.value) for span in spans), "a span outside of its text"
        assert all(a.end <= b.start for a, b in pairwise(spans)), "spans overlap"
    session = MASKER.session()
    masked = session.mask(texts)
    said = b"\xff".join(text.value.lower() for text in texts)
    if any(one.lower() in said for one in session.mapping):
        return
    for text, new in zip(texts, masked, strict=True):
        assert new is None or restore(new, lookup_in(session.mapping)) == text.value, "it does not come back"
    assert MASKER.session().mask(texts) == masked, "it is masked differently the second time"


def seeds() -> list[bytes]:
    """Return all planted values, each in a text."""
    escapes = (b"", b"%22", b"\\u0022", b"\x1b[31m", b"\\x20", b"x\xff")
    return [
        bytes([number % len(_KEYS)]) + escapes[number % len(escapes)] + one.text.encode()
        for number, one in enumerate(PLANTED)
    ]
