"""The schedule of a campaign: who asks what, and what goes wrong when. All of it follows from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

from tests.faults.planted import TENANTS

WAYS = ("proxy", "kong", "nginx")
APIS = {"messages": "/v1/messages", "chat": "/v1/chat/completions"}

UPSTREAM = ("slow", "cut", "reset", "stall", "early", "garbage", "not http", "error", "refuse")
"""What the API may do instead of answering."""
CALLS = ("garbage", "throw", "file cut", "file gone")
"""What Kong may do instead of answering the plugin: an unreadable answer, an error, a damaged file of the body."""

TROUBLES = {
    "redis": ("kill", "pause", "slow", "cut", "corrupt", "full", "flush"),
    "proxy": ("kill", "pause"),
    "kong": ("worker kill", "worker pause", "server kill", "disk full"),
    "nginx": ("worker kill", "worker pause", "server kill", "nginx kill", "nginx pause"),
}
"""What may go wrong with a process, or on the way to it, for a while."""


class Leaving(NamedTuple):
    """A client that does not wait for its answer."""

    seconds: float
    """After which it leaves, if no answer began."""
    size: int
    """Bytes of the answer after which it leaves."""


@dataclass(frozen=True)
class Request:
    """One request, and what happens to it alone."""

    number: int
    way: str
    tenant: int
    api: str
    stream: bool
    size: int
    """Characters of filler; above 8 KB nginx puts the body into a file."""
    upstream: str
    """"whole", or one of UPSTREAM."""
    at: float
    """Which part of its answer the API sends before it goes wrong."""
    chunked: bool
    foreign: int
    """The tenant whose placeholder the API puts into its answer."""
    recall: int
    """Which of the last requests of the same tenant the API repeats a placeholder of."""
    leaving: Leaving | None
    call: tuple[str, int, str] | None
    """Phase and number of a PDK call, and one of CALLS."""


@dataclass(frozen=True)
class Trouble:
    """What goes wrong when request `at` is sent, and for how long."""

    at: int
    target: str
    kind: str
    seconds: float
    which: int
    """Of several workers."""


class Plan(NamedTuple):
    """All of a campaign."""

    requests: list[Request]
    troubles: list[Trouble]


def drawn(seed: int, count: int, ways: tuple[str, ...] = WAYS, apart: tuple[int, int] = (10, 90)) -> Plan:
    """Return the plan of `count` requests; for the same arguments the same.

    `apart`: fewest and most requests from one trouble to the next.
    """
    rng = random.Random(seed)
    requests = [_request(rng, number, ways) for number in range(1, count + 1)]
    targets = ("redis", *ways)
    troubles: list[Trouble] = []
    at = 5
    while at < count:
        target = rng.choice(targets)
        seconds = rng.uniform(0.1, 2.0) if rng.random() < 0.9 else rng.uniform(5.0, 7.0)
        troubles.append(Trouble(at, target, rng.choice(TROUBLES[target]), seconds, rng.randrange(8)))
        at += rng.randint(*apart)
    return Plan(requests, troubles)


def _request(rng: random.Random, number: int, ways: tuple[str, ...]) -> Request:
    tenant = rng.choice(TENANTS)
    return Request(
        number,
        way=rng.choice(ways),
        tenant=tenant,
        api=rng.choice(sorted(APIS)),
        stream=rng.random() < 0.5,
        size=rng.choice((0, 0, 0, 3_000, 20_000)),
        upstream="whole" if rng.random() < 0.75 else rng.choice(UPSTREAM),
        at=rng.random(),
        chunked=rng.random() < 0.5,
        foreign=rng.choice([other for other in TENANTS if other != tenant]),
        recall=rng.randrange(1, 20),
        leaving=Leaving(rng.uniform(0.0, 0.3), rng.randrange(2000)) if rng.random() < 0.06 else None,
        call=(rng.choice(("access", "response")), rng.randrange(9), rng.choice(CALLS)) if rng.random() < 0.05 else None,
    )
