"""One masker for all planted values: they are independent of each other."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import Settings

KEY = bytes(range(32))


@pytest.fixture(scope="session")
def masker() -> Masker:
    """Default settings and a fixed key."""
    return Masker(Settings(), KEY)
