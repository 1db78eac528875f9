"""Room for bodies: bounded, fair, and free for small ones."""

from __future__ import annotations

import threading
import time

import pytest

from kong_plugins.aws_masker.errors import MaskingFailed
from kong_plugins.aws_masker.pluginserver.casualties import Casualties
from kong_plugins.aws_masker.pluginserver.room import SMALL, Room

LARGE = 1_000_000


def room(limit: int = 3 * LARGE) -> Room:
    return Room(Casualties(1).desk(0), limit)


class Taker:
    """Takes room in a thread of its own."""

    def __init__(self, of: Room, size: int) -> None:
        self.has = threading.Event()
        self.thread = threading.Thread(target=self._take, args=(of, size), daemon=True)
        self.thread.start()

    def _take(self, of: Room, size: int) -> None:
        of.take(size)
        self.has.set()

    def waits(self) -> bool:
        return not self.has.wait(0.1)


def test_what_fits_does_not_wait() -> None:
    """Up to the limit, everything at once."""
    shared = room()
    assert [shared.take(LARGE) for _ in range(3)] == [LARGE] * 3


def test_what_does_not_fit_waits() -> None:
    """Until enough was given back."""
    shared = room()
    for _ in range(3):
        shared.take(LARGE)
    taker = Taker(shared, LARGE)
    assert taker.waits()
    shared.give_back(LARGE)
    assert taker.has.wait(10)


def test_more_than_the_limit_gets_all_of_it() -> None:
    """A body larger than the limit is worked on alone."""
    shared = room()
    shared.take(LARGE)
    taker = Taker(shared, 30 * LARGE)
    assert taker.waits()
    shared.give_back(LARGE)
    assert taker.has.wait(10)


def test_the_large_are_not_overtaken() -> None:
    """A later body that would fit waits behind the large one that does not yet."""
    shared = room()
    shared.take(2 * LARGE)
    large = Taker(shared, 3 * LARGE)
    assert large.waits()
    later = Taker(shared, LARGE)
    assert later.waits()
    shared.give_back(2 * LARGE)
    assert large.has.wait(10)
    shared.give_back(3 * LARGE)
    assert later.has.wait(10)


def test_the_small_never_wait() -> None:
    """Even where there is no room at all."""
    shared = room()
    shared.take(30 * LARGE)
    assert shared.take(SMALL) == 0
    shared.give_back(0)
    assert Taker(shared, LARGE).waits()


def test_a_size_that_ended_two_workers_is_refused() -> None:
    """The third worker does not take it, but takes all others; and what waits behind it is not held up."""
    casualties = Casualties(3)
    for number in range(2):
        Room(casualties.desk(number)).take(LARGE)
        casualties.died(number)
    shared = Room(casualties.desk(2))
    with pytest.raises(MaskingFailed):
        shared.take(LARGE)
    assert shared.take(LARGE + 1) == LARGE + 1


def test_one_death_is_no_verdict() -> None:
    """A worker that was killed for another reason must not cost the body that it worked on."""
    casualties = Casualties(2)
    Room(casualties.desk(0)).take(LARGE)
    assert casualties.died(0) == [LARGE]
    assert Room(casualties.desk(1)).take(LARGE) == LARGE


def test_what_is_done_is_not_held_against_a_body() -> None:
    """Only what was being worked on when the worker died counts."""
    casualties = Casualties(2)
    shared = Room(casualties.desk(0))
    for _ in range(3):
        shared.give_back(shared.take(LARGE))
        assert casualties.died(0) == []
    assert shared.take(LARGE) == LARGE


def test_a_verdict_lasts_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory may suffice later."""
    casualties = Casualties(2)
    for number in range(2):
        Room(casualties.desk(number)).take(LARGE)
        casualties.died(number)
    desk = casualties.desk(0)
    assert desk.refuses(LARGE)
    later = time.monotonic_ns() + 61 * 10**9
    monkeypatch.setattr(time, "monotonic_ns", lambda: later)
    assert not desk.refuses(LARGE)
