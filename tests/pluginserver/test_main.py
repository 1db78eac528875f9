"""The command that Kong runs: what it prints, where it listens, how it fails."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from kong_plugins.aws_masker.plugin import Schema
from kong_plugins.aws_masker.pluginserver.main import main
from tests.pluginserver.conftest import MAIN, ROOT, Start, eventually
from tests.pluginserver.kong import INSTANCE, Closed, Request


def test_dump() -> None:
    """Nothing on standard output but the description, in the form that makes Kong speak `ProtoBuf:1`."""
    ended = subprocess.run([*MAIN, "--dump"], cwd=ROOT, capture_output=True, check=True)
    described = json.loads(ended.stdout)
    assert described["Protocol"] == "ProtoBuf:1"
    (plugin,) = described["Plugins"]
    assert plugin["Name"] == "aws-masker"
    assert plugin["Phases"] == ["access", "response", "log"]
    assert plugin["Schema"] == {
        "name": "aws-masker",
        "fields": [{"config": {"type": "record", "fields": json.loads(json.dumps(Schema))}}],
    }
    assert ended.stderr == b""


@pytest.mark.parametrize(("options", "mode"), [((), 0o600), (("--socket-mode", "660"), 0o660)])
def test_who_may_connect(start: Start, options: tuple[str, ...], mode: int) -> None:
    """By default only the same user."""
    process = start(*options)
    assert stat.S_IMODE(process.path.stat().st_mode) == mode
    assert [path.name for path in process.path.parent.iterdir() if path.is_socket()] == ["kong.sock"]


@pytest.mark.parametrize("mode", ["rw", "999", "1777", "-1"])
def test_a_mode_that_is_none(mode: str) -> None:
    """A usage error."""
    ended = CliRunner().invoke(main, ["--dump", "--socket-mode", mode])
    assert ended.exit_code == 2
    assert "octal" in ended.output


def test_without_a_socket() -> None:
    """It says what is missing."""
    ended = CliRunner().invoke(main, [])
    assert ended.exit_code == 2
    assert "--socket" in ended.output


def test_something_else_is_at_the_place(tmp_path: Path) -> None:
    """Only sockets are replaced."""
    path = tmp_path / "precious"
    path.write_text("data")
    ended = CliRunner().invoke(main, ["--socket", str(path)])
    assert ended.exit_code == 2
    assert "not a socket" in ended.output
    assert path.read_text() == "data"


@pytest.mark.parametrize("folder", ["absent", "x" * 120])
def test_a_place_where_no_socket_can_be(tmp_path: Path, folder: str) -> None:
    """One line that says why."""
    ended = CliRunner().invoke(main, ["--socket", str(tmp_path / folder / "socket")])
    assert ended.exit_code == 2
    assert "cannot listen" in ended.output


@pytest.mark.parametrize(("level", "lines"), [("info", 2), ("error", 0)])
def test_log_level(start: Start, level: str, lines: int) -> None:
    """What is below the level is not there; no line holds a value."""
    process = start("--log-level", level)
    connection = process.connect()
    request = Request(body=b'{"a": "' + INSTANCE.encode())
    request.run(connection, connection.start(), "access")
    assert request.exit is not None
    connection.send(b"")
    with pytest.raises(Closed):  # garbage comes after the log line of the event
        connection.send(b"\xff")
        while True:
            connection.receive()
    text = process.log.read_text()
    assert sum(event in text for event in ("server_started", "request_failed")) == lines
    assert INSTANCE not in text


@pytest.mark.parametrize(("options", "is_json"), [((), True), (("--log-format", "console"), False)])
def test_log_format(start: Start, options: tuple[str, ...], is_json: bool) -> None:
    """JSON where nobody watches, unless it is asked for otherwise."""
    process = start(*options)
    eventually(lambda: "server_started" in process.log.read_text())
    (line, *_) = process.log.read_text().splitlines()
    assert line.startswith("{") == is_json
