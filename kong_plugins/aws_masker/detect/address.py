"""Private IPv4 and IPv6 addresses and networks; public ones on request.

A version number of four parts is the classic false positive: `package==10.2.3.4`, `version: 10.2.3.4`, `v10.2.3.4`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

from kong_plugins.aws_masker.detect.detector import Detector, nearby
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import (
    ALNUM,
    Span,
    ends_clean,
    escape_ends_at,
    look_back,
    run_end,
    starts_clean,
)

PRIVATE_V4 = tuple(IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
PRIVATE_V6 = IPv6Network("fc00::/7")
_OF_AWS_V6 = IPv6Network("fd00:ec2::/32")
"""The instance metadata and time services: the same for everyone, and no secret."""

_VERSION_BEFORE = Pattern(
    rb"(?i)(?:(?:version|release|\bver\.?)(?:\\{0,3}[\"'])?[ \t:=(>v]{0,6}(?:\\{0,3}[\"'])?"
    rb"|(?:==|>=|<=|~=|!=|[0-9a-z],[<>])[ \t]{0,2}|chrome/|firefox/|safari/|edge?/|opr/|applewebkit/)$"
)

_VERSION_BEHIND = Pattern(
    rb"(?:[.+][0-9]|-(?:rc|alpha|beta|pre|dev|snapshot|SNAPSHOT|r[0-9])|[+]build|[.](?:tgz|tar|zip|whl|jar|war|deb|rpm|exe|msi|gem|dmg))"
)


@lru_cache(maxsize=1 << 12)
def _v4(text: bytes) -> int | None:
    """Return the address as a number, or None if the text is none: an octet over 255, or with a leading zero."""
    number = 0
    for octet in text.replace(b"-", b".").split(b"."):
        if len(octet) > 3 or int(octet) > 255 or (octet[0] == 48 and len(octet) > 1):
            return None
        number = number << 8 | int(octet)
    return number


@lru_cache(maxsize=1 << 12)
def _announces_version(before: bytes) -> bool:
    """Tell whether a version follows what stands before an address."""
    if (
        before[-1:].isspace()
        and before[-2:-1].isalnum()
        and not before.lower().rstrip().endswith((b"version", b"release", b"ver"))
    ):
        return False  # a word, a blank: the common case
    return _VERSION_BEFORE.search(before) is not None


_PRIVATE_NUMBERS = tuple(
    (int(network.network_address), int(network.netmask), network.prefixlen) for network in PRIVATE_V4
)


@lru_cache(maxsize=1 << 12)
def _family(number: int) -> str:
    """Return the family of an IPv4 address, "" for no value: RFC 1918 and RFC 6598 (shared space) are private."""
    if any(number & mask == network for network, mask, _ in _PRIVATE_NUMBERS):
        return "private_ip"
    return "public_ip" if IPv4Address(number).is_global and not IPv4Address(number).is_multicast else ""


def _is_whole_range(number: int, length: int | None) -> bool:
    """Tell whether the network is a whole range of RFC 1918, which says nothing about anybody."""
    return any((number, length) == (network, bits) for network, _, bits in _PRIVATE_NUMBERS)


def _with_prefix_length(text: bytes, end: int, most: int) -> tuple[int, int | None]:
    """Return the end of the network's prefix length behind an address, and the length, if one stands there."""
    if text[end : end + 1] == b"/":
        stop = run_end(text, end + 1, b"0123456789")
        digits = text[end + 1 : stop]
        if 1 <= len(digits) <= 3 and digits[:1] != b"0" and int(digits) <= most and ends_clean(text, stop):
            return stop, int(digits)
    return end, None


def _has_more_parts(text: bytes, start: int, end: int) -> bool:
    """Tell whether the four numbers are a part of a longer version: `1.10.2.3.4`, `10.2.3.4-rc1`, `10.2.3.4.tgz`."""
    if text[start - 1 : start] == b"." and text[start - 2 : start - 1].isdigit():
        return True
    return text[end : end + 1] in (b".", b"-", b"+") and _VERSION_BEHIND.match(text[end : end + 10]) > 0


@nearby(back=33, ahead=12)
def _find_v4(text: bytes, start: int, end: int) -> Sequence[Span]:
    if text[start : start + 1] in b"ie":  # `ip-10-0-0-1`, `ec2-1-2-3-4`
        return _find_dashed(text, start, end)
    if not starts_clean(text, start) or not ends_clean(text, end):
        return ()
    address = _v4(text[start:end])
    if address is None or _has_more_parts(text, start, end):
        return ()
    stop, length = _with_prefix_length(text, end, 32)
    family = _family(address)
    if not family or _is_whole_range(address, length) or _announces_version(look_back(text, start, 32)):
        return ()
    return (Span(start, stop, family),)


def _find_dashed(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not starts_clean(text, start) or not ends_clean(text, end):
        return ()
    digits = start + text[start:end].index(b"-") + 1
    address = _v4(text[digits:end])
    if address is None:
        return ()
    wanted = ("private_ip", "private_ip") if text[start : start + 1] == b"i" else ("public_ip", "public_dns")
    return (Span(digits, end, wanted[1]),) if _family(address) == wanted[0] else ()


IPV4 = Detector(
    name="ipv4",
    families=("private_ip", "public_ip", "public_dns"),
    summary="IPv4 addresses and networks, also in host names (`ip-10-0-0-1`, `ec2-1-2-3-4`)",
    pattern=rb"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|(?:ip|ec2)-[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,3}",
    find=_find_v4,
    positives=(
        "host «10.20.30.40» port 22, http://«172.31.5.6»:8080/x, ssh ec2-user@«192.168.1.10»",
        'cidr_block = "«10.20.0.0/16»"',
        r"\n«100.64.1.2»\t",
        "node ip-«10-20-30-40».eu-west-1.compute.internal ready",
        "ec2-«54-12-34-56».compute-1.amazonaws.com",
        "range «10.0.0.1»-«10.0.0.9», «10.1.2.3».",
    ),
    negatives=(
        "package==10.2.3.4",
        '"version": "10.2.3.4"',
        "v10.2.3.4 and app-10.2.3.4.tgz, 10.2.3.4-rc1",
        "1.10.2.3.4",
        "10.2.3.4.5",
        "10.0.0.0/8 and 192.168.0.0/16",
        "127.0.0.1 0.0.0.0/0 169.254.169.254 255.255.255.0",
        "10.2.300.4",
        "3.11.7",
    ),
)


def _find_v6(text: bytes, start: int, end: int) -> Sequence[Span]:
    before = text[start - 1 : start]
    if before and before[0] in ALNUM and not escape_ends_at(text, start):
        return ()
    if not ends_clean(text, end):
        return ()
    if text[end - 1 : end] == b":" and text[end - 2 : end] != b"::":
        end -= 1
    try:
        address = IPv6Address(text[start:end].decode("ascii"))
    except (AddressValueError, UnicodeDecodeError):
        return ()
    stop, length = _with_prefix_length(text, end, 128)
    if address in PRIVATE_V6:
        whole = length in (7, 8) and int(address) & ((1 << 120) - 1) == 0
        return (
            ()
            if whole or address in _OF_AWS_V6 or _is_bare_word(text[start:end])
            else (Span(start, stop, "private_ip"),)
        )
    return (Span(start, stop, "public_ip"),) if address.is_global else ()


def _is_bare_word(address: bytes) -> bool:
    """Tell whether the address is a network's first without anything of its own: `fd00::`, or program text."""
    return address.rstrip(b":") in (b"fc00", b"fd00") or not any(48 <= byte <= 57 for byte in address)


IPV6 = Detector(
    name="ipv6",
    families=("private_ip", "public_ip"),
    summary="IPv6 addresses and networks; unique local ones (fc00::/7) are private",
    # fc00::/7 and, for public ones, 2000::/3, so that a time of day is no candidate
    pattern=rb"(?:[fF][cCdD][0-9a-fA-F]{2}|[23][0-9a-fA-F]{3}):[0-9a-fA-F:]{2,36}",
    find=_find_v6,
    positives=("«fd12:3456:789a::1»", "net «fd12:3456:789a::/48»", "[«fd12:3456:789a:1::5»]:443"),
    negatives=("12:34:56", "std::vector", "fd00:ec2::254", "fe80::1", "::1", "a:b:c", "fc00::/7", "dead:beef"),
)
