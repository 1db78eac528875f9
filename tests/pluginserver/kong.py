"""Kong's side of the socket, in the small: one connection for an event, PDK calls answered from a request's state."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kong_plugins.aws_masker.mark import NAME
from kong_plugins.aws_masker.pluginserver import protocol

KEY = "00112233" * 8
INSTANCE = "i-0123456789" + "abcdef0"
CONFIG: dict[str, Any] = {"key": KEY}


class Closed(Exception):
    """The server closed the connection."""


class Refused(Exception):
    """Kong raises a Lua error in a PDK call, or does not know it: the client gets a 500 of Kong's own."""


class Connection:
    """One of Kong's pooled connections."""

    def __init__(self, at: Path | socket.socket) -> None:
        self.socket = at if isinstance(at, socket.socket) else socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        if isinstance(at, Path):
            self.socket.connect(str(at))

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(struct.pack("<I", len(frame)) + frame for frame in frames))

    def receive(self) -> bytes:
        (size,) = struct.unpack("<I", self._exactly(4))
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            piece = self.socket.recv(size - len(received))
            if not piece:
                raise Closed
            received += piece
        return bytes(received)

    def call(self, **command: Any) -> Any:
        self.send(protocol.RpcCall(sequence=7, **command).SerializeToString())
        answer = protocol.RpcReturn.FromString(self.receive())
        assert answer.sequence == 7
        return answer

    def start(self, config: dict[str, Any] | bytes = CONFIG) -> int:
        text = config if isinstance(config, bytes) else json.dumps(config).encode()
        number: int = self.call(cmd_start_instance={"name": b"aws-masker", "config": text}).instance_status.instance_id
        return number


def value(data: object) -> Any:
    """Encode as Kong's `structpb_value` does."""
    if data is None:
        return protocol.Value(null_value=1)
    if isinstance(data, list):
        message = protocol.Value()
        message.list_value.values.extend(map(value, data))
        return message
    return protocol.Value(string_value=data.encode() if isinstance(data, str) else data)


def headers(table: dict[str, Any]) -> bytes:
    message = protocol.Struct()
    for name, content in table.items():
        message.fields.add(key=name.encode(), value=value(content))
    encoded: bytes = message.SerializeToString()
    return encoded


def table(message: Any) -> dict[str, Any]:
    return {
        entry.key.decode(): [one.string_value for one in entry.value.list_value.values] or entry.value.string_value
        for entry in message.fields
    }


@dataclass
class Request:
    """A request that Kong handles, and what the plugin did to it."""

    path: str = "/v1/messages"
    id: str = "0123456789abcdef0123456789abcdef"
    host: str = "gateway:8000"
    variables: dict[bytes, str] = field(default_factory=dict)
    """Other variables of nginx's."""
    headers: dict[str, Any] = field(default_factory=lambda: {"content-type": "application/json"})
    body: bytes = b""
    body_file: Path | None = None
    consumer: str = ""
    status: int = 200
    answer_headers: dict[str, Any] = field(default_factory=lambda: {"content-type": "application/json"})
    answer: bytes = b""
    early_headers: dict[str, bytes] = field(default_factory=dict)
    """Headers that the client's answer got in `access`; Kong keeps them whatever answers."""
    shared: dict[str, bytes] = field(default_factory=dict)
    exit: tuple[int, bytes, dict[str, Any]] | None = None
    calls: list[str] = field(default_factory=list)
    replies: dict[str, bytes] = field(default_factory=dict)
    """What to answer to a PDK call instead of what is right."""
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What to do before a PDK call is answered."""

    def upstream(self) -> bytes | None:
        """Return the body that Kong sends upstream after `access`, or None if it does not."""
        return None if self.exit else self.body

    @property
    def mark(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.shared[NAME])
        return fields

    def run(self, connection: Connection, instance: int, phase: str) -> None:
        """Have the plugin handle one phase.

        Raises:
            Closed: the server closed the connection; Kong would start the instance anew and try again.
            Refused: Kong answers the client 500.
        """
        event = protocol.RpcCall(sequence=9, cmd_handle_event={"instance_id": instance, "event_name": phase.encode()})
        connection.send(event.SerializeToString())
        while method := connection.receive():
            argument = connection.receive()
            self.calls.append(method.decode())
            self.before.get(method.decode(), lambda: None)()
            if method.decode() in self.replies:
                reply: bytes | None = self.replies[method.decode()]
            else:
                reply = self._pdk(method.decode(), argument)
            if reply is None:  # after `kong.response.exit` the coroutine is dropped
                return
            connection.send(reply)
        assert protocol.RpcReturn.FromString(connection.receive()).sequence == 9

    def _pdk(self, method: str, argument: bytes) -> bytes | None:
        name = method.removeprefix("kong.").replace(".", "_")
        if not hasattr(self, f"_{name}"):
            raise Refused(method)
        reply: bytes | None = getattr(self, f"_{name}")(argument)
        return reply

    def _request_get_path_with_query(self, _: bytes) -> bytes:
        return _encoded(protocol.String(v=self.path.encode()))

    def _nginx_get_var(self, argument: bytes) -> bytes:
        name = protocol.String.FromString(argument).v
        variables = {b"kong_request_id": self.id, b"http_host": self.host, b"scheme": "http"}
        return _encoded(protocol.String(v=(variables | self.variables).get(name, "").encode()))

    def _request_get_path(self, _: bytes) -> bytes:
        return _encoded(protocol.String(v=self.path.encode()))

    def _request_get_headers(self, argument: bytes) -> bytes:
        assert 1 <= protocol.Int.FromString(argument).v <= 1000
        return headers(self.headers)

    def _request_get_raw_body(self, _: bytes) -> bytes:
        if self.body_file is not None:
            return _encoded(protocol.RawBodyResult(body_filepath=bytes(self.body_file)))
        return _encoded(protocol.RawBodyResult(content=self.body))

    def _client_get_consumer(self, _: bytes) -> bytes:
        return _encoded(protocol.Consumer(id=self.consumer.encode())) if self.consumer else b""

    def _service_request_set_raw_body(self, argument: bytes) -> bytes:
        self.body = protocol.ByteString.FromString(argument).v
        self.body_file = None
        return b""

    def _service_request_set_headers(self, argument: bytes) -> bytes:
        for name, content in table(protocol.Struct.FromString(argument)).items():
            self.headers[name] = [one.decode() for one in content] if isinstance(content, list) else content.decode()
        return b""

    def _service_request_clear_header(self, argument: bytes) -> bytes:
        self.headers.pop(protocol.String.FromString(argument).v.decode(), None)
        return b""

    def _ctx_shared_set(self, argument: bytes) -> bytes:
        pair = protocol.KV.FromString(argument)
        self.shared[pair.k.decode()] = pair.v.string_value
        return b""

    def _ctx_shared_get(self, argument: bytes) -> bytes:
        return _encoded(value(self.shared.get(protocol.String.FromString(argument).v.decode())))

    def _service_response_get_status(self, _: bytes) -> bytes:
        return _encoded(protocol.Int(v=self.status))

    def _service_response_get_raw_body(self, _: bytes) -> bytes:
        return _encoded(protocol.ByteString(v=self.answer))

    def _response_get_headers(self, argument: bytes) -> bytes:
        assert 1 <= protocol.Int.FromString(argument).v <= 1000
        return headers(self.answer_headers)

    def _response_clear_header(self, argument: bytes) -> bytes:
        self.answer_headers.pop(protocol.String.FromString(argument).v.decode(), None)
        return b""

    def _response_set_header(self, argument: bytes) -> bytes:
        pair = protocol.KV.FromString(argument)
        self.early_headers[pair.k.decode()] = pair.v.string_value
        return b""

    def _response_exit(self, argument: bytes) -> None:
        message = protocol.ExitArgs.FromString(argument)
        self.exit = message.status, message.body, table(message.headers)


def _encoded(message: Any) -> bytes:
    encoded: bytes = message.SerializeToString()
    return encoded
