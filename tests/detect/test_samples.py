"""Every detector finds exactly what its own samples mark, and nothing in the others."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker.detect import DETECTORS, RUN_DETECTORS, Detector
from kong_plugins.aws_masker.detect.engine import Scanner
from kong_plugins.aws_masker.families import FAMILIES

ALL = (*DETECTORS, *RUN_DETECTORS)
SCANNER = Scanner(DETECTORS, RUN_DETECTORS)


def _marked(sample: str) -> tuple[bytes, list[bytes]]:
    """Return the sample without its guillemets, and the values that stood between them."""
    values = [part.split("»")[0].encode() for part in sample.split("«")[1:]]
    return sample.replace("«", "").replace("»", "").encode(), values


def _found(detector: Detector, text: bytes) -> list[bytes]:
    runs = detector in RUN_DETECTORS
    alone = Scanner((), (detector,)) if runs else Scanner((detector,), ())
    return [text[span.start : span.end] for span in alone.scan(text)]


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.name)
def test_positives_have_exact_spans(detector: Detector) -> None:
    """What a positive marks is found to the byte, by the detector alone."""
    assert detector.positives
    for sample in detector.positives:
        text, values = _marked(sample)
        assert _found(detector, text) == values, sample


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.name)
def test_negatives_have_no_spans(detector: Detector) -> None:
    """Nothing is found in a negative, by the detector alone."""
    assert detector.negatives
    for sample in detector.negatives:
        assert _found(detector, sample.encode()) == [], sample


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.name)
def test_positives_survive_company(detector: Detector) -> None:
    """With all detectors at work, every marked byte is still covered by some span."""
    for sample in detector.positives:
        text, values = _marked(sample)
        covered = bytearray(text)
        for span in SCANNER.scan(text):
            covered[span.start : span.end] = b"\x00" * (span.end - span.start)
        for value in values:
            assert value not in bytes(covered), sample


def test_families_are_known() -> None:
    """Each family that a detector names is declared, with a switch, and each declared one has a detector."""
    named = {family for detector in ALL for family in detector.families}
    assert named <= set(FAMILIES)
    assert set(FAMILIES) - named <= set()
