"""nginx with both plugins, the plugin server and a stand-in for the API behind it; skipped where nginx is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kong_plugins.aws_masker.demo.echo import parrot
from tests.e2e.project import Planted
from tests.kong.lab import OURS, Commands
from tests.nginx.lab import Lab, lab
from tests.nginx.nginx import NotAvailableError, installed


@pytest.fixture(scope="session")
def _nginx() -> None:
    """Needs nginx."""
    try:
        installed()
    except NotAvailableError as reason:
        pytest.skip(f"no nginx with Lua here: {reason}")


ONE_WORKER = Commands(OURS.start.replace("--workers 2", "--workers 1"), OURS.query)
"""It remembers what earlier requests masked; several of them would need a Redis for that."""


@pytest.fixture(scope="session")
def _shared(_nginx: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for all tests that leave it as they found it."""
    with lab(tmp_path_factory.mktemp("nginx"), ONE_WORKER, parrot) as here:
        yield here


@pytest.fixture
def here(_shared: Lab, planted: Planted) -> Iterator[Lab]:
    """A lab with nothing received; whatever a test does, no value may be in a log."""
    _shared.reset()
    _shared.upstream.script = parrot
    yield _shared
    _shared.reset()
    assert planted.found_in(_shared.server.log()) == set()
    assert planted.found_in(_shared.nginx.log()) == set()
