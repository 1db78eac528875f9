"""Servers and vaults for the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.breaker import Breaker
from kong_plugins.aws_masker.vault.choice import vault_of
from kong_plugins.aws_masker.vault.redis_vault import RedisVault
from tests.vault.servers import Server

KEY = bytes(range(32))
Make = Callable[..., RedisVault]
Run = Callable[..., Server]


@pytest.fixture
def server(redis: Server) -> Server:
    """A server that is as it was started."""
    return redis


@pytest.fixture
def run(redis_binary: None, tmp_path: Path) -> Iterator[Run]:
    """Start a server for one test, which may do with it what it likes."""
    servers: list[Server] = []

    def started(*options: str, **fields: Any) -> Server:
        servers.append(Server(tmp_path / str(len(servers)), list(options), **fields))
        return servers[-1].start()

    yield started
    for one in servers:
        one.kill()


@pytest.fixture
def make() -> Iterator[Make]:
    """Make a vault as a process would that has these options; `to` is its server."""
    made: list[RedisVault] = []

    def vault(to: Server | None = None, *, key: bytes = KEY, open_seconds: float = 0.3, **options: Any) -> RedisVault:
        where = {} if to is None else {"redis_host": "127.0.0.1", "redis_port": to.port}
        made.append(
            vault_of(Settings(**{**where, **options}), {}, key, Breaker(open_seconds=open_seconds))  # type: ignore[arg-type]
        )
        assert isinstance(made[-1], RedisVault)
        return made[-1]

    yield vault
    for one in made:
        one.close()
