"""kong.yml: Kong takes it, every client's request finds its way, and nothing gets past the masker."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from kong_plugins.aws_masker.schema import kong_fields, settings_of
from kong_plugins.aws_masker.settings import PluginSettings
from tests.kong_config.entities import Gateway, loaded
from tests.kong_config.kong_schema import filled, is_reference

FOLDER = Path(__file__).parents[2] / "kong"
TEXT = (FOLDER / "kong.yml").read_text()
ANTHROPIC = {"anthropic-version": "2023-06-01"}
KEY = "5a" * 32


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    """The file as Kong loads it."""
    return loaded(yaml.safe_load(TEXT))


def test_kong_takes_the_file(gateway: Gateway) -> None:
    """No unknown field, nothing out of bounds, in entities and plugins."""
    assert gateway.faults == []
    assert len(gateway.services) == 2
    assert len(gateway.consumers) == 2


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("mode: enforce", "aws-masker: mode: expected one of: enforce, observe"),
        ("max_entries: 10000", "aws-masker: max_entries: expected an integer"),
        ("read_timeout: 600000", "read_timeout: expected an integer"),
        ("generator: uuid", "correlation-id: generator: expected one of: uuid, uuid#counter, tracker"),
        ("mask_kms_keys: true", "aws-masker: mask_kms_keys: expected a boolean"),
    ],
)
def test_what_kong_would_refuse_is_seen(wrong: str, fault: str) -> None:
    """The check above is able to fail."""
    assert wrong in TEXT
    changed = TEXT.replace(wrong, f"{wrong.partition(':')[0]}: nonsense")
    assert fault in loaded(yaml.safe_load(changed)).faults


@pytest.mark.parametrize(
    ("request_line", "headers", "service", "upstream_path"),
    [
        ("POST /v1/messages", ANTHROPIC, "anthropic", "/v1/messages"),
        ("POST /v1/messages/count_tokens", ANTHROPIC, "anthropic", "/v1/messages/count_tokens"),
        ("GET /v1/models", ANTHROPIC, "anthropic", "/v1/models"),
        ("GET /v1/models/claude-x", ANTHROPIC, "anthropic", "/v1/models/claude-x"),
        ("HEAD /", {}, "anthropic", "/"),
        ("POST /claude-proxy/v1/messages", ANTHROPIC, "anthropic", "/v1/messages"),
        ("POST /claude-proxy/v1/messages", {}, "anthropic", "/v1/messages"),
        ("POST /team/v1/messages", ANTHROPIC, "anthropic", "/v1/messages"),
        ("GET /team/v1/models", ANTHROPIC, "anthropic", "/v1/models"),
        ("POST /v1/chat/completions", {}, "openai", "/v1/chat/completions"),
        ("POST /v1/responses", {}, "openai", "/v1/responses"),
        ("GET /v1/responses/resp_1", {}, "openai", "/v1/responses/resp_1"),
        ("POST /v1/embeddings", {}, "openai", "/v1/embeddings"),
        ("GET /v1/models", {}, "openai", "/v1/models"),
    ],
)
def test_a_request_goes_to_its_provider_through_the_masker(
    gateway: Gateway, request_line: str, headers: Mapping[str, str], service: str, upstream_path: str
) -> None:
    """Paths as clients call them; the masker runs in front of each."""
    method, path = request_line.split()
    route = gateway.route_of(method, path, headers)
    assert route is not None
    assert route["service"] == service
    stripped = next(one for one in route["paths"] if one.startswith("~") or path.startswith(one))
    assert (path[len(stripped) :] if route["strip_path"] else path) == upstream_path
    assert gateway.plugins_of(route)["aws-masker"]["mode"] == "enforce"


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/v1/files"), ("GET", "/v1/organizations/me")])
def test_what_is_not_known_goes_nowhere(gateway: Gateway, method: str, path: str) -> None:
    """No route of last resort."""
    assert gateway.route_of(method, path, {}) is None


def test_the_masker_is_on_every_route(gateway: Gateway) -> None:
    """Enabled, in force, with the same config, the guard beside it: also on a route that is added later."""
    later = {"name": "later", "service": "another"}
    for route in (*gateway.routes, later):
        config = gateway.plugins_of(route)["aws-masker"]
        assert config["mode"] == "enforce"
        assert is_reference(config["key"])
        assert "aws-masker-stream" in gateway.plugins_of(route)
    assert all(plugin["enabled"] for plugin in gateway.plugins)


def test_every_option_is_shown_and_explained(gateway: Gateway) -> None:
    """Each stands in the file with its default, but for the key; or, having none, behind a number sign."""
    (config,) = (plugin["config"] for plugin in gateway.plugins if plugin["name"] == "aws-masker")
    assert {**config, "key": None} == filled(kong_fields(), {})[0]
    shown = re.findall(r"^      (# )?([a-z_0-9]+): +(?:.*)$", TEXT, re.MULTILINE)
    commented = {name for mark, name in shown if mark}
    assert {name for _, name in shown} >= set(PluginSettings.model_fields)
    assert commented & set(PluginSettings.model_fields) == {
        name for name, field in PluginSettings.model_fields.items() if field.default is None and name != "key"
    }


def test_the_options_behind_number_signs_are_good() -> None:
    """Whoever takes a number sign away has a configuration that Kong and the plugin take."""
    text = re.sub(r"^(      )# ([a-z_]+: )", r"\1\2", TEXT, flags=re.MULTILINE)
    text = text.replace("custom_patterns: []          # RE2, for example ", "custom_patterns: ")
    text = re.sub(r"^    # (keyauth_credentials:|  - key: \.\.\.)", r"    \1", text, flags=re.MULTILINE)
    gateway = loaded(yaml.safe_load(text))
    assert gateway.faults == []
    (config,) = (plugin["config"] for plugin in gateway.plugins if plugin["name"] == "aws-masker")
    settings = settings_of({**config, "key": KEY, "vault_key": KEY, "anthropic_api_key": "sk"})
    assert settings.namespace == "staging"
    assert [pattern.name for pattern in settings.custom_patterns] == ["ticket"]


def test_long_answers_and_streams_have_time(gateway: Gateway) -> None:
    """Ten minutes between two pieces of an answer, and no buffering by nginx where streams pass."""
    assert {service["read_timeout"] for service in gateway.services} == {600_000}
    streaming = {route["name"] for route in gateway.routes if not route["response_buffering"]}
    assert streaming == {"anthropic-messages", "claude-proxy", "anthropic-team", "openai"}


def test_consumers_come_with_a_key_that_does_not_leave(gateway: Gateway) -> None:
    """The gateway's key is not the provider's, goes no further, and no key is in the file."""
    route = gateway.route_of("POST", "/team/v1/messages", ANTHROPIC)
    assert route is not None
    auth = gateway.plugins_of(route)["key-auth"]
    assert auth["key_names"] == ["x-gateway-key"]
    assert auth["hide_credentials"] is True
    assert (auth["key_in_query"], auth["key_in_body"], auth["anonymous"]) == (False, False, None)
    assert "keyauth_credentials" not in str(yaml.safe_load(TEXT))


def rendered(**environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(FOLDER / "with-upstreams.sh")],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_upstreams_come_from_the_environment() -> None:
    """The script prints kong.yml with other upstreams, and as it is without any."""
    assert rendered().stdout == TEXT
    both = rendered(ANTHROPIC_UPSTREAM="http://standin:9000", OPENAI_UPSTREAM="https://llm.corp.example/openai")
    services: list[dict[str, Any]] = yaml.safe_load(both.stdout)["services"]
    assert [service["url"] for service in services] == ["http://standin:9000", "https://llm.corp.example/openai"]
    assert loaded(yaml.safe_load(both.stdout)).faults == []
    assert (
        both.stdout.replace("http://standin:9000", "https://api.anthropic.com").replace(
            "https://llm.corp.example/openai", "https://api.openai.com"
        )
        == TEXT
    )


@pytest.mark.parametrize("url", ["ftp://a", "https://", "http://a|b", "http://a\nretries: 9", "http://a&b", "api"])
def test_an_upstream_that_is_no_url_is_refused(url: str) -> None:
    """Nothing is printed then, so that Kong does not start."""
    result = rendered(OPENAI_UPSTREAM=url)
    assert (result.returncode, result.stdout) == (1, "")
    assert "URL" in result.stderr or "http" in result.stderr
