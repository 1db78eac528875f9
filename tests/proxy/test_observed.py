"""What the proxy tells of its requests: metrics, log lines, readiness; by the id that joins them."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.choice import vault_of
from tests.proxy.harness import KEY, SSE_HEAD, Exchange, between, chunk, instance, sized, text_delta
from tests.proxy.test_own_paths import samples
from tests.vault.servers import free_port

pytestmark = pytest.mark.anyio
VALUE = instance(7)
PLACEHOLDER = re.compile(rb"i-[0-9a-f]{17}")


def question(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


async def echo(exchange: Exchange) -> None:
    found = (PLACEHOLDER.findall(exchange.body) or [b""])[-1]
    if b'"stream"' in exchange.body:
        await exchange.send(SSE_HEAD + chunk(text_delta(found.decode() + " ")) * 2 + chunk(b""))
    else:
        await exchange.send(sized(b'{"a":"%s, %s"}' % (found, found)))


async def metrics(client: httpx2.AsyncClient) -> dict[tuple[str, ...], float]:
    return samples((await client.get("/.aws-masker/metrics")).text)


@pytest.mark.parametrize("stream", [False, True])
async def test_restored_values_are_counted_once_an_answer(stream: bool) -> None:
    """By family, in plain answers and in streams."""
    more = {"stream": True} if stream else {}
    async with between(echo) as (client, _):
        answer = await client.post("/v1/messages", json=question(VALUE, **more))
        assert answer.text.count(VALUE) == 2
        got = await metrics(client)
    assert got["aws_masker_restored_values_total", "ec2_instance"] == 1
    assert got["aws_masker_answer_bytes_sum",] > 0
    assert ("aws_masker_restore_misses_total", "forgotten") not in got


async def test_placeholders_that_nobody_knows_are_counted() -> None:
    """One of this tenant whose mapping is gone, and one that another tenant made: both stay as they are."""
    made: list[bytes] = []

    async def script(exchange: Exchange) -> None:
        made.extend(re.findall(rb"bucket-[a-z2-7]{16}", exchange.body))
        await exchange.send(sized(b'{"a":"%s"}' % b" ".join(made)))

    async def ask(client: httpx2.AsyncClient, name: str, tenant: str) -> None:
        await client.post("/v1/messages", json=question(f"s3://{name}/"), headers={"x-tenant": tenant})

    async with between(script, tenant_header="x-tenant") as (client, _):
        for number in range(12):  # one in thirty placeholders has no digit, and looks like a word
            await ask(client, f"acme-archive-{number}", "one")
    async with between(script, tenant_header="x-tenant") as (client, _):
        await ask(client, "acme-archive-x", "one")
        assert (await metrics(client))["aws_masker_restore_misses_total", "forgotten"] == 12
        await ask(client, "acme-archive-y", "two")
        assert (await metrics(client))["aws_masker_restore_misses_total", "foreign"] > 6


async def test_a_history_sent_again_is_stable() -> None:
    """The share of a history that was masked as before, in bytes."""
    long = f"why is {VALUE} slow? " + "What of reporting-archive? " * 10
    async with between(echo) as (client, _):
        for _ in range(2):
            await client.post("/v1/messages", json=question(long))
        got = await metrics(client)
        assert got["aws_masker_history_bytes_total", "stable"] == len(long)
        assert ("aws_masker_history_bytes_total", "changed") not in got
        await client.post("/v1/messages", json=question(long, system="arn:aws:s3:::reporting-archive"))
        assert (await metrics(client))["aws_masker_history_bytes_total", "changed"] == len(long)


@pytest.mark.parametrize("on", [True, False])
async def test_log_masked_requests(on: bool) -> None:
    """A line for each request and each answer in which something was restored, joined by an id; or none."""
    with capture_logs() as lines:
        async with between(echo, settings=Settings(log_masked_requests=on)) as (client, _):
            await client.post("/v1/messages", json=question(VALUE))
            await client.post("/v1/messages", json=question("nothing"))
            await client.post("/v1/messages", content=b"{", headers={"content-type": "application/json"})
    told = [line for line in lines if line["event"].startswith(("request_", "answer_"))]
    names = [line["event"] for line in told if line["event"] != "request_failed"]
    expected = ["answer_restored", "request_masked", "request_passed", "request_stopped"]
    assert names == (expected if on else [])
    failed = next(line for line in told if line["event"] == "request_failed")
    if on:
        assert told[0]["request"] == told[1]["request"] != told[2]["request"]
        assert told[1]["families"] == told[0]["families"] == {"ec2_instance": 1}
        assert (told[1]["outcome"], told[1]["status"], told[1]["route"]) == ("answered", 200, "messages")
        stopped = told[-1]
        assert (stopped["request"], stopped["outcome"], stopped["status"]) == (failed["request"], failed["code"], 422)
    assert VALUE not in str(lines)


@pytest.mark.parametrize(("fallback", "ready"), [(True, (200, "degraded")), (False, (503, "failed"))])
async def test_readiness_without_redis(fallback: bool, ready: tuple[int, str]) -> None:
    """Redis away: degraded with the fallback, not ready without; liveness knows nothing of it."""
    settings = Settings(redis_host="127.0.0.1", redis_port=free_port(), redis_fallback=fallback)
    vault = vault_of(settings, {}, KEY)
    async with between(echo, settings=settings, vault=vault) as (client, received):
        answer = await client.post("/v1/messages", json=question(VALUE))
        page = await client.get("/.aws-masker/readyz")
        alive = await client.get("/.aws-masker/healthz")
    assert answer.status_code == (200 if fallback else 503)
    assert (page.status_code, page.json()["status"]) == ready
    assert page.json()["components"]["redis"]["status"] == ready[1]
    assert alive.status_code == 200
    assert len(received.requests) == fallback


async def test_readiness_in_memory() -> None:
    """Nothing that could be away."""
    async with between(echo) as (client, received):
        page = await client.get("/.aws-masker/readyz")
    assert (page.status_code, page.json()["status"]) == (200, "ok")
    assert page.json()["components"]["redis"]["status"] == "unused"
    assert received.connections == 0
