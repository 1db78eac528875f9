"""The lookup that a mark gives: the mapping, then addresses derived from the networks that the model was shown."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.mark import Mark
from kong_plugins.aws_masker.pseudonym.addresses import Derived, address
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.wire.providers import Api
from tests.lua.runtime import REQUEST, Lua

_PRF = Prf(bytes(range(32)), "")
_RANGES = ((10 << 24, 8), (172 << 24 | 16 << 16, 12), (192 << 24 | 168 << 16, 16), (100 << 24 | 64 << 16, 10))


@st.composite
def _networks(draw: st.DrawFn) -> bytes:
    """A private network or host; shorter than /16 in the small ranges only, whose trees are quick to make."""
    base, kept = draw(st.sampled_from(_RANGES))
    bits = draw(st.sampled_from((16, 17, 20, 22, 23, 24, 25, 28, 32)))
    number = base | draw(st.integers(0, (1 << (32 - kept)) - 1))
    return f"{IPv4Address(number >> (32 - bits) << (32 - bits))}{'' if bits == 32 else f'/{bits}'}".encode()


def _lookup(lua: Lua, mark: Mark) -> Any:
    read = lua.module("marks")[b"read"](mark.dump().encode(), REQUEST)
    return read[b"lookup"]


@settings(deadline=None, max_examples=60)
@given(
    shown=st.lists(_networks(), min_size=1, max_size=3),
    hosts=st.lists(st.integers(0, (1 << 32) - 1), min_size=1, max_size=8),
    lengths=st.lists(st.sampled_from(("", "/8", "/15", "/16", "/20", "/24", "/28", "/32", "/0", "/99")), max_size=3),
    dashed=st.booleans(),
)
def test_derived_addresses(lua: Lua, shown: list[bytes], hosts: list[int], lengths: list[str], dashed: bool) -> None:
    """Inside a network that was shown, what the key would say; elsewhere nothing."""
    placeholders = [address(_PRF, "private_ip", value) for value in shown]
    derived = Derived(_PRF, placeholders)
    lookup = _lookup(lua, Mark(REQUEST.decode(), Api.ANTHROPIC, "", networks=derived.networks()))
    for placeholder in placeholders:
        network, _, length = placeholder.decode().partition("/")
        for host in hosts:
            inside = IPv4Address(int(IPv4Address(network)) | host & ((1 << (32 - int(length or 24))) - 1))
            for near in (inside, IPv4Address(int(inside) ^ 1 << host % 32)):
                for text in (f"{near}{bits}" for bits in ("", *lengths)):
                    told = (text.replace(".", "-") if dashed else text).encode()
                    assert lookup(told) == derived.original(told), told


def test_a_wide_network(lua: Lua) -> None:
    """A /8, whose tree has 65,535 bits."""
    (placeholder,) = [address(_PRF, "private_ip", b"10.0.0.0/8")]
    derived = Derived(_PRF, [placeholder])
    lookup = _lookup(lua, Mark(REQUEST.decode(), Api.ANTHROPIC, "", networks=derived.networks()))
    for number in range(10 << 24, 11 << 24, 99_991):
        told = str(IPv4Address(number)).encode()
        assert lookup(told) == derived.original(told)
    assert lookup(b"11.0.0.1") is None


def test_what_is_no_private_address(lua: Lua) -> None:
    """Any other placeholder is left to the mapping."""
    networks = Derived(_PRF, [address(_PRF, "private_ip", b"10.0.0.0/16")]).networks()
    lookup = _lookup(lua, Mark(REQUEST.decode(), Api.ANTHROPIC, "", mapping={b"10.1.1.1": b"x"}, networks=networks))
    inside = networks[0].masked.removesuffix("0")
    for text in (
        f"{inside}256",
        f"{inside}01",
        inside,
        "i-0a1b2c3d4e5f60718",
        "fc00::1",
        "2001:db8::1/64",
        "1" * 12,
        "",
    ):
        assert lookup(text.encode()) is None
    assert lookup(b"10.1.1.1") == b"x"
