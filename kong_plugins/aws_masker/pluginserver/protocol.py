"""Kong's protocol `ProtoBuf:1`: frames, and the messages in them.

Every frame is a little-endian uint32 length and that many bytes. The messages are those of Kong's `pluginsocket.proto`
(package `kong_plugin_protocol`, Kong 3.9), of which only what is used here is declared; protobuf skips the rest. They
are declared in Python and not in generated code, which would tie the project to one release of protobuf.

Where Kong declares `string`, `bytes` is declared here. On the wire both are the same, but protobuf refuses a `string`
that is not UTF-8, whereas Kong puts in whatever a header or a path holds.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PROTOCOL = "ProtoBuf:1"
"""The protocol's name in the output of Kong's query command."""
PACKAGE = "kong_plugin_protocol"

MAX_CALL = 16 * 1024 * 1024
"""Largest call in bytes. Kong's calls are small; the largest holds a plugin's config."""
MAX_REPLY = 2**31 - 1
"""Largest answer of Kong's to a PDK call in bytes: a body and little more."""

_LENGTH = struct.Struct("<I")
_JOINED = 64 * 1024
"""Frames up to this size in bytes are sent together, at the cost of a copy; larger ones one by one."""


class Garbage(Exception):
    """What came is not the protocol; nothing sensible can be answered."""


class Gone(Exception):
    """The other side has closed the connection, or broke off in a frame."""


class Frames:
    """The frames on one connection. Not to be shared by threads."""

    def __init__(self, connection: socket.socket) -> None:
        """The connection must be a blocking one."""
        self._connection = connection

    def wait(self) -> bool:
        """Wait until something can be read, and leave it there; return False where the connection has ended."""
        try:
            return self._connection.recv(1, socket.MSG_PEEK) != b""
        except OSError:
            return False

    def read(self, limit: int) -> bytes:
        """Return the next frame.

        Raises:
            Garbage: the frame claims to be larger than `limit` bytes.
            Gone: the connection ended.
        """
        return self.rest(self.size(limit))

    def size(self, limit: int) -> int:
        """Return the size in bytes of the next frame, which `rest` has to read then; raises what `read` does."""
        (size,) = _LENGTH.unpack(self.rest(_LENGTH.size))
        if size > limit:
            raise Garbage
        return int(size)

    def rest(self, size: int) -> bytes:
        """Return the next `size` bytes.

        Raises:
            Gone: the connection ended.
        """
        received: list[bytes] = []
        try:
            while size:
                piece = self._connection.recv(size, socket.MSG_WAITALL)
                if not piece:
                    raise Gone
                received.append(piece)
                size -= len(piece)
            return b"".join(received)  # no copy of a single piece
        except (OSError, MemoryError):  # in the middle of a frame, nothing that follows could be read either
            raise Gone from None

    def skip(self, size: int) -> None:
        """Drop the next `size` bytes; raises what `rest` does."""
        while size:
            size -= len(self.rest(min(size, _JOINED)))

    def write(self, *frames: bytes | tuple[bytes, ...]) -> None:
        """Send frames; a large one may come in parts.

        Raises:
            Gone: the other side does not read any more.
        """
        parts: list[bytes] = []
        for frame in frames:
            pieces = frame if isinstance(frame, tuple) else (frame,)
            parts += (_LENGTH.pack(sum(map(len, pieces))), *pieces)
        try:
            if sum(map(len, parts)) <= _JOINED:
                self._connection.sendall(b"".join(parts))
            else:
                for part in parts:
                    self._connection.sendall(part)
        except OSError:
            raise Gone from None


def byte_string(value: bytes) -> tuple[bytes, bytes]:
    """Return the message ByteString, field 1 of which is `value`, in two parts: a body of megabytes is not copied."""
    head = bytearray(b"\x0a")  # field 1, length-delimited
    size = len(value)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head), value


_BOOL, _BYTES, _DOUBLE, _INT32, _INT64 = "BOOL", "BYTES", "DOUBLE", "INT32", "INT64"
_SCALARS = frozenset({_BOOL, _BYTES, _DOUBLE, _INT32, _INT64})

# Message -> (field, number, type[, label or oneof]). A map is, on the wire, a list of entries.
_MESSAGES: dict[str, tuple[tuple[str, int, str] | tuple[str, int, str, str], ...]] = {
    "Empty": (),
    "ListValue": (("values", 1, "Value", "repeated"),),
    "Entry": (("key", 1, _BYTES), ("value", 2, "Value")),
    "Struct": (("fields", 1, "Entry", "repeated"),),
    "Value": (
        ("null_value", 1, _INT32, "kind"),
        ("number_value", 2, _DOUBLE, "kind"),
        ("string_value", 3, _BYTES, "kind"),
        ("bool_value", 4, _BOOL, "kind"),
        ("struct_value", 5, "Struct", "kind"),
        ("list_value", 6, "ListValue", "kind"),
    ),
    "CmdGetPluginNames": (),
    "CmdGetPluginInfo": (("name", 1, _BYTES),),
    "CmdStartInstance": (("name", 1, _BYTES), ("config", 2, _BYTES)),
    "CmdGetInstanceStatus": (("instance_id", 1, _INT32),),
    "CmdCloseInstance": (("instance_id", 1, _INT32),),
    "CmdHandleEvent": (("instance_id", 1, _INT32), ("event_name", 2, _BYTES)),
    "RpcCall": (
        ("sequence", 1, _INT64),
        ("cmd_get_plugin_names", 31, "CmdGetPluginNames", "call"),
        ("cmd_get_plugin_info", 32, "CmdGetPluginInfo", "call"),
        ("cmd_start_instance", 33, "CmdStartInstance", "call"),
        ("cmd_get_instance_status", 34, "CmdGetInstanceStatus", "call"),
        ("cmd_close_instance", 35, "CmdCloseInstance", "call"),
        ("cmd_handle_event", 36, "CmdHandleEvent", "call"),
    ),
    "PluginNames": (("names", 1, _BYTES, "repeated"),),
    "PluginInfo": (
        ("name", 1, _BYTES),
        ("phases", 4, _BYTES, "repeated"),
        ("version", 5, _BYTES),
        ("priority", 6, _INT32),
        ("schema", 7, _BYTES),
    ),
    "InstanceStatus": (("name", 1, _BYTES), ("instance_id", 2, _INT32), ("started_at", 4, _INT64)),
    "RpcReturn": (
        ("sequence", 1, _INT64),
        ("plugin_names", 31, "PluginNames", "return"),
        ("plugin_info", 32, "PluginInfo", "return"),
        ("instance_status", 33, "InstanceStatus", "return"),
    ),
    "KV": (("k", 1, _BYTES), ("v", 2, "Value")),
    "Int": (("v", 1, _INT32),),
    "String": (("v", 1, _BYTES),),
    "ByteString": (("v", 1, _BYTES),),
    "ExitArgs": (("status", 1, _INT32), ("body", 2, _BYTES), ("headers", 3, "Struct")),
    "RawBodyResult": (
        ("content", 1, _BYTES, "kind"),
        ("body_filepath", 2, _BYTES, "kind"),
        ("error", 3, _BYTES, "kind"),
    ),
    "Consumer": (("id", 1, _BYTES), ("username", 3, _BYTES), ("custom_id", 4, _BYTES)),
}


def _declared() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="aws_masker/pluginsocket.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        oneofs: list[str] = []
        for field, number, kind, *extra in fields:
            declared = message.field.add(name=field, number=number, label=_label(extra))
            if kind in _SCALARS:
                declared.type = getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind}")
            else:
                declared.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
                declared.type_name = f".{PACKAGE}.{kind}"
            if extra and extra[0] != "repeated":
                if extra[0] not in oneofs:
                    oneofs.append(extra[0])
                    message.oneof_decl.add(name=extra[0])
                declared.oneof_index = oneofs.index(extra[0])
    return file


def _label(extra: list[str]) -> Any:
    labels = descriptor_pb2.FieldDescriptorProto
    return labels.LABEL_REPEATED if extra == ["repeated"] else labels.LABEL_OPTIONAL


_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(_declared().SerializeToString())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


Empty = _message("Empty")
Value = _message("Value")
Struct = _message("Struct")
RpcCall = _message("RpcCall")
RpcReturn = _message("RpcReturn")
PluginNames = _message("PluginNames")
PluginInfo = _message("PluginInfo")
InstanceStatus = _message("InstanceStatus")
KV = _message("KV")
Int = _message("Int")
String = _message("String")
ByteString = _message("ByteString")
ExitArgs = _message("ExitArgs")
RawBodyResult = _message("RawBodyResult")
Consumer = _message("Consumer")
