"""What placeholders in answers tell: their family by their shape, and whether this tenant's key made them."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker.families import FAMILIES
from kong_plugins.aws_masker.observe.tally import Tally
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.pseudonym.provenance import CUSTOM, family_of, maker_of
from kong_plugins.aws_masker.pseudonym.pseudonymizer import Pseudonymizer
from kong_plugins.aws_masker.restoring import restore

KEY = bytes(range(32))
OURS, THEIRS = Prf(KEY, "ours"), Prf(KEY, "theirs")
VALUES = {
    "account_id": b"481516234200",
    "private_ip": b"10.1.2.3",
    "public_ip": b"52.1.2.3",
    "public_dns": b"52-1-2-3",
    "ec2_instance": b"i-0123456789abcdef1",
    "resource_id": b"vpc-0123456789abcdef1",
}


def placeholder(prf: Prf, family: str, *, structure: bool, number: int = 0) -> bytes:
    value = VALUES.get(family, b"some-value-%d" % number)
    return Pseudonymizer(prf, structure).placeholder(family, value)


@pytest.mark.parametrize("structure", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_family_shows(family: str, structure: bool) -> None:
    """Every placeholder tells its family; a public host name's address looks like any public address."""
    shown = family_of(placeholder(OURS, family, structure=structure))
    assert shown == ("public_ip" if family == "public_dns" and structure else family)


def test_a_users_pattern_shows_as_one() -> None:
    """Its name is the user's own, so labels stay bounded."""
    assert family_of(placeholder(OURS, "custom_ticket", structure=True)) == CUSTOM


def test_an_ipv6_address_shows() -> None:
    """Private and public ones are told apart by their range."""
    for family, value in (("private_ip", b"fd12:3456:789a::1"), ("public_ip", b"2600:1f18::1")):
        assert family_of(Pseudonymizer(OURS, True).placeholder(family, value)) == family


@pytest.mark.parametrize("structure", [True, False])
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"private_ip", "public_ip", "public_dns"}))
def test_a_placeholder_proves_whose_it_is(family: str, structure: bool) -> None:
    """The tenant's own is told; another tenant's never passes for it."""
    made = placeholder(OURS, family, structure=structure)
    assert maker_of(OURS, made) == "own"
    assert maker_of(THEIRS, made) != "own"


def test_names_and_opaque_tokens_of_others_are_foreign() -> None:
    """Shapes that nothing but a placeholder has; an id that could as well be real is not called foreign."""
    names = [placeholder(THEIRS, "bucket", structure=True, number=number) for number in range(50)]
    assert sum(maker_of(OURS, name) == "foreign" for name in names) > 40  # a few have no digit in them
    assert maker_of(OURS, placeholder(THEIRS, "bucket", structure=False)) == "foreign"
    assert maker_of(OURS, placeholder(THEIRS, "ec2_instance", structure=True)) == "unknown"
    for word in (b"function-internationalise", b"10.1.2.3", b"481516234200", b"i-0123456789abcdef0", b"AWSLAMBDA"):
        assert maker_of(OURS, word) == "unknown"


@pytest.mark.parametrize("id", ["i-0a1b2c3d4e5f67890", "subnet-0fedcba9876543210", "vol-2a3b4c5d6e7f23456"])
def test_ids_that_could_be_real_are_nobodys(id: str) -> None:
    """Whatever part of one a restorer asks for: an id of hex digits begins with one of a name's length."""
    tally = Tally(lambda _: None, OURS)
    assert restore(id.encode(), tally) == id.encode()
    assert set(tally.makers) <= {"unknown"}


def test_a_tally_counts_each_once() -> None:
    """However often it is asked for; and it answers as the lookup that it stands for."""
    known, forgotten = placeholder(OURS, "bucket", structure=True), placeholder(OURS, "role", structure=True)
    foreign = placeholder(THEIRS, "bucket", structure=False)
    tally = Tally({known: b"a-bucket"}.get, OURS)
    for _ in range(3):
        assert tally(known) == b"a-bucket"
        assert tally(forgotten) is None
        assert tally(foreign) is None
        assert tally(b"i-0123456789abcdef0") is None
    assert tally.restored == {"bucket": 1}
    assert dict(tally.makers) == {"own": 1, "foreign": 1, "unknown": 1}
