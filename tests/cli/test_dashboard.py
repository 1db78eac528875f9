"""`aws-masker dashboard`: who may start it, and that its options do what they say."""

from __future__ import annotations

import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from kong_plugins.aws_masker.cli.main import main
from tests.cli.conftest import COMMAND
from tests.vault.certificates import make_certificates
from tests.vault.servers import PATIENCE

Start = Callable[..., str]
VARIABLE = "AWS_MASKER_DASHBOARD_PASSWORD"
PASSWORD = "a password of the tests"
KEY = "0123456789abcdef" * 4


@pytest.fixture
def start(folder: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Start dashboards; returns the URL that they print. In the end they must stop as they should."""
    processes: list[subprocess.Popen[bytes]] = []

    def _start(*arguments: str | Path, **extra: str) -> str:
        command = [*COMMAND, "dashboard", "--listen", "127.0.0.1:0", *map(str, arguments)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env={**environment, **extra}
        )
        processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line.startswith("Dashboard on "), process.communicate()[1]
        return line.split()[-1]

    yield _start
    for process in processes:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE)
        assert b"dashboard_started" in log and b"dashboard_stopping" in log
        assert PASSWORD.encode() not in log and KEY.encode() not in log


def signed_in(url: str, verify: ssl.SSLContext | bool = True) -> tuple[str, str]:
    """Return the page, and the cookie that signing in gave."""
    with httpx2.Client(base_url=url, verify=verify, trust_env=False, timeout=PATIENCE) as client:
        token = client.get("/login").text.split('name="token" value="')[1].split('"')[0]
        answer = client.post("/login", data={"token": token, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return client.get("/").text, answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("arguments", "password", "told"),
    [
        ((), "", "needs a password"),
        ((), "too short", "at least 12 characters"),
        (("--password-file", "missing.txt"), "", "missing.txt"),
        (("--password-file", "empty.txt"), "", "at least 12 characters"),
        (("--password-file", "binary.txt"), "", "not UTF-8"),
        (("--source", "kong:9105"), PASSWORD, "source: "),
        (("--key-file", "missing.key"), PASSWORD, "missing.key"),
        (("--tls-cert", "a.pem", "--tls-key", "b.pem"), PASSWORD, "TLS certificate or key"),
        (("--tls-cert", "a.pem"), PASSWORD, "belong together"),
        (("--tls-key", "a.pem"), PASSWORD, "belong together"),
    ],
)
def test_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], password: str, told: str
) -> None:
    """Without a password, or with what is wrong, nothing listens: one line tells why, and holds no secret."""
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("\n")
    Path("binary.txt").write_bytes(b"\xff" * 20)
    result = CliRunner().invoke(main, ["dashboard", *arguments], env={VARIABLE: password, "AWS_MASKER_KEY": ""})
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error")
    assert not password or password not in result.stderr


def test_the_password(start: Start, folder: Path) -> None:
    """From the file, or from the variable, which goes first. The playground's key likewise."""
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "other").write_text("another password")
    (folder / "key").write_text(KEY)
    (folder / "key").chmod(0o600)
    for url in (
        start("--password-file", "password", AWS_MASKER_KEY=KEY),
        start("--password-file", "other", "--key-file", "key", **{VARIABLE: PASSWORD}),
    ):
        page, cookie = signed_in(url)
        assert "The key is that of this deployment" in page
        assert "secure" not in cookie


def test_tls_and_no_key(start: Start, folder: Path, environment: dict[str, str]) -> None:
    """With a certificate it is HTTPS, and the cookie goes nowhere else; without a key none is kept anywhere."""
    trusted, certificate, key = make_certificates(folder)
    url = start("--tls-cert", certificate, "--tls-key", key, **{VARIABLE: PASSWORD})
    assert url.startswith("https://")
    page, cookie = signed_in(url, ssl.create_default_context(cafile=trusted))
    assert "secure" in cookie
    assert "The key was made for this dashboard" in page
    assert list(Path(environment["HOME"]).iterdir()) == []
