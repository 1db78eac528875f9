"""Frames of the plugin server: whatever Kong's side sends, it answers or closes, and no value goes upstream."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from kong_plugins.aws_masker.plugin import Plugin
from kong_plugins.aws_masker.pluginserver import protocol
from kong_plugins.aws_masker.pluginserver.instances import Instances, UnknownInstance
from kong_plugins.aws_masker.pluginserver.protocol import Frames, Gone
from kong_plugins.aws_masker.pluginserver.server import Server
from tests.fuzz.bytestream import Input
from tests.fuzz.common import KEY

_VALUE = b"i-0f3c9a71be5d24806"
_FREE = (b" " + _VALUE + b" ", b'"' + _VALUE + b'"')
_PROTOCOL = frozenset({"role", "type", "id", "name", "model"})
"""Keys whose texts are the API's own words, which must arrive as they are; nobody's value stands there."""
_CONFIG = {"key": KEY.hex()}
_OURS = ("redis", "events", "vault", "audit")


def _offline(config: Mapping[str, Any]) -> Plugin:
    """Make the plugin without what would look for servers."""
    kept = {name: value for name, value in config.items() if not str(name).startswith(_OURS)}
    return Plugin({**kept, "use_redis": False})


_INSTANCES = Instances(_offline)
_SERVER = Server(_INSTANCES)
_STARTED: list[int] = []


def _running() -> int:
    """Return an instance; inputs may have closed the last one."""
    with contextlib.suppress(UnknownInstance, IndexError):
        _INSTANCES.check(_STARTED[-1])
        return _STARTED[-1]
    _STARTED.append(_INSTANCES.start(json.dumps(_CONFIG).encode()))
    return _STARTED[-1]


def check(data: bytes) -> None:
    """Send the bytes as frames of any kind; or as the answers to the plugin's calls of one event."""
    given = Input(data)
    event = given.pick((b"", b"access", b"response", b"log"))
    stream = given.rest
    if event:
        command = {"instance_id": _running(), "event_name": event}
        stream = _frame(protocol.RpcCall(sequence=9, cmd_handle_event=command).SerializeToString()) + stream
    out = _conversation(_SERVER, stream)
    if event == b"access":
        _nothing_leaves(given.rest, out)


def _conversation(server: Server, stream: bytes) -> bytes:
    """Return all that the server sends for a stream of bytes that ends."""
    ours, theirs = socket.socketpair()
    received: list[bytes] = []

    def kong() -> None:
        with contextlib.suppress(OSError):
            theirs.sendall(stream)
            theirs.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := theirs.recv(1 << 16):
                received.append(piece)

    with ours, theirs:
        thread = threading.Thread(target=kong)
        thread.start()
        frames = Frames(ours)
        with contextlib.suppress(Gone):
            while frames.wait() and server.answer(frames):
                pass
        ours.close()
        thread.join()
    return b"".join(received)


def _nothing_leaves(replies: bytes, out: bytes) -> None:
    """Do what Kong does with the calls of `access`; see that it does not go on with a value."""
    sent = list(_frames(out))
    body = _body(replies)
    at, ended = 0, False
    while at < len(sent):
        method = sent[at]
        if not method:  # the event is over, and Kong goes on
            ended = True
            break
        argument = sent[at + 1] if at + 1 < len(sent) else b""
        if method in (b"kong.response.exit", b"aws_masker.failed"):
            return
        if method == b"kong.service.request.set_raw_body":
            body = protocol.ByteString.FromString(argument).v
        at += 2
    assert not (ended and any(free in _said(body) for free in _FREE)), "a value goes upstream"


def _said(body: bytes) -> bytes:
    """Return a body without what only the API's own words can be."""
    try:
        return json.dumps(_free(json.loads(body))).encode()
    except (ValueError, RecursionError):
        return body


def _free(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _free(child) for key, child in node.items() if key not in _PROTOCOL}
    return [_free(child) for child in node] if isinstance(node, list) else node


def _body(replies: bytes) -> bytes:
    """Return the body that Kong has: the third of its answers, after those to path and request id."""
    for frame in list(_frames(replies))[2:5]:
        with contextlib.suppress(Exception):  # protobuf's errors are of several kinds
            message = protocol.RawBodyResult.FromString(frame)
            if message.WhichOneof("kind") == "content" and _VALUE in message.content:
                return bytes(message.content)
    return b""


def _frames(stream: bytes) -> Iterator[bytes]:
    at = 0
    while at + 4 <= len(stream):
        (size,) = struct.unpack_from("<I", stream, at)
        if at + 4 + size > len(stream):
            return
        yield stream[at + 4 : at + 4 + size]
        at += 4 + size


def _frame(message: bytes) -> bytes:
    return struct.pack("<I", len(message)) + message


def _text(value: str) -> bytes:
    encoded: bytes = protocol.String(v=value.encode()).SerializeToString()
    return encoded


def _headers(**headers: str) -> bytes:
    message = protocol.Struct()
    for name, value in headers.items():
        message.fields.add(key=name.replace("_", "-").encode(), value=protocol.Value(string_value=value.encode()))
    encoded: bytes = message.SerializeToString()
    return encoded


def seeds() -> list[bytes]:
    """Return the conversations of each phase, and every command."""
    body = json.dumps({"messages": [{"role": "user", "content": f"stop {_VALUE.decode()} now"}]}).encode()
    plain = _headers(content_type="application/json", content_length=str(len(body)))
    content = protocol.RawBodyResult(content=body).SerializeToString()
    consumer = protocol.Consumer(id=b"c1").SerializeToString()
    access = [_text("/v1/messages"), _text("0" * 32), plain, content, consumer, b"", b"", b"", b""]
    mark = json.dumps(
        {
            **{"v": 2, "request": "0" * 32, "api": "anthropic", "tenant": "", "stream": False, "observed": False},
            **{"limit": 1 << 20, "mapping": {"i-0123456789abcdef0": _VALUE.decode()}, "networks": [], "counts": {}},
        }
    )
    marked = protocol.Value(string_value=mark.encode()).SerializeToString()
    answer = protocol.ByteString(v=b'{"content":[{"type":"text","text":"i-0123456789abcdef0"}]}').SerializeToString()
    response = [marked, answer, protocol.Int(v=200).SerializeToString(), _headers(content_type="application/json"), b""]
    commands: list[dict[str, Any]] = [
        {"cmd_get_plugin_names": {}},
        {"cmd_get_plugin_info": {"name": b"aws-masker"}},
        {"cmd_start_instance": {"name": b"aws-masker", "config": json.dumps(_CONFIG).encode()}},
        {"cmd_get_instance_status": {"instance_id": 1}},
        {"cmd_handle_event": {"instance_id": 1, "event_name": b"access"}},
        {"cmd_close_instance": {"instance_id": 1}},
    ]
    calls = [_frame(protocol.RpcCall(sequence=3, **command).SerializeToString()) for command in commands]
    return [
        b"\x01" + b"".join(map(_frame, access)),
        b"\x02" + b"".join(map(_frame, response)),
        b"\x03" + _frame(marked) * 2,
        b"\x00" + b"".join(calls),
        *(b"\x00" + call for call in calls),
        b"\x01" + b"".join(map(_frame, access[:3])) + b"\xff\xff\xff\x7f",
    ]
