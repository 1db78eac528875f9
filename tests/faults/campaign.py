"""A campaign: real processes, several clients of several tenants, and what the plan says goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path

import anyio
import httpx2
import orjson

from tests.faults import ways
from tests.faults.api import Api
from tests.faults.judge import Got, Verdict, judge
from tests.faults.link import Link, link
from tests.faults.plan import APIS, WAYS, Plan, Request
from tests.faults.planted import TENANTS, owners, text_of
from tests.faults.troubles import Troubles
from tests.faults.ways import Way
from tests.proxy.harness import Exchange, upstream
from tests.vault.servers import Server

DEADLINE = 45.0
"""Seconds in which a request must have ended, whatever goes wrong."""
_RECOVERY = 40.0
"""Seconds in which all is well again when nothing goes wrong any more."""
_CLIENTS = 16
_AWAY = frozenset({"connection error", "Kong's own 500", "AWS_MASKER_1001"})
_PATIENCE = 0.4
"""Seconds that a client waits when nobody is there: else most requests of a campaign would meet nobody."""


@dataclass
class Result:
    """What came of a campaign."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By way and outcome."""
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    received: int = 0
    """Requests that reached the API."""
    seconds: float = 0.0


async def ask(client: httpx2.AsyncClient, url: str, request: Request) -> Got:
    """Send a request and read its answer, as far as the client waits for it."""
    text = text_of(request.tenant, request.number, request.size)
    fields = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}], "stream": request.stream}
    with anyio.move_on_after(DEADLINE):
        return await _asked(client, url + APIS[request.api], request, orjson.dumps(fields))
    return Got(ended="never")


async def _asked(client: httpx2.AsyncClient, url: str, request: Request, body: bytes) -> Got:
    status, headers, received = 0, b"", b""
    wait = request.leaving.seconds if request.leaving else DEADLINE * 2
    try:
        with anyio.move_on_after(wait) as scope:
            async with client.stream("POST", url, content=body, headers=ways.headers(request)) as answer:
                scope.deadline = anyio.current_time() + DEADLINE * 2
                status, headers = answer.status_code, b"\n".join(b": ".join(pair) for pair in answer.headers.raw)
                async for piece in answer.aiter_bytes():
                    received += piece
                    if request.leaving and len(received) > request.leaving.size:
                        return Got(status, received, "left", headers)
    except (httpx2.TransportError, httpx2.DecodingError):
        return Got(status, received, "broken", headers)
    # not `fail_after`: it would go by the new deadline, though the old one had passed as the answer began
    return Got(status, received, "left" if scope.cancelled_caught else "whole", headers)


class Campaign:
    """One campaign under way."""

    def __init__(self, plan: Plan, api: Api, here: Mapping[str, Way], troubles: Troubles) -> None:
        self._plan, self._api, self._ways, self._troubles = plan, api, here, troubles
        self.result = Result()

    async def run(self) -> None:
        """Send all requests."""
        requests = iter(self._plan.requests)
        starting = {trouble.at: trouble for trouble in self._plan.troubles}
        async with httpx2.AsyncClient(timeout=None, trust_env=False, verify=False) as client:

            async def sender() -> None:
                for request in requests:
                    if request.number in starting:
                        self._troubles.begin(starting[request.number])
                    await self._one(client, request)

            await asyncio.gather(*(sender() for _ in range(_CLIENTS)))
            await self._troubles.ended()
            await self._recovered(client)
        self.result.faults += self._troubles.happened

    async def _one(self, client: httpx2.AsyncClient, request: Request) -> None:
        got = await ask(client, self._ways[request.way].url, request)
        verdict = judge(request, got, self._api.sent.pop(request.number, []))
        self._note(request, verdict)
        if verdict.outcome in _AWAY:
            await asyncio.sleep(_PATIENCE)
        if request.number % 100 == 0:
            for way in self._ways.values():
                way.tidy()

    def _note(self, request: Request, verdict: Verdict) -> None:
        self.result.outcomes[request.way, verdict.outcome] += 1
        if verdict.violation:
            self.result.violations.append(f"request {request.number}: {verdict.violation} ({request})")
        if request.upstream != "whole":
            self.result.faults[f"API: {request.upstream}"] += 1
        if request.leaving:
            self.result.faults["client: leaves"] += 1
        if request.call and request.way != "proxy":
            self.result.faults[f"Kong's answer to the plugin: {request.call[2]}"] += 1

    async def _recovered(self, client: httpx2.AsyncClient) -> None:
        """Every tenant gets right answers on every way again."""
        pattern = self._plan.requests[-1]
        for way in self._ways:
            for tenant in TENANTS:
                foreign = next(other for other in TENANTS if other != tenant)
                plain = changed(
                    pattern, way=way, tenant=tenant, foreign=foreign, upstream="whole", call=None, leaving=None
                )
                self._api.plan = {plain.number: plain}
                deadline = time.monotonic() + _RECOVERY
                while (verdict := await self._verdict(client, plain)).outcome != "right":
                    if verdict.violation or time.monotonic() > deadline:
                        self.result.violations.append(f"{way} did not recover: {verdict}")
                        break
                    await asyncio.sleep(0.2)

    async def _verdict(self, client: httpx2.AsyncClient, request: Request) -> Verdict:
        got = await ask(client, self._ways[request.way].url, request)
        return judge(request, got, self._api.sent.pop(request.number, []))


@contextlib.contextmanager
def _started(folder: Path, api: str, port: int, plan: dict[int, Request], wanted: set[str]) -> Iterator[dict[str, Way]]:
    with contextlib.ExitStack() as stack:
        here = {}
        if "proxy" in wanted:
            here["proxy"] = stack.enter_context(ways.proxy(folder, api, port))
        if "kong" in wanted:
            here["kong"] = stack.enter_context(ways.kong(folder, api, port, plan))
        if "nginx" in wanted:
            here["nginx"] = stack.enter_context(ways.nginx_with_plugins(folder, api, port, plan))
        yield here


@contextlib.asynccontextmanager
async def _redis(folder: Path, seed: int) -> AsyncIterator[tuple[Server, Link]]:
    server = await asyncio.to_thread(Server(folder).start)
    try:
        async with link(server.port, seed) as way:
            yield server, way
    finally:
        server.kill()


async def run(plan: Plan, seed: int = 0) -> Result:
    """Run a campaign."""
    begun = time.monotonic()
    requests = {request.number: request for request in plan.requests}
    api = Api(requests)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with upstream(api) as arrived, _redis(folder / "redis", seed) as (server, way_to_redis):
            wanted = {request.way for request in plan.requests} & set(WAYS)
            # The ways wait for their processes, and these for Redis, which is reached through this loop.
            stack = contextlib.ExitStack()
            here = await asyncio.to_thread(
                stack.enter_context, _started(folder, arrived.url, way_to_redis.port, requests, wanted)
            )
            sweeping = asyncio.create_task(_sweep(arrived.requests, arrived.raw))
            try:
                campaign = Campaign(plan, api, here, Troubles(here, server, way_to_redis))
                await campaign.run()
                result = campaign.result
                result.violations += [
                    f"a value in the log of {name}" for name, way in here.items() if owners(way.log())
                ]
                if owners(await asyncio.to_thread(server.dump)):
                    result.violations.append("a value in Redis, not encrypted")
            finally:
                sweeping.cancel()
                await asyncio.to_thread(stack.close)
    result.violations += api.violations
    result.received, result.seconds = api.received, time.monotonic() - begun
    return result


async def _sweep(requests: list[Exchange], raw: bytearray) -> None:
    """Drop what the upstream keeps of requests: all of it has been looked at."""
    while True:
        await asyncio.sleep(5)
        requests.clear()
        raw.clear()
