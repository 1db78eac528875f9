"""Records: readable with the right keys in the right place only."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.records import Keyring, Opened, Sealer

MASKING, OLD, NEW = (bytes([number]) * 32 for number in (1, 2, 3))
PLACEHOLDER, ENTRY = b"bucket-placeholder", Entry(b"planted-\xff\x00-value", "bucket")


def sealer(keyring: Keyring, tenant: str = "team") -> Sealer:
    return keyring.sealer(keyring.tenant_id(tenant))


def test_what_goes_in_comes_out() -> None:
    """Any bytes; and nothing of it can be read in the record, nor is a record ever the same twice."""
    one = sealer(Keyring(MASKING))
    field, record = one.field(PLACEHOLDER), one.seal(PLACEHOLDER, ENTRY)
    assert one.open(field, record) == Opened(PLACEHOLDER, ENTRY, True)
    for hidden in (PLACEHOLDER, b"planted", b"bucket", b"team"):
        assert hidden not in field + record
    assert record != one.seal(PLACEHOLDER, ENTRY)


def test_a_record_opens_in_its_place_only() -> None:
    """Not under another field, not for another tenant, not with a byte changed anywhere."""
    keyring = Keyring(MASKING)
    one, other = sealer(keyring), sealer(keyring, "other")
    field, record = one.field(PLACEHOLDER), one.seal(PLACEHOLDER, ENTRY)
    assert one.open(one.field(b"another"), record) is None
    assert other.open(field, record) is None
    for place in (*range(5), *range(21, len(record))):  # 5 to 20 are the tag, which only the store looks at
        changed = bytearray(record)
        changed[place] ^= 1
        assert one.open(field, bytes(changed)) is None
    assert one.open(field, record[:20]) is None


def test_a_damaged_key_id_is_not_another_key() -> None:
    """One of our keys opens the rest. Where none does, the record may be another key's, and that is told."""
    keyring = Keyring(MASKING, NEW, [OLD])
    one, before = sealer(keyring), sealer(Keyring(MASKING, OLD))
    field = one.field(PLACEHOLDER)
    for record in (one.seal(PLACEHOLDER, ENTRY), before.seal(PLACEHOLDER, ENTRY)):
        assert one.open(field, record) is not None
        assert one.open(field, record[:1] + b"\xff\xff\xff\xff" + record[5:]) is None
    foreign = sealer(Keyring(MASKING, bytes(32))).seal(PLACEHOLDER, ENTRY)
    for record in (foreign, foreign[:1] + b"\xff\xff\xff\xff" + foreign[5:]):
        with pytest.raises(ConfigError, match="another vault key"):
            one.open(field, record)


def test_tags_tell_whether_values_are_the_same() -> None:
    """Under one placeholder of one tenant; across placeholders and tenants they tell nothing."""
    keyring = Keyring(MASKING)
    one, other = sealer(keyring), sealer(keyring, "other")
    tag = one.seal(PLACEHOLDER, ENTRY)[5:21]
    assert one.seal(PLACEHOLDER, ENTRY)[5:21] == tag
    assert sealer(Keyring(MASKING, NEW)).seal(PLACEHOLDER, ENTRY)[5:21] == tag
    assert one.seal(PLACEHOLDER, Entry(b"another", "bucket"))[5:21] != tag
    assert one.seal(b"another", ENTRY)[5:21] != tag
    assert other.seal(PLACEHOLDER, ENTRY)[5:21] != tag


@pytest.mark.parametrize(
    ("before", "after"),
    [(Keyring(MASKING, OLD), Keyring(MASKING, NEW, [OLD])), (Keyring(MASKING), Keyring(MASKING, NEW))],
)
def test_a_new_key_reads_what_an_old_one_wrote(before: Keyring, after: Keyring) -> None:
    """Under the same names, and knows that it is old; the masking key, where it was the vault key, is always one."""
    record, field = sealer(before).seal(PLACEHOLDER, ENTRY), sealer(before).field(PLACEHOLDER)
    assert after.tenant_id("team") == before.tenant_id("team")
    new = sealer(after)
    assert new.field(PLACEHOLDER) == field
    assert new.open(field, record) == Opened(PLACEHOLDER, ENTRY, False)
    again = new.reseal(field, record)
    assert again is not None
    assert new.open(field, again) == Opened(PLACEHOLDER, ENTRY, True)
    assert new.reseal(field, again) is None
    with pytest.raises(ConfigError, match="vault key"):
        sealer(before).open(field, again)


@pytest.mark.parametrize(
    "other", [Keyring(NEW), Keyring(NEW, OLD), Keyring(MASKING, NEW), Keyring(MASKING)], ids=["1", "2", "3", "4"]
)
def test_another_key_is_an_error(other: Keyring) -> None:
    """Another masking key, another vault key, or both: it is told, and not taken for an empty vault."""
    mine = Keyring(MASKING, OLD)
    assert mine.open_check(mine.seal_check())
    assert not Keyring(MASKING, NEW, [OLD]).open_check(mine.seal_check())
    with pytest.raises(ConfigError, match="another"):
        other.open_check(mine.seal_check())


def test_tenants_have_names_that_tell_nothing() -> None:
    """And one each, also where a name is no valid text."""
    keyring = Keyring(MASKING)
    names = ["", "a", "consumer:a", "a\udcff"]
    assert len({keyring.tenant_id(name) for name in names}) == len(names)
    assert keyring.tenant_id("a") != Keyring(NEW).tenant_id("a")
