"""Kong's stand-in with the masker's plugin server behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kong_plugins.aws_masker.demo.echo import parrot
from tests.e2e.project import Planted
from tests.kong.gateway import untouched
from tests.kong.lab import Lab, lab


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for all tests of a module that leave it as they found it."""
    with lab(tmp_path_factory.mktemp("kong"), script=parrot) as here:
        yield here


@pytest.fixture
def here(_shared: Lab, planted: Planted) -> Iterator[Lab]:
    """A lab with nothing received; whatever a test does, no value may be in the plugin server's output."""
    _shared.server.wait_listening()
    yield _shared
    _shared.idle()
    _shared.kong.on_call = untouched
    _shared.kong.body_file = None
    del _shared.kong.routes[:-1]
    _shared.configure()
    _shared.kong.routes[0].consumers = {}
    _shared.kong.exchanges.clear()
    _shared.standin.requests.clear()
    _shared.standin.script = parrot
    assert planted.found_in(_shared.server.log()) == set()
