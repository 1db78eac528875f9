"""The planted values, and Claude Code if it can be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.claude import NotAvailableError, install
from tests.e2e.project import Planted


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
