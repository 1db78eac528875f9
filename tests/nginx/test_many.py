"""Many streams at once: each client gets its own values."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.e2e.project import Planted
from tests.kong.bodies import HEADERS
from tests.nginx.events import PATHS, TYPE, events_of, question, received_by, told
from tests.nginx.lab import Lab

STREAMS = 50


class Together:
    """An API that begins to tell only when all clients are there, and then serves them in turn."""

    def __init__(self) -> None:
        self._waiting = 0
        self._all = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        api = next(name for name, path in PATHS.items() if path == scope["path"])

        async def chunks() -> AsyncIterator[bytes]:
            events = events_of(api, received_by(scope))
            yield events[0]
            self._waiting += 1
            if self._waiting == STREAMS:
                self._all.set()
            with anyio.fail_after(30):
                await self._all.wait()
            for event in events[1:]:
                yield event
                await anyio.sleep(0)

        await StreamingResponse(chunks(), headers={"content-type": TYPE.decode()})(scope, receive, send)


async def _all_at_once(here: Lab, texts: list[tuple[str, str]]) -> list[bytes]:
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=here.url, timeout=60, trust_env=False, limits=limits) as client:

        async def ask(api: str, text: str) -> bytes:
            async with client.stream("POST", PATHS[api], content=question(api, text), headers=HEADERS) as response:
                return b"".join([chunk async for chunk in response.aiter_raw()])

        return await asyncio.gather(*(ask(api, text) for api, text in texts))


@pytest.mark.parametrize("round_", range(2))
def test_fifty_streams_at_once(here: Lab, planted: Planted, round_: int) -> None:
    """Of all three APIs, each with a value of its own beside common ones; on the same connections once more."""
    here.upstream.instead = Together()
    apis = itertools.cycle(sorted(PATHS))
    texts = [(next(apis), f"{planted.log} sg-0{round_}{number:015x}") for number in range(STREAMS)]
    answers = asyncio.run(_all_at_once(here, texts))
    for (api, text), answer in zip(texts, answers, strict=True):
        assert told(api, answer) == (text, f"echo '{text}'")
    assert len(here.upstream.requests) == STREAMS
    assert planted.found_in(here.received) == set()
    assert not [text for _, text in texts if text.split()[-1].encode() in here.received]
