"""LuaJIT, if it can be had."""

from __future__ import annotations

import pytest

from tests.lua.runtime import Lua


@pytest.fixture(scope="session")
def lua() -> Lua:
    """One LuaJIT with the plugin's modules."""
    try:
        return Lua()
    except ImportError as reason:
        pytest.skip(f"no LuaJIT in lupa: {reason}")
