"""The circuit breaker: when calls pass, and when they do not."""

from __future__ import annotations

import pytest

from kong_plugins.aws_masker.vault.breaker import Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=5, open_seconds=30, successes=3, clock=clock)


def fail(breaker: Breaker, times: int) -> list[bool]:
    opened = []
    for _ in range(times):
        assert breaker.admits()
        opened.append(breaker.failed())
    return opened


def test_five_failures_in_a_row_open_it(breaker: Breaker) -> None:
    """A success in between starts the count anew; the fifth, and no other, says that it opened the circuit."""
    fail(breaker, 4)
    assert breaker.admits()
    breaker.succeeded()
    assert fail(breaker, 5) == [False] * 4 + [True]
    assert breaker.state == "open"
    assert not breaker.admits()


def test_after_a_while_one_call_at_a_time_tries(breaker: Breaker, clock: Clock) -> None:
    """Until three have succeeded; whoever comes while one is under way is turned away."""
    fail(breaker, 5)
    clock.now += 29.9
    assert not breaker.admits()
    clock.now += 0.1
    for closed in (False, False, True):
        assert breaker.admits()
        assert breaker.state == "half-open"
        assert not breaker.admits()
        assert breaker.succeeded() is closed
    assert breaker.state == "closed"
    assert breaker.admits()
    assert breaker.admits()


def test_a_failed_try_opens_it_for_as_long_again(breaker: Breaker, clock: Clock) -> None:
    """And is no new outage."""
    fail(breaker, 5)
    clock.now += 30
    assert breaker.admits()
    breaker.succeeded()
    assert fail(breaker, 1) == [False]
    clock.now += 29.9
    assert not breaker.admits()
    clock.now += 0.1
    assert breaker.admits()


def test_a_try_that_says_nothing_makes_room_for_the_next(breaker: Breaker, clock: Clock) -> None:
    """An error of our own says nothing about the store."""
    fail(breaker, 5)
    clock.now += 30
    assert breaker.admits()
    breaker.left()
    assert breaker.admits()
    assert breaker.state == "half-open"
