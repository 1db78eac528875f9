"""The processes: a supervisor, and workers that accept connections on one socket.

Workers are forked from the supervisor, so that they share its memory, and each answers every connection in a thread of
its own: Kong pools its connections, so there are few. A worker that dies is replaced, at most one a second.

SIGTERM and SIGINT drain: no new connections, idle ones are closed, events under way get up to `grace` seconds. So does
the end of the process that started the server, and for a worker the end of the supervisor.
"""

from __future__ import annotations

import ctypes
import gc
import os
import selectors
import signal
import socket
import threading
import time
from contextlib import suppress

from kong_plugins.aws_masker.pluginserver.protocol import Frames, Gone
from kong_plugins.aws_masker.pluginserver.server import Server
from kong_plugins.aws_masker.proxy.logs import describe, log

GRACE = 30.0
_STOP = frozenset({signal.SIGTERM, signal.SIGINT})
_M_ARENA_MAX, _M_MMAP_THRESHOLD = -8, -3  # malloc.h of glibc
_LARGE = 256 * 1024
"""Size in bytes of what is given back to the system when it is freed."""
_TURN = 1.0
"""Seconds between two looks whether the parent is still there, and between two rounds of starting workers."""


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
        with self._changed:
            self._open += 1
        threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def drain(self, grace: float) -> None:
        """Close idle connections, and let the events under way end for up to `grace` seconds."""
        with self._changed:
            self._draining = True
            for connection in self._idle:
                if not _has_input(connection):
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
            frames.close()
            with self._changed:
                self._idle.discard(connection)
                self._open -= 1
                self._changed.notify_all()

    def _next(self, connection: socket.socket, frames: Frames) -> bool:
        """Wait for a call; return False where none is to be answered any more."""
        with self._changed:
            if self._draining:
                return False
            self._idle.add(connection)
        arrived = frames.wait()
        with self._changed:
            self._idle.discard(connection)
        return arrived


def _has_input(connection: socket.socket) -> bool:
    """Tell whether a call has come that its thread has not read yet: it is no longer idle."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except OSError:
        return False


def supervise(listener: socket.socket, server: Server, count: int, grace: float = GRACE) -> None:
    """Run `count` workers until SIGTERM or SIGINT comes, or the parent process ends.

    To be called in the main thread, with no other thread running.
    """
    parent = os.getppid()
    lifeline, held = os.pipe()
    gc.collect()
    gc.freeze()  # the collector's marks would make each worker copy what it shares
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOP, signal.SIGCHLD})
    workers: set[int] = set()
    begun = float("-inf")
    while True:
        wait = begun + _TURN - time.monotonic()
        if len(workers) < count and wait <= 0:
            begun = time.monotonic()
            while len(workers) < count:
                workers.add(_fork(listener, server, grace, lifeline, held))
        told = signal.sigtimedwait({*_STOP, signal.SIGCHLD}, _TURN if wait <= 0 else min(wait, _TURN))
        _reap(workers)
        if (told is not None and told.si_signo in _STOP) or os.getppid() != parent:
            break
    log.info("server_stopping")
    os.close(held)
    listener.close()
    _end(workers, grace)


def _fork(listener: socket.socket, server: Server, grace: float, lifeline: int, held: int) -> int:
    """Start a worker and return its process id."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        os.close(held)
        _work(listener, server, grace, lifeline)
        status = 0
    except BaseException as error:  # noqa: BLE001 - must not return into the supervisor's code
        log.error("worker_failed", **describe(error))
    finally:
        os._exit(status)


def _work(listener: socket.socket, server: Server, grace: float, lifeline: int) -> None:
    """Accept connections until the supervisor ends or closes its end of the lifeline, or SIGTERM or SIGINT comes."""
    waker, wakened = os.pipe()
    os.set_blocking(wakened, False)
    signal.set_wakeup_fd(wakened)
    for number in _STOP:
        signal.signal(number, lambda *_: None)  # the wake-up is what matters
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_STOP, signal.SIGCHLD})
    _keep_memory_flat()
    connections = Connections(server)
    listener.setblocking(False)
    with selectors.DefaultSelector() as selector:
        for source in (listener, waker, lifeline):
            selector.register(source, selectors.EVENT_READ)
        while {key.fileobj for key, _ in selector.select()} == {listener}:
            with suppress(BlockingIOError, ConnectionAbortedError):  # another worker was faster
                connection, _ = listener.accept()
                connection.setblocking(True)
                connections.serve(connection)
    listener.close()
    connections.drain(grace)


def _keep_memory_flat() -> None:
    """Have glibc give memory back; measured: 16 clients with 1 MB leave a worker at 71 MB instead of 219.

    By default each thread gets an arena that keeps what bodies once took. Other C libraries do without.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)  # threads rarely allocate at the same moment: they hold Python's lock
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _reap(workers: set[int]) -> None:
    """Take note of workers that have ended."""
    for number in tuple(workers):
        ended, status = os.waitpid(number, os.WNOHANG)
        if ended:
            workers.discard(number)
            log.error("worker_ended", status=os.waitstatus_to_exitcode(status))


def _end(workers: set[int], grace: float) -> None:
    """Wait for the workers, which drain; end those that take longer."""
    deadline = time.monotonic() + grace + _TURN
    for number in workers:
        os.kill(number, signal.SIGTERM)
    while workers and time.monotonic() < deadline:
        signal.sigtimedwait({signal.SIGCHLD}, 0.1)
        for number in tuple(workers):
            if os.waitpid(number, os.WNOHANG)[0]:
                workers.discard(number)
    for number in workers:
        os.kill(number, signal.SIGKILL)
