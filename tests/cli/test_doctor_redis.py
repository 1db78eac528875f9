"""`doctor` on a real Redis and on servers that run: what is wrong, and what to do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

from kong_plugins.aws_masker.cli import redis_checks
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.choice import vault_of
from tests.proxy.harness import proxy
from tests.vault.servers import Server, free_port

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
KEY = "00112233" * 8
PASSWORD = "not-" + "to-be-shown"


def doctor(server: str | None = None, key: str | None = KEY, **environment: str) -> dict[str, tuple[str, str, str]]:
    """Return state, finding and remedy of each check by name."""
    secret = bytes.fromhex(key) if key else None
    done = [*redis_checks.redis(Settings(), environment, secret), redis_checks.server(server)]
    assert PASSWORD not in str(done)
    assert KEY not in str(done)
    return {one.name: (one.state, one.detail, one.remedy) for one in done}


def test_a_good_redis(redis: Server) -> None:
    """Reached, and its vault is ours; without a key that cannot be told."""
    where = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)}
    checks = doctor(**where)
    assert (checks["redis"][0], checks["vault"][0]) == ("ok", "ok")
    assert doctor(**where, key=None)["vault"][0] == "skipped"


def test_a_vault_of_another_key(redis: Server) -> None:
    """Whose key it is not is told, and which settings decide it."""
    where = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)}
    doctor(**where)
    state, _, remedy = doctor(**where, key="44556677" * 8)["vault"]
    assert state == "failed"
    assert "AWS_MASKER_KEY" in remedy


def test_a_redis_that_evicts(redis: Server, run: Run) -> None:
    """An LRU loses mappings; the policy to set is named."""
    redis.do("CONFIG", "SET", "maxmemory", "100mb")
    redis.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        where = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port), "AWS_MASKER_KEY": KEY}
        result = run("doctor", "--format", "json", "--listen", f"127.0.0.1:{free_port()}", **where)
    finally:
        redis.do("CONFIG", "SET", "maxmemory", "0")
        redis.do("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert (result.returncode, result.stderr) == (1, b"")
    state, detail, remedy = next(
        (one["state"], one["detail"], one["remedy"]) for one in json.loads(result.stdout) if one["name"] == "redis"
    )
    assert state == "failed"
    assert "allkeys-lru" in detail
    assert "noeviction" in remedy


def test_a_redis_that_is_not_there_or_lets_nobody_in(redis: Server) -> None:
    """Both are told apart, with the settings to correct."""
    state, detail, remedy = doctor(REDIS_HOST="127.0.0.1", REDIS_PORT=str(free_port()))["redis"]
    assert (state, detail.split(" (")[0]) == ("failed", "cannot be reached")
    assert "redis_host" in remedy
    where = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)}
    state, detail, remedy = doctor(**where, REDIS_USER="somebody", REDIS_PASSWORD=PASSWORD)["redis"]
    assert (state, detail.split(" (")[0]) == ("failed", "refuses access")
    assert "redis_password" in remedy


def test_settings_that_contradict() -> None:
    """Told as such, before anything is asked."""
    state, detail, _ = doctor(REDIS_HOST="localhost", REDIS_SOCKET="/run/redis.sock")["redis"]
    assert state == "failed"
    assert "redis_socket" in detail


def test_a_server() -> None:
    """A proxy that is well; one whose Redis is away; nobody; somebody else."""
    with proxy("http://127.0.0.1:1") as url:
        assert doctor(f"{url}/.aws-masker")["server"][0] == "ok"
        state, detail, _ = doctor(url)["server"]
        assert state == "failed"
        assert "not a page of ours" in detail
    state, detail, remedy = doctor(f"http://127.0.0.1:{free_port()}")["server"]
    assert (state, "no answer" in detail, "--metrics-address" in remedy) == ("failed", True, True)


def test_a_server_that_is_not_well() -> None:
    """What ails it is repeated."""
    settings = Settings(redis_host="127.0.0.1", redis_port=free_port(), redis_fallback=False)
    vault = vault_of(settings, {}, bytes.fromhex(KEY))
    vault.open()
    with proxy("http://127.0.0.1:1", settings, vault=vault) as url:
        state, detail, _ = doctor(f"{url}/.aws-masker/readyz")["server"]
    assert state == "failed"
    assert "Redis is away" in detail
