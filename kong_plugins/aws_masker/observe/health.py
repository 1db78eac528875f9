"""Whether requests can be served, component by component, for load balancers and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from kong_plugins.aws_masker import __version__
from kong_plugins.aws_masker.observe.metrics import is_away
from kong_plugins.aws_masker.vault.protocol import BreakerState, Status

State = Literal["ok", "degraded", "failed", "unused"]
"""`degraded`: requests are served all the same. `unused`: there is nothing that could fail."""

SLOW = 0.1
"""Seconds for an operation of the vault, from which it is too slow."""
_WORST: Sequence[State] = ("failed", "degraded", "ok")


class Component(NamedTuple):
    """How one part is doing."""

    status: State
    detail: str
    """Fixed words and numbers."""


def of_vault(state: Status) -> Component:
    """Tell how a vault is doing."""
    if state.kind == "memory":
        return Component("unused", "mappings are kept in this process's memory")
    return of_redis(is_away(state), state.fallback, state.latency)


def of_redis(away: bool, fallback: bool, latency: float) -> Component:
    """Tell how Redis is doing; `latency` in seconds."""
    if away and fallback:
        return Component("degraded", "Redis is away; memory serves, and what is missing is written when it is back")
    if away:
        return Component("failed", "Redis is away, and redis_fallback is off: requests are refused")
    if latency > SLOW:
        return Component("degraded", "Redis took longer than 100 ms")
    return Component("ok", "the last operation succeeded")


def of_breaker(state: BreakerState) -> Component:
    """Tell how the circuit breaker before Redis is doing."""
    if state == "closed":
        return Component("ok", "closed")
    return Component("degraded", f"{state}: Redis failed several times in a row")


def report(components: Mapping[str, Component]) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status (200, or 503 where a component failed) and the report."""
    states = {component.status for component in components.values()}
    worst = next((state for state in _WORST if state in states), "ok")
    parts = {name: component._asdict() for name, component in components.items()}
    return 503 if worst == "failed" else 200, {"status": worst, "version": __version__, "components": parts}
