"""Placeholders of addresses and account ids: relations kept, nothing shared, derived networks turned back."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.detect.address import PRIVATE_V4
from kong_plugins.aws_masker.masking import Masker, restore
from kong_plugins.aws_masker.pseudonym import addresses
from kong_plugins.aws_masker.pseudonym.addresses import Derived, Network
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.pseudonym.pseudonymizer import Pseudonymizer
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text, values_of
from kong_plugins.aws_masker.vault.memory import MemoryVault

PRF = Prf(bytes(range(32)), "")
private = st.sampled_from(PRIVATE_V4).flatmap(
    lambda network: st.integers(int(network[0]), int(network[-1])).map(IPv4Address)
)


def _masked(text: str) -> str:
    return addresses.address(PRF, "private_ip", text.encode()).decode()


def _common(first: IPv4Address, second: IPv4Address) -> int:
    """Return how many leading bits two addresses share, 24 at most."""
    return min(24, 32 - (int(first) ^ int(second)).bit_length())


@given(private, private)
def test_common_prefixes_are_kept(first: IPv4Address, second: IPv4Address) -> None:
    """Two addresses share as many leading bits (to /24) as their placeholders do, and the last octet stays."""
    masked = [IPv4Address(_masked(str(address))) for address in (first, second)]
    ranges = [next(network for network in PRIVATE_V4 if address in network) for address in (first, second)]
    if ranges[0] == ranges[1]:
        assert _common(*masked) == _common(first, second)
    assert [int(address) & 255 for address in masked] == [int(address) & 255 for address in (first, second)]
    assert (masked[0] == masked[1]) == (first == second)


@given(private)
def test_a_placeholder_stays_in_its_range(address: IPv4Address) -> None:
    """Whoever reads it sees a private address of the same kind."""
    (of_it,) = [network for network in PRIVATE_V4 if address in network]
    assert IPv4Address(_masked(str(address))) in of_it
    assert _masked(str(address)) != str(address)


@given(private, st.integers(16, 32))
def test_a_network_holds_what_it_held(address: IPv4Address, length: int) -> None:
    """The placeholder of an address lies in the placeholder of its network, which is still a network's own address."""
    network = ip_network(f"{address}/{length}", strict=False)
    masked = ip_network(_masked(str(network)))
    if length <= 24:
        assert IPv4Address(_masked(str(address))) in masked


@given(private, st.integers(16, 24))
def test_what_the_key_derives_is_the_inverse(address: IPv4Address, length: int) -> None:
    """An address or network that was never masked, but lies where shown ones do, is turned back exactly."""
    network = str(ip_network(f"{address}/{length}", strict=False))
    shown = addresses.address(PRF, "private_ip", network.encode())
    for text in (str(address), network):
        masked = addresses.address(PRF, "private_ip", text.encode())
        assert Derived(PRF, [shown]).original(masked) == text.encode()
        assert Derived(PRF, []).original(masked) is None


def _turned_back(network: Network, address: IPv4Address) -> IPv4Address | None:
    """Turn an address back as a restorer without the key does it; see `Network.flips`."""
    if address not in ip_network(f"{network.masked}/{network.bits}"):
        return None
    tree, number = bytes.fromhex(network.flips), int(address)
    number = int(IPv4Address(network.original)) | number & ((1 << (32 - network.bits)) - 1)
    for depth in range(24 - network.bits):
        path = number >> (32 - network.bits - depth) & ((1 << depth) - 1)
        index = (1 << depth) - 1 + path
        if tree[index >> 3] & 0x80 >> (index & 7):
            number ^= 1 << (31 - network.bits - depth)
    return IPv4Address(number)


@settings(deadline=None, max_examples=50)
@given(private, st.integers(16, 32), private)
def test_networks_without_the_key(address: IPv4Address, length: int, asked: IPv4Address) -> None:
    """What goes with a mark says the same as the key does, in the network shown and outside."""
    shown = addresses.address(PRF, "private_ip", f"{ip_network(f'{address}/{length}', strict=False)}".encode())
    derived = Derived(PRF, [shown])
    (network,) = derived.networks()
    inside = IPv4Address(shown.partition(b"/")[0].decode())
    for one in (asked, inside, inside + 1):
        original = derived.original(str(one).encode())
        assert _turned_back(network, one) == (None if original is None else IPv4Address(original.decode()))


def test_only_the_widest_networks_are_listed() -> None:
    """The tree of a network holds those of the networks in it; whole ranges are networks, too."""
    shown = [b"10.0.0.0/8", b"10.9.0.0/16", b"10.9.8.7", b"192.168.1.0/24", b"192.168.1.5", b"not an address"]
    assert [(one.masked, one.bits) for one in Derived(PRF, shown).networks()] == [
        ("10.0.0.0", 8),
        ("192.168.1.0", 24),
    ]


def test_a_derived_subnet_comes_back_inside_the_real_network() -> None:
    """Shown a VPC, the model proposes a subnet: what the client gets lies in the real VPC, and masks to the same."""
    masker = Masker(Settings(), bytes(range(32)))
    session = masker.session()
    (masked,) = session.mask([Text(b'cidr_block = "10.20.0.0/16"')])
    assert masked is not None
    vpc = IPv4Network(masked.split(b'"')[1].decode())
    proposed = str(list(vpc.subnets(new_prefix=24))[7]).encode()
    answer = restore(b"use " + proposed + b" not 192.168.1.1", masker.lookup(values_of(session.mapping)))
    subnet = answer.split()[1]
    assert IPv4Network(subnet.decode()).subnet_of(IPv4Network("10.20.0.0/16"))
    assert answer.endswith(b" not 192.168.1.1")
    assert masker.session().mask([Text(subnet)]) == [proposed]


def test_masked_addresses_beside_placeholders_are_left_alone() -> None:
    """Where all other values are placeholders, so are the addresses, if there is no memory to ask."""
    masker = Masker(Settings(), bytes(range(32)))
    (masked,) = masker.session().mask([Text(b"10.20.30.40 and i-0123456789abcdef0")])
    assert masked is not None
    assert masker.session().mask([Text(masked)]) == [None]


def test_remembered_addresses_are_left_alone() -> None:
    """With the tenant's memory, masking masked addresses changes nothing."""
    masker = Masker(Settings(), bytes(range(32)))
    vault = MemoryVault(60, 100)
    session = masker.session()
    (masked,) = session.mask([Text(b"10.20.30.40")])
    assert masked is not None
    vault.remember("", session.mapping)
    assert masker.session(memory=vault.memory("")).mask([Text(masked)]) == [None]


def test_an_address_beside_a_pasted_placeholder_is_masked() -> None:
    """In a request, whose tenant is new here: that all other values are placeholders says nothing about the address."""
    masker = Masker(Settings(), bytes(range(32)))
    (placeholder,) = masker.session().mask([Text(b"i-0123456789abcdef0")])
    assert placeholder is not None
    memory = MemoryVault(60, 100).memory("t")
    (masked,) = masker.session("", memory).mask([Text(placeholder + b" does not answer at 10.76.220.155")])
    assert masked is not None
    assert b"10.76.220.155" not in masked
    assert placeholder in masked


def test_an_address_beside_masked_ones_is_masked() -> None:
    """A real address never passes because placeholders stand beside it, nor because it equals a remembered one."""
    masker = Masker(Settings(), bytes(range(32)))
    vault = MemoryVault(60, 100)
    first = masker.session()
    (masked,) = first.mask([Text(b"10.20.30.40")])
    vault.remember("", first.mapping)
    assert masked is not None
    for text in (masked + b" 10.9.8.7", masked + b" i-0123456789abcdef0 10.9.8.7"):
        (result,) = masker.session(memory=vault.memory("")).mask([Text(text)])
        assert result is not None
        assert b"10.9.8.7" not in result


@pytest.mark.parametrize("value", ["fd12:3456:789a:1::5", "fd12:3456:789a::/48", "fd12:3456:789a:1::/64"])
def test_ipv6_placeholders_prove_themselves(value: str) -> None:
    """A unique local address stays one in shape, is recognised as ours by our key only, and keeps its /48."""
    masked = addresses.address(PRF, "private_ip", value.encode())
    assert masked.startswith(b"fc")
    assert addresses.owns_v6(PRF, masked)
    assert not addresses.owns_v6(Prf(bytes(32), ""), masked)
    other = addresses.address(PRF, "private_ip", b"fd12:3456:789a:7::9")
    assert masked.split(b":")[:3] == other.split(b":")[:3]


@given(st.integers(0, 10**12 - 1))
def test_account_ids_prove_themselves_in_both_notations(number: int) -> None:
    """12 digits, the first not 0, the same ones with hyphens; the proof holds for our key."""
    digits = b"%012d" % number
    masked = addresses.account(PRF, digits)
    dashed = addresses.account(PRF, b"-".join((digits[:4], digits[4:8], digits[8:])))
    assert len(masked) == 12
    assert masked[:1] != b"0"
    assert dashed.replace(b"-", b"") == masked
    assert addresses.owns_account(PRF, masked)
    assert addresses.owns_account(PRF, dashed)


@pytest.mark.parametrize(
    "text", [b"fd12:3456:789a::1fd12:3456:789a::/48", b"account 2109-8765-4321-0987", b":0::fd12::1"]
)
def test_what_is_left_over_of_an_address_breaks_nothing(text: bytes) -> None:
    """Whatever overlaps, masking ends well and restoring gives the text back."""
    masker = Masker(Settings(), bytes(range(32)))
    session = masker.session()
    (masked,) = session.mask([Text(text)])
    assert restore(text if masked is None else masked, masker.lookup(values_of(session.mapping))) == text


@pytest.mark.parametrize("family", ["private_ip", "account_id", "public_dns"])
@given(st.binary(min_size=1, max_size=20))
def test_anything_has_a_placeholder(family: str, value: bytes) -> None:
    """A value that is no address has an opaque placeholder, and is not taken for one."""
    pseudonymizer = Pseudonymizer(PRF, preserve_structure=True)
    assert pseudonymizer.placeholder(family, value) != value
    assert not pseudonymizer.owns("account_id" if family == "account_id" else "access_key", value)
