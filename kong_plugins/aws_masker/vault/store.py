"""The records of all tenants in Redis: what can be asked of it, each in one round trip."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import structlog
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from kong_plugins.aws_masker.errors import VaultOperationFailed, VaultRefused, VaultUnavailable
from kong_plugins.aws_masker.vault import scripts
from kong_plugins.aws_masker.vault.address import Address, Client, connect
from kong_plugins.aws_masker.vault.breaker import Breaker
from kong_plugins.aws_masker.vault.records import Keyring

AUDIT = "aws-masker:audit"
"""The stream of what people and requests did."""
PAGE = 2000
"""Records in one reply: a tenant's first reading must not keep Redis from others for long."""
_SAFE_POLICIES = frozenset({"noeviction", "volatile-ttl"})

Result = TypeVar("Result")
log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class News(NamedTuple):
    """A record that another process wrote."""

    field: bytes
    record: bytes
    age: float
    """Seconds since its last use."""


class Reply(NamedTuple):
    """The answer to an exchange; see `scripts.EXCHANGE`."""

    lost: bool
    more: bool
    since: bytes
    forgotten: bytes
    held: dict[bytes, bytes]
    news: list[News]


class Store:
    """Redis behind a circuit breaker. Thread-safe; connects when it is first used."""

    def __init__(self, address: Address, prefix: str, keyring: Keyring, breaker: Breaker, fallback: bool) -> None:
        """`fallback`: whether requests go on while Redis is away; only told in the log."""
        self.breaker = breaker
        self.latency = 0.0
        self.operations: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.connected = False
        self._address = address
        self._prefix = prefix
        self._fallback = fallback
        self._keyring = keyring
        self._lock = Lock()
        self._client: Client | None = None
        self._checked = False
        self._warned = False
        self._failure: type[VaultUnavailable] = VaultUnavailable

    def exchange(self, tenant_id: str, since: bytes, ttl: float, most: int, items: Mapping[bytes, bytes]) -> Reply:
        """Hand over `items` (records by field), and learn what came since `since`.

        Raises:
            VaultUnavailable: Redis cannot be reached, or cannot do it. ConfigError: it belongs to other keys.
        """
        arguments: list[Any] = [since, int(ttl * 1000), most, PAGE]
        for item in items.items():
            arguments += item
        kind = "write" if items else "read"
        lost, more, seen, forgotten, held, news = self.run(
            kind, lambda client: _script(client, scripts.EXCHANGE, self._keys(tenant_id), arguments)
        )
        if lost:
            self._checked = False  # the check record may be lost too
        return Reply(
            bool(lost),
            bool(more),
            seen,
            forgotten,
            dict(zip(held[::2], held[1::2], strict=True)),
            [News(*one[:2], int(one[2]) / 1000) for one in zip(news[::3], news[1::3], news[2::3], strict=True)],
        )

    def forget(self, tenant_id: str, ttl: float) -> int:
        """Delete a tenant's records, in all processes too; return how many there were. Raises as `exchange`."""
        arguments = [secrets.token_hex(8), int(ttl * 1000)]
        count = self.run("forget", lambda client: _script(client, scripts.FORGET, self._keys(tenant_id), arguments))
        return int(count)

    def record(self, tenant_id: str, field: bytes) -> bytes | None:
        """Return the record under `field`, or None. Raises as `exchange`."""
        key = self._keys(tenant_id)[0]
        found: Any = self.run("look up", lambda client: client.hget(key, field))
        return None if found is None else bytes(found)

    def tenant_ids(self) -> list[str]:
        """Return the ids of all tenants that have records. Raises as `exchange`."""
        pattern = f"{self._prefix}:{{*}}:{scripts.KEYS[0]}"
        names: list[bytes] = self.run("scan", lambda client: list(client.scan_iter(pattern, count=1000)))
        return sorted({name.decode().partition("{")[2].partition("}")[0] for name in names})

    def pages(self, tenant_id: str) -> Iterator[dict[bytes, bytes]]:
        """Yield all records of a tenant, some at a time; one may come twice. Raises as `exchange`."""
        key, cursor = self._keys(tenant_id)[0], 0
        while True:
            cursor, page = self.run("scan", partial(_scan, key, cursor))
            yield page
            if not cursor:
                return

    def reseal(self, tenant_id: str, items: Sequence[tuple[bytes, bytes, bytes]]) -> int:
        """Replace records (field, as read, as it is to be) that are still as read; return how many. As `exchange`."""
        keys, arguments = self._keys(tenant_id)[:1], [part for item in items for part in item]
        return int(self.run("reseal", lambda client: _script(client, scripts.RESEAL, keys, arguments)))

    def reseal_check(self) -> None:
        """Write the check record under the present vault key. Raises as `exchange`."""
        self.run("reseal", lambda client: client.set(self._check_key, self._keyring.seal_check()))

    def audit(self, fields: Mapping[str, str | int], most: int) -> None:
        """Write an entry of the audit trail, which keeps about `most`, or (0) all of these. Raises as `exchange`."""
        entry: Any = dict(fields)
        self.run("audit", lambda client: client.xadd(AUDIT, entry, maxlen=most or None, approximate=True))

    def info(self, section: str) -> Mapping[str, Any]:
        """Return a section of what Redis says of itself; empty in a cluster, and where that is not allowed."""

        def ask(client: Client) -> Mapping[str, Any]:
            try:
                found: Mapping[str, Any] = client.info(section) if not self._address.cluster else {}
            except NoPermissionError:
                return {}
            return found

        return self.run("look up", ask)

    def run(self, kind: str, work: Callable[[Client], Result]) -> Result:
        """Return what `work` does with the client, unless Redis is known to be away.

        Raises:
            VaultUnavailable: Redis cannot be reached, or cannot do it. ConfigError: it belongs to other keys.
        """
        if not self.breaker.admits():
            raise self._failure("not tried, because the last tries failed")
        begun = time.perf_counter()
        try:
            done = work(self._ready())
        except (RedisError, RedisClusterException, OSError) as error:
            raise self._failed(error) from error
        except BaseException:
            self.breaker.left()
            raise
        self.latency = time.perf_counter() - begun
        self.operations[kind] += 1
        self.connected = True
        if self.breaker.succeeded():
            log.info("vault_store_back", breaker=self.breaker.state)
        return done

    def close(self) -> None:
        """Close the connections."""
        client = self._client
        if client is not None:
            with suppress(RedisError):
                client.close()

    def _ready(self) -> Client:
        """Return a client whose server has been looked at: is it ours, and does it keep what it is given?"""
        with self._lock:
            if self._client is None:
                if self.breaker.state == "open":  # whoever held the lock before found out
                    raise self._failure
                self._client = connect(self._address)
            client = self._client
        if not self._checked:
            self._check(client)
            self._checked = True
        return client

    @property
    def _check_key(self) -> str:
        return f"{self._prefix}:check"

    def _check(self, client: Client) -> None:
        held: Any = client.get(self._check_key)
        if held is None and not client.set(self._check_key, self._keyring.seal_check(), nx=True):
            held = client.get(self._check_key)  # another process was first
        if held is not None:
            self._keyring.open_check(held)
        if self._warned or self._address.cluster:
            return
        self._warned = True
        with suppress(ResponseError):  # a user who may not ask
            memory = client.info("memory")
            if memory.get("maxmemory") and memory.get("maxmemory_policy") not in _SAFE_POLICIES:
                log.warning("vault_store_may_evict", policy=memory.get("maxmemory_policy"))

    def _failed(self, error: Exception) -> VaultUnavailable:
        self._failure = kind = _kind_of(error)
        self.errors[kind.code] += 1
        self.connected = False
        self._checked = False  # another server may come back
        if self.breaker.failed():
            log.warning("vault_store_away", code=kind.code, error=type(error).__name__, fallback=self._fallback)
        return kind()

    def _keys(self, tenant_id: str) -> list[str]:
        return [f"{self._prefix}:{{{tenant_id}}}:{name}" for name in scripts.KEYS]


def _script(client: Client, text: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    return client.register_script(text)(keys=keys, args=arguments)


def _scan(key: str, cursor: int, client: Client) -> Any:
    return client.hscan(key, cursor, count=500)


def _kind_of(error: Exception) -> type[VaultUnavailable]:
    if isinstance(error, AuthenticationError | AuthorizationError | NoPermissionError):
        return VaultRefused
    if isinstance(error, ResponseError) and not isinstance(error, ClusterDownError):
        return VaultOperationFailed
    return VaultUnavailable
