"""Vaults that share a Redis: what one leaves the others have, encrypted, bounded, and never two values for one."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.text import Entry, Memory
from kong_plugins.aws_masker.vault.protocol import Collision, Later, mask_with
from kong_plugins.aws_masker.vault.redis_vault import RedisVault
from tests.vault.conftest import KEY, Make
from tests.vault.servers import Server, wait_for

TENANT = "consumer:team-of-acme"
KEYS = {name: bytes([number]) * 32 for number, name in enumerate(("old", "new", "other"), 10)}
HEX = {name: key.hex() for name, key in KEYS.items()}


def mapping(*values: str, family: str = "ec2_instance") -> dict[bytes, Entry]:
    return {b"mask-" + value.encode(): Entry(b"acme-" + value.encode(), family) for value in values}


def known(vault: RedisVault, *values: str) -> list[str]:
    memory = vault.memory(TENANT)
    return [value for value in values if memory.entry(b"mask-" + value.encode()) is not None]


def count(server: Server, kind: str) -> int:
    """Return how often a command was run since the last `CONFIG RESETSTAT`."""
    with server.client() as client:
        stats = client.info("commandstats")
    calls: int = stats.get(f"cmdstat_{kind}", {}).get("calls", 0)
    return calls


def test_what_one_leaves_the_others_have(server: Server, make: Make) -> None:
    """Values and names, at their next request, and of no other tenant."""
    one, two = make(server), make(server)
    assert known(two, "logs") == []
    one.remember(TENANT, mapping("logs", family="bucket"))
    assert two.memory(TENANT).entry(b"mask-logs") == Entry(b"acme-logs", "bucket")
    assert list(two.memory(TENANT).names()) == [Entry(b"acme-logs", "bucket")]
    two.remember(TENANT, mapping("main", family="database"))
    assert {entry.value for entry in one.memory(TENANT).names()} == {b"acme-logs", b"acme-main"}
    assert one.entries(TENANT) == mapping("logs", family="bucket") | mapping("main", family="database")
    for vault in (one, two, make(server)):
        assert vault.memory("").entry(b"mask-logs") is None
        assert vault.memory("another").entry(b"mask-logs") is None


def test_processes_share(server: Server, make: Make) -> None:
    """Another process, which knows nothing but the key and where Redis is."""
    vault = make(server)
    vault.remember(TENANT, mapping("mine", family="bucket"))
    code = f"""
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.choice import vault_of
vault = vault_of(Settings(), {{"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "{server.port}"}}, {KEY!r})
print(vault.memory({TENANT!r}).names())
vault.remember({TENANT!r}, {{b"mask-theirs": Entry(b"acme-theirs", "bucket")}})
"""
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "acme-mine" in output
    assert [entry.value for entry in vault.memory(TENANT).names()] == [b"acme-mine", b"acme-theirs"]


def test_a_request_takes_one_round_trip_and_one_more_if_something_is_new(server: Server, make: Make) -> None:
    """However many values it has. Nothing is written while nothing is new."""
    vault = make(server)
    many = mapping(*map(str, range(300)))
    vault.remember(TENANT, many)
    server.do("CONFIG", "RESETSTAT")
    for _ in range(10):
        vault.memory(TENANT)
        vault.remember(TENANT, many)
    assert count(server, "evalsha") == 10
    assert count(server, "hset") == count(server, "zadd") == 0
    vault.memory(TENANT)
    vault.remember(TENANT, many | mapping("new"))
    assert count(server, "evalsha") == 12
    assert count(server, "hset") == 1
    assert count(server, "set") == count(server, "get") == 0


def test_only_news_are_read(server: Server, make: Make) -> None:
    """Not again what is known already, be it thousands, read in several pieces."""
    one, two = make(server), make(server)
    one.remember(TENANT, mapping(*map(str, range(4500))))
    assert len(two.memory(TENANT).names()) == 0
    assert len(two.entries(TENANT)) == 4500
    server.do("CONFIG", "RESETSTAT")
    one.remember(TENANT, mapping("new"))
    assert known(two, "new") == ["new"]
    assert count(server, "hget") == 4  # was it there, what is it, and for each of the two scripts: was it forgotten


def test_nothing_in_redis_can_be_read(server: Server, make: Make) -> None:
    """No value, placeholder, tenant or family in the names of keys, nor in what is under them."""
    vault = make(server, vault_key=HEX["new"])
    vault.remember(TENANT, mapping("secret-name", family="bucket"))
    dump = server.dump()
    assert len(dump) > 300
    for hidden in (b"acme", b"secret-name", b"mask-", b"team-of", b"consumer", b"bucket", KEY, KEYS["new"]):
        assert hidden not in dump
    names = server.do("KEYS", "*")
    assert {name.rpartition(b":")[2] for name in names} == {b"records", b"added", b"used", b"check"}
    assert all(name.startswith(b"aws_masker:") for name in names)


def test_a_prefix_parts_deployments(server: Server, make: Make) -> None:
    """Two with masking keys of their own share a Redis, and nothing in it."""
    one, two = make(server), make(server, key=KEYS["other"], redis_prefix="other.team")
    one.remember(TENANT, mapping("mine"))
    two.remember(TENANT, mapping("theirs"))
    assert known(one, "mine", "theirs") == ["mine"]
    assert known(two, "mine", "theirs") == ["theirs"]
    assert {name.partition(b":")[0] for name in server.do("KEYS", "*")} == {b"aws_masker", b"other.team"}


def test_the_first_holder_of_a_placeholder_wins(server: Server, make: Make) -> None:
    """The second is told, nothing of its request is kept, and then it knows who holds it."""
    one, two = make(server), make(server)
    one.remember(TENANT, mapping("1"))
    with pytest.raises(Collision) as caught:
        two.remember(TENANT, mapping("2") | {b"mask-1": Entry(b"planted", "ec2_instance")})
    assert "planted" not in str(caught.value)
    assert two.known(TENANT).entry(b"mask-1") == Entry(b"acme-1", "ec2_instance")
    assert known(one, "1", "2") == ["1"]
    two.remember(TENANT, mapping("2"))
    assert known(one, "1", "2") == ["1", "2"]
    one.remember("another", {b"mask-1": Entry(b"another", "ec2_instance")})


class Masked:
    """Gives its value the first placeholder that the memory does not hold for another one."""

    def __init__(self, memory: Memory, value: bytes) -> None:
        free = next(name for name in (b"p", b"q") if (memory.entry(name) or Entry(value, "")).value == value)
        self.mapping = {free: Entry(value, "bucket")}


def test_a_request_that_collides_is_masked_once_more(server: Server, make: Make) -> None:
    """With what is known by then: its value gets another placeholder, and both come back right."""
    one, two = make(server), make(server)

    def mask(memory: Memory) -> Masked:
        masked = Masked(memory, b"second")
        one.remember(TENANT, {b"p": Entry(b"first", "bucket")})  # in the meantime
        return masked

    assert mask_with(two, TENANT, mask).mapping == {b"q": Entry(b"second", "bucket")}
    for vault in (one, two):
        assert [entry.value for entry in vault.memory(TENANT).names()] == [b"first", b"second"]


def test_many_at_once_agree(server: Server, make: Make) -> None:
    """Threads of several vaults, which give contested placeholders to values of their own: each has one holder."""
    vaults = [make(server) for _ in range(3)]
    won: list[tuple[bytes, bytes]] = []
    start = threading.Barrier(6)

    def work(number: int) -> None:
        vault = vaults[number % 3]
        start.wait()
        for step in range(40):
            vault.memory(TENANT)
            own = mapping(f"{number}-{step}", family="bucket")
            contested = {b"contested-%d" % step: Entry(b"of-%d" % number, "bucket")}
            try:
                vault.remember(TENANT, own | contested)
                won.extend((name, entry.value) for name, entry in contested.items())
            except Collision:
                vault.remember(TENANT, own)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len(dict(won)) == 40
    for vault in (*vaults, make(server)):
        memory = vault.memory(TENANT)
        assert len(memory.names()) == 6 * 40 + 40
        for name, value in won:
            assert memory.entry(name) == Entry(value, "bucket")


def test_most_entries_bound_a_tenant(server: Server, make: Make) -> None:
    """What was used least recently goes first, in Redis too."""
    one, two = make(server, max_entries=100), make(server, max_entries=100)
    one.remember(TENANT, mapping(*map(str, range(60))))
    time.sleep(0.01)  # Redis counts uses in milliseconds
    one.remember(TENANT, mapping(*map(str, range(60, 120))))
    kept = known(two, *map(str, range(120)))
    assert len(kept) == 100
    assert kept[-60:] == [str(number) for number in range(60, 120)]
    assert sum(server.do("HLEN", name) for name in server.do("KEYS", "*:records")) == 100


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def age(server: Server, seconds: float) -> None:
    """Let time pass in Redis: all uses were that much earlier."""
    (used,) = server.do("KEYS", "*:used")
    for field in server.do("ZRANGE", used, 0, -1):
        server.do("ZINCRBY", used, -1000 * seconds, field)


def test_time_to_live_counts_from_the_last_use(server: Server, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A use is noted in Redis, after a tenth of the time at the earliest; what is unused goes."""
    clock = Clock()
    vault = make(server, mapping_ttl=1000)
    monkeypatch.setattr(vault, "_clock", clock)
    vault.remember(TENANT, mapping("used", "unused", family="bucket"))
    server.do("CONFIG", "RESETSTAT")
    clock.now += 99
    vault.remember(TENANT, mapping("used", family="bucket"))
    assert count(server, "zadd") == 0
    age(server, 600)
    clock.now += 501
    server.do("CONFIG", "RESETSTAT")
    vault.remember(TENANT, mapping("used", family="bucket"))
    assert count(server, "zadd") == 1
    age(server, 600)
    later = make(server, mapping_ttl=1000)
    assert known(later, "used", "unused") == ["used"]
    assert [entry.value for entry in later.memory(TENANT).names()] == [b"acme-used"]
    age(server, 600)
    assert known(make(server, mapping_ttl=1000), "used", "unused") == []
    assert all(server.do("PTTL", name) > 0 for name in server.do("KEYS", "*{*"))


def test_a_tenant_that_is_nearly_full_notes_uses_more_often(
    server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that Redis lets go what is not in use, and not what one process uses all the time without adding to it."""
    clock = Clock()
    busy, other = make(server, max_entries=100), make(server, max_entries=100)
    monkeypatch.setattr(busy, "_clock", clock)
    busy.remember(TENANT, mapping("used", *map(str, range(70))))
    clock.now += 61
    time.sleep(0.01)  # Redis counts uses in milliseconds
    busy.remember(TENANT, mapping("used"))
    other.remember(TENANT, mapping(*map(str, range(100, 180))))
    assert known(make(server, max_entries=100), "used", "100", "179") == ["used", "100", "179"]


def test_restoring_counts_as_a_use(server: Server, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noted with the tenant's next write."""
    clock = Clock()
    vault = make(server, mapping_ttl=1000)
    monkeypatch.setattr(vault, "_clock", clock)
    vault.remember(TENANT, mapping("restored", "other"))
    clock.now += 600
    age(server, 600)
    assert vault.known(TENANT).entry(b"mask-restored") is not None
    vault.remember(TENANT, mapping("new"))
    age(server, 600)
    assert known(make(server, mapping_ttl=1000), "restored", "other", "new") == ["restored", "new"]


def test_a_vault_key_rotates_without_a_loss(server: Server, make: Make) -> None:
    """Old records are read, and written anew when they are used; then the old key is needed for the others only."""
    make(server, vault_key=HEX["old"]).remember(TENANT, mapping("used", "unused"))
    between = make(server, vault_key=HEX["new"], vault_keys_old=[HEX["old"]])
    assert known(between, "used", "unused") == ["used", "unused"]
    between.remember(TENANT, mapping("used"))
    (records,) = server.do("KEYS", "*:records")
    assert len({record[1:5] for record in server.do("HVALS", records)}) == 1  # all of the tenant's that were known
    assert known(make(server, vault_key=HEX["new"], vault_keys_old=[HEX["old"]]), "used", "unused") == [
        "used",
        "unused",
    ]


def test_setting_a_vault_key_later_loses_nothing(server: Server, make: Make) -> None:
    """What was written under the masking key can be read on."""
    make(server).remember(TENANT, mapping("1"))
    assert known(make(server, vault_key=HEX["new"]), "1") == ["1"]


@pytest.mark.parametrize("options", [{"key": KEYS["other"]}, {"vault_key": HEX["other"]}])
def test_a_wrong_key_is_an_error_and_not_an_empty_memory(server: Server, make: Make, options: dict[str, Any]) -> None:
    """For the masking key and the vault key; at the start and at each request, fallback or not."""
    make(server, vault_key=HEX["old"]).remember(TENANT, mapping("1"))
    for fallback in (True, False):
        wrong = make(server, **options, redis_fallback=fallback)
        with pytest.raises(ConfigError, match="another"):
            wrong.open()
        for _ in range(2):
            with pytest.raises(ConfigError, match="another"):
                wrong.memory(TENANT)
            with pytest.raises(ConfigError, match="another"):
                wrong.remember(TENANT, mapping("2"))
    server.do("FLUSHALL")
    wrong.remember(TENANT, mapping("2"))
    assert known(wrong, "2") == ["2"]


def test_a_forgotten_tenant_is_forgotten_everywhere(server: Server, make: Make) -> None:
    """Also by processes that know it; what comes later is kept, and other tenants stay."""
    one, two, three = make(server), make(server), make(server)
    one.remember(TENANT, mapping("before", family="bucket"))
    one.remember("other", mapping("theirs"))
    assert known(two, "before") == ["before"]
    assert three.store.forget(one._keyring.tenant_id(TENANT), 1000) == 1
    two.remember(TENANT, mapping("after", family="bucket"))
    for vault in (one, two, three):
        assert known(vault, "before", "after") == ["after"]
        assert [entry.value for entry in vault.memory(TENANT).names()] == [b"acme-after"]
    assert two.memory("other").entry(b"mask-theirs") is not None


def test_what_redis_loses_is_written_again(server: Server, make: Make) -> None:
    """By whoever still knows it, whether or not something was written since."""
    one, two = make(server), make(server)
    one.remember(TENANT, mapping("1", "2"))
    two.remember(TENANT, mapping("3"))
    server.do("FLUSHALL")
    make(server).remember(TENANT, mapping("4"))
    assert known(one, "1", "2", "4") == ["1", "2", "4"]
    assert known(two, "1", "2", "3", "4") == ["1", "2", "3", "4"]
    wait_for(lambda: len(known(make(server), *"1234")) == 4, "all records")
    assert server.do("EXISTS", "aws_masker:check") == 1


def test_a_damaged_record_is_left_out_and_replaced(server: Server, make: Make) -> None:
    """It makes no request fail, and restores nothing."""
    make(server).remember(TENANT, mapping("1", "2"))
    (records,) = server.do("KEYS", "*:records")
    field = make(server)._keyring.sealer(records.decode().split("{")[1][:32]).field(b"mask-1")
    whole = server.do("HGET", records, field)
    server.do("HSET", records, field, b"\x01" + b"nonsense" * 9)
    vault = make(server)
    with pytest.raises(ConfigError):  # it looks like one under another key
        vault.memory(TENANT)
    present = make(server)._keyring.seal_check()[1:5]
    for damaged in (b"\x01" + present + b"nonsense" * 9, whole[:1] + b"\xff\xff\xff\xff" + whole[5:]):
        server.do("HSET", records, field, damaged)
        vault = make(server)
        assert known(vault, "1", "2") == ["2"]
        vault.remember(TENANT, mapping("1"))
        assert known(make(server), "1", "2") == ["1", "2"]


def test_later_asks_when_it_has_to(server: Server, make: Make) -> None:
    """A memory that is not needed costs no round trip."""
    make(server).remember(TENANT, mapping("logs", family="bucket"))
    vault = make(server)
    vault.open()
    server.do("CONFIG", "RESETSTAT")
    later = Later(vault, TENANT)
    assert count(server, "evalsha") == 0
    assert later.entry(b"mask-logs") == Entry(b"acme-logs", "bucket")
    assert [entry.value for entry in later.names()] == [b"acme-logs"]
    assert count(server, "evalsha") == 1


def test_the_status_tells_what_was_done(server: Server, make: Make) -> None:
    """Counts by kind; `pending` is what Redis does not have."""
    vault = make(server)
    assert vault.status().operations == {}
    vault.memory(TENANT)
    vault.remember(TENANT, mapping("1"))
    vault.remember(TENANT, mapping("1"))
    status = vault.status()
    assert (status.kind, status.tenants, status.pending, status.breaker) == ("redis", 1, 0, "closed")
    assert (status.connected, status.fallback) == (True, False)
    assert status.operations == {"read": 1, "write": 1}
    assert status.errors == {}
    assert status.latency > 0


def test_asking_makes_no_tenant(server: Server, make: Make) -> None:
    """Requests of unknown tenants that mask nothing take no memory, here or in Redis."""
    vault = make(server)
    for number in range(20):
        vault.memory(f"tenant {number}").entry(b"mask-1")
        vault.remember(f"tenant {number}", {})
    assert vault.status().tenants == 0
    assert server.do("KEYS", "*") == [b"aws_masker:check"]
