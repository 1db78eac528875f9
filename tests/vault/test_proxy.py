"""The proxy with its mappings in Redis: what the upstream received and what the client got, come what may to Redis."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import httpx2
import pytest

from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.choice import vault_of
from tests.proxy.harness import Exchange, Script, Upstream, instance, proxy, sized, upstream
from tests.vault.conftest import Make, Run
from tests.vault.servers import PATIENCE, Server

REQUESTS = 200
JSON = {"content-type": "application/json"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def echo(delay: float = 0.0) -> Script:
    """Answer with the text of the request, as the upstream received it."""

    async def script(exchange: Exchange) -> None:
        text = json.loads(exchange.body)["messages"][0]["content"]
        await asyncio.sleep(delay)
        await exchange.send(sized(json.dumps({"content": [{"type": "text", "text": text}]}).encode()))

    return script


async def ask(client: httpx2.AsyncClient, text: str) -> httpx2.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return await client.post("/v1/messages", json=body, headers=JSON)


def text_of(answer: httpx2.Response) -> str:
    text: str = answer.json()["content"][0]["text"]
    return text


def sent(received: Upstream) -> list[str]:
    return [json.loads(exchange.body)["messages"][0]["content"] for exchange in received.requests]


def client_of(url: str) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=REQUESTS)
    return httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False, limits=limits)


@pytest.mark.anyio
async def test_two_proxies_share_what_they_know(server: Server, make: Make) -> None:
    """One restores what the other masked, and masks a name that only the other has seen in a context."""
    async with upstream(echo()) as received:
        with (
            proxy(received.url, vault=make(server)) as first,
            proxy(received.url, vault=make(server)) as second,
        ):
            async with client_of(first) as one, client_of(second) as two:
                bucket = "acme-payroll-exports"
                assert text_of(await ask(one, f"see s3://{bucket}/ and {instance(1)}"))
                masked = sent(received)[0]
                assert bucket not in masked
                assert text_of(await ask(two, f"what is {masked.split()[-1]}?")) == f"what is {instance(1)}?"
                assert bucket in text_of(await ask(two, f"empty {bucket} now"))
        assert not any(bucket in text or instance(1) in text for text in sent(received))


@pytest.mark.anyio
@pytest.mark.parametrize("use_redis", [True, False])
async def test_use_redis(server: Server, use_redis: bool) -> None:
    """`false` leaves Redis alone, though there is one."""
    settings = Settings(use_redis=use_redis, redis_host="127.0.0.1", redis_port=server.port)
    async with upstream(echo()) as received:
        with proxy(received.url, settings, vault=vault_of(settings, {}, bytes(range(32)))) as url:
            async with client_of(url) as client:
                assert text_of(await ask(client, f"why is {instance(1)} slow")) == f"why is {instance(1)} slow"
    assert instance(1) not in sent(received)[0]
    assert (server.do("DBSIZE") > 0) is use_redis


@pytest.mark.anyio
@pytest.mark.parametrize(("blow", "fallback"), [("restart", True), ("restart", False), ("pause", True)])
async def test_redis_in_trouble_in_the_middle_of_many_requests(run: Run, make: Make, blow: str, fallback: bool) -> None:
    """Every request is answered: restored to the letter, or refused as configured. Nothing unmasked goes upstream.

    Afterwards, all is as before, and what was masked meanwhile is known to another process.
    """
    server = run("appendonly yes")
    vault = make(server, redis_fallback=fallback, redis_timeout=300)
    outcomes: Counter[str] = Counter()
    texts = [f"why is {instance(number)} slow" for number in range(REQUESTS)]
    some = texts[::20]

    async def request(client: httpx2.AsyncClient, number: int) -> None:
        await asyncio.sleep(number / 200)
        answer = await ask(client, texts[number])
        if answer.status_code == 200:
            assert text_of(answer) == texts[number]
        else:
            error = answer.json()["error"]["message"]
            assert "AWS_MASKER_100" in error
            assert instance(number) not in error
        outcomes[str(answer.status_code)] += 1

    async def trouble() -> None:
        await asyncio.sleep(0.3)
        if blow == "restart":
            server.kill()
            await asyncio.sleep(0.4)
            await asyncio.to_thread(server.start)
        else:
            server.pause()
            await asyncio.sleep(0.6)
            server.resume()

    async with upstream(echo(0.05)) as received:
        with proxy(received.url, vault=vault) as url:
            async with client_of(url) as client:
                await asyncio.wait_for(
                    asyncio.gather(trouble(), *(request(client, number) for number in range(REQUESTS))), PATIENCE
                )
                assert outcomes.total() == REQUESTS
                assert outcomes["200"] == REQUESTS if fallback else set(outcomes) == {"200", "503"}
                await recovered(client)
                for text in some:
                    assert text_of(await ask(client, text)) == text
        everything = bytes(received.raw)
        assert not any(instance(number).encode() in everything for number in range(REQUESTS))
        masked = sent(received)[-len(some) :]
        await asyncio.to_thread(vault.close)
        with proxy(received.url, vault=make(server)) as url:
            async with client_of(url) as client:
                for before, text in zip(masked, some, strict=True):
                    assert text_of(await ask(client, before)) == text


async def recovered(client: httpx2.AsyncClient) -> None:
    """Wait until requests are served again, several in a row."""

    async def until_served() -> None:
        row = 0
        while row < 6:
            await asyncio.sleep(0.05)
            row = row + 1 if (await ask(client, "hello i-0123456789abcdef0")).status_code == 200 else 0

    await asyncio.wait_for(until_served(), PATIENCE)


@pytest.mark.anyio
async def test_a_wrong_key_serves_nobody(server: Server, make: Make) -> None:
    """The client gets the code of a wrong configuration, the upstream gets nothing."""
    make(server).open()
    async with upstream(echo()) as received:
        with proxy(received.url, vault=make(server, key=bytes(32))) as url:
            async with client_of(url) as client:
                answer = await ask(client, f"why is {instance(1)} slow")
    assert answer.status_code == 500
    assert "AWS_MASKER_4001" in answer.text
    assert instance(1) not in answer.text
    assert received.requests == []
