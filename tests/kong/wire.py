"""ProtoBuf's wire format and the messages of `kong_plugin_protocol`, as Kong's side reads and writes them.

Written out rather than generated, for two reasons: Kong's own library passes bytes that are no UTF-8 through `string`
fields where Google's refuses them, and a test must not read a message with the code that wrote it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

Message = dict[str, Any]

START_INSTANCE, CLOSE_INSTANCE, HANDLE_EVENT = 33, 35, 36
"""Fields of `RpcCall`."""
_INSTANCE_STATUS = 33
"""Field of `RpcReturn`."""


class WireError(Exception):
    """What arrived is no message of the expected type."""


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, value: bool | int | float | bytes) -> bytes:
    """Return one field: an int or bool as a varint, a float as a double, bytes with their length."""
    if isinstance(value, bytes):
        return b"".join((_varint(number << 3 | 2), _varint(len(value)), value))
    if isinstance(value, float):
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    return _varint(number << 3) + _varint(int(value))


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message: number and value (int, float or bytes).

    Raises:
        WireError: `data` is no message.
    """
    at = 0

    def varint() -> int:
        nonlocal at
        number = shift = 0
        while True:
            if at >= len(data) or shift > 63:
                raise WireError("a number breaks off")
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(data):
        tag = varint()
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            yield number, varint()
            continue
        length = {1: 8, 5: 4}.get(kind) or varint()
        if kind not in (1, 2, 5) or at + length > len(data):
            raise WireError("a field breaks off")
        raw = data[at : at + length]
        at += length
        yield number, struct.unpack("<d", raw)[0] if kind == 1 else raw


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _last(data: bytes) -> dict[int, Any]:
    return dict(fields(data))


# google.protobuf.Value and what it is made of; Lua strings are bytes here, Lua tables are dicts and lists.


def value(data: Any) -> bytes:
    """Return `google.protobuf.Value` for a Lua value."""
    if data is None:
        return field(1, 0)
    if isinstance(data, bool):
        return field(4, data)
    if isinstance(data, (int, float)):
        return field(2, float(data))
    if isinstance(data, bytes):
        return field(3, data)
    return field(6, _list(data)) if isinstance(data, list) else field(5, structure(data))


def _list(data: list[Any]) -> bytes:
    return b"".join(field(1, value(entry)) for entry in data)


def structure(data: dict[bytes, Any]) -> bytes:
    """Return `google.protobuf.Struct` for a Lua table with string keys."""
    return b"".join(field(1, field(1, key) + field(2, value(entry))) for key, entry in data.items())


def value_of(data: bytes) -> Any:
    """Return the Lua value of a `google.protobuf.Value`; `false` reads as nil, as it does in Kong."""
    for number, content in fields(data):
        if number == 6:
            return [value_of(entry) for _, entry in fields(content)]
        if number == 5:
            return structure_of(content)
        if number in (2, 3):
            return content
        if number == 4:
            return True if content else None
    return None


def structure_of(data: bytes) -> dict[bytes, Any]:
    """Return the Lua table of a `google.protobuf.Struct`."""
    out = {}
    for _, entry in fields(data):
        parts = _last(entry)
        out[parts.get(1, b"")] = value_of(parts.get(2, b""))
    return out


# Arguments: from a message to the arguments of the PDK's function.


def _bytes_argument(data: bytes) -> list[Any]:
    return [_last(data).get(1, b"")]


def _number_argument(data: bytes) -> list[Any]:
    return [_signed(_last(data).get(1, 0))]


def _kv(data: bytes) -> list[Any]:
    parts = _last(data)
    return [parts.get(1, b""), value_of(parts.get(2, b""))]


def _exit(data: bytes) -> list[Any]:
    parts = _last(data)
    headers = structure_of(parts[3]) if 3 in parts else None
    return [_signed(parts.get(1, 0)), parts.get(2, b""), headers]


ARGUMENTS: dict[str, Callable[[bytes], list[Any]]] = {
    "Empty": lambda data: [],
    "String": _bytes_argument,
    "ByteString": _bytes_argument,
    "Int": _number_argument,
    "KV": _kv,
    "Struct": lambda data: [structure_of(data)],
    "ListValue": lambda data: [value_of(entry) for _, entry in fields(data)],
    "ExitArgs": _exit,
}


# Results: from what the PDK's function returns to a message; nil is an empty message.


def _bytes_result(result: Any) -> bytes:
    return b"" if result is None else field(1, result)


def _consumer(result: Any) -> bytes:
    if result is None:
        return b""
    parts = [field(1, result[b"id"]), field(2, int(result[b"created_at"])), field(3, result[b"username"])]
    if b"custom_id" in result:
        parts.append(field(4, result[b"custom_id"]))
    return b"".join([*parts, *(field(5, tag) for tag in result.get(b"tags", []))])


def _raw_body(result: Any) -> bytes:
    return field({"content": 1, "body_filepath": 2, "error": 3}[result[0]], result[1])


RESULTS: dict[str, Callable[[Any], bytes]] = {
    "Empty": lambda result: b"",
    "String": _bytes_result,
    "ByteString": _bytes_result,
    "Int": lambda result: b"" if not result else field(1, int(result)),
    "Number": lambda result: b"" if not result else field(1, float(result)),
    "Value": value,
    "Struct": lambda result: structure(result or {}),
    "Consumer": _consumer,
    "RawBodyResult": _raw_body,
}


# Calls and returns.


def rpc_call(sequence: int, command: int, message: bytes) -> bytes:
    """Return an `RpcCall`."""
    return field(1, sequence) + field(command, message)


def start_instance(name: str, config: bytes) -> bytes:
    """Return a `CmdStartInstance`."""
    return field(1, name.encode()) + field(2, config)


def close_instance(instance: int) -> bytes:
    """Return a `CmdCloseInstance`."""
    return field(1, instance)


def handle_event(instance: int, phase: str) -> bytes:
    """Return a `CmdHandleEvent`."""
    return field(1, instance) + field(2, phase.encode())


def rpc_return(data: bytes) -> tuple[int, int | None]:
    """Return an `RpcReturn`'s sequence and, if it is there, the instance's id.

    Raises:
        WireError: `data` is no `RpcReturn`.
    """
    parts = _last(data)
    status = parts.get(_INSTANCE_STATUS)
    instance = None if status is None else _signed(_last(status).get(2, 0))
    return _signed(parts.get(1, 0)), instance
