"""S3 bucket names in S3 URIs. ARNs, endpoints, keys and flags that name a bucket have detectors of their own."""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import REGION, Pattern
from kong_plugins.aws_masker.detect.spans import Span, ends_clean, run_end, run_start
from kong_plugins.aws_masker.detect.words import is_word

_REGION = Pattern(REGION)
BUCKET_CHARS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
"""Capitals and underscores were allowed in us-east-1 until 2018, and such buckets still exist."""


_TODAYS_CHARS = b"abcdefghijklmnopqrstuvwxyz0123456789.-"


def bucket_span(text: bytes, start: int) -> Sequence[Span]:
    """Return the span of the bucket name that begins at `start`, or nothing if none does."""
    end = run_end(text, start, BUCKET_CHARS)
    end -= len(text[start:end]) - len(text[start:end].rstrip(b".-_"))
    if not 3 <= end - start <= 255:
        return ()
    if _REGION.fullmatch(text[start:end]) and text[end : end + 1] == b"/":
        return bucket_span(text, end + 1)  # Loki's and Cortex's: s3://eu-west-1/acme-logs
    if text[start:end] == b"arn" and text[end : end + 5] == b":aws:":
        return ()  # an access point, as the CLI takes it: `s3://arn:aws:s3:...`
    # `s3://acme-${env}/` holds a part of a name only
    return (
        Span(
            start, end, "bucket", spread=text[end : end + 1] not in (b"{", b"$", b"*") and text[end : end + 2] != b"-$"
        ),
    )


def listed_end(text: bytes, start: int) -> int:
    """Return where the bucket name ends that an answer or a listing has at `start`; `start` if it may be a word."""
    end = run_end(text, start, _TODAYS_CHARS, 255)
    name = text[start:end]
    usable = 3 <= len(name) <= 63 and name[-1] not in b".-" and not name.isalpha() and not is_word(name)
    return end if usable else start


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    if text[start : start + 1] != b"-":
        return bucket_span(text, end)
    begin = run_start(text, start, BUCKET_CHARS, 64)  # `acme-ap-cu6u383zrwrj6z7biz4obdh8r49uhusw2b-s3alias`
    return (Span(begin, start, "bucket", spread=True),) if start - begin >= 16 and ends_clean(text, end) else ()


DETECTOR = Detector(
    name="bucket",
    families=("bucket",),
    summary="S3 buckets in `s3://` URIs, and the aliases of access points",
    pattern=rb"[sS]3[an]?(?:://|%3[Aa]%2[Ff]%2[Ff]|:\\{1,3}/\\{1,3}/)|-s3alias",
    find=_find,
    bare=False,
    positives=(
        "aws s3 cp x s3://«acme-prod-logs»/2024/ --recursive",
        "s3a://«acme.data»/x and s3://«acme_old_Bucket».",
        "s3://eu-west-1/«acme-loki»",
        r'"s3:\/\/«acme-prod-logs»\/x"',
        "s3%3A%2F%2F«acme-prod-logs»%2Fx",
        "alias «acme-ap-cu6u383zrwrj6z7biz4obdh8r49uhusw2b»-s3alias",
    ),
    negatives=(
        "s3://${BUCKET}/x",
        "s3://<bucket>/key",
        "s3://$BUCKET",
        "s3:// ",
        "s3://ab",
        "s3://arn:aws:s3:::",
        "the-s3alias",
    ),
)
