"""Texts made to be slow: every beginning of a value, repeated; the time per byte must not grow with the length."""

from __future__ import annotations

from typing import NamedTuple

from bench.masking import MASKER
from bench.timing import least
from kong_plugins.aws_masker.masking import StreamRestorer, restore
from kong_plugins.aws_masker.text import Text

_UNITS = (
    b"/ - . : a A 1 0 = _ \\ @ % aA1/ i- vpc- arn:aws: arn:aws:iam::210987654321:role/ arn:aws:s3:::a s3:// s3://a "
    b"alias/ bucket: bucket= --bucket <BucketName> 10. 10.10.10. 10.1.1.1 10.1.1.1, 192.168.1.1/ fd00: :: fd00::1, "
    b"210987654321, account210987654321 account=210987654321, AKIA IQoJb3JpZ2lu ABSK o- ou- ou-a1b2- Z1 us-east-1_ d- "
    b"mrk- .s3.amazonaws.com x.s3.amazonaws.com .rds.amazonaws.com a.b.c.d.rds.amazonaws.com/ sqs.amazonaws.com/ "
    b'dkr.ecr. aws_secret_access_key= secret= ["a-1", \\n \\u001b[31m %3A key= 0123456789abcdef aced- bucket-a2 '
    b"AWSBUCKET 250.1.1.1 fc00: function-abcdefghij234567 &#45; bucket&#45;"
).split()
_SHORT, _LONG = 40_000, 160_000


class Hostile(NamedTuple):
    """The worst of all texts: its repeated unit, and how much longer a byte takes in a text of four times the size."""

    unit: str
    growth: float
    seconds: float
    """For one MB of the text."""


def _measure(work: str, unit: bytes) -> Hostile:
    times = []
    for size in (_SHORT, _LONG):
        text = (unit * (size // len(unit) + 1))[:size]
        if work == "mask":
            taken = least(lambda text=text: MASKER.session().mask([Text(text)]), runs=2, budget=2)  # type: ignore[misc]
        elif work == "restore":
            taken = least(lambda text=text: restore(text, lambda _: None), runs=2, budget=2)  # type: ignore[misc]
        else:
            taken = least(lambda text=text: _streamed(text), runs=1)  # type: ignore[misc]
        times.append(taken / size)
    return Hostile(unit.decode(), times[1] / times[0], times[1] * 1e6)


def _streamed(text: bytes) -> None:
    restorer = StreamRestorer(lambda _: None)
    for start in range(0, len(text), 7):
        restorer.feed(text[start : start + 7])
    restorer.flush()


def measure() -> dict[str, tuple[Hostile, Hostile]]:
    """Return for masking, restoring and streaming the text that grows most, and the one that is slowest."""
    found = {}
    for work in ("mask", "restore", "stream"):
        all_of_them = [_measure(work, unit) for unit in _UNITS]
        # What takes no time at all grows by the clock's grain only.
        slow = [one for one in all_of_them if one.seconds > 0.05]
        growing = max(slow, key=lambda one: one.growth, default=all_of_them[0])
        found[work] = (growing, max(all_of_them, key=lambda one: one.seconds))
    return found


if __name__ == "__main__":
    for name, worst in measure().items():
        print(name, *worst, sep="\n  ")
