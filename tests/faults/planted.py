"""What the campaign plants: values that say, wherever they turn up, that they are values, and whose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import re2

TENANTS = (1, 2, 3)
_CANARY = re2.compile(rb"(?i)(?:c0ffee7e|80553311)([0-9a-f])|coffee7([a-p])")
"""Chosen such that no placeholder holds one by chance: 1 in 10,000 campaigns of 10,000 requests."""
_FILLER = "The change is small: the retry is now done by the client, so the loop in the handler can go.\n"


def owners(data: bytes) -> set[int]:
    """Return the tenants whose values `data` holds."""
    found = set()
    for match in _CANARY.finditer(data):
        digit, letter = match[1], match[2]
        found.add(int(digit, 16) if digit else letter.upper()[0] - ord("A"))
    return found


def recalled(tenant: int, number: int) -> str:
    """Return the instance id of request `number`."""
    return f"i-0c0ffee7e{tenant:x}{number:07x}"


def text_of(tenant: int, number: int, size: int) -> str:
    """Return a text of `tenant` with values of its own in each line, at least `size` characters long."""
    filler = _FILLER * (size // len(_FILLER))
    digest = hashlib.sha256(b"%d" % number).hexdigest()
    letter = chr(ord("A") + tenant)
    word = digest.upper().translate(str.maketrans("0189", "GHJK"))[:8]
    lines = (
        f"instance {recalled(tenant, number)}",
        f"standing {standing(tenant)}",
        f"look at s3://acme-c0ffee7e{tenant:x}-{number:x}/part-0001.parquet",
        f"arn:aws:iam::80553311{tenant}{number % 1000:03}:role/deploy-c0ffee7e{tenant:x}-{number % 50}",
        f"aws_access_key_id = {'AK' + 'IA'}COFFEE7{letter}{word}",
        f"aws_secret_access_key = {'c0ffee7e'}{tenant:x}/Q{digest[:29].replace('a', 'Z')}",
        f"peer 10.77.{tenant}.{number % 200 + 2}",
    )
    return filler + "\n".join(lines)


def standing(tenant: int) -> str:
    """Return the value that every request of `tenant` holds."""
    return f"vpc-0c0ffee7e{tenant:x}abcdef1"


def placeholder_after(text: str, word: str) -> str | None:
    """Return what stands in the place of the value behind `word` in a masked text."""
    return next(_after(text, word), None)


def _after(text: str, word: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith(word + " "):
            yield line.removeprefix(word + " ")
