"""`doctor`: each check when all is well, and when something is wrong, with what to do."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kong_plugins.aws_masker.cli.checks import LIBRARIES
from kong_plugins.aws_masker.demo.serving import serving
from kong_plugins.aws_masker.demo.standin import StandIn

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
Doctor = Callable[..., tuple[int, dict[str, dict[str, str]]]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def free_port() -> Iterator[str]:
    """An address on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    yield address


@pytest.fixture
def doctor(run: Run, free_port: str) -> Doctor:
    """`doctor("--config", ...)`: the exit status and the checks by name."""

    def _doctor(*arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
        options = arguments if "--listen" in arguments else ("--listen", free_port, *arguments)
        result = run("doctor", "--format", "json", *options, **environment)
        assert result.stderr == b""
        return result.returncode, {check["name"]: check for check in json.loads(result.stdout)}

    return _doctor


def test_healthy(doctor: Doctor, folder: Path, environment: dict[str, str]) -> None:
    """With nothing set up all is well: defaults hold, and a key will be made. Nothing is made by looking."""
    status, checks = doctor()
    assert {name: check["state"] for name, check in checks.items()} == {
        "config": "ok",
        "key": "ok",
        "libraries": "ok",
        "codings": "ok",
        "masking": "ok",
        "port": "ok",
        "upstream": "skipped",
        "kong": "skipped",
        "redis": "skipped",
        "server": "skipped",
    }
    assert status == 0
    assert "made on first use" in checks["key"]["detail"]
    assert list(folder.iterdir()) == list(Path(environment["HOME"]).rglob("*")) == []


def test_key_sources(doctor: Doctor, run: Run, folder: Path) -> None:
    """It says where the key comes from, and never what it is."""
    key = "5e" * 32
    status, checks = doctor(AWS_MASKER_KEY=key)
    assert (status, checks["key"]["detail"]) == (0, "from AWS_MASKER_KEY")
    assert key not in str(checks)
    run("mask", "--key-file", "k", input=b"")
    made = (folder / "k").read_text().strip()
    status, checks = doctor("--key-file", "k")
    assert (status, checks["key"]["state"]) == (0, "ok")
    assert checks["key"]["detail"].startswith("from k,")
    assert made not in str(checks)


def test_bad_keys(doctor: Doctor, folder: Path) -> None:
    """A short key, a key open to others and a place where no key can be made fail, with what to do."""
    (folder / "open").write_text("5e" * 32)
    (folder / "open").chmod(0o644)
    (folder / "file").write_text("")
    for arguments, environment in (
        ((), {"AWS_MASKER_KEY": "5e" * 16}),
        (("--key-file", "open"), {}),
        (("--key-file", "file/key"), {}),
    ):
        status, checks = doctor(*arguments, **environment)
        assert (status, checks["key"]["state"]) == (1, "failed")
        assert checks["key"]["remedy"]
        assert "5e5e" not in str(checks)


def test_bad_config(doctor: Doctor, folder: Path) -> None:
    """A wrong file is told with the field, and the other checks still run."""
    (folder / "c.toml").write_text("mapping_ttl = 1\nno_such_field = true")
    status, checks = doctor("--config", "c.toml")
    assert (status, checks["config"]["state"]) == (1, "failed")
    assert "mapping_ttl" in checks["config"]["detail"]
    assert "no_such_field" in checks["config"]["detail"]
    assert checks["masking"]["state"] == "ok"


def test_port(doctor: Doctor) -> None:
    """A port that is taken is told, an address that is none of ours too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        status, checks = doctor("--listen", f"127.0.0.1:{listener.getsockname()[1]}")
    assert (status, checks["port"]["state"]) == (1, "failed")
    assert "--listen" in checks["port"]["remedy"]
    status, checks = doctor("--listen", "192.0.2.1:8082")
    assert (status, checks["port"]["state"]) == (1, "failed")


def test_upstream(doctor: Doctor, free_port: str) -> None:
    """An upstream that answers is well, whatever the status; it gets no credentials. One that does not answer fails."""
    standin = StandIn()
    with serving(standin) as url:
        status, checks = doctor("--upstream", url, AWS_MASKER_KEY="5e" * 32)
        assert (status, checks["upstream"]["state"]) == (0, "ok")
        assert "HTTP 200" in checks["upstream"]["detail"]
        assert doctor("--upstream", f"{url}/nowhere")[1]["upstream"]["state"] == "ok"
    (request, _) = standin.requests
    assert (request.method, request.target, request.body) == ("HEAD", b"/", b"")
    assert {name for name, _ in request.headers} <= {b"host", b"content-length"}
    for wrong in (f"http://{free_port}", "not a url", "ftp://host"):
        status, checks = doctor("--upstream", wrong)
        assert (status, checks["upstream"]["state"]) == (1, "failed")
        assert checks["upstream"]["remedy"]


def test_libraries_are_those_of_the_package() -> None:
    """The list of libraries is that of pyproject.toml, but for those that not every platform needs."""
    section = (ROOT / "pyproject.toml").read_text().split("\ndependencies = [")[1].split("\n]")[0]
    lines = [line.strip().strip('",') for line in section.splitlines() if line.strip()]
    assert sorted(line.split(">")[0].split("[")[0] for line in lines if ";" not in line) == sorted(LIBRARIES)


def test_table(run: Run, free_port: str) -> None:
    """The table tells the same, with what to do."""
    result = run("doctor", "--listen", free_port, AWS_MASKER_KEY="short")
    assert result.returncode == 1
    lines = result.stdout.decode().splitlines()
    (key,) = [line for line in lines if line.startswith(" key")]
    assert "failed" in key
    assert "openssl rand -hex 32" in key
