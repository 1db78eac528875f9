"""kong-pdk's PDK on a connection that speaks `ProtoBuf:1`.

kong-pdk turns `kong.request.get_path()` into `channel.put({"Method": ..., "Args": ...})` and `channel.get()`, which
answers a pair: the result and what went wrong. Only the PDK functions that the plugin calls are known here.

Text is `str`; bytes of Kong's that are no UTF-8 are kept as lone surrogates (`surrogateescape`) and go back as the
bytes that they were.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kong_pdk.exception import PDKException
from kong_pdk.pdk import Kong

from kong_plugins.aws_masker.errors import MaskingFailed
from kong_plugins.aws_masker.pluginserver import protocol
from kong_plugins.aws_masker.pluginserver.protocol import MAX_REPLY, Frames
from kong_plugins.aws_masker.pluginserver.room import Room

EXIT = "kong.response.exit"


class Channel:
    """The PDK calls of one event."""

    def __init__(self, frames: Frames, room: Room) -> None:
        """`frames`: the connection on which Kong sent the event; `room`: for the bodies of all events."""
        self._frames = frames
        self._room = room
        self._taken = 0
        self._call = _Call(_empty, _nothing)
        self.exited = False
        """Whether the event has sent the client's answer, which ends its part in the request."""

    def put(self, call: Mapping[str, Any]) -> None:
        """Send a call.

        Kong never answers `kong.response.exit`: the Lua coroutine that would is dropped (`kong/pdk/response.lua`).

        Raises:
            PDKException: the call is not one of those known here, or comes after `kong.response.exit`.
            Gone: Kong has given the event up.
        """
        method = call["Method"]
        known = _CALLS.get(method)
        if known is None or self.exited:
            raise PDKException(f"{method} cannot be called " + ("after the answer was sent" if known else "here"))
        argument = known.encode(*call["Args"])
        self._call = known
        self._frames.write(method.encode(), argument if isinstance(argument, tuple) else argument.SerializeToString())
        self.exited = method == EXIT

    def get(self) -> tuple[Any, str | None]:
        """Return the result of the call that was sent last, and the error if there is one.

        Raises:
            Gone: Kong has given the event up.
            MaskingFailed: there is no room for the body.
        """
        size = self._frames.size(MAX_REPLY)
        if self._call.is_body:
            try:
                self._take(size)
            except MaskingFailed:
                self._frames.skip(size)  # Kong listens only when it has sent it all
                raise
        result = self._call.decode(self._frames.rest(size))
        try:
            return self._content(result) if isinstance(result, Path) else result, None
        except OSError as error:
            return None, f"the file of the request's body: {error.strerror}"

    def end(self) -> None:
        """The event is over."""
        self._room.give_back(self._taken)
        self._taken = 0

    def _content(self, file: Path) -> bytes:
        """Return the body that nginx keeps in a file, as it does with large ones."""
        self._take(file.stat().st_size)
        return file.read_bytes()

    def _take(self, size: int) -> None:
        self.end()  # never wait while holding something
        self._taken = self._room.take(size)


def pdk(channel: Channel) -> Any:
    """Return kong-pdk's `kong`, whose calls raise PDKException where Kong reports an error."""
    return Kong(channel, False).kong


class _Call(NamedTuple):
    encode: Callable[..., Any]
    decode: Callable[[bytes], Any]
    is_body: bool = False


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def _to_value(value: object) -> Any:
    if isinstance(value, bool):
        return protocol.Value(bool_value=value)
    if isinstance(value, int | float):
        return protocol.Value(number_value=value)
    if isinstance(value, str | bytes):
        return protocol.Value(string_value=_bytes(value))
    if isinstance(value, list):
        message = protocol.Value()
        message.list_value.values.extend(map(_to_value, value))
        return message
    raise PDKException(f"{type(value).__name__} cannot be sent to Kong")


def _from_value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return _text(message.string_value)
    if kind == "list_value":
        return [_from_value(value) for value in message.list_value.values]
    if kind == "struct_value":
        return _from_struct(message.struct_value)
    return None if kind in (None, "null_value") else getattr(message, kind)


def _to_struct(values: Mapping[str, object]) -> Any:
    message = protocol.Struct()
    for key, value in values.items():
        message.fields.add(key=_bytes(key), value=_to_value(value))
    return message


def _from_struct(message: Any) -> dict[str, Any]:
    return {_text(field.key): _from_value(field.value) for field in message.fields}


def _empty(*_: object) -> Any:
    """Encode no arguments: some calls take one under `MsgPack:1` only."""
    return protocol.Empty()


def _nothing(_: bytes) -> None:
    return None


def _exit(status: int, body: bytes, headers: Mapping[str, object]) -> Any:
    return protocol.ExitArgs(status=status, body=body, headers=_to_struct(headers))


def _raw_body(frame: bytes) -> bytes | Path:
    result = protocol.RawBodyResult.FromString(frame)
    kind = result.WhichOneof("kind")
    if kind == "body_filepath":
        return Path(os.fsdecode(result.body_filepath))
    if kind == "error":
        raise PDKException("Kong cannot read the request's body")
    content: bytes = result.content
    return content


def _consumer(frame: bytes) -> dict[str, str] | None:
    consumer = protocol.Consumer.FromString(frame)
    return {"id": _text(consumer.id)} if consumer.id else None


def _string(frame: bytes) -> str:
    return _text(protocol.String.FromString(frame).v)


def _integer(frame: bytes) -> int:
    value: int = protocol.Int.FromString(frame).v
    return value


def _byte_string(frame: bytes) -> bytes:
    value: bytes = protocol.ByteString.FromString(frame).v
    return value


def _struct(frame: bytes) -> dict[str, Any]:
    return _from_struct(protocol.Struct.FromString(frame))


_CALLS = {
    "kong.client.get_consumer": _Call(_empty, _consumer),
    "kong.ctx.shared.get": _Call(
        lambda key: protocol.String(v=_bytes(key)), lambda frame: _from_value(protocol.Value.FromString(frame))
    ),
    "kong.ctx.shared.set": _Call(lambda key, value: protocol.KV(k=_bytes(key), v=_to_value(value)), _nothing),
    "kong.nginx.get_var": _Call(lambda name: protocol.String(v=_bytes(name)), _string),
    "kong.request.get_headers": _Call(lambda most: protocol.Int(v=most), _struct),
    "kong.request.get_path": _Call(_empty, _string),
    "kong.request.get_path_with_query": _Call(_empty, _string),
    "kong.request.get_raw_body": _Call(_empty, _raw_body, is_body=True),
    "kong.response.clear_header": _Call(lambda name: protocol.String(v=_bytes(name)), _nothing),
    EXIT: _Call(_exit, _nothing),
    "kong.response.get_headers": _Call(lambda most: protocol.Int(v=most), _struct),
    "kong.response.set_header": _Call(lambda name, value: protocol.KV(k=_bytes(name), v=_to_value(value)), _nothing),
    "kong.service.request.clear_header": _Call(lambda name: protocol.String(v=_bytes(name)), _nothing),
    "kong.service.request.set_headers": _Call(_to_struct, _nothing),
    "kong.service.request.set_raw_body": _Call(protocol.byte_string, _nothing),
    "kong.service.response.get_raw_body": _Call(_empty, _byte_string, is_body=True),
    "kong.service.response.get_status": _Call(_empty, _integer),
}
"""The PDK functions that the plugin calls, as `pluginsocket.proto` types them."""
