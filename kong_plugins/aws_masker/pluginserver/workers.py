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
import resource
import selectors
import signal
import socket
import time
from collections.abc import Callable
from functools import partial

from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.observe.metrics import Shared, WorkerMetrics
from kong_plugins.aws_masker.pluginserver import exposition
from kong_plugins.aws_masker.pluginserver.casualties import Casualties
from kong_plugins.aws_masker.pluginserver.connections import Connections
from kong_plugins.aws_masker.pluginserver.instances import Instances
from kong_plugins.aws_masker.pluginserver.room import Room
from kong_plugins.aws_masker.pluginserver.server import Server

GRACE = 30.0
_STOP = frozenset({signal.SIGTERM, signal.SIGINT})
_M_ARENA_MAX, _M_MMAP_THRESHOLD = -8, -3  # malloc.h of glibc
_LARGE = 256 * 1024
"""Size in bytes of what is given back to the system when it is freed."""
_PAUSE = 0.1
"""Seconds until the next try to accept a connection."""
_TURN = 1.0
"""Seconds between two looks whether the parent is still there, and between two rounds of starting workers."""


class Supervisor:
    """Keeps the workers running. To be used in the main thread, with no other thread running."""

    def __init__(
        self,
        listener: socket.socket,
        instances: Instances,
        count: int,
        grace: float = GRACE,
        pages: exposition.Address | None = None,
    ) -> None:
        """`count` workers accept connections on `listener`; see `workers` for `grace`, in seconds.

        `pages`: where metrics and health are served, by a process of its own; None for nowhere. Raises ConfigError
        where there is no place to count in.
        """
        self._pages = pages
        self._shared = Shared() if pages else None
        self._metrics = WorkerMetrics()
        self._metrics.wanted.set(count)
        self._server_of_pages: int | None = None
        self._listener = listener
        self._instances = instances
        self._grace = grace
        self._casualties = Casualties(count)
        self._workers: dict[int, int | None] = dict.fromkeys(range(count))  # number -> process id
        self._lifeline, self._held = os.pipe()

    def run(self) -> None:
        """Run until SIGTERM or SIGINT comes, or the parent process ends."""
        parent = os.getppid()
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # nginx's may be as low as 1024
        gc.collect()
        gc.freeze()  # the collector's marks would make each worker copy what it shares
        signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOP, signal.SIGCHLD})
        begun = float("-inf")
        while os.getppid() == parent:
            missing = None in self._workers.values() or (self._pages and self._server_of_pages is None)
            if missing and time.monotonic() >= begun + _TURN:
                begun = time.monotonic()
                self._start()
            told = signal.sigtimedwait({*_STOP, signal.SIGCHLD}, _TURN)
            if told is not None and told.si_signo in _STOP:
                break
            self._reap()
        log.info("server_stopping")
        self._listener.close()
        self._end()
        if self._shared is not None:
            self._shared.remove()

    def _start(self) -> None:
        """Start the workers that are missing."""
        for number, process in self._workers.items():
            if process is None:
                self._workers[number] = self._fork(partial(self._be_worker, number))
        self._metrics.alive.set(len(self._workers))
        if self._pages is not None and self._shared is not None and self._server_of_pages is None:
            self._server_of_pages = self._fork(partial(self._be_server_of_pages, self._pages, self._shared))

    def _be_worker(self, number: int) -> None:
        if self._shared is not None:
            self._shared.enter(number)
        server = Server(self._instances, Room(self._casualties.desk(number)))
        _work(self._listener, server, self._grace, self._lifeline)
        self._instances.end()

    def _be_server_of_pages(self, address: exposition.Address, shared: Shared) -> None:
        self._listener.close()
        exposition.run(address, shared, self._lifeline)

    def _fork(self, work: Callable[[], None]) -> int:
        """Start a process that does `work`, and return its id."""
        process = os.fork()
        if process:
            return process
        status = 1
        try:
            os.close(self._held)
            work()
            status = 0
        except BaseException as error:  # noqa: BLE001 - must not return into the supervisor's code
            log.error("worker_failed", **describe(error))
        finally:
            os._exit(status)

    def _reap(self) -> None:
        """Take note of workers that have ended."""
        for number, process in self._workers.items():
            if process is not None:
                ended, status = os.waitpid(process, os.WNOHANG)
                if ended:
                    self._workers[number] = None
                    self._count_end(number)
                    sizes = self._casualties.died(number)
                    log.error("worker_ended", status=os.waitstatus_to_exitcode(status), sizes_of_bodies=sizes)
        pages = self._server_of_pages
        if pages is not None and os.waitpid(pages, os.WNOHANG)[0]:
            self._server_of_pages = None
            log.error("server_of_metrics_ended")

    def _count_end(self, number: int) -> None:
        self._metrics.ended.inc()
        self._metrics.alive.set(sum(process is not None for process in self._workers.values()))
        if self._shared is not None:
            self._shared.left(number)

    def _end(self) -> None:
        """Have the workers drain; end those that take too long."""
        deadline = time.monotonic() + self._grace + _TURN
        if self._server_of_pages is not None:  # at once, for the server that takes our place needs its address
            os.kill(self._server_of_pages, signal.SIGKILL)
            os.waitpid(self._server_of_pages, 0)
        left = {process for process in self._workers.values() if process is not None}
        for process in left:
            os.kill(process, signal.SIGTERM)
        while left and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            left = {process for process in left if not os.waitpid(process, os.WNOHANG)[0]}
        for process in left:
            os.kill(process, signal.SIGKILL)


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
            try:
                connection, _ = listener.accept()
                connection.setblocking(True)
                connections.serve(connection)
            except BlockingIOError:  # another worker was faster
                pass
            except (OSError, RuntimeError) as error:  # too many files or threads: those that are there must go on
                log.error("connection_not_accepted", **describe(error))
                time.sleep(_PAUSE)
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
