"""Placeholders for addresses and account ids: values without room for a proof.

**Private IPv4.** An address stays in its range (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10): models
reason about private networks and stumble over others. The bits between range and /24 are permuted so that prefixes are
kept (Crypto-PAn: Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address Anonymization", 2002): two addresses share their
first n bits exactly if their placeholders do. The last octet stays: a gateway is still .1, a network's own address
remains one. Being a permutation, it gives no placeholder to two addresses, and, as the first bit always flips, none to
itself. But being one of the very set it permutes, a placeholder cannot prove itself: whether addresses are placeholders
already, only the text around them or a memory can tell (see `masking.Session`).

The key inverts the permutation. That is used for addresses that a model derives: shown the network 10.13.0.0/16 it may
propose 10.13.7.0/24, which becomes a network inside the real one.

**Private IPv6.** `fc` and 40 bits for the /48 (20 of identity, 20 of proof), a 16-bit subnet number permuted within the
/48, and 64 bits for the interface (0 stays 0). RFC 4193 leaves fc00::/8 undefined; networks are in fd00::/8.

**Public addresses** (off by default): 240.0.0.0/5 by a keyed function, 2001:db8::/32 for IPv6.

**Account ids** become 12 other digits, the first not 0: six of identity and six of proof. There is no more room: one
real account id in a million looks like a placeholder and passes, and two of n accounts meet in one identity with a
probability of n**2 / 1.8e6. The masking notices that they do, and gives the second one an opaque placeholder.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple

from kong_plugins.aws_masker.detect.address import PRIVATE_V4
from kong_plugins.aws_masker.pseudonym.prf import Prf

_LAST_OCTET = 8
_ACCOUNT_DIGITS = 12


def account(prf: Prf, value: bytes) -> bytes:
    """Return the placeholder of an account id, hyphens kept where they are; ValueError for anything else."""
    digits = value.replace(b"-", b"")
    if len(digits) != _ACCOUNT_DIGITS or not digits.isdigit():
        raise ValueError("not an account id")
    identity = 100_000 + int.from_bytes(prf.value("account_id", digits)[:8], "big") % 900_000
    text = b"%d%06d" % (identity, _account_proof(prf, identity))
    return b"-".join((text[:4], text[4:8], text[8:])) if b"-" in value else text


def owns_account(prf: Prf, value: bytes) -> bool:
    """Tell whether the last six digits of `value` prove that `account` made it."""
    digits = value.replace(b"-", b"")
    if len(digits) != _ACCOUNT_DIGITS or not digits.isdigit():
        return False
    return int(digits[6:]) == _account_proof(prf, int(digits[:6]))


def _account_proof(prf: Prf, identity: int) -> int:
    return int.from_bytes(prf.tag(b"account %d" % identity)[:8], "big") % 1_000_000


def address(prf: Prf, family: str, value: bytes) -> bytes:
    """Return the placeholder of an address or network, in the notation of `value` (dotted, dashed, with a length).

    Raises:
        ValueError: if it is neither.
    """
    bare, slash, length = value.partition(b"/")
    bits = int(length) if length else None
    if b":" in bare:
        masked = str(_v6(prf, family, IPv6Address(bare.decode()), bits)).encode()
    elif b"-" in bare:
        masked = _dotted(_v4(prf, family, _number(bare.replace(b"-", b".")), bits)).replace(b".", b"-")
    else:
        masked = _dotted(_v4(prf, family, _number(bare), bits))
    return masked + slash + length


def _number(dotted: bytes) -> int:
    """Return an IPv4 address as a number; in a third of the time that `ipaddress` takes.

    Raises:
        ValueError: if it is none, or has a zero in front of a number.
    """
    first, second, third, last = map(int, dotted.split(b"."))
    number = first << 24 | second << 16 | third << 8 | last
    if not 0 <= number < 1 << 32 or _dotted(number) != dotted:
        raise ValueError("not an IPv4 address")
    return number


def _dotted(number: int) -> bytes:
    return b"%d.%d.%d.%d" % (number >> 24, number >> 16 & 255, number >> 8 & 255, number & 255)


def _v4(prf: Prf, family: str, number: int, bits: int | None) -> int:
    if family != "private_ip":
        return (240 << 24) + int.from_bytes(prf.value(family, number.to_bytes(4, "big"))[:4], "big") % (1 << 27)
    masked = _permuted(prf, number, _range_of(number))
    if bits is not None and bits < 32 - _LAST_OCTET and number & ((1 << (32 - bits)) - 1) == 0:
        masked &= ~((1 << (32 - bits)) - 1)  # a network's own address stays one
    return masked


def _permuted(prf: Prf, number: int, kept: int, inverse: bool = False) -> int:
    """Flip each bit from `kept` to /24 (counted from the left of 32) by a keyed function of all bits before it."""
    done = number
    for first, last in ((kept, 16), (max(kept, 16), 24)):
        tree = _octet(prf, (done if inverse else number) >> (32 - first), first, kept)
        node = 1
        for place in range(31 - first, 31 - last, -1):
            flip = tree >> node & 1
            done ^= flip << place
            node = node << 1 | (number >> place & 1) ^ (flip & inverse)
    return done


def _flips(prf: Prf, prefix: int, bit: int, kept: int) -> int:
    """Return 1 if the bit behind `prefix`, of `bit` bits, is flipped."""
    first = max(kept, bit & ~7)
    depth = bit - first
    return _octet(prf, prefix >> depth, first, kept) >> (1 << depth | prefix & ((1 << depth) - 1)) & 1


@lru_cache(maxsize=1024)
def _octet(prf: Prf, prefix: int, bits: int, kept: int) -> int:
    """Return what decides on the flips up to the end of an octet, behind `prefix` of `bits` bits.

    It is a binary tree: the node of a bit is a 1 followed by the bits between it and `prefix`.
    """
    tree = int.from_bytes(prf.value("ipv4", b"%d/%d" % (prefix, bits)), "big")
    return tree | (bits == kept) << 1  # the first bit behind the range always: no address is its own placeholder


_RANGES = {int(network[0]) >> (32 - network.prefixlen): network.prefixlen for network in PRIVATE_V4}
_RANGE_LENGTHS = sorted(set(_RANGES.values()))


def _range_of(number: int) -> int:
    """Return how long the prefix of the private range is that an address lies in.

    Raises:
        ValueError: if it lies in none.
    """
    for length in _RANGE_LENGTHS:
        if _RANGES.get(number >> (32 - length)) == length:
            return length
    raise ValueError("not a private address")


class Network(NamedTuple):
    """A private network that the model was shown, for those who turn addresses in it back without the key."""

    masked: str
    bits: int
    """Length of its prefix, 24 at most."""
    original: str
    flips: str
    """Hex of the bits that `_permuted` flips between the prefix and /24, as a binary tree in breadth-first order.

    The bit for position `bits + d` has index 2**d - 1 + the number that the first d original bits behind the prefix
    are; it is the bit 0x80 >> (index & 7) of byte index >> 3.
    """


@lru_cache(maxsize=256)
def _tree(prf: Prf, prefix: int, bits: int, kept: int) -> str:
    """Return `Network.flips`; for a /8 these are 65,535 bits, hence the cache."""
    depths = range(32 - _LAST_OCTET - bits)
    tree = "".join("01"[_flips(prf, prefix << d | path, bits + d, kept)] for d in depths for path in range(1 << d))
    padded = tree + "0" * (-len(tree) % 8)
    return int("1" + padded, 2).to_bytes(len(padded) // 8 + 1, "big")[1:].hex()


class Derived:
    """Turns back addresses that a model derived from the private IPv4 networks and hosts it was shown; immutable.

    Only inside a network whose placeholder is known, or beside a known host in its /24: elsewhere an address in an
    answer is one that the model made up or knows from its books, such as 192.168.1.1.
    """

    def __init__(self, prf: Prf, placeholders: Iterable[bytes]) -> None:
        """`placeholders`: those that the model was shown; only private IPv4 addresses and networks count."""
        self._prf = prf
        self._known: set[tuple[int, int]] = set()
        for placeholder in placeholders:
            number, length, _ = _parsed(placeholder)
            if number is not None:
                bits = max(_range_of(number), min(32 - _LAST_OCTET, length))
                self._known.add((number >> (32 - bits), bits))

    def networks(self) -> list[Network]:
        """Return the same knowledge for a restorer that has no key: the networks that lie in no other."""
        widest = [
            (number, bits)
            for number, bits in sorted(self._known)
            if not any((number >> (bits - wider), wider) in self._known for wider in range(8, bits))
        ]
        return [self._network(number, bits) for number, bits in widest]

    def _network(self, number: int, bits: int) -> Network:
        masked = number << (32 - bits)
        original = self._unpermuted(masked, bits)
        flips = _tree(self._prf, original >> (32 - bits), bits, _range_of(masked))
        return Network(_dotted(masked).decode(), bits, _dotted(original).decode(), flips)

    def original(self, placeholder: bytes) -> bytes | None:
        """Return what `placeholder` would stand for, or None."""
        if not self._known:
            return None
        number, length, dashed = _parsed(placeholder)
        if number is None or not any(
            (number >> (32 - bits), bits) in self._known for bits in range(8, min(length, 24) + 1)
        ):
            return None
        text = _dotted(self._unpermuted(number, length))
        _, slash, bits_text = placeholder.partition(b"/")
        return (text.replace(b".", b"-") if dashed else text) + slash + bits_text

    def _unpermuted(self, number: int, length: int) -> int:
        """Return the original of an address, or of a network with a prefix of `length`."""
        number = _permuted(self._prf, number, _range_of(number), inverse=True)
        return number & ~((1 << (32 - length)) - 1) if length < 32 - _LAST_OCTET else number


def _parsed(placeholder: bytes) -> tuple[int | None, int, bool]:
    """Return a private IPv4 address as a number (None if it is none), its prefix length, and whether it is dashed."""
    bare, _, length = placeholder.partition(b"/")
    dashed = b"-" in bare
    try:
        number = _number(bare.replace(b"-", b"."))
        _range_of(number)
    except ValueError:
        return None, 32, dashed
    return number, int(length or 32), dashed


def _v6(prf: Prf, family: str, original: IPv6Address, bits: int | None) -> IPv6Address:
    number = int(original)
    if family != "private_ip":
        return IPv6Address((0x20010DB8 << 96) | int.from_bytes(prf.value(family, original.packed)[:12], "big"))
    site, subnet, interface = number >> 80, (number >> 64) & 0xFFFF, number & ((1 << 64) - 1)
    packed = site.to_bytes(6, "big")
    identity = int.from_bytes(prf.value("ipv6-site", packed)[:4], "big") >> 12
    masked = _v6_site(prf, identity) << 80
    if bits is None or bits > 48 or subnet:
        masked |= (subnet ^ int.from_bytes(prf.value("ipv6-subnet", packed)[:2], "big")) << 64
    if interface:
        masked |= int.from_bytes(prf.value("ipv6-interface", original.packed)[:8], "big")
    return IPv6Address(masked)


def _v6_site(prf: Prf, identity: int) -> int:
    proof = int.from_bytes(prf.tag(b"ipv6-site %d" % identity)[:4], "big") >> 12
    return 0xFC << 40 | identity << 20 | proof


def owns_v6(prf: Prf, value: bytes) -> bool:
    """Tell whether `value` lies in a /48 that `address` made."""
    try:
        site = int(IPv6Address(value.partition(b"/")[0].decode())) >> 80
    except ValueError:
        return False
    return site >> 40 == 0xFC and _v6_site(prf, site >> 20 & 0xFFFFF) == site
