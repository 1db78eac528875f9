"""Many at once: requests, configurations, and so many that memory would show what is kept."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import orjson
import pytest

from kong_plugins.aws_masker.demo.answers import Answer as Reply
from kong_plugins.aws_masker.demo.answers import Say
from kong_plugins.aws_masker.demo.echo import parrot
from kong_plugins.aws_masker.demo.serving import serving
from tests.e2e.project import Planted
from tests.kong.bodies import HEADERS, messages, question, said
from tests.kong.exchange import Answer, Exchange, Exited
from tests.kong.gateway import Kong, Route, untouched
from tests.kong.instances import Config
from tests.kong.lab import OURS, Commands, Lab, accepted, lab
from tests.kong.rpc import Pool, ProtoBuf

ONE_WORKER = Commands(OURS.start.replace("--workers 2", "--workers 1"), OURS.query)
HUNDREDS = 200
_JSON = {b"content-type": [b"application/json"]}


def _instance(number: int) -> str:
    return "i-0" + hashlib.sha256(b"%d" % number).hexdigest()[:16]


async def _ask_all(url: str, bodies: list[bytes]) -> list[httpx2.Response]:
    """Send all at once."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False, limits=limits) as client:
        posts = [client.post("/v1/messages", content=body, headers=HEADERS) for body in bodies]
        answers: list[httpx2.Response] = await asyncio.gather(*posts)
        return answers


def test_hundreds_at_once(here: Lab, planted: Planted) -> None:
    """Each gets its own values back, whatever worker and thread masks and restores."""
    texts = [f"instance {_instance(number)} and {planted.instance}" for number in range(HUNDREDS)]
    answers = asyncio.run(_ask_all(here.url, [messages(text) for text in texts]))
    assert [said(answer) for answer in answers] == texts
    assert not any(_instance(number).encode() in here.received for number in range(HUNDREDS))
    assert planted.found_in(here.received) == set()
    assert len(here.standin.requests) == HUNDREDS


def test_large_and_small_at_once(here: Lab, planted: Planted) -> None:
    """Sixteen of 500 KB do not mix with a hundred of 3 KB."""
    bodies = [question(planted, 500_000 if number % 7 == 0 else 3_000) for number in range(112)]
    answers = asyncio.run(_ask_all(here.url, bodies))
    for body, answer in zip(bodies, answers, strict=True):
        assert said(answer) == orjson.loads(body)["messages"][0]["content"]
    assert planted.found_in(here.received) == set()


def test_instances_come_and_go(here: Lab, planted: Planted) -> None:
    """The configuration changes all the time while events run: none fails, none passes unmasked."""

    async def change(until: asyncio.Event) -> None:
        number = 0
        while not until.is_set():
            number += 1
            here.configure(max_entries=1000 + number)
            await asyncio.sleep(0.01)

    async def both() -> list[httpx2.Response]:
        done = asyncio.Event()
        changing = asyncio.create_task(change(done))
        answers = []
        for _ in range(5):
            answers += await _ask_all(here.url, [question(planted)] * 20)
        done.set()
        await changing
        return answers

    started = here.kong.rpc.instances.started
    answers = asyncio.run(both())
    assert Counter(answer.status_code for answer in answers) == {200: 100}
    assert all(planted.found_in(said(answer)) == set(planted.values) for answer in answers)
    assert planted.found_in(here.received) == set()
    assert here.kong.rpc.instances.started > started + 3


def test_routes_with_their_own_configuration(here: Lab, planted: Planted) -> None:
    """Two configurations at once do not mix, whichever worker serves them."""
    first = here.kong.routes[0]
    config = accepted(here.kong.info, {"mask_s3_buckets": False})
    buckets = Route("/buckets", first.upstream, config, strip="/buckets")
    here.kong.routes.insert(0, buckets)
    try:
        with here.client() as client:
            for prefix in ("", "/buckets") * 10:
                client.post(f"{prefix}/v1/messages", content=question(planted), headers=HEADERS)
    finally:
        here.kong.routes.remove(buckets)
    assert [planted.found_in(request.raw) for request in here.standin.requests] == [set(), {"bucket"}] * 10


def test_two_of_kongs_workers(here: Lab, planted: Planted) -> None:
    """Each has connections and instances of its own, on one plugin server."""
    second = Kong(here.kong.info, here.server.path, here.kong.routes, here.server.path.parent)
    with serving(second) as url, here.client() as client:
        for base in (url, here.url) * 5:
            answer = client.post(f"{base}/v1/messages", content=question(planted), headers=HEADERS)
            assert planted.found_in(said(answer)) == set(planted.values)
    assert second.rpc.instances.started == 1
    assert planted.found_in(here.received) == set()


def _resident(pid: int) -> int:
    """Return the bytes of memory that a process has."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Lab]:
    """A lab with one worker."""
    with lab(tmp_path, ONE_WORKER, parrot) as here:
        yield here


def test_memory_stays_flat(alone: Lab, planted: Planted) -> None:
    """A worker that has masked a few hundred requests needs no more after a thousand, and less than 100 MB."""
    (worker,) = alone.server.workers()
    body = question(planted)

    async def events(times: int) -> None:
        """Run each phase, without HTTP around it."""
        rpc = ProtoBuf(Pool(str(alone.server.path), 10), "aws-masker", untouched, 10)
        for _ in range(times):
            exchange = Exchange("POST", b"/v1/messages", {b"content-length": [b"%d" % len(body)]}, body)
            await rpc.event(exchange, config, "access")
            assert planted.found_in(exchange.body) == set()
            exchange.phase, exchange.upstream = "response", Answer(200, dict(_JSON), exchange.body)
            exchange.answer_headers = dict(_JSON)
            with pytest.raises(Exited) as ended:
                await rpc.event(exchange, config, "response")
            assert planted.found_in(ended.value.body) == set(planted.values)
            for writer in exchange.held:
                writer.close()
        await rpc.aclose()

    config = Config({})
    asyncio.run(events(150))
    before = _resident(worker)
    asyncio.run(events(350))
    assert _resident(worker) - before < 2_000_000
    assert _resident(worker) < 100_000_000


def test_memory_of_a_tenant(alone: Lab, planted: Planted) -> None:
    """What an earlier request of the same worker masked is restored, also where this request does not have it."""
    with alone.client() as client:
        client.post("/v1/messages", content=messages(planted.instance), headers=HEADERS)
        placeholder = orjson.loads(alone.standin.requests[-1].body)["messages"][0]["content"]
        assert placeholder != planted.instance
        alone.standin.script = lambda received: Reply((Say(placeholder),))
        assert said(client.post("/v1/messages", content=messages("?"), headers=HEADERS)) == planted.instance


def test_many_idle_connections(here: Lab, planted: Planted) -> None:
    """Kong's pools may hold hundreds: they cost threads, and hold up nothing."""
    idle = [socket.socket(socket.AF_UNIX) for _ in range(300)]
    try:
        for connection in idle:
            connection.connect(str(here.server.path))
        with here.client() as client:
            for _ in range(10):
                answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
                assert planted.found_in(said(answer)) == set(planted.values)
    finally:
        for connection in idle:
            connection.close()
