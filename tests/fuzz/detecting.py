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
    """Find, mask and restore."""
    given = Input(data)
    text = Text(given.rest, given.pick(_KEYS))
    (spans,) = MASKER.scan([text])
    assert all(0 <= span.start < span.end <= len(text.value) for span in spans), "a span outside of its text"
    assert all(a.end <= b.start for a, b in pairwise(spans)), "spans overlap"
    session = MASKER.session()
    (masked,) = session.mask([text])
    if masked is not None and not any(one.lower() in text.value.lower() for one in session.mapping):
        assert restore(masked, lookup_in(session.mapping)) == text.value, "what was masked does not come back"
        again = MASKER.session()
        assert again.mask([text]) == [masked], "it is masked differently the second time"


def seeds() -> list[bytes]:
    """Return all planted values, each in a text."""
    return [bytes([number % len(_KEYS)]) + one.text.encode() for number, one in enumerate(PLANTED)]
