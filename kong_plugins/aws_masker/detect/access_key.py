"""Access key ids and the other unique ids of IAM: a prefix of four letters and 16 or 17 characters of base32.

Prefixes: IAM User Guide, "Understanding unique ID prefixes". Newer `AKIA` and `ASIA` ids encode the account id in their
first bytes, so an id that passes gives the account away even where account ids are masked.
"""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.spans import Span, ends_clean, starts_clean

PREFIXES = ("AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA", "AGPA", "AIPA", "ANPA", "ANVA", "APKA", "ASCA")


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    if starts_clean(text, start) and ends_clean(text, end):
        return (Span(start, end, "access_key"),)
    return ()


DETECTOR = Detector(
    name="access_key",
    families=("access_key",),
    summary="access key ids and other unique ids of IAM",
    # the documents' own examples hold digits that base32 has not (AROADBQP57FF2AEXAMPLE does not, AIDACKCEVSQ6C2EXAMPLE neither,
    # but 0, 1, 8 and 9 occur), so the wider alphabet is taken
    pattern=rf"(?:{'|'.join(PREFIXES)})[A-Z0-9]{{12,128}}".encode(),
    find=_find,
    positives=(
        "«" + "AKIA" + "QX4YZ7B2C3D5E6FA»",
        r"key\n«" + "ASIA" + "QX4YZ7B2C3D5E6FA»:role",
        "«" + "AROA" + "QX4YZ7B2C3D5E6FAB»:session",
    ),
    negatives=("AKIA", "AKIAtoo", "xAKIAQX4YZ7B2C3D5E6FA", "AKIASHORT"),
)
