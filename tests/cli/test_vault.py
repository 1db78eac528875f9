"""`aws-masker vault`: what is in Redis, counted, re-encrypted, forgotten, and one value restored for who may ask."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.choice import vault_of
from kong_plugins.aws_masker.vault.protocol import Vault
from kong_plugins.aws_masker.vault.store import AUDIT
from tests.cli.conftest import COMMAND, Run
from tests.vault.servers import Server, find_binary

KEY, OLD, NEW = (bytes([number]) * 32 for number in (1, 2, 3))
TENANT = "consumer:acme-team"
MAPPING = {b"mask-%d" % number: Entry(b"acme-value-%d" % number, "bucket") for number in range(3)}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    """A Redis with the mappings of two tenants, under the old vault key."""
    if find_binary() is None:
        pytest.skip("neither redis-server nor valkey-server is installed")
    server = Server(tmp_path / "redis").start()
    filled = opened(server, vault_key=OLD.hex())
    filled.remember(TENANT, MAPPING)
    filled.remember("", {b"other": Entry(b"acme-other", "bucket")})
    yield server
    server.kill()


def opened(server: Server, **options: Any) -> Vault:
    return vault_of(Settings(redis_socket=str(server.socket), **options), {}, KEY)


def environ(server: Server, vault_key: bytes = OLD, **more: str) -> dict[str, str]:
    keys = {"AWS_MASKER_KEY": KEY.hex(), "AWS_MASKER_VAULT_KEY": vault_key.hex()}
    return {**keys, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port), **more}


def audited(server: Server) -> list[dict[bytes, bytes]]:
    with server.client() as client:
        return [fields for _, fields in client.xrange(AUDIT)]


def test_stats(redis: Server, run: Run) -> None:
    """How many there are, for people and for programs; nothing of what they are."""
    result = run("vault", "stats", "--format", "json", **environ(redis))
    assert (result.returncode, result.stderr) == (0, b"")
    expected = {"tenants": 2, "records": 4, "under_old_keys": 0, "unreadable": 0, "memory_policy": "noeviction"}
    assert json.loads(result.stdout) == expected
    text = run("vault", "stats", **environ(redis)).stdout
    assert text.splitlines()[:3] == [b"tenants: 2", b"records: 4", b"under old keys: 0"]


def test_rotate(redis: Server, run: Run) -> None:
    """All records are under the new key; the old one is not needed any more, and opens nothing."""
    both = environ(redis, NEW, AWS_MASKER_VAULT_KEYS_OLD=OLD.hex())
    before = json.loads(run("vault", "stats", "--format", "json", **both).stdout)
    assert (before["records"], before["under_old_keys"]) == (4, 4)
    assert run("vault", "rotate", **both).stdout == b"4 records written anew\n"
    assert run("vault", "rotate", **both).stdout == b"0 records written anew\n"
    after = json.loads(run("vault", "stats", "--format", "json", **environ(redis, NEW)).stdout)
    assert (after["records"], after["under_old_keys"]) == (4, 0)
    assert opened(redis, vault_key=NEW.hex()).memory(TENANT).entry(b"mask-1") == MAPPING[b"mask-1"]
    refused = run("vault", "stats", **environ(redis, OLD))
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"Error AWS_MASKER_4001")


def test_forget(redis: Server, run: Run) -> None:
    """One tenant, in running processes too, and no other."""
    running = opened(redis, vault_key=OLD.hex())
    assert running.memory(TENANT).entry(b"mask-1") is not None
    assert run("vault", "forget", TENANT, **environ(redis)).stdout == b"3 records forgotten\n"
    assert running.memory(TENANT).entry(b"mask-1") is None
    assert running.memory("").entry(b"other") is not None


BY = ("--operator", "jane", "--reason", "she left")


def test_rotating_and_forgetting_are_audited(redis: Server, run: Run) -> None:
    """Who did it, to whom and why; without being told, the user of the machine."""
    assert run("vault", "forget", *BY, TENANT, **environ(redis)).returncode == 0
    assert run("vault", "rotate", *BY, **environ(redis)).returncode == 0
    assert run("vault", "forget", TENANT, **environ(redis, LOGNAME="john")).returncode == 0
    forgotten, rotated, again = audited(redis)
    assert [entry[b"decision"] for entry in (forgotten, rotated, again)] == [b"forgotten", b"rotated", b"forgotten"]
    assert [entry[b"who"] for entry in (forgotten, rotated, again)] == [b"jane", b"jane", b"john"]
    assert [entry[b"reason"] for entry in (forgotten, rotated, again)] == [b"she left", b"she left", b""]
    assert [entry[b"route"] for entry in (forgotten, rotated)] == [
        b"aws-masker vault forget",
        b"aws-masker vault rotate",
    ]
    assert len(forgotten[b"tenant"]) == 32
    assert int(rotated[b"when"]) > 1_700_000_000_000
    assert b"acme" not in b"".join((*forgotten.values(), *rotated.values(), *again.values()))


def test_nothing_is_forgotten_that_cannot_be_audited(redis: Server, run: Run) -> None:
    """The entry comes first: a trail that takes nothing keeps the records as they are."""
    redis.do("SET", AUDIT, "no stream")
    for command in (("forget", TENANT), ("rotate",)):
        result = run("vault", *command, **environ(redis, NEW, AWS_MASKER_VAULT_KEYS_OLD=OLD.hex()))
        assert result.returncode == 2
        assert result.stderr.splitlines()[-1].startswith(b"Error AWS_MASKER_1003")
    assert opened(redis, vault_key=OLD.hex()).memory(TENANT).entry(b"mask-1") == MAPPING[b"mask-1"]


@pytest.mark.parametrize(("most", "kept"), [(100, range(100, 200)), (0, [301])])
def test_operators_keep_the_trail_as_long_as_it_is_set(
    redis: Server, run: Run, folder: Path, most: int, kept: range | list[int]
) -> None:
    """`audit_max_entries` bounds it for them too; where requests leave none (0), what operators do still does."""
    (folder / "aws-masker.toml").write_text(f"audit_max_entries = {most}\n")
    with redis.client() as client:
        for _ in range(300):
            client.xadd(AUDIT, {"who": "a request"})
    assert run("vault", "rotate", "--config", "aws-masker.toml", **environ(redis)).returncode == 0
    entries = audited(redis)
    assert entries[-1][b"decision"] == b"rotated"
    assert len(entries) in kept


def test_restore_is_audited(redis: Server, run: Run) -> None:
    """The value goes to standard output; the audit trail tells who, when, why and what kind, and no value."""
    asked = ("vault", "restore", "--tenant", TENANT, "--operator", "jane", "--reason", "incident 4711")
    result = run(*asked, "mask-1", **environ(redis))
    assert (result.returncode, result.stdout, result.stderr) == (0, b"acme-value-1\n", b"")
    unknown = run(*asked, "other", **environ(redis))  # another tenant's
    assert (unknown.returncode, unknown.stdout) == (1, b"")
    found, missed = audited(redis)
    assert found[b"who"] == b"jane"
    assert found[b"reason"] == b"incident 4711"
    assert (found[b"families"], found[b"count"], found[b"decision"]) == (b"bucket", b"1", b"restored")
    assert int(found[b"when"]) > 1_700_000_000_000
    assert (missed[b"families"], missed[b"count"], missed[b"decision"]) == (b"", b"0", b"unknown placeholder")
    assert b"acme" not in b"".join((*found.values(), *missed.values()))
    assert b"mask-1" not in b"".join(found.values())


def test_nothing_is_restored_that_cannot_be_audited(redis: Server, run: Run) -> None:
    """Without an operator or a reason it is a usage error; with an audit trail that takes nothing, no value."""
    asked = ["vault", "restore", "--tenant", TENANT, "--operator", "jane", "--reason", "incident", "mask-1"]
    for missing in ("--operator", "--reason"):
        place = asked.index(missing)
        assert run(*asked[:place], *asked[place + 2 :], **environ(redis)).returncode == 2
    redis.do("SET", AUDIT, "no stream")
    result = run(*asked, **environ(redis))
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.splitlines()[-1].startswith(b"Error AWS_MASKER_1003")


def test_without_redis_there_is_nothing_to_look_after(run: Run) -> None:
    """It says what is missing; and where Redis is away, or the key is another one, which."""
    nowhere = run("vault", "stats", AWS_MASKER_KEY=KEY.hex(), REDIS_HOST="")
    assert (nowhere.returncode, nowhere.stdout) == (2, b"")
    assert b"REDIS_HOST" in nowhere.stderr
    away = run("vault", "stats", AWS_MASKER_KEY=KEY.hex(), REDIS_SOCKET="/nonexistent.sock")
    assert (away.returncode, away.stdout) == (2, b"")
    assert b"AWS_MASKER_1001" in away.stderr
    keyless = run("vault", "stats", REDIS_SOCKET="/nonexistent.sock")
    assert keyless.returncode == 2
    assert b"no key" in keyless.stderr


def test_the_proxy_uses_redis_as_soon_as_there_is_one(redis: Server, environment: dict[str, str], folder: Path) -> None:
    """Nothing but REDIS_HOST and REDIS_PORT says so; the check record tells that it has been there."""
    redis.do("FLUSHALL")
    process = subprocess.Popen(
        [*COMMAND, "proxy", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**environment, **environ(redis)},
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"Listening")
    assert redis.do("KEYS", "*") == [b"aws_masker:check"]
    process.terminate()
    process.wait()
    process.stdout.close()


def test_the_proxy_does_not_start_with_another_key(redis: Server, run: Run) -> None:
    """It would neither find nor restore what is there."""
    result = run("proxy", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", **environ(redis, NEW))
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.splitlines()[-1].startswith(b"Error AWS_MASKER_4001")
