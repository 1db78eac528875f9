"""Access key ids and the other unique ids of IAM: a prefix of four letters and 16 or 17 characters of base32.

Prefixes: IAM User Guide, "Understanding unique ID prefixes". Newer `AKIA` and `ASIA` ids encode the account id in their
first bytes, so an id that passes gives the account away even where account ids are masked.
"""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.spans import ALNUM, Span, ends_clean, run_end, starts_clean

PREFIXES = ("AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA", "AGPA", "AIPA", "ANPA", "ANVA", "APKA", "ASCA")


_LENGTHS = (20, 21)
_SESSION_CHARS = bytes(sorted(ALNUM)) + b"_+=.@-"


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not starts_clean(text, start) or not ends_clean(text, end):
        return ()
    if text[start:end].isalpha() and end - start not in _LENGTHS:
        return ()  # a word in capitals; one real id in 28 has no digit, but all have one of two lengths
    spans = [Span(start, end, "access_key")]
    if text[end : end + 1] == b":":  # the session's name: AROA...:jane.doe@example.com
        stop = run_end(text, end + 1, _SESSION_CHARS)
        stop -= len(text[end:stop]) - len(text[end:stop].rstrip(b".,-=+"))
        if stop - end > 2:
            spans.append(Span(end + 1, stop, "user", spread=True))
    return spans


DETECTOR = Detector(
    name="access_key",
    families=("access_key", "user"),
    summary="access key ids and other unique ids of IAM",
    # real ids are base32, but examples and old ones hold 0, 1, 8 and 9 as well, so the wider alphabet is taken
    pattern=rf"(?:{'|'.join(PREFIXES)})[A-Z0-9]{{12,128}}".encode(),
    find=_find,
    positives=(
        "«" + "AKIA" + "QX4YZ7B2C3D5E6FA»",
        r"key\n«" + "ASIA" + "QX4YZ7B2C3D5E6FA» role",
        "«" + "AROA" + 'QX4YZ7B2C3D5E6FAB»:«jane.doe@example.com»"',
    ),
    negatives=("AKIA", "AKIAtoo", "xAKIAQX4YZ7B2C3D5E6FA", "AKIASHORT", "ASIATICCHOLERAEPIDEMIC"),
)
