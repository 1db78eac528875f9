"""How vaults are doing, as metrics and readiness tell it; on a real Redis."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from kong_plugins.aws_masker.errors import VaultUnavailable
from kong_plugins.aws_masker.observe import health
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.vaults import VaultWatch
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.breaker import Breaker
from kong_plugins.aws_masker.vault.choice import vault_of
from kong_plugins.aws_masker.vault.memory import MemoryVault
from kong_plugins.aws_masker.vault.protocol import Status, Vault
from tests.vault.servers import Server, wait_for

KEY = bytes(range(32))


def vault_at(server: Server, fallback: bool = True) -> Vault:
    settings = Settings(redis_host="127.0.0.1", redis_port=server.port, redis_fallback=fallback)
    return vault_of(settings, {}, KEY, Breaker(failures=2, open_seconds=0.2))


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"aws_masker_{name}", labels) or 0.0


def test_operations_are_counted(redis: Server) -> None:
    """By kind, each once, however often one looks."""
    metrics = Metrics()
    watch = VaultWatch(metrics)
    vault = vault_at(redis)
    watch.add(vault)
    vault.remember("t", {b"bucket-x": Entry(b"value", "bucket")})
    vault.memory("t")
    for _ in range(2):
        watch.refresh()
    assert value(metrics, "vault_operations_total", operation="write") == 1
    assert value(metrics, "vault_operations_total", operation="read") == 1
    assert value(metrics, "vault_latency_seconds") > 0
    assert value(metrics, "vault_away") == 0
    vault.close()


@pytest.mark.parametrize("fallback", [True, False])
def test_a_store_that_goes_and_comes_back(tmp_path: Path, fallback: bool) -> None:
    """Away, with the breaker open, told by metrics and readiness; the watch finds out by itself that it is back."""
    server = Server(tmp_path / "redis").start()
    metrics = Metrics()
    watch = VaultWatch(metrics, 0.02)
    vault = vault_at(server, fallback)
    watch.add(vault)
    assert health.of_vault(vault.status()).status == "ok"  # nobody has asked it yet
    vault.memory("t")
    server.kill()
    for _ in range(2):
        if fallback:
            vault.memory("t")
        else:
            with pytest.raises(VaultUnavailable):
                vault.memory("t")
    wait_for(lambda: value(metrics, "vault_breaker") == 2, "the breaker to open")
    assert (value(metrics, "vault_away"), value(metrics, "vault_fallback")) == (1, fallback)
    assert value(metrics, "vault_refusing") == (not fallback)
    assert value(metrics, "vault_errors_total", code="AWS_MASKER_1001") >= 2
    assert health.of_vault(vault.status()).status == ("degraded" if fallback else "failed")
    server.start()
    wait_for(lambda: value(metrics, "vault_away") == 0, "the watch to find the store")
    assert health.of_vault(vault.status()).status == "ok"
    vault.close()
    server.kill()


def test_a_vault_that_nobody_uses_is_let_go(redis: Server) -> None:
    """The watch does not keep it."""
    watch = VaultWatch(Metrics())
    vault = vault_at(redis)
    watch.add(vault)
    assert len(watch.refresh()) == 1
    vault.close()
    del vault
    gc.collect()
    assert watch.refresh() == []


def test_a_vault_in_memory_is_not_watched() -> None:
    """There is nothing that could be away."""
    watch = VaultWatch(Metrics())
    watch.add(MemoryVault(60, 100))
    assert watch.refresh() == []
    assert health.of_vault(Status("memory", 0)).status == "unused"


def test_reports() -> None:
    """The worst component decides; only what failed makes it unready."""
    well, ill, bad = (health.Component(state, "") for state in ("ok", "degraded", "failed"))
    assert health.report({"a": well, "b": health.Component("unused", "")})[0] == 200
    status, told = health.report({"a": well, "b": ill})
    assert (status, told["status"]) == (200, "degraded")
    status, told = health.report({"a": bad, "b": ill})
    assert (status, told["status"], told["components"]["a"]["status"]) == (503, "failed", "failed")
    assert health.of_breaker("half-open").status == "degraded"
    assert health.of_redis(False, False, 0.2).status == "degraded"
