"""Where the vault is: by options, by variables, or nowhere; and what contradicts itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from redis import Redis

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.keys import vault_keys
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.address import Address, address_of, connect
from kong_plugins.aws_masker.vault.choice import keyring_of, store_of, vault_of
from kong_plugins.aws_masker.vault.memory import MemoryVault
from kong_plugins.aws_masker.vault.redis_vault import RedisVault
from tests.vault.certificates import make_certificates

KEY = bytes(range(32))
HOST = {"REDIS_HOST": "redis.internal"}
PLAIN = Address(
    nodes=(("redis.internal", 6379),),
    socket=None,
    master=None,
    sentinel_user=None,
    sentinel_password=None,
    cluster=False,
    database=0,
    user=None,
    password=None,
    tls=False,
    verify=True,
    authorities=None,
    certificate=None,
    key=None,
    timeout=1.0,
)


def found(options: dict[str, Any], environ: dict[str, str]) -> Address:
    address = address_of(Settings(**options), environ)
    assert address is not None
    return address


def test_redis_is_used_as_soon_as_something_says_where_it_is() -> None:
    """An option or a variable; an empty variable says nothing, and `use_redis: false` goes before all."""
    assert found({}, HOST) == PLAIN
    assert found({"redis_host": "redis.internal"}, {}) == PLAIN
    for environ in ({}, {"REDIS_HOST": ""}, {"REDIS_HOST": " "}, {"REDIS_PORT": "6379", "REDIS_PASSWORD": "x"}):
        assert address_of(Settings(), environ) is None
        assert isinstance(vault_of(Settings(), environ, KEY), MemoryVault)
    assert isinstance(vault_of(Settings(), HOST, KEY), RedisVault)
    off = Settings(use_redis=False, redis_host="redis.internal")
    assert isinstance(vault_of(off, HOST, KEY), MemoryVault)
    with pytest.raises(ConfigError, match="REDIS_HOST"):
        store_of(off, HOST, keyring_of(off, {}, KEY))


@pytest.mark.parametrize(
    ("option", "given", "variable", "field", "value"),
    [
        ("redis_host", "other", "REDIS_HOST", "nodes", (("other", 6379),)),
        ("redis_port", 7000, "REDIS_PORT", "nodes", (("redis.internal", 7000),)),
        ("redis_database", 7, "REDIS_DB", "database", 7),
        ("redis_user", "masker", "REDIS_USER", "user", "masker"),
        ("redis_password", "pass", "REDIS_PASSWORD", "password", "pass"),
        ("redis_sentinel_user", "watcher", "REDIS_SENTINEL_USER", "sentinel_user", "watcher"),
        ("redis_sentinel_password", "word", "REDIS_SENTINEL_PASSWORD", "sentinel_password", "word"),
        ("redis_ssl_enabled", True, "REDIS_SSL", "tls", True),
        ("redis_ssl_ca", "/ca.pem", "REDIS_SSL_CA", "authorities", "/ca.pem"),
        ("redis_ssl_cert", "/client.pem", "REDIS_SSL_CERT", "certificate", "/client.pem"),
        ("redis_cluster_mode", True, "REDIS_CLUSTER_MODE", "cluster", True),
    ],
)
def test_an_option_goes_before_its_variable(option: str, given: Any, variable: str, field: str, value: Any) -> None:
    """Which counts where the option is not set; without both there is a default."""
    text = str(given).lower()
    assert getattr(PLAIN, field) != value
    assert getattr(found({option: given}, HOST), field) == value
    assert getattr(found({}, HOST | {variable: text}), field) == value
    if isinstance(given, bool):
        assert getattr(found({option: False}, HOST | {variable: text}), field) is False
    else:
        assert getattr(found({option: given}, HOST | {variable: "1"}), field) == value


def test_options_without_a_variable() -> None:
    assert found({"redis_ssl_verify": False}, HOST).verify is False
    assert found({"redis_timeout": 1500}, HOST).timeout == 1.5


def test_sentinels() -> None:
    """Any of the usual ways to write an address; the port may be left out."""
    nodes = (("a.internal", 26379), ("10.0.0.1", 5000), ("::1", 26379), ("fe80::1", 7))
    texts = ["a.internal", "10.0.0.1:5000", "[::1]", "[fe80::1]:7"]
    by_option = found({"redis_sentinel_master": "main", "redis_sentinels": texts}, {})
    by_variable = found({}, {"REDIS_SENTINEL_MASTER": "main", "REDIS_SENTINELS": ",".join(texts)})
    assert by_option == by_variable
    assert (by_option.nodes, by_option.master) == (nodes, "main")


def test_a_socket() -> None:
    assert found({"redis_socket": "/run/redis.sock"}, {}).socket == "/run/redis.sock"
    assert found({}, {"REDIS_SOCKET": "/run/redis.sock"}).socket == "/run/redis.sock"


@pytest.mark.parametrize(
    ("options", "environ", "named"),
    [
        ({"redis_socket": "/s"}, HOST, "redis_socket"),
        ({"redis_socket": "/s", "redis_cluster_mode": True}, {}, "redis_socket"),
        ({"redis_sentinel_master": "main"}, {}, "redis_sentinel"),
        ({"redis_sentinels": ["a"]}, HOST, "redis_sentinel"),
        ({"redis_sentinel_master": "main", "redis_sentinels": ["a"]}, HOST, "redis_sentinel_master"),
        ({"redis_sentinel_master": "main", "redis_sentinels": ["a:b"]}, {}, "redis_sentinels"),
        ({"redis_sentinel_master": "main", "redis_sentinels": ["a:0"]}, {}, "redis_sentinels"),
        ({"redis_sentinel_master": "main", "redis_sentinels": [":1"]}, {}, "redis_sentinels"),
        ({"redis_cluster_mode": True}, {}, "redis_cluster_mode"),
        ({"redis_cluster_mode": True, "redis_database": 1}, HOST, "redis_database"),
        ({"redis_ssl_key": "/key.pem"}, HOST, "redis_ssl_key"),
        ({}, HOST | {"REDIS_SSL_KEY": "/key.pem"}, "redis_ssl_key"),
        ({}, HOST | {"REDIS_PORT": "redis"}, "REDIS_PORT"),
        ({}, HOST | {"REDIS_PORT": "0"}, "REDIS_PORT"),
        ({}, HOST | {"REDIS_DB": "-1"}, "REDIS_DB"),
        ({}, HOST | {"REDIS_SSL": "maybe"}, "REDIS_SSL"),
        ({"vault_key": "!" * 43}, HOST, "vault_key"),
        ({"vault_keys_old": ["ab" * 22]}, HOST, "vault_keys_old"),
    ],
)
def test_contradictions_are_errors(options: dict[str, Any], environ: dict[str, str], named: str) -> None:
    """They name the option or the variable."""
    with pytest.raises(ConfigError, match=named):
        vault_of(Settings(**options), environ, KEY)


def test_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    """Are an error of the configuration, which no waiting mends."""
    file = tmp_path / "ca.pem"
    for content in (None, "no certificate"):
        if content is not None:
            file.write_text(content)
        options: dict[str, Any] = {"redis_ssl_enabled": True, "redis_ssl_ca": str(file)}
        with pytest.raises(ConfigError, match="redis_ssl_ca"):
            connect(found(options, HOST))
        with pytest.raises(ConfigError, match="redis_ssl_ca"):
            vault_of(Settings(**options), HOST, KEY).memory("team")
    assert isinstance(connect(found({**options, "redis_ssl_enabled": False}, HOST)), Redis)


def test_a_key_of_the_clients_certificate() -> None:
    """The option goes before its variable; without both it is in the file of the certificate."""
    options, by_variable = {"redis_ssl_cert": "/client.pem"}, HOST | {"REDIS_SSL_KEY": "/variable.key"}
    assert found(options, HOST).key is None
    assert found(options, by_variable).key == "/variable.key"
    assert found({**options, "redis_ssl_key": "/option.key"}, by_variable).key == "/option.key"


def test_client_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    """A file that is missing or no certificate, a key of another one, or one with a pass phrase."""
    (tmp_path / "other").mkdir()
    _, certificate, key = make_certificates(tmp_path)
    _, _, other = make_certificates(tmp_path / "other")
    locked, empty = tmp_path / "locked.key", tmp_path / "empty"
    private = load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    empty.touch()
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    tls = {"redis_ssl_enabled": True}
    for wrong in (
        {"redis_ssl_cert": str(tmp_path / "missing")},
        {"redis_ssl_cert": str(empty), "redis_ssl_key": str(key)},
        {"redis_ssl_cert": str(certificate)},
        {"redis_ssl_cert": str(certificate), "redis_ssl_key": str(other)},
        {"redis_ssl_cert": str(certificate), "redis_ssl_key": str(locked)},
        {"redis_ssl_cert": str(certificate), "redis_ssl_key": str(tmp_path / "missing")},
    ):
        with pytest.raises(ConfigError, match="redis_ssl_cert"):
            connect(found(tls | wrong, HOST))
        assert isinstance(connect(found(wrong, HOST)), Redis)  # without TLS it is not looked at
    for right in ({"redis_ssl_cert": str(certificate), "redis_ssl_key": str(key)}, {"redis_ssl_cert": str(both)}):
        assert isinstance(connect(found(tls | right, HOST)), Redis)


def test_vault_keys_come_from_the_option_the_variable_or_the_file(tmp_path: Path) -> None:
    """In this order; earlier keys from the option or the variable."""
    one, two, three = (bytes([number]) * 32 for number in (1, 2, 3))
    file = tmp_path / "key"
    file.write_text(three.hex())
    file.chmod(0o600)
    by_file = {"AWS_MASKER_VAULT_KEY_FILE": str(file)}
    by_variable = {"AWS_MASKER_VAULT_KEY": two.hex(), **by_file}
    assert vault_keys({}) == (None, [])
    assert vault_keys(by_file) == (three, [])
    assert vault_keys(by_variable) == (two, [])
    assert vault_keys(by_variable, one.hex()) == (one, [])
    old = {"AWS_MASKER_VAULT_KEYS_OLD": f"{one.hex()}, {two.hex()},"}
    assert vault_keys(old) == (None, [one, two])
    assert vault_keys(old, None, [three.hex()]) == (None, [three])
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="open to other users"):
        vault_keys(by_file)
    with pytest.raises(ConfigError, match="No such file"):
        vault_keys({"AWS_MASKER_VAULT_KEY_FILE": str(tmp_path / "missing")})
    for environ in ({"AWS_MASKER_VAULT_KEY": "ab" * 31}, {"AWS_MASKER_VAULT_KEYS_OLD": "abc"}):
        with pytest.raises(ConfigError) as caught:
            vault_keys(environ)
        assert next(iter(environ)) in str(caught.value)
        assert "abab" not in str(caught.value)
