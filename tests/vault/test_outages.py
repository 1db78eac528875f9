"""Redis killed, paused, slowed down, full, emptied, locked: what the vault does, and that it recovers by itself."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from kong_plugins.aws_masker.errors import VaultOperationFailed, VaultRefused, VaultUnavailable
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.protocol import Collision
from kong_plugins.aws_masker.vault.redis_vault import RedisVault
from tests.vault.conftest import Make, Run
from tests.vault.servers import PATIENCE, Server, Slow, wait_for

TENANT = "team"
WITHOUT: dict[str, Any] = {"redis_fallback": False, "redis_timeout": 100}
WITH: dict[str, Any] = {"redis_fallback": True, "redis_timeout": 100}


def mapping(*values: str) -> dict[bytes, Entry]:
    return {b"mask-" + value.encode(): Entry(b"acme-" + value.encode(), "bucket") for value in values}


def use(vault: RedisVault, *values: str) -> list[str]:
    """Do what a request with these values does; return those that the tenant's memory held before."""
    memory = vault.memory(TENANT)
    held = [value for value in values if memory.entry(b"mask-" + value.encode()) is not None]
    vault.remember(TENANT, mapping(*values))
    return held


def refused(vault: RedisVault, times: int = 1) -> set[str]:
    """Make requests that are all refused; return the codes."""
    codes = set()
    for _ in range(times):
        with pytest.raises(VaultUnavailable) as caught:
            use(vault, "refused")
        codes.add(caught.value.code)
    return codes


def recovered(vault: RedisVault, *values: str) -> list[str]:
    def tried() -> list[str] | None:
        try:
            held = use(vault, *values)
        except VaultUnavailable:
            return None
        return held if vault.status().connected and vault.status().breaker == "closed" else None

    held: list[str] = wait_for(tried, "Redis is used again")
    return held


def test_without_fallback_requests_are_refused_until_redis_is_back(run: Run, make: Make) -> None:
    """At once when the circuit is open; what was kept before is there afterwards, if Redis kept it."""
    server = run("appendonly yes", "appendfsync always")
    vault = make(server, **WITHOUT, open_seconds=1.0)
    use(vault, "before")
    server.kill()
    with capture_logs() as logs:
        assert refused(vault, 6) == {"AWS_MASKER_1001"}
        assert vault.status().breaker == "open"
        errors = dict(vault.status().errors)
        assert refused(vault, 50) == {"AWS_MASKER_1001"}
        assert vault.status().errors == errors  # not one of them tried
        assert not vault.status().connected
        assert not vault.status().fallback
        server.start()
        assert recovered(vault, "after") == ["after"]
    assert use(make(server), "before", "after") == ["before", "after"]
    assert [line["event"] for line in logs] == ["vault_store_away", "vault_store_back"]
    assert "acme" not in str(logs)


def test_with_fallback_requests_go_on_and_what_is_missing_is_written(run: Run, make: Make) -> None:
    """From what this process knows. When Redis is back, nobody has to ask for it to be written."""
    server = run()
    vault = make(server, **WITH)
    use(vault, "before")
    server.kill()
    with capture_logs() as logs:
        for number in range(20):
            assert use(vault, "before", f"during-{number}") == ["before"]
        status = vault.status()
        assert (status.fallback, status.connected, status.breaker) == (True, False, "open")
        assert status.pending == 20
        server.start()
        wait_for(lambda: vault.status().pending == 0, "what is missing is written")
    everything = [f"during-{number}" for number in range(20)] + ["before"]
    assert use(make(server), *everything) == everything
    wait_for(lambda: recovered(vault, "before") == ["before"], "normal service")
    assert not vault.status().fallback
    assert {line["event"] for line in logs} >= {"vault_store_away", "vault_writes_pending", "vault_writes_done"}


def test_one_placeholder_given_to_two_values_in_an_outage(run: Run, make: Make) -> None:
    """The first to be written keeps it. The other process learns that, and masks its value otherwise from then on."""
    server = run()
    one, two = make(server, **WITH), make(server, **WITH)
    server.kill()
    one.remember(TENANT, {b"mask-1": Entry(b"acme-first", "bucket")})
    two.remember(TENANT, {b"mask-1": Entry(b"acme-second", "bucket"), b"mask-2": Entry(b"acme-2", "bucket")})
    server.start()
    wait_for(lambda: not one.status().pending and not two.status().pending, "what is missing is written")
    values = {bytes(vault.entries(TENANT)[b"mask-1"].value) for vault in (one, two) if recovered(vault, "3") == ["3"]}
    assert len(values) == 1
    reader = make(server)
    assert {entry.value for entry in reader.memory(TENANT).names()} == {*values, b"acme-2", b"acme-3"}
    for vault in (one, two):
        for value in {b"acme-first", b"acme-second"} - values:
            with pytest.raises(Collision):
                vault.remember(TENANT, {b"mask-1": Entry(value, "bucket")})


def test_redis_that_was_never_there(make: Make, run: Run) -> None:
    """A process that starts before Redis does serves from memory, or refuses, and uses Redis once it is there."""
    server = run()
    server.kill()
    vault, strict = make(server, **WITH), make(server, **WITHOUT)
    vault.open()
    strict.open()
    assert use(vault, "1") == []
    assert use(vault, "1") == ["1"]
    refused(strict, 6)
    server.start()
    recovered(strict, "2")
    assert recovered(vault, "1", "2") == ["1", "2"]
    assert use(make(server), "1", "2") == ["1", "2"]


@pytest.mark.parametrize("fallback", [True, False])
def test_redis_that_hangs_is_waited_for_by_few(run: Run, make: Make, fallback: bool) -> None:
    """All of 60 requests at once have their answer long before they would, one time-out after the other."""
    server = run()
    vault = make(server, redis_fallback=fallback, redis_timeout=300)
    use(vault, "before")
    server.pause()
    outcomes: Counter[str] = Counter()

    def request(number: int) -> None:
        try:
            outcomes["held" if use(vault, "before", str(number)) == ["before"] else "lost"] += 1
        except VaultUnavailable:
            outcomes["refused"] += 1

    threads = [threading.Thread(target=request, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE / 2)
    assert not any(thread.is_alive() for thread in threads)
    assert outcomes == {"held" if fallback else "refused": 60}
    server.resume()
    assert recovered(vault, "before") == ["before"]
    if fallback:
        wait_for(lambda: vault.status().pending == 0, "what is missing is written")
        assert len(use(make(server), *map(str, range(60)))) == 60


def test_redis_that_answers_too_late_counts_as_away(server: Server, make: Make) -> None:
    """An answer that comes after its time is never taken for that of the next question."""
    slow = Slow(server.port)
    direct = make(server)
    use(direct, "theirs")
    vault = make(None, redis_host="127.0.0.1", redis_port=slow.port, **WITHOUT)
    assert use(vault, "1", "theirs") == ["theirs"]
    slow.delay = 0.3
    assert refused(vault, 6) == {"AWS_MASKER_1001"}
    use(direct, "later")
    slow.delay = 0.0
    assert recovered(vault, "1", "theirs", "later") == ["1", "theirs", "later"]
    assert use(direct, "1", "theirs", "later") == ["1", "theirs", "later"]
    slow.close()


@pytest.mark.parametrize("fallback", [True, False])
def test_redis_whose_memory_is_full(run: Run, make: Make, fallback: bool) -> None:
    """What is there is served on. New values wait for room, or are refused (1003)."""
    server = run("maxmemory-policy noeviction")
    vault = make(server, redis_fallback=fallback)
    use(vault, "before")
    server.do("CONFIG", "SET", "maxmemory", "1")
    assert vault.memory(TENANT).entry(b"mask-before") is not None
    if fallback:
        assert use(vault, "before", "new") == ["before"]
        assert vault.status().pending == 1
    else:
        with pytest.raises(VaultOperationFailed) as caught:
            vault.remember(TENANT, mapping("before", "new"))
        assert caught.value.code == "AWS_MASKER_1003"
    assert vault.status().errors == {"AWS_MASKER_1003": 1}
    server.do("CONFIG", "SET", "maxmemory", "0")
    if not fallback:
        vault.remember(TENANT, mapping("new"))
    wait_for(lambda: vault.status().pending == 0, "what is missing is written")
    assert use(make(server), "before", "new") == ["before", "new"]


def test_a_password_that_changes(run: Run, make: Make) -> None:
    """A wrong one is an error of its own (1002); with the right one again, all goes on."""
    server = run("requirepass right", password="right")
    vault = make(server, redis_password="right", **WITHOUT)
    use(vault, "1")
    wrong = make(server, redis_password="wrong", **WITHOUT)
    with pytest.raises(VaultRefused):
        use(wrong, "1")
    assert refused(wrong, 7) == {"AWS_MASKER_1002"}
    missing = make(server, **WITHOUT)
    assert refused(missing) == {"AWS_MASKER_1002"}
    server.do("CONFIG", "SET", "requirepass", "wrong")
    server.password = "wrong"
    assert recovered(wrong, "1") == ["1"]
    server.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert refused(vault, 6) == {"AWS_MASKER_1002"}


def test_an_eviction_policy_that_loses_mappings_is_warned_of(run: Run, make: Make) -> None:
    """Once, at the start; not without a bound on the memory, and not for policies that evict nothing in use."""
    server = run()
    for memory, policy, warned in (
        ("100mb", "allkeys-lru", True),
        ("100mb", "volatile-lru", True),
        ("0", "allkeys-lru", False),
        ("100mb", "noeviction", False),
        ("100mb", "volatile-ttl", False),
    ):
        server.do("CONFIG", "SET", "maxmemory", memory, "maxmemory-policy", policy)
        with capture_logs() as logs:
            vault = make(server)
            vault.open()
            use(vault, "1")
        lines = [line["policy"] for line in logs if line["event"] == "vault_store_may_evict"]
        assert lines == ([policy] if warned else [])


def test_the_end_of_a_process_writes_what_it_can(run: Run, make: Make) -> None:
    """What waited for Redis is not lost if Redis is there by then."""
    server = run()
    vault = make(server, **WITH, open_seconds=PATIENCE)
    server.kill()
    use(vault, "1")
    server.start()
    vault.close()
    assert use(make(server), "1") == ["1"]
