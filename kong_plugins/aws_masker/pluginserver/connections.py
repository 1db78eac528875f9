"""The connections of one worker: a thread for each, and an end that breaks off no event."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.pluginserver.protocol import Frames, Gone
from kong_plugins.aws_masker.pluginserver.server import Server


class Connections:
    """The connections of one worker, each in its own thread."""

    def __init__(self, server: Server) -> None:
        """`server` answers what comes on them."""
        self._server = server
        self._idle: set[socket.socket] = set()
        self._open = 0
        self._draining = False
        self._changed = threading.Condition()

    def serve(self, connection: socket.socket) -> None:
        """Answer the calls on a connection until either side closes it."""
        thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
        with self._changed:
            self._open += 1
        try:
            thread.start()
        except RuntimeError:  # too many; Kong reads "closed" and tries again
            self._ended(connection)
            raise

    def drain(self, grace: float) -> None:
        """Close idle connections, and let the events under way end for up to `grace` seconds."""
        with self._changed:
            self._draining = True
            for connection in self._idle:
                if not _has_input(connection):
                    with suppress(OSError):  # it ends by itself
                        connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, grace)

    def _run(self, connection: socket.socket) -> None:
        frames = Frames(connection)
        try:
            while self._next(connection, frames) and self._server.answer(frames):
                pass
        except Gone:
            log.debug("kong_broke_off")
        except Exception as error:  # noqa: BLE001 - the edge: the thread ends, and Kong reads "closed"
            log.error("connection_failed", **describe(error))
        finally:
            self._ended(connection)

    def _ended(self, connection: socket.socket) -> None:
        connection.close()
        with self._changed:
            self._idle.discard(connection)
            self._open -= 1
            self._changed.notify_all()

    def _next(self, connection: socket.socket, frames: Frames) -> bool:
        """Wait for a call; return False where none is to be answered any more."""
        with self._changed:
            if self._draining and not _has_input(connection):
                return False
            self._idle.add(connection)
        arrived = frames.wait()
        with self._changed:
            self._idle.discard(connection)
        return arrived


def _has_input(connection: socket.socket) -> bool:
    """Tell whether a call has come that its thread has not read yet: it is to be answered."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except OSError:
        return False
