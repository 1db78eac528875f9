"""The protocol on the wire: the bytes that Kong's own definitions give, and frames that lie."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from google.protobuf import struct_pb2

from kong_plugins.aws_masker.pluginserver import protocol
from kong_plugins.aws_masker.pluginserver.protocol import Frames, Garbage, Gone


@pytest.fixture
def ends() -> Iterator[tuple[Frames, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    with ours, theirs:
        yield Frames(ours), theirs


def test_values_have_googles_form() -> None:
    """Our `Struct`, with bytes where Google's has strings, is the same on the wire."""
    google = struct_pb2.Struct()
    google.update({"accept": "text/plain", "x-many": ["a", "b"], "deep": {"yes": True, "number": 1.5, "none": None}})
    ours = protocol.Struct.FromString(google.SerializeToString())
    assert struct_pb2.Struct.FromString(ours.SerializeToString()) == google
    by_name = {entry.key: entry.value for entry in ours.fields}
    assert by_name[b"accept"].string_value == b"text/plain"
    assert [one.string_value for one in by_name[b"x-many"].list_value.values] == [b"a", b"b"]


def test_calls_have_the_numbers_of_kongs_definition() -> None:
    """Field numbers as in `pluginsocket.proto`."""
    call = protocol.RpcCall(sequence=1, cmd_handle_event={"instance_id": 2, "event_name": b"log"})
    assert call.SerializeToString() == bytes([0x08, 1, 0xA2, 0x02, 7, 0x08, 2, 0x12, 3]) + b"log"
    returned = protocol.RpcReturn(sequence=1, instance_status={"name": b"n", "instance_id": 2, "started_at": 3})
    assert returned.SerializeToString() == bytes([0x08, 1, 0x8A, 0x02, 7, 0x0A, 1]) + b"n" + bytes([0x10, 2, 0x20, 3])


def test_fields_that_are_not_declared_here_are_skipped() -> None:
    """`Consumer` has more fields than are used, `tags` for one."""
    assert protocol.Consumer.FromString(b"\x0a\x02id\x10\x05\x2a\x03tag").id == b"id"


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
def test_frames_of_any_size(ends: tuple[Frames, socket.socket], size: int) -> None:
    """They arrive as they were sent."""
    frames, kong = ends
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    sender = threading.Thread(target=frames.write, args=(data, b"end"))
    sender.start()
    other = Frames(kong)
    kong.settimeout(None)
    assert other.read(protocol.MAX_REPLY) == data
    assert other.read(protocol.MAX_REPLY) == b"end"
    sender.join()


def test_a_frame_in_pieces(ends: tuple[Frames, socket.socket]) -> None:
    """A frame that arrives byte by byte is read as one."""
    frames, kong = ends

    def drip() -> None:
        for byte in struct.pack("<I", 5) + b"hello":
            kong.sendall(bytes([byte]))

    sender = threading.Thread(target=drip)
    sender.start()
    assert frames.read(10) == b"hello"
    sender.join()


def test_a_frame_over_the_bound_is_garbage(ends: tuple[Frames, socket.socket]) -> None:
    """Its size alone condemns it; nobody waits for the rest."""
    frames, kong = ends
    kong.sendall(b"GET / HTTP/1.1\r\n")
    with pytest.raises(Garbage):
        frames.read(protocol.MAX_CALL)


@pytest.mark.parametrize("sent", [b"", b"\x05\x00", struct.pack("<I", 5) + b"hel"])
def test_a_connection_that_ends(ends: tuple[Frames, socket.socket], sent: bytes) -> None:
    """Before a frame, in its length or in its content: the other side is gone."""
    frames, kong = ends
    kong.sendall(sent)
    kong.close()
    with pytest.raises(Gone):
        frames.read(10)
    with pytest.raises(Gone):
        for _ in range(3):
            frames.write(bytes(1_000_000))


def test_waiting_takes_nothing(ends: tuple[Frames, socket.socket]) -> None:
    """`wait` tells that something came and leaves it there."""
    frames, kong = ends
    kong.sendall(struct.pack("<I", 2) + b"ab")
    assert frames.wait()
    assert frames.read(10) == b"ab"
    kong.close()
    assert not frames.wait()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_a_body_is_sent_in_parts_as_protobuf_would_send_it(ends: tuple[Frames, socket.socket], size: int) -> None:
    """The message ByteString, written by hand so that a large body is not copied twice, in one frame."""
    frames, kong = ends
    body = b"x" * size
    sender = threading.Thread(target=lambda: frames.write(b"method", protocol.byte_string(body)))
    sender.start()
    received = Frames(kong)
    assert received.read(protocol.MAX_REPLY) == b"method"
    message = received.read(protocol.MAX_REPLY)
    sender.join()
    assert protocol.ByteString.FromString(message).v == body
    assert not size or message == protocol.ByteString(v=body).SerializeToString()
