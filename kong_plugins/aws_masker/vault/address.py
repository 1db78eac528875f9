"""Where Redis is, from the settings or `REDIS_*` variables, and the client for it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import SecretStr
from redis import Redis, RedisCluster
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.settings import Settings

Client: TypeAlias = "Redis | RedisCluster"

_PORT = 6379
_SENTINEL_PORT = 26379
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
_IDLE_CHECK = 30
"""Seconds after which an idle connection is tried out before it is used."""


@dataclass(frozen=True)
class Address:
    """Where Redis is, and how to get in."""

    nodes: tuple[tuple[str, int], ...]
    """The server, nodes of the cluster, or the Sentinels."""
    socket: str | None
    master: str | None
    """The name under which the Sentinels know the primary."""
    sentinel_user: str | None
    sentinel_password: str | None
    cluster: bool
    database: int
    user: str | None
    password: str | None
    tls: bool
    verify: bool
    authorities: str | None
    """File with the certificates to trust (PEM); by default the system's."""
    certificate: str | None
    """File with the client's certificate (PEM), where Redis asks for one."""
    key: str | None
    """File with its key; by default the same."""
    timeout: float
    """Seconds, for each connection, each write and each read."""


def address_of(settings: Settings, environ: Mapping[str, str]) -> Address | None:
    """Return where Redis is, or None if it is not to be used or nothing says where it is.

    Raises:
        ConfigError: the settings contradict each other, or a variable is malformed.
    """
    if not settings.use_redis:
        return None
    find = _Finder(environ)
    socket = find.text(settings.redis_socket, "REDIS_SOCKET")
    host = find.text(settings.redis_host, "REDIS_HOST")
    master = find.text(settings.redis_sentinel_master, "REDIS_SENTINEL_MASTER")
    sentinels = settings.redis_sentinels or tuple(filter(None, environ.get("REDIS_SENTINELS", "").split(",")))
    cluster = find.flag(settings.redis_cluster_mode, "REDIS_CLUSTER_MODE")
    database = find.number(settings.redis_database, "REDIS_DB", 0, 0)
    port = find.number(settings.redis_port, "REDIS_PORT", _PORT, 1)
    address = Address(
        nodes=tuple(_host_and_port(node) for node in sentinels) if master else ((host or "", port),),
        socket=socket,
        master=master,
        sentinel_user=find.text(settings.redis_sentinel_user, "REDIS_SENTINEL_USER"),
        sentinel_password=find.secret(settings.redis_sentinel_password, "REDIS_SENTINEL_PASSWORD"),
        cluster=cluster,
        database=database,
        user=find.text(settings.redis_user, "REDIS_USER"),
        password=find.secret(settings.redis_password, "REDIS_PASSWORD"),
        tls=find.flag(settings.redis_ssl_enabled, "REDIS_SSL"),
        verify=settings.redis_ssl_verify,
        authorities=find.text(settings.redis_ssl_ca, "REDIS_SSL_CA"),
        certificate=find.text(settings.redis_ssl_cert, "REDIS_SSL_CERT"),
        key=find.text(settings.redis_ssl_key, "REDIS_SSL_KEY"),
        timeout=settings.redis_timeout / 1000,
    )
    _check_choice(address, host, bool(sentinels))
    return address if socket or host or master else None


def connect(address: Address) -> Client:
    """Return a client, which connects when it is used and reconnects by itself. (A cluster is asked at once.)

    A time-out is not tried again: whoever waits has waited long enough.

    Raises:
        ConfigError: the file of authorities or the client's certificate cannot be used.
        RedisError: the cluster cannot be reached.
    """
    if address.tls:
        _check_files(address)
    options: dict[str, Any] = {
        "username": address.user,
        "password": address.password,
        "socket_timeout": address.timeout,
        "socket_connect_timeout": address.timeout,
        "health_check_interval": _IDLE_CHECK,
        "retry": Retry(ExponentialWithJitterBackoff(cap=0.2, base=0.01), 2, supported_errors=(NoConnection,)),
        "protocol": 2,
    }
    if address.tls:
        options |= {
            "ssl": True,
            "ssl_cert_reqs": "required" if address.verify else "none",
            "ssl_check_hostname": address.verify,
            "ssl_ca_certs": address.authorities,
            "ssl_certfile": address.certificate,
            "ssl_keyfile": address.key,
        }
    if address.master:
        nodes = list(address.nodes)
        theirs = options | {"username": address.sentinel_user, "password": address.sentinel_password}
        sentinel: Any = Sentinel(nodes, sentinel_kwargs=theirs, db=address.database, **options)  # type: ignore[no-untyped-call]
        primary: Redis = sentinel.master_for(address.master)
        return primary
    if address.cluster:
        try:
            ((host, port),) = address.nodes
            return RedisCluster(host=host, port=port, **options)
        except RedisClusterException as error:  # no subclass of RedisError
            raise RedisError("no node of the cluster can be reached") from error
    if address.socket:
        return Redis(unix_socket_path=address.socket, db=address.database, **options)
    ((host, port),) = address.nodes
    return Redis(host=host, port=port, db=address.database, **options)


def _check_files(address: Address) -> None:
    """Raise ConfigError where a file cannot be used: no waiting mends that."""
    if address.authorities:
        try:
            ssl.create_default_context(cafile=address.authorities)
        except OSError:  # ssl.SSLError too
            raise ConfigError("redis_ssl_ca: not a readable file of certificates") from None
    if address.certificate:
        try:  # without the empty pass phrase OpenSSL would ask for one on the terminal
            ssl.create_default_context().load_cert_chain(address.certificate, address.key, password="")
        except OSError:
            reason = "no readable files of a certificate and its key, which has no pass phrase"
            raise ConfigError(f"redis_ssl_cert, redis_ssl_key: {reason}") from None


def _check_choice(address: Address, host: str | None, sentinels: bool) -> None:
    if address.socket and (host or address.master or address.cluster):
        raise ConfigError("redis_socket: not together with redis_host, Sentinel or a cluster")
    if bool(address.master) != sentinels:
        raise ConfigError("redis_sentinel_master and redis_sentinels: only together")
    if address.key and not address.certificate:
        raise ConfigError("redis_ssl_key: only together with redis_ssl_cert")
    if address.master and (host or address.cluster):
        raise ConfigError("redis_sentinel_master: not together with redis_host or a cluster")
    if address.cluster and not host:
        raise ConfigError("redis_cluster_mode: redis_host names one of its nodes")
    if address.cluster and address.database:
        raise ConfigError("redis_database: a cluster has only 0")


def _host_and_port(text: str) -> tuple[str, int]:
    """Read `host`, `host:port` or `[IPv6]:port`."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text.strip(), str(_SENTINEL_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ConfigError("redis_sentinels: HOST:PORT is expected")
    return host, int(port)


@dataclass(frozen=True)
class _Finder:
    """Takes an option where it is set, else a variable that is set and not empty."""

    environ: Mapping[str, str]

    def text(self, option: str | None, variable: str) -> str | None:
        return option or self.environ.get(variable, "").strip() or None

    def secret(self, option: SecretStr | None, variable: str) -> str | None:
        return self.text(None if option is None else option.get_secret_value(), variable)

    def number(self, option: int | None, variable: str, default: int, least: int) -> int:
        if option is not None:
            return option
        text = self.environ.get(variable, "").strip()
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and least <= int(text) < 65_536):
            raise ConfigError(f"{variable}: a number from {least} is expected")
        return int(text)

    def flag(self, option: bool | None, variable: str) -> bool:
        if option is not None:
            return option
        text = self.environ.get(variable, "").strip().lower()
        if text and text not in _TRUE | _FALSE:
            raise ConfigError(f"{variable}: true or false is expected")
        return text in _TRUE
