"""What `doctor` looks at of Redis, and of a server that runs already."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import orjson
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from kong_plugins.aws_masker.cli.checks import Check
from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.keys import load_key
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.address import Address, Client, address_of, connect
from kong_plugins.aws_masker.vault.choice import vault_of

_SAFE = frozenset({"noeviction", "volatile-ttl"})
_PATIENCE = 5.0  # seconds
_WHERE = "Correct redis_host, redis_port, redis_socket, redis_sentinels or the REDIS_* variables; is it running?"


def redis(settings: Settings, environ: Mapping[str, str], key: bytes | None) -> list[Check]:
    """Check that Redis can be reached, lets us in, keeps what it is given, and holds a vault of these keys."""
    try:
        address = address_of(settings, environ)
    except ConfigError as error:
        return [Check("redis", "failed", error.detail, "Correct the redis_* settings, or the REDIS_* variables.")]
    if address is None:
        return [Check("redis", "skipped", "not in use: neither redis_host nor REDIS_HOST says where it is")]
    try:
        with closing(connect(address)) as client:
            client.ping()
            found = _policy(client, address)
    except (AuthenticationError, NoPermissionError) as error:
        return [Check("redis", "failed", f"refuses access ({type(error).__name__})", _access(error))]
    except ConfigError as error:
        return [Check("redis", "failed", error.detail, "Correct redis_ssl_ca, redis_ssl_cert or redis_ssl_key.")]
    except (RedisError, RedisClusterException, OSError) as error:
        return [Check("redis", "failed", f"cannot be reached ({type(error).__name__})", _WHERE)]
    return [found, vault(settings, environ, key)]


def _policy(client: Client, address: Address) -> Check:
    """Check that no mapping is evicted: what was masked could not be restored then."""
    try:
        memory: Mapping[str, Any] = {} if address.cluster else client.info("memory")
    except ResponseError:  # a user who may not ask
        memory = {}
    policy = memory.get("maxmemory_policy")
    if memory.get("maxmemory") and policy not in _SAFE:
        return Check(
            "redis",
            "failed",
            f"answers, but may evict mappings (maxmemory-policy {policy})",
            "Set maxmemory-policy to noeviction (or volatile-ttl) in redis.conf: evicted mappings cannot be restored.",
        )
    return Check("redis", "ok", "answers" if policy is None else f"answers, maxmemory-policy {policy}")


def _access(error: Exception) -> str:
    if isinstance(error, NoPermissionError):
        return "Give the user of redis_user the rights that docs/security.md names."
    return "Correct redis_user and redis_password, or REDIS_USER and REDIS_PASSWORD."


def vault(settings: Settings, environ: Mapping[str, str], key: bytes | None) -> Check:
    """Check that what is in Redis was written with these keys."""
    if key is None:
        return Check("vault", "skipped", "without a masking key it cannot be read")
    try:
        with closing(vault_of(settings, environ, key)) as opened:
            opened.open()
            state = opened.status()
    except ConfigError as error:
        return Check("vault", "failed", error.detail, "Correct the key: AWS_MASKER_KEY, vault_key, vault_keys_old.")
    if not state.connected:
        codes = ", ".join(state.errors)
        remedy = "Look at Redis's own log, its memory, and the rights of redis_user."
        return Check("vault", "failed", f"Redis cannot do what it has to ({codes})", remedy)
    return Check("vault", "ok", "belongs to this key")


def server(url: str | None) -> Check:
    """Check what a plugin server or a proxy that runs tells of itself: its page /readyz."""
    if url is None:
        return Check("server", "skipped", "not asked for; give --server URL")
    base = url.rstrip("/")
    place = base if base.endswith("/readyz") else f"{base}/readyz"
    try:
        answer = httpx2.get(place, timeout=_PATIENCE, trust_env=False)
        told: dict[str, Any] = orjson.loads(answer.content)
        parts = {name: (part["status"], part["detail"]) for name, part in told["components"].items()}
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        remedy = "Is it running? The plugin server needs --metrics-address; the proxy's is http://HOST:PORT/.aws-masker"
        return Check("server", "failed", f"{place}: no answer ({type(error).__name__})", remedy)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        remedy = "For a proxy: http://HOST:PORT/.aws-masker; for a plugin server: its --metrics-address."
        return Check("server", "failed", f"{place}: not a page of ours (HTTP {answer.status_code})", remedy)
    ill = [f"{name} {status}: {detail}" for name, (status, detail) in parts.items() if status in ("failed", "degraded")]
    if ill:
        return Check("server", "failed", "; ".join(ill), "See the checks above, and the server's log.")
    return Check("server", "ok", ", ".join(f"{name} {status}" for name, (status, _) in parts.items()))


def known_key(environ: Mapping[str, str], key_file: Path | None) -> bytes | None:
    """Return the masking key if there is one."""
    try:
        return load_key(environ, key_file)
    except ConfigError:
        return None
