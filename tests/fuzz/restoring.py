"""Restoring: any chunking gives the same, and where no placeholder is, nothing changes."""

from __future__ import annotations

from kong_plugins.aws_masker.masking import StreamRestorer, restore
from kong_plugins.aws_masker.wire.jsontext import escaped as json_escaped
from tests.fuzz.bytestream import Input
from tests.fuzz.common import LOOKUP, PLACEHOLDERS


def check(data: bytes) -> None:
    """Restore whole, and in pieces; then with nothing to look up."""
    given = Input(data)
    escape, cuts = given.pick((None, json_escaped)), given.cuts()
    text = given.rest
    for lookup in (LOOKUP, lambda _: None):
        streamed = StreamRestorer(lookup, escape)
        out = b"".join([*map(streamed.feed, cuts.of(text)), streamed.flush()])
        assert out == restore(text, lookup, escape), "cut differently, it is restored differently"
    assert out == text, "something changed without a placeholder"


def seeds() -> list[bytes]:
    """Return placeholders as they are, and as models write them."""
    made = []
    for number, one in enumerate(PLACEHOLDERS[::3]):
        head = bytes([number % 2, 1 + number % 9, 30, 3])
        spelled = (
            one,
            one.upper(),
            one.replace(b"-", b"&#45;"),
            one.replace(b"-", b"\\-"),
            one[:12] + b"\n   " + one[12:],
            b"%22" + one + b"%22",
            one.replace(b"-", b"-\n> "),
        )
        made.append(head + b"\\n" + spelled[number % len(spelled)] + b"." + one[: number % 20])
    return made
