"""A TCP proxy in front of Redis, that can hold back, cut off and damage what passes."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Link:
    """The way to Redis. Which bytes are damaged depends on when they pass, so that is not the same in a replay."""

    def __init__(self, target: int, seed: int) -> None:
        self._target = target
        self._rng = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        self.delay = 0.0
        """Seconds before each piece is handed on."""
        self.damaging = 0.0
        """How likely it is that a byte of a piece is another one on the other side."""
        self.port = 0

    def cut(self) -> None:
        """Break all connections off."""
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._open |= ends
        passing = [asyncio.create_task(self._pass(*way)) for way in ((reader, far_writer), (far_reader, writer))]
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        self._open -= ends
        for task in passing:
            task.cancel()
        for end in ends:
            end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self._rng.random() < self.damaging:
                    at = self._rng.randrange(len(piece))
                    piece = piece[:at] + self._rng.randbytes(1) + piece[at + 1 :]
                writer.write(piece)
                await writer.drain()


@asynccontextmanager
async def link(target: int, seed: int) -> AsyncIterator[Link]:
    """Run one in front of port `target`."""
    made = Link(target, seed)
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cut()
