"""Which vault the settings ask for."""

from __future__ import annotations

from collections.abc import Mapping

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.keys import vault_keys
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.address import address_of
from kong_plugins.aws_masker.vault.breaker import Breaker
from kong_plugins.aws_masker.vault.memory import MemoryVault
from kong_plugins.aws_masker.vault.protocol import Vault
from kong_plugins.aws_masker.vault.records import Keyring
from kong_plugins.aws_masker.vault.redis_vault import RedisVault
from kong_plugins.aws_masker.vault.store import Store


def vault_of(settings: Settings, environ: Mapping[str, str], key: bytes, breaker: Breaker | None = None) -> Vault:
    """Return a vault in Redis if the settings or variables say where that is, else one in memory.

    Nothing is connected to yet, so it may be made before a fork, but not used.

    Args:
        settings: The options.
        environ: The environment variables; see `Settings` for their names.
        key: The masking key.
        breaker: By default one with the usual bounds.

    Raises:
        ConfigError: the options contradict each other, or a vault key is malformed.
    """
    if address_of(settings, environ) is None:
        return MemoryVault(settings.mapping_ttl, settings.max_entries)
    keyring = keyring_of(settings, environ, key)
    return RedisVault(
        store_of(settings, environ, keyring, breaker),
        keyring,
        ttl=settings.mapping_ttl,
        max_entries=settings.max_entries,
        fallback=settings.redis_fallback,
    )


def keyring_of(settings: Settings, environ: Mapping[str, str], key: bytes) -> Keyring:
    """Return the keys of the vault. Raises ConfigError if one is malformed."""
    given = settings.vault_key.get_secret_value() if settings.vault_key else None
    old = [one.get_secret_value() for one in settings.vault_keys_old]
    return Keyring(key, *vault_keys(environ, given, old))


def store_of(settings: Settings, environ: Mapping[str, str], keyring: Keyring, breaker: Breaker | None = None) -> Store:
    """Return the records in Redis.

    Raises:
        ConfigError: the options contradict each other, or nothing says where Redis is.
    """
    address = address_of(settings, environ)
    if address is None:
        raise ConfigError("nothing says where Redis is: set redis_host or REDIS_HOST")
    return Store(address, settings.redis_prefix, keyring, breaker or Breaker(), settings.redis_fallback)
