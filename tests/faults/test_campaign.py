"""A short campaign with a fixed seed; `python -m tests.faults` runs long ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from tests.faults import campaign
from tests.faults.campaign import Result, run
from tests.faults.plan import WAYS, Trouble, drawn
from tests.faults.ways import Way
from tests.nginx.nginx import NotAvailableError, installed
from tests.vault.servers import find_binary

_SEED = 66
_REQUESTS = 40


@pytest.fixture(scope="module")
def ways() -> tuple[str, ...]:
    """The ways that can be had here."""
    if find_binary() is None:
        pytest.skip("neither redis-server nor valkey-server is installed")
    try:
        installed()
    except NotAvailableError as reason:
        print(f"without nginx: {reason}")
        return ("proxy", "kong")
    return WAYS


def _outcomes(result: Result) -> set[str]:
    return {outcome for _, outcome in result.outcomes}


def test_nothing_leaks_and_nobody_is_left_alone(ways: tuple[str, ...]) -> None:
    """Whatever breaks: no value at the API, none to another tenant, each answer whole or an error that says so."""
    result = asyncio.run(run(drawn(_SEED, _REQUESTS, ways, (4, 12)), _SEED))
    assert result.violations == []
    assert sum(result.faults.values()) >= _REQUESTS / 6, "hardly anything broke"
    assert result.outcomes["proxy", "right"] + result.outcomes["kong", "right"] > 0
    assert len(_outcomes(result)) > 2


def test_a_way_that_does_not_mask_is_found_out(ways: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign itself notices values at the API."""

    @contextlib.contextmanager
    def bare(folder: object, api: str, port: int, plan: object, wanted: object) -> Iterator[dict[str, Way]]:
        yield {"proxy": Way(api, _NoServer())}  # type: ignore[arg-type]

    monkeypatch.setattr(campaign, "_started", bare)
    plan = drawn(_SEED, 6, ("proxy",))._replace(troubles=[])
    result = asyncio.run(run(plan))
    assert len([line for line in result.violations if line.endswith("reached the API")]) >= 6


class _NoServer:
    def log(self) -> str:
        return "instance i-0c0ffee7e20000001"


def test_the_same_seed_draws_the_same_campaign() -> None:
    """A failing one can be run again."""
    assert drawn(7, 300) == drawn(7, 300)
    assert drawn(7, 300) != drawn(8, 300)
    kinds = {(trouble.target, trouble.kind) for trouble in drawn(7, 3000).troubles}
    assert len(kinds) > 15
    assert isinstance(drawn(7, 300).troubles[0], Trouble)
