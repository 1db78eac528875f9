"""Kong's two ways to talk to a plugin server, with what each makes of a failure."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

import msgpack

from tests.kong import pdk, wire
from tests.kong.exchange import Call, Exchange, Exited, LuaError
from tests.kong.instances import Config, Instances, RpcError

ENDLESS = 25
"""Retries of one event after which the stand-in stops; Kong goes on for ever."""

OnCall = Callable[[Exchange, Call], Awaitable["bytes | None"]]
"""Runs before each call of the PDK: may raise LuaError, or return what the plugin server gets instead of the result."""

UNEXPECTED = b'{"message":"An unexpected error occurred"}'


def unexpected() -> Exited:
    """Return Kong's own answer when a plugin fails."""
    return Exited(500, UNEXPECTED, {b"content-type": b"application/json; charset=utf-8"})


class Rpc(Protocol):
    """One protocol."""

    instances: Instances

    async def event(self, exchange: Exchange, config: Config, phase: str) -> None:
        """Run the plugin's handler.

        Raises:
            Exited: the request ends with an answer.
            LuaError: a Lua error ended the handler.
        """

    async def aclose(self) -> None:
        """Close all connections."""


class Connection:
    """One connection to the plugin server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> None:
        self.reader, self.writer, self._patience = reader, writer, patience
        self._late = False

    @property
    def usable(self) -> bool:
        """Whether it can go back to the pool, or come out of it: open, and nothing unread."""
        unread = bool(self.reader._buffer)  # type: ignore[attr-defined]  # asyncio has no public way to ask
        return not (unread or self.reader.at_eof() or self.writer.is_closing())

    async def send(self, *parts: bytes) -> None:
        """Send all.

        Raises:
            LuaError: Kong wraps its sends in `assert`.
        """
        with self._waiting(LuaError):
            self.writer.writelines(parts)
            await self.writer.drain()

    async def frame(self) -> bytes:
        """Return a frame of ProtoBuf's."""
        with self._waiting(RpcError):
            (size,) = struct.unpack("<I", await self.reader.readexactly(4))
            return await self.reader.readexactly(size)

    async def piece(self, size: int) -> bytes:
        """Return what is there, at most `size` bytes; nothing at the end."""
        with self._waiting(RpcError):
            read = await self.reader.read(size)
            if self._late:
                raise EOFError
            return read

    @contextlib.contextmanager
    def _waiting(self, failure: type[Exception]) -> Iterator[None]:
        """Give up after the time that Kong waits; what happens many times a request must not cost a task."""
        timer = asyncio.get_running_loop().call_later(self._patience, self._give_up)
        try:
            yield
        except (EOFError, OSError):
            raise failure("timeout" if self._late else "closed") from None
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        self._late = True
        self.writer.transport.abort()


class Pool:
    """Connections to one socket, the last one used first, as nginx keeps them."""

    def __init__(self, socket: str, patience: float) -> None:
        """`patience`: seconds of silence after which a read or a write fails (60 in Kong)."""
        self._socket, self._patience = socket, patience
        self._idle: list[Connection] = []
        self.opened = 0

    async def take(self) -> Connection:
        """Return a connection.

        Raises:
            RpcError: there is no server.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.writer.close()
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket, limit=1 << 20)
        except OSError as error:
            raise RpcError((error.strerror or "refused").lower()) from None
        self.opened += 1
        return Connection(reader, writer, self._patience)

    def give(self, connection: Connection) -> None:
        """Take it back."""
        if connection.usable:
            self._idle.append(connection)
        else:
            connection.writer.close()

    async def aclose(self) -> None:
        """Close all that are idle."""
        while self._idle:
            self._idle.pop().writer.close()


class ProtoBuf:
    """`ProtoBuf:1`: an event that fails ends the request."""

    def __init__(self, pool: Pool, name: str, on_call: OnCall, patience: float) -> None:
        self._pool, self._name, self._on_call = pool, name, on_call
        self._sequence = 0
        self.instances = Instances(self._start, self._close, patience)

    async def event(self, exchange: Exchange, config: Config, phase: str) -> None:
        """Run the plugin's handler; a connection that was closed means a new instance and another try."""
        while True:
            try:
                instance = await self.instances.id_of(config)
                await self._call(wire.HANDLE_EVENT, wire.handle_event(instance, phase), exchange)
                return
            except RpcError as error:
                exchange.errors.append(str(error))
                if "closed" not in str(error) and "no plugin instance" not in str(error):
                    if phase == "log":
                        raise LuaError(str(error)) from None
                    raise unexpected() from None
                self.instances.reset()
                exchange.retries += 1
                if exchange.retries > ENDLESS:
                    raise AssertionError("Kong would try for ever") from None

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def _start(self, config: Config) -> int:
        instance = await self._call(wire.START_INSTANCE, wire.start_instance(self._name, config.json))
        if instance is None:
            raise LuaError("attempt to index field 'instance_status' (a nil value)")
        return instance

    async def _close(self, instance: int) -> object:
        return await self._call(wire.CLOSE_INSTANCE, wire.close_instance(instance))

    async def _call(self, command: int, message: bytes, exchange: Exchange | None = None) -> int | None:
        self._sequence += 1
        sequence = self._sequence + 1
        connection = await self._pool.take()
        done = False
        try:
            await _send_frame(connection, wire.rpc_call(sequence, command, message))
            if exchange is not None:
                await self._bridge(connection, exchange)
            try:
                returned, instance = wire.rpc_return(await connection.frame())
            except wire.WireError as error:
                raise LuaError(str(error)) from None
            if returned != sequence:
                raise LuaError("assertion failed!")
            done = True
            return instance
        finally:
            if done:
                self._pool.give(connection)
            elif exchange is not None:
                exchange.held.append(connection.writer)
            else:
                connection.writer.close()

    async def _bridge(self, connection: Connection, exchange: Exchange) -> None:
        """Serve the PDK until the event ends."""
        while method := await connection.frame():
            arguments = await connection.frame()
            await _send_frame(connection, await self._answer(exchange, method, arguments))

    async def _answer(self, exchange: Exchange, name: bytes, arguments: bytes) -> bytes:
        method = pdk.METHODS.get(name.decode("latin-1"))
        if method is None:
            raise RpcError(f"method {name!r} not found")
        try:
            decoded = wire.ARGUMENTS[method.argument](arguments)
        except wire.WireError as error:
            raise LuaError(f"{name!r}: {error}") from None
        instead = await self._on_call(exchange, Call(exchange.phase, name.decode(), _index(exchange)))
        result = wire.RESULTS[method.result](pdk.call(exchange, name.decode(), decoded))
        return result if instead is None else instead


def _index(exchange: Exchange) -> int:
    return len(exchange.calls_in(exchange.phase))


async def _send_frame(connection: Connection, message: bytes) -> None:
    await connection.send(struct.pack("<I", len(message)), message)


class MsgPack:
    """`MsgPack:1`: an event that fails is logged, and the request goes on as it is."""

    _TABLES = frozenset({"kong.request.get_headers", "kong.response.get_headers", "kong.service.response.get_headers"})
    _STEPS = dict.fromkeys(_TABLES, "plugin.StepMultiMap") | {"kong.client.get_consumer": "plugin.StepConsumer"}

    def __init__(self, pool: Pool, name: str, on_call: OnCall, patience: float) -> None:
        self._pool, self._name, self._on_call = pool, name, on_call
        self._sequence = 0
        self.instances = Instances(self._start, self._close, patience)

    async def event(self, exchange: Exchange, config: Config, phase: str) -> None:
        """Run the plugin's handler, each step over whichever connection is free."""
        while True:
            try:
                instance = await self.instances.id_of(config)
                await self._bridge(exchange, instance, phase)
                return
            except RpcError as error:
                exchange.errors.append(str(error))
                if "no plugin instance" not in str(error):
                    return
                self.instances.reset()
                exchange.retries += 1
                if exchange.retries > ENDLESS:
                    raise AssertionError("Kong would try for ever") from None

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def _start(self, config: Config) -> int:
        status = await self._call("plugin.StartInstance", {b"Name": self._name.encode(), b"Config": config.json})
        return int(status[b"Id"])

    async def _close(self, instance: int) -> object:
        return await self._call("plugin.CloseInstance", instance)

    async def _bridge(self, exchange: Exchange, instance: int, phase: str) -> None:
        step = await self._call("plugin.HandleEvent", {b"InstanceId": instance, b"EventName": phase.encode()})
        event = step[b"EventId"]
        while step[b"Data"] != b"ret":
            name = step[b"Data"][b"Method"].decode()
            result = await self._answer(exchange, name, list(step[b"Data"][b"Args"]))
            data = {b"EventId": event} | ({} if result is None else {b"Data": result})
            step = await self._call(self._STEPS.get(name, "plugin.Step"), data)

    async def _answer(self, exchange: Exchange, name: str, arguments: list[Any]) -> Any:
        if name not in pdk.METHODS:
            exchange.errors.append(f"could not find pdk method: {name}")
            return None
        instead = await self._on_call(exchange, Call(exchange.phase, name, _index(exchange)))
        result = pdk.call(exchange, name, arguments)
        if name.endswith("get_raw_body"):
            kind, content = result if isinstance(result, tuple) else ("content", result)
            if kind != "content":  # Kong gets nil here, and fails where it packs it
                raise LuaError("attempt to get length of local 'bin' (a nil value)")
            result = _Raw(content)
        if name in self._TABLES:
            result = {key: entry if isinstance(entry, list) else [entry] for key, entry in result.items()}
        return result if instead is None else _Raw(instead)

    async def _call(self, method: str, argument: Any) -> Any:
        """Return the call's result.

        Raises:
            RpcError: the server is not there, answers with an error or not at all.
        """
        self._sequence += 1
        sequence = self._sequence
        connection = await self._pool.take()
        try:
            await connection.send(_packed([0, sequence, method.encode(), [argument]]))
            kind, returned, error, result = await _unpacked(connection)
        except BaseException:
            connection.writer.close()
            raise
        if kind != 1 or returned != sequence:
            connection.writer.close()
            raise LuaError("unexpected RPC response")
        self._pool.give(connection)
        if error is not None:
            raise RpcError(error.decode("utf-8", "replace").lower())
        return result


class _Raw:
    """A string that MessagePack carries as binary."""

    def __init__(self, content: bytes) -> None:
        self.content = content


def _packed(data: Any) -> bytes:
    packed: bytes = msgpack.packb(_lua_strings(data), unicode_errors="surrogateescape")
    return packed


def _lua_strings(data: Any) -> Any:
    """Return `data` with strings that pack as strings: Lua does not tell text from bytes."""
    if isinstance(data, bytes):
        return data.decode("utf-8", "surrogateescape")
    if isinstance(data, _Raw):
        return data.content
    if isinstance(data, list):
        return [_lua_strings(entry) for entry in data]
    if isinstance(data, dict):
        return {_lua_strings(key): _lua_strings(entry) for key, entry in data.items()}
    return data


async def _unpacked(connection: Connection) -> tuple[Any, Any, Any, Any]:
    """Read one object in pieces of 4 KB, each joined to all before it, as Kong's library does: quadratic."""
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=1 << 31)
    held = b""
    while True:
        piece = await connection.piece(4096)
        if not piece:
            raise RpcError("no data")
        held = held + piece
        unpacker.feed(piece)
        for message in unpacker:
            if not isinstance(message, list) or len(message) != 4:
                raise LuaError("RPC response expected from Go plugin server")
            return message[0], message[1], message[2], message[3]


PROTOCOLS: dict[str, Callable[[Pool, str, OnCall, float], Rpc]] = {"ProtoBuf:1": ProtoBuf, "MsgPack:1": MsgPack}
