"""Kong's entities and bundled plugins, as far as kong.yml uses them: their fields in Kong's schema language; routing.

From Kong 3.9: `kong/db/schema/entities`, `kong/plugins/*/schema.lua` and `kong/router/transform.lua`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kong_plugins.aws_masker.schema import kong_fields
from tests.kong_config.kong_schema import Fields, filled

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "elements": _TEXT}
_TIMEOUT = {"type": "integer", "between": [1, 2**31 - 2], "default": 60_000}
_NAME = {"type": "string", "match_all": [{"pattern": "^[A-Za-z0-9._~-]+$", "err": "invalid name"}]}


def _switch(default: bool) -> dict[str, Any]:
    return {"type": "boolean", "required": True, "default": default}


_PATH = {
    "type": "string",
    "match_all": [{"pattern": "^~?/", "err": "should start with: / (fixed path) or ~/ (regex path)"}],
    "match_none": [{"pattern": "//", "err": "must not have empty segments"}],
}
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]

SERVICE: Fields = [
    {"name": _NAME},
    {"url": {**_TEXT, "required": True}},
    {"retries": {"type": "integer", "default": 5, "between": [0, 32767]}},
    {"connect_timeout": _TIMEOUT},
    {"write_timeout": _TIMEOUT},
    {"read_timeout": _TIMEOUT},
    {"tls_verify": {"type": "boolean"}},
]
ROUTE: Fields = [
    {"name": _NAME},
    {"paths": {"type": "array", "elements": _PATH}},
    {"methods": {"type": "set", "elements": {"type": "string", "one_of": _METHODS}}},
    {"headers": {"type": "map", "keys": _TEXT, "values": _TEXTS}},
    {"strip_path": _switch(True)},
    {"preserve_host": _switch(False)},
    {"request_buffering": _switch(True)},
    {"response_buffering": _switch(True)},
]
CONSUMER: Fields = [{"username": {**_TEXT, "required": True}}]
PLUGINS: dict[str, Fields] = {
    "aws-masker": kong_fields(),
    "key-auth": [
        {"key_names": {**_TEXTS, "required": True, "default": ["apikey"]}},
        {"hide_credentials": _switch(False)},
        {"anonymous": _TEXT},
        {"key_in_header": _switch(True)},
        {"key_in_query": _switch(True)},
        {"key_in_body": _switch(False)},
        {"run_on_preflight": _switch(True)},
        {"realm": _TEXT},
    ],
    "aws-masker-stream": [],
    "correlation-id": [
        {"header_name": {**_TEXT, "default": "Kong-Request-ID"}},
        {"generator": {**_TEXT, "required": True, "one_of": ["uuid", "uuid#counter", "tracker"]}},
        {"echo_downstream": _switch(False)},
    ],
}
_PLUGIN: Fields = [
    {"name": {**_TEXT, "required": True, "one_of": sorted(PLUGINS)}},
    {"instance_name": _NAME},
    {"enabled": _switch(True)},
]


@dataclass
class Gateway:
    """A declarative configuration as Kong loads it: with its defaults, or with what is wrong with it."""

    services: list[dict[str, Any]] = field(default_factory=list)
    routes: list[dict[str, Any]] = field(default_factory=list)
    plugins: list[dict[str, Any]] = field(default_factory=list)
    """Each with what it is for: `service` and `route` hold a name, or None."""
    consumers: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def route_of(self, method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the route that Kong's router (flavour `traditional_compatible`) takes for a request."""
        matching = [route for route in self.routes if _matches(route, method, path, headers)]
        return max(matching, key=lambda route: _priority(route, path), default=None)

    def plugins_of(self, route: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the config of each plugin that runs on a route: the route's before the service's before the global."""
        chosen: dict[str, dict[str, Any]] = {}
        for plugin in sorted(
            self.plugins, key=lambda plugin: (plugin["route"] is not None, plugin["service"] is not None)
        ):
            if plugin["route"] in (None, route["name"]) and plugin["service"] in (None, route["service"]):
                chosen[plugin["name"]] = plugin["config"]
        return chosen


def loaded(document: Mapping[str, Any]) -> Gateway:
    """Return what Kong makes of a declarative configuration."""
    gateway = Gateway()
    for key in document:
        if key not in ("_format_version", "services", "consumers", "plugins"):
            gateway.faults.append(f"{key}: unknown field")
    if document.get("_format_version") != "3.0":
        gateway.faults.append("_format_version: expected 3.0")
    for service in document.get("services", ()):
        gateway.services.append(_entity(gateway, SERVICE, service, "routes", "plugins"))
        for route in service.get("routes", ()):
            entity = _entity(gateway, ROUTE, route, "plugins")
            gateway.routes.append({**entity, "service": service["name"]})
            _add_plugins(gateway, route.get("plugins", ()), service["name"], route["name"])
        _add_plugins(gateway, service.get("plugins", ()), service["name"], None)
    gateway.consumers += [
        _entity(gateway, CONSUMER, one, "keyauth_credentials") for one in document.get("consumers", ())
    ]
    _add_plugins(gateway, document.get("plugins", ()), None, None)
    return gateway


def _entity(gateway: Gateway, fields: Fields, given: Mapping[str, Any], *nested: str) -> dict[str, Any]:
    complete, errors = filled(fields, {name: value for name, value in given.items() if name not in nested})
    gateway.faults += [f"{name}: {error}" for name, error in errors.items()]
    return complete


def _add_plugins(
    gateway: Gateway, plugins: Sequence[Mapping[str, Any]], service: str | None, route: str | None
) -> None:
    for plugin in plugins:
        entity = _entity(gateway, _PLUGIN, plugin, "config")
        config, errors = filled(PLUGINS.get(plugin["name"], []), plugin.get("config") or {})
        gateway.faults += [f"{plugin['name']}: {name}: {error}" for name, error in errors.items()]
        gateway.plugins.append({**entity, "config": config, "service": service, "route": route})


def _matches(route: Mapping[str, Any], method: str, path: str, headers: Mapping[str, str]) -> bool:
    paths = route["paths"] or [""]
    return (
        (not route["methods"] or method in route["methods"])
        and any(_path_matches(one, path) for one in paths)
        and all(
            any(_header_matches(one, headers.get(name.lower(), "")) for one in wanted)
            for name, wanted in (route["headers"] or {}).items()
        )
    )


def _path_matches(wanted: str, path: str) -> bool:
    return re.match(wanted[1:], path) is not None if wanted.startswith("~") else path.startswith(wanted)


def _header_matches(wanted: str, given: str) -> bool:
    if wanted.startswith("~*"):
        return re.search(wanted[2:], given.lower()) is not None
    return given.lower() == wanted.lower()


def _priority(route: Mapping[str, Any], path: str) -> tuple[int, int, bool, int]:
    """More kinds of conditions first, then more headers, then regex paths, then the longer path."""
    kinds = sum(1 for kind in ("methods", "paths", "headers") if route[kind])
    matched = [one for one in route["paths"] or [""] if _path_matches(one, path)]
    is_regex = any(one.startswith("~") for one in matched)
    return kinds, len(route["headers"] or {}), is_regex, max(len(one) for one in matched)
