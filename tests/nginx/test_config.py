"""kong.yml and the Lua plugin's place beside the Python one."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kong_plugins.aws_masker.plugin import NAME
from tests.nginx.nginx import HANDLER, ROOT

LUA_NAME = HANDLER.parent.name
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "kong" / "kong.yml").read_text())
ROUTES = [route for service in CONFIG["services"] for route in service["routes"]]


@pytest.mark.parametrize("name", [NAME, LUA_NAME])
def test_both_plugins_are_on_every_route(name: str) -> None:
    """Globally, so that a route that is added later has them as well; nothing narrows them or turns them off."""
    (plugin,) = (one for one in CONFIG["plugins"] if one["name"] == name)
    assert not {"route", "service", "consumer", "protocols"} & set(plugin)
    assert plugin.get("enabled", True)
    closer = [one["name"] for entity in (*CONFIG["services"], *ROUTES) for one in entity.get("plugins", [])]
    assert name not in closer


def test_streams_are_not_buffered() -> None:
    """nginx would gather small events on a route that does not say so; routes for GET and HEAD need not."""
    buffered = {route["name"] for route in ROUTES if route.get("response_buffering", True)}
    assert buffered <= {"anthropic-models", "anthropic-root"}
    assert all(route.get("request_buffering", True) for route in ROUTES)
