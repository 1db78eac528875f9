"""Thousands of values of one family at once: no placeholder is given twice, and every value comes back."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kong_plugins.aws_masker.masking import restore
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text
from tests.properties.texts import lookup_in, mask, masker

COUNT = 3000


def _hex(rng: random.Random, digits: int) -> str:
    return "".join(rng.choices("0123456789abcdef", k=digits))


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "instances": lambda rng: "i-" + _hex(rng, 17),
    "old instances": lambda rng: "i-" + _hex(rng, 8),
    "subnets": lambda rng: "subnet-" + _hex(rng, 17),
    "accounts": lambda rng: f"arn:aws:iam::{rng.randrange(10**11, 10**12)}:root",
    "addresses": lambda rng: f"10.{rng.randrange(1, 255)}.{rng.randrange(256)}.{rng.randrange(1, 255)}",
    "addresses of 192.168": lambda rng: f"192.168.{rng.randrange(256)}.{rng.randrange(1, 255)}",
    "networks": lambda rng: f"10.{rng.randrange(1, 255)}.{rng.randrange(256)}.0/24",
    "IPv6": lambda rng: f"fd{_hex(rng, 2)}:{_hex(rng, 3)}1::{_hex(rng, 3)}1",
    "buckets": lambda rng: f"s3://bucket-{_hex(rng, 10)}/x",
    "keys": lambda rng: "AK" + "IA" + "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16)),
    "keys of KMS": lambda rng: f"arn:aws:kms:eu-west-1:{'5' * 12}:key/{_hex(rng, 8)}-1111-4222-8333-{_hex(rng, 12)}",
    "functions": lambda rng: f"arn:aws:lambda:eu-west-1:{'5' * 12}:function:fn-{_hex(rng, 6)}",
}

_CROWDED = ("addresses", "addresses of 192.168", "networks")


@pytest.mark.parametrize("structure", [True, False])
@pytest.mark.parametrize("family", _MAKERS)
def test_values_never_share_a_placeholder(family: str, structure: bool) -> None:
    """As many placeholders as values, no value its own or (addresses apart, see below) another's, and all restored.

    Thousands of addresses fill a range so far that some placeholder equals the address of another host; it is masked,
    too, and nothing that goes out stands for itself.
    """
    rng = random.Random(family)
    values = list(dict.fromkeys(_MAKERS[family](rng) for _ in range(COUNT)))
    text = "\n".join(values).encode()
    (masked,), mapping = mask([Text(text)], masker(Settings(preserve_structure=structure)))
    lines = masked.split(b"\n")
    assert len(values) > COUNT * 0.9
    assert len(set(lines)) == len(values)
    originals = text.split(b"\n")
    assert not any(line == original for line, original in zip(lines, originals, strict=True))
    assert family in _CROWDED or not set(lines) & set(originals)
    assert restore(masked, lookup_in(mapping)) == text


def test_a_crowded_network_has_room_for_all() -> None:
    """All 254 hosts of a network, the network and its neighbours: distinct, and the hosts still inside."""
    hosts = [f"10.20.30.{host}" for host in range(1, 255)] + [f"10.20.31.{host}" for host in range(1, 255)]
    text = "\n".join(["10.20.30.0/24", "10.20.31.0/24", *hosts]).encode()
    (masked,), mapping = mask([Text(text)], masker())
    lines = masked.decode().split("\n")
    first, second = lines[0].removesuffix(".0/24"), lines[1].removesuffix(".0/24")
    assert len(set(lines)) == len(lines)
    assert {line.rsplit(".", 1)[0] for line in lines[2:256]} == {first}
    assert {line.rsplit(".", 1)[0] for line in lines[256:]} == {second}
    assert first != second
    assert restore(masked, lookup_in(mapping)) == text
