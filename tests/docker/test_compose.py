"""docker-compose.yml, without an engine: its form, what it promises about safety, and that it fits the rest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kong_plugins.aws_masker.keys import load_key

ROOT = Path(__file__).parents[2]
SECRETS = {"AWS_MASKER_KEY", "REDIS_PASSWORD", "GRAFANA_PASSWORD", "DASHBOARD_PASSWORD"}
Services = dict[str, dict[str, Any]]
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(:?[-?][^}]*)?\}")


def offered() -> dict[str, str]:
    """Return the variables of .env.example, those in comments too."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    found = (re.fullmatch(r"#?([A-Z_]+)=(.*)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def test_the_form(text: str) -> None:
    """As the compose specification's schema has it."""
    models = pytest.importorskip("compose_spec.models", reason="compose-spec is not installed")
    parsed = models.ComposeSpecification.model_validate(yaml.safe_load(text))
    assert set(parsed.services) == {
        *("redis", "kong", "proxy"),
        *("standin", "dashboard", "prometheus", "grafana"),
    }


def test_docker_reads_it(tmp_path: Path) -> None:
    """`docker compose config` takes it with the secrets, and names the one that is missing."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    env = tmp_path / ".env"
    command = [docker, "compose", "--env-file", str(env), "--profile", "*", "config", "--quiet"]
    env.write_text("".join(f"{name}=x\n" for name in SECRETS))
    subprocess.run(command, cwd=ROOT, check=True)
    for missing in SECRETS:
        env.write_text("".join(f"{name}=x\n" for name in SECRETS - {missing}))
        failed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert failed.returncode
        assert missing.encode() in failed.stderr


def test_variables(text: str) -> None:
    """All that are used are in .env.example, and the other way round; secrets have no default and must be there."""
    used = {match[1]: match[2] or "" for match in _VARIABLE.finditer(text)}
    assert set(used) | {"COMPOSE_PROFILES"} == set(offered())
    assert {name for name, rest in used.items() if rest.startswith(":?")} == SECRETS
    for name, default in offered().items():
        if used.get(name, "").startswith(":-"):
            assert default == used[name][2:], name


def test_no_secret_is_in_the_repository() -> None:
    """.env.example has none, and .env is not kept."""
    assert {name for name, value in offered().items() if value == ""} >= SECRETS
    assert ".env" in (ROOT / ".gitignore").read_text().split()


def test_new_env() -> None:
    """docker/new-env.sh fills in fresh secrets, and nothing else."""
    first, second = (
        subprocess.run([ROOT / "docker" / "new-env.sh"], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    made = dict(line.split("=", 1) for line in first.splitlines() if line and not line.startswith("#"))
    assert set(made) == SECRETS
    assert len(set(made.values())) == 4
    assert not set(made.values()) & set(re.findall("[0-9a-f]{64}", second))
    assert len(load_key({"AWS_MASKER_KEY": made["AWS_MASKER_KEY"]})) == 32
    assert re.sub("[0-9a-f]{64}", "", first) == (ROOT / ".env.example").read_text()


def test_the_demo_needs_no_account(services: Services) -> None:
    """Its variables are known ones, and lead to the stand-in."""
    demo = dict(line.split("=") for line in (ROOT / "docker/demo/demo.env").read_text().splitlines() if line[0] != "#")
    assert demo["COMPOSE_PROFILES"] in services["standin"]["profiles"]
    assert set(demo) <= set(offered())
    assert demo["ANTHROPIC_UPSTREAM"] == demo["OPENAI_UPSTREAM"] == "http://standin:9000"


def test_hardened(services: Services) -> None:
    """Read-only, no capabilities, no new privileges, nobody is root, bounds on what each may take, a health check."""
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        # a limit of `cpus` above what the machine has would keep the engine from starting it
        assert set(service["deploy"]["resources"]["limits"]) == {"memory", "pids"}, name
        assert service["cpu_quota"] >= 100_000, name
        dockerfile = service.get("build", {}).get("dockerfile")
        built = (ROOT / dockerfile).read_text() if dockerfile else ""
        assert "healthcheck" in service or "\nHEALTHCHECK" in built, name
        user = service.get("user") or re.findall(r"^USER (\S+)", built, re.MULTILINE)[-1]
        assert not str(user).startswith(("0", "root")), name


def test_pinned(services: Services) -> None:
    """Images by others name their exact version."""
    others = [service["image"] for service in services.values() if "build" not in service]
    assert len(others) == 3
    assert all(re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+(-alpine)?", image) for image in others)


def test_published_on_loopback_only(services: Services) -> None:
    """Nothing is reachable from outside; Redis and Kong's Admin API not even from here."""
    ports = {name: service.get("ports", []) for name, service in services.items()}
    assert all(port.startswith("127.0.0.1:") for each in ports.values() for port in each)
    assert ports["redis"] == []
    assert services["redis"]["networks"] == ["mappings"]
    assert [port.rpartition(":")[2] for port in ports["kong"]] == ["8000"]


def test_waits(services: Services) -> None:
    """Each waits until what it needs is healthy."""
    needs = {name: service.get("depends_on", {}) for name, service in services.items()}
    assert set(needs["kong"]) == {"redis"}
    assert set(needs["proxy"]) == {"kong"}
    assert all(one == {"condition": "service_healthy"} for each in needs.values() for one in each.values())


def test_mounts_are_there(services: Services) -> None:
    """What is mounted from the checkout exists, and is read-only."""
    volumes = [volume for service in services.values() for volume in service.get("volumes", [])]
    mounts = [volume for volume in volumes if volume.startswith("./")]
    for mount in mounts:
        source, _, options = mount.split(":")
        assert (ROOT / source).exists(), mount
        assert options == "ro", mount
    assert len(mounts) == len(volumes) - 3  # the others are named


def test_what_the_plugin_server_needs_reaches_it(services: Services) -> None:
    """nginx drops all variables but those of KONG_NGINX_MAIN_ENV; kong.yml's references are in Kong's environment."""
    given = services["kong"]["environment"]
    dockerfile = (ROOT / "docker/kong/Dockerfile").read_text()
    (through,) = re.findall(r'KONG_NGINX_MAIN_ENV="([^"]*)"', dockerfile)
    passed = {part.removeprefix("env ") for part in through.split("; ")}
    assert passed == {name for name in given if not name.startswith("KONG_") and not name.endswith("_UPSTREAM")}
    for reference in re.findall(r"^[^#\n]*vault://env/([a-z-]+)", (ROOT / "kong/kong.yml").read_text(), re.MULTILINE):
        assert reference.upper().replace("-", "_") in given
    kong, proxy = given["AWS_MASKER_KEY"], services["proxy"]["environment"]["AWS_MASKER_KEY"]
    assert kong == proxy
    upstreams = (ROOT / "kong/with-upstreams.sh").read_text()
    assert all(f"${{{name}:-" in upstreams for name in given if name.endswith("_UPSTREAM"))


def test_scripts_can_be_read() -> None:
    """By the plainest shell."""
    scripts = sorted((ROOT / "docker").rglob("*.sh"))
    assert len(scripts) == 5
    for script in scripts:
        subprocess.run(["sh", "-n", script], check=True)
        assert os.access(script, os.X_OK), script
