"""What checks remember makes them faster, and changes nothing that they find."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import _lru_cache_wrapper
from inspect import unwrap
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kong_plugins.aws_masker.detect import DETECTORS, RUN_DETECTORS, account, address, arn, names, service_id
from kong_plugins.aws_masker.detect.detector import Detector, nearby
from kong_plugins.aws_masker.detect.engine import Scanner
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import Span, moved, starts_clean

_SCANNER = Scanner(DETECTORS, RUN_DETECTORS)
_BETWEEN = [
    *(b"", b"\n", b" ", b'"', b", ", b"\x00", b"\\n", b'","', b"': '", b"-", b"x", b"0", b"%2F", b"\\/", b"=", b"--"),
    *(b"0123456789abcdef", b"version ", b"\x1b[31m", b"grid", b"SPDX "),
]


def _samples(detector: Detector) -> list[bytes]:
    return [one.replace("«", "").replace("»", "").encode() for one in (*detector.positives, *detector.negatives)]


def _title(detector: Detector) -> str:
    return detector.name


_MORE = (b'id = "ws-fs0qkfga4x47"', b'{"identifier": "orders-7"}')
_SAMPLES = [sample for one in DETECTORS for sample in _samples(one)]
_TEXTS = st.lists(st.sampled_from(_SAMPLES) | st.sampled_from(_BETWEEN), min_size=1, max_size=8).map(b"".join)


def _forget() -> None:
    for one in gc.get_objects():
        if isinstance(one, _lru_cache_wrapper) and "aws_masker.detect" in str(one.__module__):
            one.cache_clear()


@given(_TEXTS, _TEXTS)
def test_what_was_seen_before_changes_nothing(before: bytes, text: bytes) -> None:
    """A text has the same spans whether its pieces were seen in other texts before or not."""
    _SCANNER.scan(before + text)
    _SCANNER.scan(text[: len(text) // 2] + before)
    warm = _SCANNER.scan(text)
    _forget()
    assert _SCANNER.scan(text) == warm


def _candidates(detector: Detector) -> Iterator[tuple[bytes, int, int]]:
    """Yield all candidates in the detector's own samples, with all sorts of things before and behind each sample."""
    search = Pattern(detector.pattern).search
    for sample in (*_samples(detector), *_MORE):
        for before, behind in product(_BETWEEN, _BETWEEN):
            text = before + sample + behind
            position = 0
            while (span := search(text, position)) is not None:
                yield text, *span
                position = span[0] + 1


@pytest.mark.parametrize("detector", [one for one in DETECTORS if unwrap(one.find) is not one.find], ids=_title)
def test_nearby_is_near_enough(detector: Detector) -> None:
    """A check that sees only what is near says what it would say of the whole text."""
    for text, start, end in _candidates(detector):
        assert list(detector.find(text, start, end)) == list(unwrap(detector.find)(text, start, end))


def test_ids_are_near_enough() -> None:
    """The same for ids behind keys, whose lists may be long and are read on."""
    for text, start, end in _candidates(service_id.DETECTOR):
        assert list(service_id.DETECTOR.find(text, start, end)) == list(service_id._check(text, start, end))


def test_names_are_near_enough() -> None:
    """The same for names: what stands before a key in quotes does not matter, and what does is in sight."""
    for text, start, end in _candidates(names.DETECTOR):
        key = names._key_in(text[start:end])
        whole = () if key is None else names._spans(text, start, key)
        assert list(names.DETECTOR.find(text, start, end)) == list(whole)


def test_arns_are_near_enough() -> None:
    """The same for ARNs in quotes."""
    for text, start, end in _candidates(arn.DETECTOR):
        whole = arn._spans_from(text, start) if starts_clean(text, start) else ()
        assert list(arn.DETECTOR.find(text, start, end)) == list(moved(whole, start))


def test_account_ids_are_near_enough() -> None:
    """The same for account ids behind keys in quotes."""
    for text, start, end in _candidates(account.DETECTOR):
        if end - start == 12 and text[start - 1 : start] == text[end : end + 1] == b'"':
            assert bool(account.DETECTOR.find(text, start, end)) == account._certain(text, start, end)


def test_a_check_sees_what_is_nearby() -> None:
    """The borders are exact, at the beginning and at the end of a text as well."""
    seen = []

    @nearby(back=2, ahead=3)
    def find(text: bytes, start: int, end: int) -> tuple[Span, ...]:
        seen.append((text, start, end))
        return (Span(start, end, "bucket", spread=True),)

    for start, end in ((4, 6), (1, 3), (4, 6)):
        assert list(find(b"01234567", start, end)) == [Span(start, end, "bucket", spread=True)]
    assert seen == [(b"234567", 2, 4), (b"012345", 1, 3)]
    assert list(find(b"xx234567", 4, 6)) == [Span(4, 6, "bucket", spread=True)]
    assert len(seen) == 2


def test_addresses_are_remembered() -> None:
    """The tests above have something to test."""
    assert unwrap(address.IPV4.find) is not address.IPV4.find
