"""The planted values, Claude Code and Redis if they can be had, and how far Hypothesis looks.

Hypothesis's profiles: `ci` (the default) is quick and always the same, `thorough` looks further
(HYPOTHESIS_PROFILE=thorough).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.e2e.claude import NotAvailableError, install
from tests.e2e.project import Planted
from tests.vault.servers import Server, find_binary

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def planted() -> Planted:
    """What must not leave."""
    return Planted()


@pytest.fixture(scope="session")
def claude_binary() -> Path:
    """The executable of an unmodified Claude Code."""
    try:
        return install()
    except NotAvailableError as reason:
        pytest.skip(f"Claude Code cannot be installed: {reason}")


@pytest.fixture(scope="session")
def redis_binary() -> None:
    """Redis or Valkey, without which some tests can tell nothing."""
    if find_binary() is None:
        pytest.skip("neither redis-server nor valkey-server is installed")


@pytest.fixture(scope="session")
def shared_redis(redis_binary: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests of a process."""
    server = Server(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture
def redis(shared_redis: Server) -> Server:
    """A Redis that is as it was started: empty."""
    shared_redis.do("FLUSHALL")
    return shared_redis
