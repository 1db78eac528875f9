"""The planted values, Claude Code if it can be had, and how far Hypothesis looks.

Hypothesis's profiles: `ci` (the default) is quick and always the same, `thorough` looks further
(HYPOTHESIS_PROFILE=thorough).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.e2e.claude import NotAvailableError, install
from tests.e2e.project import Planted

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
