"""The vault in memory: bounds, time to live, tenants, and no placeholder for two values."""

from __future__ import annotations

import threading

import pytest

from kong_plugins.aws_masker.errors import MaskingFailed
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.memory import MemoryVault


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(clock: Clock) -> MemoryVault:
    return MemoryVault(ttl=100, max_entries=3, clock=clock, max_tenants=2)


def mapping(*values: str, family: str = "ec2_instance") -> dict[bytes, Entry]:
    return {b"p-" + value.encode(): Entry(value.encode(), family) for value in values}


def known(vault: MemoryVault, tenant: str, *values: str) -> list[str]:
    """Which of `values` the vault holds; asking is a use of each."""
    return [value for value in values if vault.memory(tenant).entry(b"p-" + value.encode()) is not None]


def test_a_tenant_gets_back_what_it_left_and_no_other_does(vault: MemoryVault) -> None:
    """A mapping belongs to its tenant, names included."""
    vault.remember("a", mapping("logs", family="bucket"))
    vault.remember("b", mapping("other"))
    assert vault.memory("a").entry(b"p-logs") == Entry(b"logs", "bucket")
    assert vault.memory("b").entry(b"p-logs") is None
    assert vault.memory("").entry(b"p-logs") is None
    assert list(vault.memory("a").names()) == [Entry(b"logs", "bucket")]
    assert list(vault.memory("b").names()) == []


def test_the_least_recently_used_goes_first(vault: MemoryVault) -> None:
    """Being restored and being masked again both count as a use."""
    vault.remember("a", mapping("1", "2", "3"))
    vault.memory("a").entry(b"p-1")
    vault.remember("a", mapping("2"))
    vault.remember("a", mapping("4"))
    assert known(vault, "a", "1", "2", "3", "4") == ["1", "2", "4"]


def test_a_mapping_over_the_bound_keeps_its_end(vault: MemoryVault) -> None:
    """One request with more values than the bound cannot break it."""
    vault.remember("a", mapping("1", "2", "3", "4", "5"))
    assert known(vault, "a", "1", "2", "3", "4", "5") == ["3", "4", "5"]


def test_time_to_live_counts_from_the_last_use(vault: MemoryVault, clock: Clock) -> None:
    """A use renews an entry; an unused one is gone at the end of its time, from the names too."""
    vault.remember("a", mapping("used", "unused", family="bucket"))
    clock.now += 60
    assert known(vault, "a", "used") == ["used"]
    clock.now += 60
    assert [entry.value for entry in vault.memory("a").names()] == [b"used"]
    assert known(vault, "a", "used", "unused") == ["used"]
    clock.now += 100
    assert known(vault, "a", "used") == []
    assert list(vault.memory("a").names()) == []


def test_remembering_again_renews(vault: MemoryVault, clock: Clock) -> None:
    """A value that comes with every turn never expires."""
    for _ in range(5):
        vault.remember("a", mapping("1"))
        clock.now += 99
        assert known(vault, "a", "1") == ["1"]


def test_names_are_those_of_name_families_and_cached(vault: MemoryVault) -> None:
    """Only names without a shape are listed; the list is made anew only when a name came or went."""
    vault.remember("a", mapping("logs", family="bucket"))
    before = vault.memory("a").names()
    vault.remember("a", mapping("i-1"))
    vault.memory("a").entry(b"p-logs")
    assert vault.memory("a").names() is before
    vault.remember("a", mapping("main", family="database"))
    assert [entry.value for entry in vault.memory("a").names()] == [b"logs", b"main"]
    vault.remember("a", mapping("i-2", "i-3"))  # evicts `i-1` and then `logs`
    assert [entry.value for entry in vault.memory("a").names()] == [b"main"]


def test_a_placeholder_never_changes_its_value(vault: MemoryVault) -> None:
    """The second value is refused, and with it all of its request; the first stays."""
    vault.remember("a", mapping("1"))
    with pytest.raises(MaskingFailed) as caught:
        vault.remember("a", {**mapping("2"), b"p-1": Entry(b"planted", "ec2_instance")})
    assert "planted" not in str(caught.value)
    assert vault.memory("a").entry(b"p-1") == Entry(b"1", "ec2_instance")
    assert known(vault, "a", "2") == []
    vault.remember("b", {b"p-1": Entry(b"planted", "ec2_instance")})
    assert vault.memory("a").entry(b"p-1") == Entry(b"1", "ec2_instance")


def test_a_placeholder_can_be_given_anew_after_its_time(vault: MemoryVault, clock: Clock) -> None:
    """What has expired is forgotten, not held against a new value."""
    vault.remember("a", mapping("1"))
    clock.now += 100
    vault.remember("a", {b"p-1": Entry(b"new", "ec2_instance")})
    assert vault.memory("a").entry(b"p-1") == Entry(b"new", "ec2_instance")


def test_tenants_are_bounded(vault: MemoryVault) -> None:
    """The tenant least recently written to goes; a memory already handed out goes on working."""
    vault.remember("a", mapping("1"))
    vault.remember("b", mapping("2"))
    held = vault.memory("b")
    vault.remember("a", mapping("1"))
    vault.remember("c", mapping("3"))
    assert known(vault, "a", "1") == ["1"]
    assert known(vault, "b", "2") == []
    assert known(vault, "c", "3") == ["3"]
    assert held.entry(b"p-2") == Entry(b"2", "ec2_instance")


def test_asking_makes_no_tenant(vault: MemoryVault) -> None:
    """Requests of unknown tenants that mask nothing push nobody out."""
    vault.remember("a", mapping("1"))
    for tenant in "bcdef":
        vault.memory(tenant).entry(b"p-1")
        vault.remember(tenant, {})
    assert known(vault, "a", "1") == ["1"]


def test_threads_keep_the_bound_and_agree() -> None:
    """Many threads writing, reading and colliding: the first value of a placeholder holds for all of them."""
    vault = MemoryVault(ttl=100, max_entries=50)
    refused: list[int] = []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()
        for step in range(300):
            vault.remember("a", mapping(f"{number}-{step}", family="bucket"))
            vault.memory("a").entry(b"p-%d-%d" % ((number + 1) % 4, step))
            assert len(vault.memory("a").names()) <= 50
        try:
            vault.remember("b", {b"contested": Entry(b"%d" % number, "bucket")})
        except MaskingFailed:
            refused.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = vault.memory("b").entry(b"contested")
    assert winner is not None
    assert sorted([*refused, int(winner.value)]) == [0, 1, 2, 3]
