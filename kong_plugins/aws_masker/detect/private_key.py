"""Private keys in PEM, as EC2 gives them out with a key pair (`"KeyMaterial": "-----BEGIN RSA PRIVATE KEY-----..."`).

The lines that say what it is stay; all that stands between them is one value.
"""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import ALNUM, Span, run_end

_BODY_CHARS = bytes(sorted(ALNUM)) + b"+/=\\ \t\r\n:,-"
"""Base64, line ends (also as `\\n`), and the headers of an encrypted key; `-` for a key that is cut off."""
_EDGE = rb"(?:[ \t\r\n]|\\{1,7}[nr]){1,64}"
_BEFORE = Pattern(_EDGE)
_BEHIND = Pattern(_EDGE + rb"\z")
_LONGEST = 16 * 1024
"""Bytes; RSA with 16,384 bits has 12,700 in PEM."""
_SHORTEST = 32


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    stop = text.find(b"-----", end, end + _LONGEST)
    if stop < 0:  # cut off
        stop = run_end(text, end, _BODY_CHARS, _LONGEST)
    begin = end + max(0, _BEFORE.match(text[end : end + 64]))
    behind = _BEHIND.search(text[max(begin, stop - 64) : stop])
    if behind is not None:
        stop -= behind[1] - behind[0]
    if stop - begin < _SHORTEST or text[begin:stop].strip(_BODY_CHARS):
        return ()
    return (Span(begin, stop, "private_key"),)


_BEGIN = "-----BEGIN {}PRIVATE KEY-----"
_SAMPLE = "MIIEpAIBAAKCAQEAy8Dbv8prpJ/0kKhlGeJYozo2t60EG8L0561g13R29LvMR5hy"

DETECTOR = Detector(
    name="private_key",
    families=("private_key",),
    summary="private keys in PEM",
    pattern=rb"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY-----",
    find=_find,
    positives=(
        _BEGIN.format("RSA ") + f"\n«{_SAMPLE}\nvGZlWJyB==»\n-----END RSA PRIVATE KEY-----",
        _BEGIN.format("") + f"\n«{_SAMPLE}\n{_SAMPLE}»\n$ ls",
        '{"KeyMaterial": "'
        + _BEGIN.format("RSA ")
        + rf"\n«{_SAMPLE}\nvGZlWJyB==»\n-----END RSA PRIVATE KEY-----"
        + '"}',
        _BEGIN.format("RSA ") + f"\n«Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n{_SAMPLE}»\n-----END",
        _BEGIN.format("OPENSSH ") + f"\n«{_SAMPLE}»",
    ),
    negatives=(
        _BEGIN.format("RSA ") + "\n...\n-----END RSA PRIVATE KEY-----",
        'pem.startswith("' + _BEGIN.format("") + '") or pem.endswith("-----END PRIVATE KEY-----")',
        "-----BEGIN CERTIFICATE-----\n" + _SAMPLE + "\n-----END CERTIFICATE-----",
    ),
)
