"""Kong's calls, and what the client and the upstream get when something breaks."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from kong_plugins.aws_masker.pluginserver import protocol
from tests.pluginserver.conftest import Here, Process
from tests.pluginserver.kong import CONFIG, INSTANCE, Closed, Refused, Request

BODY = json.dumps({"messages": [{"role": "user", "content": f"stop {INSTANCE}"}]}).encode()
VALUE = INSTANCE.encode()


def refused(request: Request) -> tuple[int, str]:
    """Return the status and the message of the answer; the request did not go on, and holds no value."""
    assert request.upstream() is None
    assert request.exit is not None
    status, body, headers = request.exit
    assert VALUE not in body
    assert headers == {"Content-Type": b"application/json"}
    return status, json.loads(body)["error"]["message"]


def test_what_it_says_about_the_plugin(server: Process) -> None:
    """The same as its query command prints."""
    connection = server.connect()
    assert connection.call(cmd_get_plugin_names={}).plugin_names.names == [b"aws-masker"]
    described = connection.call(cmd_get_plugin_info={"name": b"aws-masker"}).plugin_info
    assert list(described.phases) == [b"access", b"response", b"log"]
    assert described.priority == 700
    (config,) = json.loads(described.schema)["fields"]
    assert {"key", "mode", "mask_private_ips"} <= {name for one in config["config"]["fields"] for name in one}


def test_an_instance_from_start_to_close(server: Process) -> None:
    """Started, known on other connections, closed, closed again."""
    number = server.connect().start()
    assert number > 0
    for _ in range(4):
        connection = server.connect()
        assert connection.call(cmd_get_instance_status={"instance_id": number}).instance_status.instance_id == number
        request = Request(body=BODY)
        request.run(connection, number, "access")
        assert VALUE not in (request.upstream() or VALUE)
    for _ in range(2):
        assert connection.call(cmd_close_instance={"instance_id": number}).HasField("instance_status")


@pytest.mark.parametrize("command", ["cmd_handle_event", "cmd_get_instance_status"])
def test_an_unknown_instance(server: Process, command: str) -> None:
    """The connection is closed without an answer, so that Kong starts the instance and asks again."""
    connection = server.connect()
    call = protocol.RpcCall(sequence=1, **{command: {"instance_id": 12345}})
    if command == "cmd_handle_event":
        call.cmd_handle_event.event_name = b"access"
    connection.send(call.SerializeToString())
    with pytest.raises(Closed):
        connection.receive()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        struct.pack("<I", 4) + b"\xff\xff\xff\xff",
        struct.pack("<I", 2) + protocol.RpcCall(sequence=1).SerializeToString(),
        struct.pack("<I", 2**32 - 1),
    ],
    ids=["http", "no message", "no command", "endless"],
)
def test_garbage(server: Process, sent: bytes) -> None:
    """The connection is closed, and others go on."""
    connection = server.connect()
    connection.socket.sendall(sent)
    with pytest.raises((Closed, ConnectionResetError)):
        connection.receive()
    assert server.connect().start()


def test_another_plugins_instance(server: Process) -> None:
    """Not ours to start."""
    connection = server.connect()
    connection.send(protocol.RpcCall(sequence=1, cmd_start_instance={"name": b"other"}).SerializeToString())
    with pytest.raises(Closed):
        connection.receive()


def test_many_events_on_one_connection(server: Process) -> None:
    """Kong pools its connections."""
    connection = server.connect()
    number = connection.start()
    for _ in range(50):
        request = Request(body=BODY)
        request.run(connection, number, "access")
        assert request.mark["counts"] == {"ec2_instance": 1}


def test_a_late_answer_to_an_exit(here: Here) -> None:
    """Should Kong answer `kong.response.exit` after all, the connection can still be used."""
    connection = here()
    number = connection.start()
    request = Request(body=b"{")
    request.run(connection, number, "access")
    assert refused(request)[0] == 422
    connection.send(b"")
    assert connection.receive() == b""  # the end of the event
    connection.receive()
    request = Request(body=BODY)
    request.run(connection, number, "access")
    assert request.upstream() is not None


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({**CONFIG, "mask_private_ips": "perhaps"}, "mask_private_ips"),
        ({**CONFIG, "custom_patterns": [{"name": "x1", "pattern": "("}]}, "custom_patterns"),
        ({}, "AWS_MASKER_KEY"),
        (b"{", "not JSON"),
    ],
)
def test_a_wrong_configuration(
    here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: Any, reason: str
) -> None:
    """Each request is answered with the reason, in its API's shape, and none goes on."""
    monkeypatch.delenv("AWS_MASKER_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    connection = here()
    number = connection.start(config)
    for path in ("/v1/messages", "/v1/chat/completions"):
        other = connection if path == "/v1/messages" else here()
        if other is not connection:
            number = other.start(config)
        request = Request(path=path, body=BODY)
        request.run(other, number, "access")
        status, message = refused(request)
        assert status == 500
        assert message.startswith("AWS_MASKER_4001: invalid configuration")
        assert reason in message


class Broken:
    """A plugin with a mistake in each phase."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.then = config.get("then", "")

    def access(self, kong: Any) -> None:
        self._fail(kong)

    def response(self, kong: Any) -> None:
        self._fail(kong)

    def log(self, kong: Any) -> None:
        self._fail(kong)

    def _fail(self, kong: Any) -> None:
        if self.then == "exited":
            kong.response.exit(418, b"tea", {})
        raise MemoryError(INSTANCE)


@pytest.mark.parametrize(("phase", "code", "status"), [("access", "2001", 503), ("response", "3001", 500)])
def test_a_plugin_that_raises(here: Here, phase: str, code: str, status: int) -> None:
    """The client is told, in the shape of its API, and not what the exception says."""
    connection = here(Broken)
    request = Request(path="/v1/responses", body=BODY, answer_headers={"content-encoding": "gzip"})
    request.run(connection, connection.start(), phase)
    assert refused(request) == (status, refused(request)[1])
    assert refused(request)[1].startswith(f"AWS_MASKER_{code}")
    assert request.exit is not None
    assert json.loads(request.exit[1])["error"]["code"] == f"AWS_MASKER_{code}"
    assert ("content-encoding" in request.answer_headers) == (phase == "access")


def test_a_plugin_that_raises_in_log(here: Here) -> None:
    """The event ends as it should, and the next one runs."""
    connection = here(Broken)
    number = connection.start()
    for _ in range(2):
        request = Request()
        request.run(connection, number, "log")
        assert request.calls == []


def test_a_plugin_that_raises_after_its_answer(here: Here) -> None:
    """The answer stands, and there is no second one."""
    connection = here(Broken)
    request = Request()
    request.run(connection, connection.start({"then": "exited"}), "access")
    assert (request.exit or ())[:2] == (418, b"tea")
    assert connection.receive() == b""
    assert protocol.RpcReturn.FromString(connection.receive()).sequence == 9


def test_a_phase_that_the_plugin_has_not(server: Process) -> None:
    """Kong never asks for one; if it did, the request would end."""
    connection = server.connect()
    request = Request(body=BODY)
    request.run(connection, connection.start(), "rewrite")
    assert refused(request)[0] == 503


def test_a_failure_that_cannot_even_be_told(here: Here) -> None:
    """A call that Kong does not know makes it answer 500 itself; closing would make it try again for ever."""
    connection = here(Broken)
    number = connection.start()
    request = Request(body=BODY, replies={"kong.request.get_path": b"\xff\xff\xff\xff"})
    with pytest.raises(Refused, match=r"aws_masker\.failed"):
        request.run(connection, number, "access")
    assert request.exit is None


def test_a_call_that_the_channel_does_not_know(here: Here) -> None:
    """It is refused here, before Kong sees it, and the failure is answered."""

    class Curious(Broken):
        def access(self, kong: Any) -> None:
            kong.router.get_route()

    connection = here(Curious)
    request = Request(body=BODY)
    request.run(connection, connection.start(), "access")
    assert refused(request)[0] == 503
    assert request.calls == ["kong.request.get_path", "kong.response.exit"]


def test_a_body_that_ended_workers_is_refused_without_a_hang(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kong sends all of the body before it listens, so it is read and dropped."""
    from kong_plugins.aws_masker.pluginserver.casualties import Casualties  # noqa: PLC0415

    monkeypatch.setattr(Casualties, "are_due_to", lambda *_: True)
    connection = here()
    request = Request(body=json.dumps({"messages": [{"role": "user", "content": "x" * 3_000_000}]}).encode())
    request.run(connection, connection.start(), "access")
    assert refused(request) == (503, "AWS_MASKER_2001: masking failed: bodies of this size have ended workers")
