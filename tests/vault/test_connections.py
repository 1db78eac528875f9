"""Redis as people run it: each way to reach it, with its option set and not set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kong_plugins.aws_masker.errors import VaultRefused, VaultUnavailable
from kong_plugins.aws_masker.text import Entry
from kong_plugins.aws_masker.vault.redis_vault import RedisVault
from tests.vault.certificates import make_certificates
from tests.vault.conftest import Make, Run
from tests.vault.servers import Server, free_port, wait_for

STRICT = {"redis_fallback": False}


def keep(vault: RedisVault, value: str, tenant: str = "team") -> None:
    vault.remember(tenant, {b"mask-" + value.encode(): Entry(value.encode(), "bucket")})


def names(vault: RedisVault, tenant: str = "team") -> list[bytes]:
    return [entry.value for entry in vault.memory(tenant).names()]


def test_a_database_of_its_own(server: Server, make: Make) -> None:
    """`redis_database` parts what is in one Redis."""
    keep(make(server, redis_database=3, **STRICT), "third")
    assert names(make(server, **STRICT)) == []
    assert names(make(server, redis_database=3, **STRICT)) == [b"third"]
    assert server.do("DBSIZE") == 1  # the check record


def test_a_unix_socket(server: Server, make: Make) -> None:
    """The same Redis by another way."""
    keep(make(server, **STRICT), "1")
    assert names(make(redis_socket=str(server.socket), **STRICT)) == [b"1"]
    with pytest.raises(VaultUnavailable):
        names(make(redis_socket=f"{server.socket}.missing", **STRICT))


ACL = "~aws_masker:* ~aws-masker:* +@read +@write +@scripting +ping +select +time"
"""What docs/redis.md says that a user needs."""


def test_a_user_with_no_more_rights_than_needed(run: Run, make: Make) -> None:
    """As the document says; without the user or its password, nobody gets in."""
    server = run(f"user masker on >secret {ACL}", "user default off")
    vault = make(server, redis_user="masker", redis_password="secret", **STRICT)
    vault.open()
    keep(vault, "1")
    assert names(make(server, redis_user="masker", redis_password="secret", **STRICT)) == [b"1"]
    vault.store.audit({"who": "a test"}, 100)
    assert vault.store.forget(vault._keyring.tenant_id("team"), 60) == 1
    assert vault.store.tenant_ids() == []
    for options in ({}, {"redis_password": "secret"}, {"redis_user": "masker", "redis_password": "wrong"}):
        with pytest.raises(VaultRefused):
            names(make(server, **options, **STRICT))
    other = make(server, redis_user="masker", redis_password="secret", redis_prefix="other", **STRICT)
    with pytest.raises(VaultRefused):
        keep(other, "1")


def test_the_document_says_the_same() -> None:
    assert f"`{ACL}`" in (Path(__file__).parents[2] / "docs" / "redis.md").read_text()


def test_tls(run: Run, make: Make, tmp_path: Path) -> None:
    """With an authority of one's own; an unknown one and another host's certificate are refused, unless asked for."""
    authority, certificate, key = make_certificates(tmp_path)
    port = free_port()
    server = run(f"tls-port {port}", f"tls-cert-file {certificate}", f"tls-key-file {key}", "tls-auth-clients no")
    tls = {"redis_host": "127.0.0.1", "redis_port": port, "redis_ssl_enabled": True, **STRICT}
    keep(make(**tls, redis_ssl_ca=str(authority)), "1")
    assert names(make(**tls, redis_ssl_ca=str(authority))) == [b"1"]
    assert names(make(server)) == [b"1"]
    with pytest.raises(VaultUnavailable):  # nobody knows that authority
        names(make(**tls))
    assert names(make(**tls, redis_ssl_verify=False)) == [b"1"]
    with pytest.raises(VaultUnavailable):  # without TLS
        names(make(**{**tls, "redis_ssl_enabled": False}))
    with pytest.raises(VaultUnavailable):  # the certificate is for the address
        names(make(**{**tls, "redis_host": "localhost"}, redis_ssl_ca=str(authority)))
    assert names(make(**{**tls, "redis_host": "localhost"}, redis_ssl_verify=False)) == [b"1"]


def test_client_certificates(run: Run, make: Make, tmp_path: Path) -> None:
    """Redis lets in whose certificate its authority has signed, and nobody else."""
    (tmp_path / "stranger").mkdir()
    authority, certificate, key = make_certificates(tmp_path)
    _, unknown, unknown_key = make_certificates(tmp_path / "stranger")
    port = free_port()
    files = (f"tls-cert-file {certificate}", f"tls-key-file {key}", f"tls-ca-cert-file {authority}")
    server = run(f"tls-port {port}", *files, "tls-auth-clients yes")
    tls = {"redis_host": "127.0.0.1", "redis_port": port, "redis_ssl_enabled": True, **STRICT}
    tls |= {"redis_ssl_ca": str(authority)}
    keep(make(**tls, redis_ssl_cert=str(certificate), redis_ssl_key=str(key)), "1")
    assert names(make(server)) == [b"1"]
    for missing in ({}, {"redis_ssl_cert": str(unknown), "redis_ssl_key": str(unknown_key)}):
        with pytest.raises(VaultUnavailable):
            names(make(**tls, **missing))


def test_sentinels_and_a_failover(run: Run, make: Make) -> None:
    """The primary is asked for by its name. When it dies, the vault finds the next one, with all that it had."""
    primary = run("repl-diskless-sync-delay 0")
    replica = run(f"replicaof 127.0.0.1 {primary.port}")
    watch = (
        f"sentinel monitor main 127.0.0.1 {primary.port} 1",
        "sentinel down-after-milliseconds main 300",
        "sentinel failover-timeout main 2000",
        "requirepass watched",
    )
    sentinel = run(*watch, sentinel=True, password="watched")
    wait_for(lambda: replica.do("INFO", "replication")["master_link_status"] == "up", "replication")
    wait_for(lambda: len(sentinel.do("SENTINEL", "REPLICAS", "main")) == 1, "the Sentinel sees the replica")
    address: dict[str, Any] = {
        "redis_sentinel_master": "main",
        "redis_sentinels": ["127.0.0.1:1", f"127.0.0.1:{sentinel.port}"],
        "redis_sentinel_password": "watched",
    }
    vault = make(**address, **STRICT)
    keep(vault, "before")
    wait_for(lambda: replica.do("DBSIZE") == primary.do("DBSIZE"), "the replica has it")
    primary.kill()

    def kept() -> bool:
        try:
            keep(vault, "after")
        except VaultUnavailable:
            return False
        return True

    wait_for(kept, "the next primary")
    assert names(make(replica)) == [b"before", b"after"]

    def found_anew() -> bool:
        try:
            return names(make(**address, **STRICT)) == [b"before", b"after"]
        except VaultUnavailable:  # a busy machine's Sentinel may take the new primary for dead for a moment
            return False

    wait_for(found_anew, "all that both had")
    for wrong in ({"redis_sentinel_master": "other"}, {"redis_sentinel_password": "wrong"}):
        with pytest.raises(VaultUnavailable):
            names(make(**{**address, **wrong}, **STRICT))


def cluster(run: Run) -> list[Server]:
    """Return three nodes that share the slots."""
    nodes = [run("cluster-enabled yes", "cluster-node-timeout 1000") for _ in range(3)]
    bounds = [0, 5461, 10923, 16384]
    for number, node in enumerate(nodes):
        node.do("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        node.do("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        nodes[0].do("CLUSTER", "MEET", "127.0.0.1", node.port)
    for node in nodes:
        wait_for(partial(_is_whole, node), "the cluster is whole")
    return nodes


def _is_whole(node: Server) -> bool:
    nodes = str(node.do("CLUSTER", "NODES"))
    return "cluster_state:ok" in str(node.do("CLUSTER", "INFO")) and nodes.count(" connected") == 3


def test_a_cluster(run: Run, make: Make) -> None:
    """A tenant lies on one node, all tenants on all of them; a node that is away takes its tenants with it only."""
    nodes = cluster(run)
    address = {"redis_host": "127.0.0.1", "redis_port": nodes[0].port, "redis_cluster_mode": True, **STRICT}
    vault = make(**address)
    vault.open()
    tenants = [f"team-{number}" for number in range(12)]
    for tenant in tenants:
        keep(vault, tenant, tenant)
    assert all(node.do("DBSIZE") > 0 for node in nodes)
    second = make(**{**address, "redis_port": nodes[1].port})
    assert all(names(second, tenant) == [tenant.encode()] for tenant in tenants)
    assert len(second.store.tenant_ids()) == 12
    second.store.audit({"who": "a test"}, 100)
    with pytest.raises(VaultUnavailable):  # another node has it
        for tenant in tenants:
            names(make(nodes[0], **STRICT), tenant)
    nodes[2].kill()
    served = 0
    for tenant in tenants:
        try:
            served += names(make(**address), tenant) == [tenant.encode()]
        except VaultUnavailable:
            continue
    assert 0 <= served < 12
    nodes[2].start()
    wait_for(partial(_is_whole, nodes[0]), "the cluster is whole again")
    wait_for(lambda: _kept(vault, tenants), "all tenants are served again")


def _kept(vault: RedisVault, tenants: list[str]) -> bool:
    try:
        for tenant in tenants:
            keep(vault, f"{tenant}-again", tenant)
    except VaultUnavailable:
        return False
    return True
