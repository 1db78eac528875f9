"""The plugin's instances: one for each configuration that Kong has started, known in all workers.

Kong starts an instance on one connection and sends events for it on others, which other workers may have accepted.
Hence all configurations lie in a file in memory (they may hold secrets, which must not reach a disk), to which each
worker appends under a lock that the kernel drops should the worker die. The plugin itself is made in each worker, when
its first event comes.

Kong never closes the instances of its own workers that end (`kong reload`), so there is a bound: beyond it the oldest
are forgotten, and Kong starts those that it still uses anew.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import orjson

from kong_plugins.aws_masker.errors import ConfigError

MAX_SIZE = 8 * 1024 * 1024
"""Bytes of configurations that are kept, but for the newest."""

_HEADER = struct.Struct("<QQQ")
"""Generation (changes when records move), start and end of the records."""
_RECORD = struct.Struct("<iI")
"""Instance id and size of the configuration that follows, or `_CLOSED` and no configuration."""
_CLOSED = 2**32 - 1


class UnknownInstance(Exception):
    """Kong speaks of an instance that an earlier server had, or that was forgotten."""


class _Log:
    """The file that the workers share. All methods are to be called within `locked`.

    A worker may be killed at any moment: what it has written counts once the header says so, in one write.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("aws-masker-instances")
        self._lock = Lock()
        self.set_bounds(0, _HEADER.size, _HEADER.size)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the other workers and this one's other threads out. (A record lock belongs to a process.)"""
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def bounds(self) -> tuple[int, int, int]:
        """Return the generation, the start and the end of the records."""
        generation, start, end = _HEADER.unpack(os.pread(self._file, _HEADER.size, 0))
        return generation, start, end

    def set_bounds(self, generation: int, start: int, end: int) -> None:
        os.pwrite(self._file, _HEADER.pack(generation, start, end), 0)

    def read(self, start: int, end: int) -> bytes:
        return os.pread(self._file, end - start, start)

    def write(self, data: bytes, position: int) -> None:
        done = 0
        while done < len(data):
            done += os.pwrite(self._file, data[done:], position + done)

    def cut(self, end: int) -> None:
        os.ftruncate(self._file, end)


class Instances:
    """The instances, made before the workers are forked. Thread-safe."""

    def __init__(self, make: Callable[[dict[str, Any]], Any], max_size: int = MAX_SIZE) -> None:
        """`make` returns the plugin for a configuration; the plugin is shared by the instances that have the same."""
        self._make = make
        self._max_size = max_size
        self._log = _Log()
        self._seen = (0, _HEADER.size)
        self._configs: dict[int, bytes] = {}
        self._plugins: dict[bytes, Any] = {}
        self._making = Lock()

    def start(self, config: bytes) -> int:
        """Keep the configuration (JSON) of a new instance and return its id.

        Ids are random: one that Kong still holds from an earlier server must not mean another configuration here.
        """
        canonical = _canonical(config)
        with self._log.locked():
            self._catch_up()
            number = 0
            while number == 0 or number in self._configs:
                number = secrets.randbelow(2**31)
            self._append(_RECORD.pack(number, len(canonical)) + canonical)
            if sum(map(len, self._configs.values())) > self._max_size:
                self._forget_oldest()
        return number

    def close(self, number: int) -> None:
        """Forget an instance; one that is not known is forgotten already."""
        with self._log.locked():
            self._catch_up()
            if number in self._configs:
                self._append(_RECORD.pack(number, _CLOSED))
                self._tidy()

    def check(self, number: int) -> None:
        """Raise UnknownInstance where there is no such instance."""
        self._config(number)

    def plugin(self, number: int) -> Any:
        """Return the plugin of an instance.

        Raises:
            UnknownInstance: there is no such instance.
            ConfigError: the plugin cannot be made; it is tried anew at each event, as a key file may come later.
        """
        config = self._config(number)
        plugin = self._plugins.get(config)
        if plugin is None:
            with self._making:  # else many first requests at once would each build the same tables
                plugin = self._plugins.get(config)
                if plugin is None:
                    plugin = self._plugins[config] = self._make(_parsed(config))
        return plugin

    def end(self) -> None:
        """Close the plugins of this process: it ends."""
        for plugin in list(self._plugins.values()):
            plugin.close()

    def _config(self, number: int) -> bytes:
        """Return the configuration of an instance; a closed one is not looked for, as Kong sends it no events."""
        config = self._configs.get(number)
        if config is None:
            with self._log.locked():
                self._catch_up()
                config = self._configs.get(number)
        if config is None:
            raise UnknownInstance
        return config

    def _append(self, record: bytes) -> None:
        generation, start, end = self._log.bounds()
        self._log.write(record, end)
        self._log.set_bounds(generation, start, end + len(record))
        self._catch_up()

    def _catch_up(self) -> None:
        """Read what other workers have written since."""
        generation, start, end = self._log.bounds()
        seen, position = self._seen
        configs = dict(self._configs)  # readers without the lock keep the one that they look at
        if seen != generation:
            configs, position = {}, start
        if (seen, position) == (generation, end):
            return
        records = self._log.read(position, end)
        at = 0
        while at < len(records):
            number, size = _RECORD.unpack_from(records, at)
            at += _RECORD.size
            if size == _CLOSED:
                configs.pop(number, None)
            else:
                configs[number] = records[at : at + size]
                at += size
        self._configs, self._seen = configs, (generation, end)
        used = frozenset(configs.values())
        for config in [config for config in self._plugins if config not in used]:
            self._plugins.pop(config, None)

    def _forget_oldest(self) -> None:
        """Halve the configurations that are kept."""
        sizes = Counter({number: len(config) for number, config in self._configs.items()})
        left = sum(sizes.values())
        kept = dict(self._configs)
        for number in list(kept)[:-1]:  # in the order in which they were started
            if left <= self._max_size // 2:
                break
            left -= len(kept.pop(number))
        self._rewrite(kept)

    def _tidy(self) -> None:
        """Reclaim the room of closed instances once it is more than half of a file that is not small."""
        _, start, end = self._log.bounds()
        if end - start > self._max_size and 2 * sum(map(len, self._configs.values())) < end - start:
            self._rewrite(self._configs)

    def _rewrite(self, configs: dict[int, bytes]) -> None:
        """Write the records anew: before the present ones if there is room, else behind them."""
        records = b"".join(_RECORD.pack(number, len(config)) + config for number, config in configs.items())
        generation, start, end = self._log.bounds()
        place = _HEADER.size if _HEADER.size + len(records) <= start else end
        self._log.write(records, place)
        self._log.set_bounds(generation + 1, place, place + len(records))
        self._log.cut(place + len(records))
        self._catch_up()


def _canonical(config: bytes) -> bytes:
    """Return the configuration with its keys in order and without what Kong adds for itself.

    Then instances with the same options are one: Kong's workers each start their own, and write the keys in any order.
    What is no JSON object is kept as it is; making the plugin from it fails, at each event.
    """
    try:
        fields = _parsed(config)
    except ConfigError:
        return config
    return orjson.dumps(
        {name: value for name, value in fields.items() if name[:2] != "__"}, option=orjson.OPT_SORT_KEYS
    )


def _parsed(config: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(config)
    except orjson.JSONDecodeError:
        raise ConfigError("not JSON") from None
    if not isinstance(fields, dict):
        raise ConfigError("not a JSON object")
    return fields
