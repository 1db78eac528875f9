"""Instances: known in all processes, forgotten when closed, and bounded."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.pluginserver.instances import Instances, UnknownInstance


class Thing:
    """Stands for the plugin, which `Instances` only makes and hands out."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config


def config(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def in_another_process(work: Callable[[], object]) -> None:
    """Fork, as workers are, and do `work` there; it must succeed."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_what_one_worker_starts_all_know() -> None:
    """Also what is started after the fork, in either direction."""
    instances = Instances(Thing)
    started: list[int] = []
    first = instances.start(config(a=1))
    read, write = os.pipe()

    def work() -> None:
        assert instances.plugin(first).config == {"a": 1}
        os.write(write, str(instances.start(config(b=2))).encode())

    in_another_process(work)
    started.append(int(os.read(read, 20)))
    assert instances.plugin(started[0]).config == {"b": 2}


def test_what_one_worker_closes_all_forget() -> None:
    """As soon as they look."""
    instances = Instances(Thing)
    number = instances.start(config(a=1))
    in_another_process(lambda: instances.close(number))
    instances.start(config(c=3))
    with pytest.raises(UnknownInstance):
        instances.plugin(number)
    instances.close(number)


def test_an_id_of_an_earlier_server_means_nothing() -> None:
    """Kong may still hold ids of a server that died: they must not name another configuration."""
    ids = {Instances(Thing).start(config(a=1)) for _ in range(20)}
    assert len(ids) == 20
    assert all(0 < number < 2**31 for number in ids)
    with pytest.raises(UnknownInstance):
        Instances(Thing).plugin(ids.pop())


def test_the_same_options_are_one_plugin() -> None:
    """Kong's workers each start their own, with the keys in any order and marks of their own."""
    made: list[Thing] = []

    def make(fields: dict[str, Any]) -> Thing:
        made.append(Thing(fields))
        return made[-1]

    instances = Instances(make)
    one = instances.start(b'{"a":1,"b":2,"__seq__":7,"__plugin_id":"x"}')
    two = instances.start(b'{"b":2,"__seq__":8,"a":1}')
    assert one != two
    assert instances.plugin(one) is instances.plugin(two)
    assert [thing.config for thing in made] == [{"a": 1, "b": 2}]
    instances.close(one)
    assert instances.plugin(two) is made[0]
    instances.close(two)
    assert instances.plugin(instances.start(config(a=1, b=2))) is not made[0]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"7", b"\xff"])
def test_a_config_that_is_none(text: bytes) -> None:
    """The instance starts, so that events can be answered; making the plugin fails."""
    instances = Instances(Thing)
    number = instances.start(text)
    with pytest.raises(ConfigError):
        instances.plugin(number)


def test_a_plugin_that_cannot_be_made_is_tried_again() -> None:
    """A key file may come later."""
    ready = False

    def make(fields: dict[str, Any]) -> Thing:
        if not ready:
            raise ConfigError("no key")
        return Thing(fields)

    instances = Instances(make)
    number = instances.start(config(a=1))
    with pytest.raises(ConfigError):
        instances.plugin(number)
    ready = True
    assert instances.plugin(number).config == {"a": 1}


def test_beyond_the_bound_the_oldest_go() -> None:
    """Kong closes no instance of a worker that ended: the newest stay, here and in other processes."""
    instances = Instances(Thing, max_size=10_000)
    numbers = [instances.start(config(n=n, filler="x" * 900)) for n in range(40)]

    def check() -> None:
        with pytest.raises(UnknownInstance):
            instances.check(numbers[0])
        assert instances.plugin(numbers[-1]).config["n"] == 39

    check()
    in_another_process(check)


def test_one_larger_than_the_bound_is_kept() -> None:
    """The newest always."""
    instances = Instances(Thing, max_size=1000)
    instances.start(config(n=0))
    number = instances.start(config(n=1, filler="x" * 5000))
    assert instances.plugin(number).config["n"] == 1


def test_starting_and_closing_takes_no_room() -> None:
    """The shared file stays small, and a process that looks rarely still finds its way."""
    instances = Instances(Thing, max_size=10_000)
    read, write = os.pipe()
    kept = instances.start(config(kept=True))
    child = os.fork()
    if not child:
        last = int(os.read(read, 20))
        same = instances.plugin(last).config == {"last": True} and instances.plugin(kept).config == {"kept": True}
        os._exit(not same)
    for n in range(2000):
        instances.close(instances.start(config(n=n, filler="x" * 500)))
    os.write(write, str(instances.start(config(last=True))).encode())
    assert os.waitpid(child, 0)[1] == 0
    assert os.fstat(instances._log._file).st_size < 40_000


def test_a_worker_killed_while_it_writes() -> None:
    """The lock is free again, and what is there can be read."""
    instances = Instances(Thing, max_size=20_000)
    kept = instances.start(config(kept=True))
    parent = os.getpid()
    for _ in range(10):
        child = os.fork()
        if not child:
            while os.getppid() == parent:
                instances.close(instances.start(config(filler="x" * 3000)))
        time.sleep(0.05)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        number = instances.start(config(n=1))
        assert instances.plugin(number).config == {"n": 1}
        instances.close(number)
    assert instances.plugin(kept).config == {"kept": True}


def test_many_threads_and_processes_at_once() -> None:
    """Nothing is lost where all start instances at the same moment."""
    instances = Instances(Thing)
    started: list[int] = []

    def some() -> None:
        for n in range(50):
            started.append(instances.start(config(n=n)))

    threads = [threading.Thread(target=some) for _ in range(4)]
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            some()
            os._exit(0)
        children.append(child)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    for number in started:
        instances.check(number)
    assert len(set(started)) == 200
