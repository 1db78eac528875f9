"""What a plain `Name` of an answer of AWS's is the name of, by the fields beside it in the same object."""

from __future__ import annotations

from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import NAME_CHARS, run_end

_ARN = Pattern(rb"(?i:arn)\\{0,3}[\"']?[ \t]{0,4}[:=][ \t]{0,4}\\{0,3}[\"']?arn:aws[a-z-]{0,12}:[a-z0-9-]{2,30}:")
_GAP = rb"(?:[ \t\r\n\"',:]|\\[nrt\"])"
_LISTED_BEFORE = Pattern(
    # a date as text, or taken apart as botocore's recorders write it
    rb"CreationDate"
    + _GAP
    + rb"{1,12}(?:[0-9][0-9T:.+Z -]{9,40}|\{[^{}]{60,360}\}|datetime\.datetime\([^()]{8,60}(?:\(\))?\))"
    + _GAP
    + rb"{1,60}$"
)
_LISTED_BEHIND = Pattern(_GAP + rb"{1,60}CreationDate\\{0,3}[\"']?:")
_OBJECTS_BEFORE = Pattern(rb"MaxKeys" + _GAP + rb"{1,8}[0-9]{1,5}" + _GAP + rb"{1,60}$")
_OBJECTS_BEHIND = Pattern(
    _GAP + rb"{1,60}Prefix\\{0,3}[\"']?:" + _GAP + rb"{1,8}[0-9A-Za-z._/-]{0,80}" + _GAP + rb"{1,60}MaxKeys"
)
_ANSWER_BEHIND = Pattern(_GAP + rb"{1,60}ResponseMetadata\\{0,3}[\"']?:")
_SECRET_BEHIND = Pattern(_GAP + rb"{1,60}[tT]ype\\{0,3}[\"']?:" + _GAP + rb"{1,8}SecureString\b")
_PARAMETER_BEHIND = Pattern(_GAP + rb"{1,60}[tT]ype\\{0,3}[\"']?:" + _GAP + rb"{1,8}String(?:List)?\b")
_LOOK_AHEAD = 160
_ANSWER = 800
"""Bytes behind a name in which an SDK's `ResponseMetadata` says which service answered."""


def kind_beside(before: bytes, text: bytes, end: int) -> bytes:
    """Return the kind of the name at `end`, whose object begins in `before`, the text up to the key; or nothing.

    S3 lists buckets as a name and a date, and objects with the bucket's name and the number of keys; wherever an ARN
    stands beside a name, it says of what service it is.
    """
    behind = text[end : end + _LOOK_AHEAD]
    if b"arn:aws" in behind and (span := _ARN.search(behind)) is not None and b"}" not in behind[: span[0]]:
        return behind[span[0] : span[1]]
    if b"arn:aws" in before:
        here = before[max(before.rfind(b"{"), before.rfind(b"}")) + 1 :]
        if (span := _ARN.search(here)) is not None:
            return here[span[0] : span[1]]
    return _listed(before) or _told_behind(text, end, behind)


def _listed(before: bytes) -> bytes:
    """Return S3 if the end of `before` is a field that it has beside a bucket's name."""
    dated = b"CreationDate" in before and _LISTED_BEFORE.search(before) is not None
    return b"s3" if dated or (b"MaxKeys" in before and _OBJECTS_BEFORE.search(before) is not None) else b""


def _told_behind(text: bytes, end: int, behind: bytes) -> bytes:
    """Return what the field right behind the name at `end` tells."""
    if not any(field in behind for field in (b"CreationDate", b"MaxKeys", b"ResponseMetadata", b"String")):
        return b""
    stop = run_end(text, end, NAME_CHARS, 255)
    rest = text[stop : stop + _ANSWER]
    if _LISTED_BEHIND.match(rest) > 0 or _OBJECTS_BEHIND.match(rest) > 0:
        return b"s3"
    if _SECRET_BEHIND.match(rest) > 0 or (text[end : end + 1] == b"/" and _PARAMETER_BEHIND.match(rest) > 0):
        return b"ssm"
    if _ANSWER_BEHIND.match(rest) > 0:
        return b"s3" if b"AmazonS3" in rest or b"x-amz-id-2" in rest else b"resource"
    return b""
