"""Known values are found wherever they stand by themselves, also where another one hides them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kong_plugins.aws_masker.detect.spans import ALNUM
from kong_plugins.aws_masker.spreading import Remembered, Spreader
from kong_plugins.aws_masker.text import Entry

_NAME_JOINTS = ALNUM | frozenset(b"-_")


def _found(known: dict[bytes, str], text: bytes) -> list[bytes]:
    return [text[span.start : span.end] for span in Spreader(known).spans(text)]


@pytest.mark.parametrize(
    ("known", "text", "found"),
    [
        ({b"/acme/db-1": "parameter", b"acme/db-17": "parameter"}, b"get /acme/db-17 now", [b"acme/db-17"]),
        ({b"a/acme-logs": "bucket", b"acme-logs-old": "bucket"}, b"a/acme-logs-old", [b"acme-logs-old"]),
        ({b"acme.x": "bucket", b"acme.x-1": "bucket"}, b"acme.x-1 acme.x-12", [b"acme.x-1"]),
        ({b"acme-logs": "bucket"}, b"acme-logs-old xacme-logs acme-logs.", [b"acme-logs"]),
        ({b"210987654321": "account_id"}, b"x-210987654321-y 2109876543210", [b"210987654321"]),
        ({b"a/b-c": "parameter", b"b-c/d": "parameter", b"c/d-e": "parameter"}, b"a/b-c/d-e", [b"a/b-c"]),
        ({b"prod/x-1": "parameter", b"x-1/y": "parameter"}, b"prod/x-1/y", [b"prod/x-1", b"x-1/y"]),
    ],
)  # fmt: skip
def test_values_that_hide_each_other(known: dict[bytes, str], text: bytes, found: list[bytes]) -> None:
    """A value that does not stand by itself hides none that begins inside it."""
    assert _found(known, text) == found


@given(
    st.lists(st.text("ab/-", min_size=2, max_size=6), min_size=1, max_size=6, unique=True),
    st.text("ab/- ", max_size=40),
)
def test_no_value_that_stands_alone_is_missed(names: list[str], text: str) -> None:
    """Each place where a known value stands by itself is covered, or begins inside another one that is."""
    known = {name.encode(): "bucket" for name in names}
    raw = text.encode()
    spans = list(Spreader(known).spans(raw))
    for name in known:
        at = raw.find(name)
        while at >= 0:
            alone = not (at and raw[at - 1] in _NAME_JOINTS) and raw[at + len(name) : at + len(name) + 1] not in (
                b"a", b"b", b"-",
            )  # fmt: skip
            assert not alone or any(span.start <= at < span.end for span in spans), (name, at)
            at = raw.find(name, at + 1)


@pytest.mark.parametrize("step", [1, 3, 700])
def test_names_that_come_are_found_and_those_gone_are_forgotten(step: int) -> None:
    """However many names come at once: the memory's are found, and of those that left it at most a few."""
    held: Remembered | None = None
    for end in range(step, 2400, step):
        names = [Entry(b"acme-logs-%d" % number, "bucket") for number in range(max(0, end - 1000), end)]
        held = Remembered(names, held)
        if end % 200 < step:
            text = b" ".join(b"acme-logs-%d" % number for number in range(end + 5))
            found = {text[span.start : span.end] for one in held.spreaders for span in one.spans(text)}
            assert found >= {name.value for name in names}
            assert len(found) <= len(names) + 500
    assert held is not None
    assert len(held.spreaders) <= 2
