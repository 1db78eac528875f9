"""The compose file, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def text() -> str:
    """docker-compose.yml as it stands."""
    return (ROOT / "docker-compose.yml").read_text()


@pytest.fixture(scope="session")
def services(text: str) -> dict[str, dict[str, Any]]:
    """The services by name, YAML's anchors and merges resolved."""
    read: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return read


@pytest.fixture
def anyio_backend() -> str:
    """As everywhere here."""
    return "asyncio"
