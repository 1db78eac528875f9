"""Fixtures of the proxy's tests."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The proxy runs on asyncio, as uvicorn does."""
    return "asyncio"
