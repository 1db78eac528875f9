"""`proxy`: that each option reaches the proxy; what the proxy does is tested where it lives."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kong_plugins.aws_masker.demo.serving import serving
from kong_plugins.aws_masker.demo.standin import StandIn

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
Start = Callable[..., tuple[httpx2.Client, "subprocess.Popen[bytes]"]]


@pytest.fixture
def standin() -> StandIn:
    """The LLM API behind the proxy; it answers with what it received."""
    return StandIn()


@pytest.fixture
def start(started: Callable[..., subprocess.Popen[bytes]], standin: StandIn) -> Iterator[Start]:
    """`start("--option", ...)`: a client of a proxy that runs on a free port, and the proxy's process."""
    with serving(standin) as upstream:

        def _start(*options: str | Path) -> tuple[httpx2.Client, subprocess.Popen[bytes]]:
            process = started("proxy", "--listen", "127.0.0.1:0", "--upstream", upstream, *options)
            return connect(process), process

        yield _start


def connect(process: subprocess.Popen[bytes]) -> httpx2.Client:
    """Return a client of the proxy, whose first line tells where it listens."""
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    assert line.startswith("Listening on http")
    return httpx2.Client(base_url=line.split()[2].rstrip(","), trust_env=False, timeout=60)


def ask(client: httpx2.Client, text: str, **headers: str) -> httpx2.Response:
    """Send a message as an Anthropic client does."""
    message = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    return client.post("/v1/messages", json=message, headers={"x-api-key": "k", "anthropic-version": "v", **headers})


def test_masks_and_restores(
    start: Start, standin: StandIn, text: bytes, planted: dict[str, str], leaks: Callable[..., list[str]]
) -> None:
    """The API behind receives none of the values, the client gets all back, and SIGTERM ends the proxy cleanly."""
    client, process = start()
    answer = ask(client, text.decode())
    assert answer.status_code == 200
    (request,) = standin.requests
    assert leaks(request.raw) == []
    assert b"describe-db-instances" in request.body
    assert planted["ec2_instance"] in answer.text
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) in {0, -signal.SIGTERM}
    assert process.stderr is not None
    log = process.stderr.read()
    assert b"proxy_stopping" in log
    assert b"Traceback" not in log
    assert leaks(log) == []


def test_key_and_config(start: Start, standin: StandIn, run: Run, planted: dict[str, str], folder: Path) -> None:
    """--key-file and --config hold: the placeholder is that of `mask` with the same key, and a switch is off."""
    instance, address = planted["ec2_instance"], planted["private_ip"]
    placeholder = run("mask", "--key-file", "k", input=instance.encode()).stdout
    assert placeholder != instance.encode()
    (folder / "c.toml").write_text("mask_private_ips = false")
    client, _ = start("--key-file", "k", "--config", "c.toml")
    ask(client, f"{instance} has {address}")
    (request,) = standin.requests
    assert placeholder + b" has " + address.encode() in request.body


@pytest.mark.parametrize("named", [True, False])
def test_tenant_header(start: Start, standin: StandIn, planted: dict[str, str], named: bool) -> None:
    """--tenant-header separates tenants and does not go upstream; without it the header means nothing."""
    client, _ = start(*(("--tenant-header", "X-Team") if named else ()))
    for team in ("a", "b"):
        ask(client, planted["ec2_instance"], **{"X-Team": team})
    first, second = standin.requests
    assert (first.body != second.body) is named
    assert any(name.lower() == b"x-team" for name, _ in first.headers) is not named


@pytest.mark.parametrize(("options", "status"), [(("--read-timeout", "0.2"), 504), ((), 200)])
def test_read_timeout(started: Callable[..., subprocess.Popen[bytes]], options: tuple[str, ...], status: int) -> None:
    """--read-timeout ends the wait for an API that does not go on; the default waits longer."""

    async def slow(_: Request) -> Response:
        await anyio.sleep(1)
        return JSONResponse({})

    with serving(Starlette(routes=[Route("/v1/messages", slow, methods=["POST"])])) as upstream:
        process = started("proxy", "--listen", "127.0.0.1:0", "--upstream", upstream, *options)
        assert ask(connect(process), "hello").status_code == status


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("console", False), ("auto", True)])
def test_log_format(start: Start, form: str, is_json: bool) -> None:
    """--log-format chooses how the log on standard error looks; auto is JSON where there is no terminal."""
    _, process = start("--log-format", form)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    first = process.stderr.readline()
    assert b"proxy_started" in first
    assert first.startswith(b"{") is is_json
    assert not is_json or json.loads(first)["event"] == "proxy_started"


def test_bad_options(run: Run) -> None:
    """A wrong upstream, address or header name ends with 2 and says so."""
    good = {"--upstream": "http://127.0.0.1:9", "--listen": "127.0.0.1:0"}
    for wrong in ({"--upstream": "ftp://host"}, {"--listen": "8082"}, {"--tenant-header": "not a name"}):
        options = [part for option in {**good, **wrong}.items() for part in option]
        result = run("proxy", *options)
        assert (result.returncode, result.stdout) == (2, b"")
        assert b"Error" in result.stderr
        assert b"Traceback" not in result.stderr
