"""`proxy --kong` and `doctor --kong`: that the options reach what they are for."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import orjson
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kong_plugins.aws_masker.cli.main import main
from kong_plugins.aws_masker.demo.serving import serving
from kong_plugins.aws_masker.seal import OPENED, SEAL, Seal
from tests.cli.test_proxy import ask, connect
from tests.proxy.test_tls import made

KEY = "0123456789abcdef" * 4


async def masker(request: Request) -> Response:
    """Answer with what was sent, as the plugin can read it."""
    seal = Seal(bytes.fromhex(KEY), bytes.fromhex(request.headers[SEAL.decode()]))
    return Response(seal.open(await request.body()), headers={OPENED.decode(): seal.proof})


@pytest.fixture(scope="module")
def kong() -> Iterator[str]:
    """A Kong that masks."""
    with serving(Starlette(routes=[Route("/v1/messages", masker, methods=["POST", "HEAD"])])) as url:
        yield url


def test_proxy_with_tls(
    started: Callable[..., subprocess.Popen[bytes]], kong: str, folder: Path, planted: dict[str, str]
) -> None:
    """Kong gets it sealed with the key of --key-file; --tls-cert and --tls-key make it HTTPS."""
    (folder / "k").write_text(KEY)
    (folder / "k").chmod(0o600)
    tls = made(folder)
    process = started(
        *("proxy", "--kong", kong, "--listen", "127.0.0.1:0", "--key-file", "k"),
        *("--tls-cert", tls.certificate, "--tls-key", tls.key),
    )
    client = connect(process)
    assert str(client.base_url).startswith("https://127.0.0.1:")
    trusting = httpx2.Client(
        base_url=client.base_url,
        verify=ssl.create_default_context(cafile=str(tls.certificate)),
        trust_env=False,
        timeout=60,
    )
    answer = ask(trusting, planted["ec2_instance"])
    assert answer.json()["messages"][0]["content"] == planted["ec2_instance"]


@pytest.mark.parametrize(
    "options",
    [
        ["--kong", "http://127.0.0.1:9", "--upstream", "http://127.0.0.1:9"],
        [],
        ["--kong", "http://127.0.0.1:9", "--tenant-header", "X-Team"],
        ["--kong", "http://127.0.0.1:9"],
        ["--upstream", "http://127.0.0.1:9", "--tls-cert", "c.pem"],
        ["--upstream", "http://127.0.0.1:9", "--tls-cert", "c.pem", "--tls-key", "k.pem"],
    ],
    ids=["both", "neither", "tenant", "no key", "no TLS key", "no certificate"],
)
def test_bad_options(options: list[str], tmp_path: Path) -> None:
    """Kong or an API, Kong's own tenants, Kong's key rather than a fresh one, a certificate with its key."""
    home = {"HOME": str(tmp_path), "XDG_STATE_HOME": "", "AWS_MASKER_KEY": ""}
    result = CliRunner().invoke(main, ["proxy", "--listen", "127.0.0.1:0", *options], env=home)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error" in result.stderr


@pytest.mark.parametrize(
    ("key", "state", "detail"),
    [(KEY, "ok", "same key"), ("ab" * 32, "failed", "without the proof"), ("", "failed", "no key")],
)
def test_doctor(kong: str, key: str, state: str, detail: str, tmp_path: Path) -> None:
    """Whether the masker in Kong answers, and with our key."""
    home = {"HOME": str(tmp_path), "XDG_STATE_HOME": "", "AWS_MASKER_KEY": key}
    options = ["--format", "json", "--listen", "127.0.0.1:0", "--kong", kong]
    result = CliRunner().invoke(main, ["doctor", *options], env=home)
    (check,) = (check for check in orjson.loads(result.stdout) if check["name"] == "kong")
    assert check["state"] == state
    assert detail in check["detail"]
    assert result.exit_code == (0 if state == "ok" else 1)
