"""Asks proxies and plugin servers for their metrics, and whether they can serve."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

import httpx2
import orjson
from anyio import to_thread
from prometheus_client.parser import text_string_to_metric_families

from kong_plugins.aws_masker.dashboard.board import Board
from kong_plugins.aws_masker.dashboard.figures import Key
from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.observe.health import Component, State
from kong_plugins.aws_masker.observe.record import ANSWERED, CLIENT_GONE, SENT

PERIOD = 5.0
"""Seconds between two looks."""
PAGE = "/metrics"
_PATIENCE = 3.0
_LARGEST = 4 * 1024 * 1024
"""Bytes of a page."""
_PREFIX = "aws_masker_"
_LONGEST = 200
_STATES = frozenset(get_args(State))
_OWN_WORDS = {ANSWERED, CLIENT_GONE, SENT}


class Page(NamedTuple):
    """A page of metrics as far as it is looked at."""

    totals: dict[Key, float]
    """Counters since the start, by what the figures call it; buckets hold only what is theirs."""
    gauges: dict[str, float]


class Source:
    """One process with a page of metrics, and a page `readyz` beside it."""

    def __init__(self, url: str) -> None:
        """`url`: that of the metrics, as Prometheus has it.

        Raises:
            ConfigError: it is not such a URL.
        """
        try:
            parsed = httpx2.URL(url)
        except (httpx2.InvalidURL, ValueError):
            raise ConfigError("source: not a URL") from None
        if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo or parsed.query:
            raise ConfigError("source: http://HOST:PORT/PATH is expected, without a user or a query")
        if not parsed.path.endswith(PAGE):
            raise ConfigError(f"source: the URL of a page of metrics is expected, which ends in {PAGE}")
        self.url = str(parsed)
        self.name = self.url.partition("://")[2].removesuffix(PAGE)
        self._ready = self.url.removesuffix(PAGE) + "/readyz"
        self._totals: dict[Key, float] | None = None

    async def look(self, client: httpx2.AsyncClient, board: Board) -> None:
        """Tell the board what is new."""
        try:
            page = await to_thread.run_sync(read_page, await _get(client, self.url))
            told = await _get(client, self._ready)
        except (httpx2.HTTPError, OSError, ValueError) as error:
            self._totals = None
            board.part(self.name, Component("failed", f"no answer ({type(error).__name__})"), source=True)
            return
        state, components = read_readiness(told)
        board.part(
            self.name,
            state,
            source=True,
            parts=components,
            fallback=page.gauges.get("vault_fallback", 0) > 0,
            pending=round(page.gauges.get("vault_pending_records", 0)),
            running=round(page.gauges.get("requests_running", 0)),
            dropped=round(sum(count for key, count in page.totals.items() if key[0] == "dropped")),
        )
        masks = all(component["name"] != "kong" for component in components)
        self._count(page.totals, board, masks)

    def _count(self, totals: dict[Key, float], board: Board, masks: bool) -> None:
        """Count what came since the last look; the first tells only where counting begins.

        What a proxy in front of Kong has forwarded, Kong's masker counts.
        """
        now = time.time()
        if self._totals is not None:
            for key, value in totals.items():
                before = self._totals.get(key, 0)
                if masks or key[0] not in ("request", "error"):
                    board.metrics.add(now, key, round(value - before if value >= before else value))  # it began anew
        self._totals = totals


async def _get(client: httpx2.AsyncClient, url: str) -> bytes:
    """Return a page, whatever its status: a part that is not ready says so with 503."""
    pieces: list[bytes] = []
    size = 0
    async with client.stream("GET", url) as response:
        if response.status_code not in (200, 503):
            raise ValueError("no such page")
        async for piece in response.aiter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > _LARGEST:
                raise ValueError("too large")
    return b"".join(pieces)


def read_page(data: bytes) -> Page:
    """Read a page of metrics. Raises ValueError if it is none."""
    totals: dict[Key, float] = {}
    gauges: dict[str, float] = {}
    cumulative: dict[Key, float] = {}
    for family in text_string_to_metric_families(data.decode()):
        for sample in family.samples:
            name = sample.name.removeprefix(_PREFIX)
            if family.type == "gauge":
                gauges[name] = sample.value
            elif name.endswith("_bucket") and "le" in sample.labels:
                stage = "first byte" if name == "first_byte_seconds_bucket" else sample.labels.get("stage", "")
                key: Key = ("stage", stage, str(float(sample.labels["le"])))
                if stage:
                    cumulative[key] = cumulative.get(key, 0) + sample.value
            else:
                for key in _keys(name, sample.labels):
                    totals[key] = totals.get(key, 0) + sample.value
    return Page(totals | _own(cumulative), gauges)


def _keys(name: str, labels: Mapping[str, str]) -> list[Key]:
    """Return what the figures call a counter; nothing if they do not have it."""
    if name == "requests_total":
        outcome = labels.get("outcome", "")
        counted: list[Key] = [("request", outcome)]
        return counted if outcome in _OWN_WORDS else [*counted, ("error", outcome)]
    kind, label = _COUNTERS.get(name, ("", ""))
    return [(kind, labels.get(label, "")[:_LONGEST])] if kind else []


_COUNTERS = {
    "masked_values_total": ("family", "family"),
    "observed_values_total": ("observed", "family"),
    "restored_values_total": ("restored", "family"),
    "restore_misses_total": ("miss", "kind"),
    "events_dropped_total": ("dropped", "reason"),
}


def _own(cumulative: Mapping[Key, float]) -> dict[Key, float]:
    """Return what lies in each bucket itself, of counts that include all smaller ones."""
    found: dict[Key, float] = {}
    stage, below = "", 0.0
    for key, count in sorted(cumulative.items(), key=lambda one: (one[0][1], float(one[0][2]))):
        if key[1] != stage:
            stage, below = key[1], 0.0
        found[key] = count - below
        below = count
    return found


def read_readiness(data: bytes) -> tuple[Component, list[dict[str, str]]]:
    """Return how a source says it is doing, and its parts."""
    try:
        told: dict[str, Any] = orjson.loads(data)
        parts = [
            {"name": str(name)[:_LONGEST], "status": _state(one["status"]), "detail": str(one["detail"])[:_LONGEST]}
            for name, one in told["components"].items()
        ]
        return Component(_state(told["status"]), f"version {str(told['version'])[:_LONGEST]}"), parts
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return Component("failed", "its answer cannot be read"), []


def _state(word: object) -> State:
    return word if word in _STATES else "failed"  # type: ignore[return-value]


async def watch(sources: list[Source], board: Board) -> None:
    """Look at all sources again and again, until cancelled."""
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
    async with httpx2.AsyncClient(timeout=_PATIENCE, trust_env=False, limits=limits) as client:
        while True:
            await asyncio.gather(*(source.look(client, board) for source in sources))
            await asyncio.sleep(PERIOD)
