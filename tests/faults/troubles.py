"""What goes wrong with processes and with the way to Redis, and how it is made good again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from redis.exceptions import RedisError

from tests.faults.link import Link
from tests.faults.plan import Trouble
from tests.faults.ways import Way
from tests.vault.servers import Server

_DELAY = 0.12
_DAMAGED = 0.1


class Troubles:
    """Makes them happen."""

    def __init__(self, ways: Mapping[str, Way], redis: Server, link: Link) -> None:
        self._ways, self._redis, self._link = ways, redis, link
        self._redis_lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.happened: Counter[str] = Counter()

    def begin(self, trouble: Trouble) -> None:
        """Let one happen; what belongs to the same process may overlap, as it does in life."""
        task = asyncio.create_task(self._run(trouble))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ended(self) -> None:
        """Wait until all is well again."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _run(self, trouble: Trouble) -> None:
        if trouble.target == "redis":
            async with self._redis_lock:
                await self._trouble_redis(trouble)
        else:
            way = self._ways[trouble.target]
            kind = trouble.kind
            if kind == "disk full":
                await self._fill_disk(way, trouble.seconds)
            elif kind in ("kill", "server kill"):
                with contextlib.suppress(ProcessLookupError):
                    way.server.kill()
            else:
                await _signal(_processes(way, kind), trouble)
        self.happened[f"{trouble.target}: {trouble.kind}"] += 1

    async def _trouble_redis(self, trouble: Trouble) -> None:
        kind = trouble.kind
        if kind == "flush":
            await self._do("FLUSHALL")
        elif kind == "cut":
            self._link.cut()
        elif kind == "slow":
            self._link.delay = _DELAY
            await asyncio.sleep(trouble.seconds)
            self._link.delay = 0.0
        elif kind == "corrupt":
            self._link.damaging = _DAMAGED
            await asyncio.sleep(trouble.seconds)
            self._link.damaging = 0.0
            self._link.cut()  # an answer that is not whole is waited for no longer
        elif kind == "full":
            await self._do("CONFIG", "SET", "maxmemory", "1")
            await asyncio.sleep(trouble.seconds)
            await self._do("CONFIG", "SET", "maxmemory", "0")
        elif kind == "pause":
            self._redis.pause()
            await asyncio.sleep(trouble.seconds)
            self._redis.resume()
        else:
            await asyncio.to_thread(self._redis.kill)
            await asyncio.sleep(trouble.seconds)
            await asyncio.to_thread(self._redis.start)

    async def _do(self, *command: str) -> None:
        with contextlib.suppress(RedisError):
            await asyncio.to_thread(self._redis.do, *command)

    @staticmethod
    async def _fill_disk(way: Way, seconds: float) -> None:
        assert way.kong is not None
        way.kong.body_file = Path("/dev/full")
        await asyncio.sleep(seconds)
        way.kong.body_file = None


def _processes(way: Way, kind: str) -> list[int]:
    """Return those that a trouble may meet."""
    try:
        if kind.startswith("nginx"):
            assert way.nginx is not None
            return _children(int((way.nginx.folder / "nginx.pid").read_text()))
        return [way.server.pid] if kind == "pause" else way.server.workers()
    except OSError:  # the server has just been killed
        return []


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _signal(processes: list[int], trouble: Trouble) -> None:
    if not processes:
        return
    process = processes[trouble.which % len(processes)]
    with contextlib.suppress(ProcessLookupError):
        if trouble.kind.endswith("kill"):
            os.kill(process, signal.SIGKILL)
            return
        os.kill(process, signal.SIGSTOP)
        try:
            await asyncio.sleep(trouble.seconds)
        finally:
            os.kill(process, signal.SIGCONT)
