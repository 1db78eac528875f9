"""docs/kong.md: what it shows is what Kong and the plugin take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from kong_plugins.aws_masker.pluginserver.main import main
from kong_plugins.aws_masker.schema import kong_fields
from kong_plugins.aws_masker.settings import PluginSettings
from tests.kong_config.entities import ROUTE, SERVICE, loaded
from tests.kong_config.kong_schema import filled

TEXT = (Path(__file__).parents[2] / "docs" / "kong.md").read_text()
FIELDS = kong_fields()
PLUGINS = ["aws-masker", "aws-masker-stream"]


def section(title: str) -> str:
    """Return the text below a heading, up to the next of its level."""
    level, rest = re.split(rf"^(#+) {title}$", TEXT, flags=re.MULTILINE)[1:]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, flags=re.MULTILINE)[0]


def blocks(language: str, text: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_what_is_sent_to_the_admin_api_is_taken() -> None:
    """Service, route and plugin, each checked against its schema."""
    sent = re.findall(r"localhost:8001(/\S+) .*? -d '(.*?)'", section("Admin API"), re.DOTALL)
    entities: dict[str, dict[str, Any]] = {path: orjson.loads(body) for path, body in sent}
    assert list(entities) == ["/services", "/services/anthropic/routes", "/plugins"]
    assert [orjson.loads(body)["name"] for path, body in sent if path == "/plugins"] == PLUGINS
    assert not filled(SERVICE, entities["/services"])[1]
    assert not filled(ROUTE, entities["/services/anthropic/routes"])[1]
    (config,) = (one["config"] for one in map(orjson.loads, (body for _, body in sent)) if "config" in one)
    assert not filled(FIELDS, config)[1]


def test_the_file_for_deck_is_taken() -> None:
    """With its variables set."""
    (text,) = blocks("yaml", section("decK"))
    values = {"DECK_ANTHROPIC_UPSTREAM": "https://api.anthropic.com", "DECK_PLATFORM_TEAM_KEY": "key"}
    gateway = loaded(yaml.safe_load(re.sub(r'\$\{\{ env "(\w+)" \}\}', lambda found: values[found[1]], text)))
    assert gateway.faults == []
    assert [plugin["name"] for plugin in gateway.plugins] == PLUGINS


def test_the_resources_for_kubernetes_fit_together() -> None:
    """The plugin's config is taken, and the Service that the Ingress leads to has the plugin."""
    (text,) = blocks("yaml", section("Kubernetes"))
    plugin, guard, service, ingress = yaml.safe_load_all(text)
    assert [(one["kind"], one["plugin"]) for one in (plugin, guard)] == [("KongPlugin", name) for name in PLUGINS]
    assert not filled(FIELDS, plugin["config"])[1]
    named = service["metadata"]["annotations"]["konghq.com/plugins"].split(", ")
    assert named == [one["metadata"]["name"] for one in (plugin, guard)]
    (rule,) = ingress["spec"]["rules"]
    backends = [path["backend"]["service"] for path in rule["http"]["paths"]]
    assert backends == [{"name": service["metadata"]["name"], "port": {"number": service["spec"]["ports"][0]["port"]}}]
    annotations = {**service["metadata"]["annotations"], **ingress["metadata"]["annotations"]}
    assert all(isinstance(value, str) for value in annotations.values())


def test_the_commands_of_the_plugin_server_exist() -> None:
    """Every option that is given to it, here and in the start command."""
    known = {option for parameter in main.params for option in parameter.opts}
    given = set(re.findall(r"(?<=\s)--[a-z-]+", " ".join(re.findall(r"aws-masker-pluginserver([^\n`]*)", TEXT))))
    assert {"--socket", "--dump", "--socket-mode"} <= given
    assert given <= known


@pytest.mark.parametrize(
    "name",
    [
        "mask_ec2_instances",
        "mask_s3_buckets",
        "mask_rds_instances",
        "mask_private_ips",
        "preserve_structure",
        "log_masked_requests",
        "anthropic_api_key",
        "use_redis",
        "redis_fallback",
        "mapping_ttl",
        "max_entries",
        "redis_host",
        "redis_port",
        "redis_password",
        "redis_user",
        "redis_database",
        "redis_ssl_enabled",
        "redis_ssl_verify",
        "redis_cluster_mode",
        "mask_type",
        "fail_secure",
    ],
)
def test_every_field_of_the_lua_plugin_is_spoken_of(name: str) -> None:
    """It is there under its name, or the page says that it is not, and Kong refuses it."""
    rows = [line for line in section("Coming from the Lua plugin").splitlines() if line.startswith("|")]
    (row,) = (row for row in rows if f"`{name}`" in row.split("|")[1])
    present = name in PluginSettings.model_fields
    assert ("not there" in row) is not present
    assert (filled(FIELDS, {name: None})[1].get(name) == "unknown field") is not present


def test_links_lead_somewhere() -> None:
    """Within the repository."""
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (Path(__file__).parents[2] / "docs" / target).exists(), target
