"""Placeholders for addresses and account ids: values without room for a proof.

**Private IPv4.** 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and 100.64.0.0/10 are mapped into 240.0.0.0/4, which no
network may route and no private network uses: to 250/8, 251.16/12, 252.168/16 and 253.64/10. So a placeholder can never
be taken for an address that is to be masked, nor the other way round, by construction. Within a range the bits down to
/24 are permuted so that prefixes are kept (Crypto-PAn: Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address
Anonymization", 2002): two addresses share their first n bits exactly if their placeholders do. The last octet stays: a
gateway is still .1, and what is a network or broadcast address remains one. It is a permutation: no two addresses share
a placeholder, and the key inverts it. That is used for addresses that a model derives: shown the network 250.13.0.0/16
it may propose 250.13.7.0/24, which becomes a network inside the real one.

**Private IPv6.** `fc` and 40 bits for the /48 (20 of identity, 20 of proof), a 16-bit subnet number permuted within the
/48, and 64 bits for the interface (0 stays 0). RFC 4193 leaves fc00::/8 undefined; networks are in fd00::/8.

**Public addresses** (off by default): 240.0.0.0/5 by a keyed function, 2001:db8::/32 for IPv6.

**Account ids** become 12 other digits, the first not 0: six of identity and six of proof. There is no more room: one
real account id in a million looks like a placeholder and passes, and two of n accounts meet in one identity with a
probability of n**2 / 1.8e6. The masking notices that they do, and gives the second one an opaque placeholder.
"""

from __future__ import annotations

from collections.abc import Container
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from kong_plugins.aws_masker.detect.address import PRIVATE_V4
from kong_plugins.aws_masker.pseudonym.prf import Prf

_RANGES: tuple[tuple[IPv4Network, int], ...] = tuple(zip(PRIVATE_V4, (250, 251, 252, 253), strict=True))
_LAST_OCTET = 8


def account(prf: Prf, value: bytes) -> bytes:
    """Return the placeholder of an account id, hyphens kept where they are."""
    digits = value.replace(b"-", b"")
    identity = 100_000 + int.from_bytes(prf.value("account_id", digits)[:8], "big") % 900_000
    text = b"%d%06d" % (identity, _account_proof(prf, identity))
    return b"-".join((text[:4], text[4:8], text[8:])) if b"-" in value else text


def owns_account(prf: Prf, value: bytes) -> bool:
    """Tell whether the last six digits of `value` prove that `account` made it."""
    digits = value.replace(b"-", b"")
    return int(digits[6:]) == _account_proof(prf, int(digits[:6]))


def _account_proof(prf: Prf, identity: int) -> int:
    return int.from_bytes(prf.tag(b"account %d" % identity)[:8], "big") % 1_000_000


def address(prf: Prf, family: str, value: bytes) -> bytes:
    """Return the placeholder of an address or network, in the notation of `value` (dotted, dashed, with a length)."""
    bare, slash, length = value.partition(b"/")
    bits = int(length) if length else None
    if b":" in bare:
        text = str(_v6(prf, family, IPv6Address(bare.decode()), bits)).encode()
    else:
        masked = _v4(prf, family, IPv4Address(bare.decode().replace("-", ".")), bits)
        text = str(masked).encode()
        if b"-" in bare:
            text = text.replace(b".", b"-")
    return text + slash + length


def _v4(prf: Prf, family: str, original: IPv4Address, bits: int | None) -> IPv4Address:
    number = int(original)
    if family != "private_ip":
        return IPv4Address((240 << 24) + int.from_bytes(prf.value(family, original.packed)[:4], "big") % (1 << 27))
    network, first = next(pair for pair in _RANGES if original in pair[0])
    masked = _permuted(prf, number, network.prefixlen, 32 - _LAST_OCTET)
    if bits is not None and bits < 32 - _LAST_OCTET and number & ((1 << (32 - bits)) - 1) == 0:
        masked &= ~((1 << (32 - bits)) - 1)  # a network's own address stays one
    return IPv4Address((masked & 0x00FFFFFF) | first << 24)


def _permuted(prf: Prf, number: int, kept: int, last: int) -> int:
    """Flip each bit from `kept` to `last` (counted from the left of 32) by a keyed function of all bits before it."""
    flips = 0
    for bit in range(kept, last):
        if _flips(prf, number >> (32 - bit), bit):
            flips |= 1 << (31 - bit)
    return number ^ flips


def _flips(prf: Prf, prefix: int, bit: int) -> bool:
    return bool(prf.value("ipv4", b"%d/%d" % (prefix, bit))[0] & 1)


def derived(prf: Prf, placeholder: bytes, known: Container[bytes]) -> bytes | None:
    """Return the private IPv4 address or network that `placeholder` would stand for, or None.

    Only inside the /16s in `known` (see `site`): elsewhere the address is a text that merely looks like a placeholder.
    """
    if site(placeholder) not in known:
        return None
    bare, slash, length = placeholder.partition(b"/")
    dotted = bare.replace(b"-", b".")
    number = int(IPv4Address(dotted.decode()))
    network = next((network for network, first in _RANGES if first == number >> 24), None)
    if network is None:
        return None
    number = (number & 0x00FFFFFF) | int(network.network_address) & 0xFF000000
    for bit in range(network.prefixlen, 32 - _LAST_OCTET):  # from the left: each bit hangs on the real ones before it
        number ^= _flips(prf, number >> (32 - bit), bit) << (31 - bit)
    if length and int(length) < 32 - _LAST_OCTET:
        number &= ~((1 << (32 - int(length))) - 1)
    text = str(IPv4Address(number)).encode()
    return (text.replace(b".", b"-") if b"-" in bare else text) + slash + length


def site(placeholder: bytes) -> bytes:
    """Return the first two octets of an IPv4 placeholder, or nothing."""
    parts = placeholder.replace(b"-", b".").partition(b"/")[0].split(b".")
    valid = len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts)
    return b".".join(parts[:2]) if valid else b""


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
    site = int(IPv6Address(value.partition(b"/")[0].decode())) >> 80
    return site >> 40 == 0xFC and _v6_site(prf, site >> 20 & 0xFFFFF) == site
