"""The whole stack in containers, where there is an engine: what the provider's stand-in got, and the client."""

from __future__ import annotations

import importlib
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.project import Planted

ROOT = Path(__file__).parents[2]
PROJECT = "aws-masker-test"
PORTS = {"PROXY_PORT": "18082", "KONG_PORT": "18000", "STANDIN_PORT": "19000"}
PATIENCE = 120.0


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """The engine."""
    sdk = importlib.import_module("docker")  # not imported above: without the SDK, this is our folder `docker`
    if not hasattr(sdk, "from_env"):
        pytest.skip("the Docker SDK for Python is not installed (docker)")
    try:
        client = sdk.from_env()
        client.ping()
    except sdk.errors.DockerException:
        pytest.skip("no Docker engine is running")
    try:
        subprocess.run(["docker", "compose", "version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("docker compose is not installed")
    yield client
    client.close()


@pytest.fixture(scope="module")
def stack(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The stack with the profile `demo`, built and up."""
    env = tmp_path_factory.mktemp("stack") / ".env"
    names = ("AWS_MASKER_KEY", "REDIS_PASSWORD", "GRAFANA_PASSWORD", "DASHBOARD_PASSWORD")
    env.write_text("".join(f"{name}={secrets.token_hex(32)}\n" for name in names))
    compose = ["docker", "compose", "-p", PROJECT, "--env-file", str(env), "--env-file", "docker/demo/demo.env"]
    try:
        subprocess.run([*compose, "up", "--build", "--wait"], cwd=ROOT, env=os.environ | PORTS, check=True)
        yield engine
    finally:
        subprocess.run([*compose, "down", "--volumes"], cwd=ROOT, env=os.environ | PORTS, check=False)


def container(stack: Any, service: str) -> Any:
    (one,) = stack.containers.list(
        all=True,
        filters={"label": [f"com.docker.compose.project={PROJECT}", f"com.docker.compose.service={service}"]},
    )
    return one


def healthy(stack: Any, service: str) -> None:
    """Wait until a service is well again."""
    deadline = time.monotonic() + PATIENCE
    while container(stack, service).health != "healthy":
        assert time.monotonic() < deadline, f"{service} does not recover"
        time.sleep(1)


def ask(port: str, text: str, stream: bool = False) -> httpx2.Response:
    """Send a message as an Anthropic client does."""
    message = {
        "model": "m",
        "max_tokens": 100,
        "stream": stream,
        "messages": [{"role": "user", "content": text}],
    }
    headers = {"x-api-key": "none", "anthropic-version": "2023-06-01"}
    url = f"http://127.0.0.1:{PORTS[port]}/v1/messages"
    return httpx2.post(url, json=message, headers=headers, timeout=60, trust_env=False)


def received() -> list[dict[str, str]]:
    got: list[dict[str, str]] = httpx2.get(f"http://127.0.0.1:{PORTS['STANDIN_PORT']}/received", trust_env=False).json()
    return got


@pytest.mark.parametrize("stream", [False, True])
def test_both_ways(stack: Any, planted: Planted, stream: bool) -> None:
    """Through the proxy and straight to Kong: the stand-in gets the same, without the values; the client has them."""
    before = len(received())
    answers = [ask(port, planted.terraform, stream) for port in ("PROXY_PORT", "KONG_PORT")]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = received()[before:]
    assert first == second
    assert planted.found_in(first["body"]) == set()
    for answer in answers:
        assert planted.found_in(answer.text) >= {"instance", "subnet"}


def test_redis_dies(stack: Any, planted: Planted) -> None:
    """Requests go on masked, from memory; Redis comes back by itself."""
    container(stack, "redis").kill()
    before = len(received())
    answer = ask("PROXY_PORT", planted.terraform)
    assert answer.status_code == 200
    assert planted.instance in answer.text
    assert planted.found_in(received()[before]["body"]) == set()
    container(stack, "redis").start()
    healthy(stack, "redis")
    assert ask("PROXY_PORT", planted.terraform).status_code == 200


def test_kong_restarts(stack: Any, planted: Planted) -> None:
    """While it is away, a clear error; afterwards, what an earlier process masked is still restored."""
    assert ask("PROXY_PORT", planted.terraform).status_code == 200
    masked = received()[-1]["body"]
    container(stack, "kong").stop()
    answer = ask("PROXY_PORT", planted.terraform)
    assert answer.status_code == 502
    assert answer.json()["error"]["message"].startswith("AWS_MASKER_7001")
    container(stack, "kong").start()
    healthy(stack, "kong")
    again = ask("PROXY_PORT", planted.terraform)
    assert planted.instance in again.text
    assert received()[-1]["body"] == masked


def test_nothing_is_said_of_values(stack: Any, planted: Planted) -> None:
    """Not in the log of any container, and not by the Admin API, which is not reachable."""
    ask("PROXY_PORT", planted.terraform)
    for service in ("redis", "kong", "proxy"):
        assert planted.found_in(container(stack, service).logs()) == set(), service
    assert "8001/tcp" not in {port for port, to in container(stack, "kong").ports.items() if to}
