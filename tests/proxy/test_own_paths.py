"""Health and metrics: answered here, never upstream, without values, with bounded labels."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.proxy.harness import Exchange, between, instance, sized

pytestmark = pytest.mark.anyio
VALUE = instance(4)
PLACEHOLDER = re.compile(rb"i-[0-9a-f]{17}")


async def echo(exchange: Exchange) -> None:
    found = PLACEHOLDER.search(exchange.body)
    await exchange.send(sized(b'{"a":"%s"}' % (found[0] if found else b"")))


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_health_says_ok() -> None:
    """The health path answers by itself, whether or not the upstream lives."""
    async with between(echo) as (client, received):
        answer = await client.get("/.aws-masker/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert received.connections == 0


@pytest.mark.parametrize("path", ["/.aws-masker", "/.aws-masker/", "/.aws-masker/x", "/%2eaws-masker/x?y=z"])
async def test_nothing_under_the_own_prefix_goes_upstream(path: str) -> None:
    """Unknown paths there are a 404 of ours, however they are written."""
    async with between(echo) as (client, received):
        for method in ("GET", "POST"):
            assert (await client.request(method, path, follow_redirects=True)).status_code == 404
    assert received.connections == 0


async def test_metrics_count_requests_values_and_time() -> None:
    """Requests by API and outcome, values by family, sizes and durations; no value and no path in a label."""
    async with between(echo) as (client, received):
        for content in (f"a {VALUE}", "nothing"):
            await client.post(f"/v1/messages?x={VALUE}", json={"messages": [{"role": "user", "content": content}]})
        await client.post("/v1/chat/completions", content=b"{", headers={"content-type": "application/json"})
        text = (await client.get("/.aws-masker/metrics")).text
    got = samples(text)
    assert got["aws_masker_requests_total", "anthropic", "answered"] == 2
    assert got["aws_masker_requests_total", "openai-chat", "AWS_MASKER_6002"] == 1
    assert got["aws_masker_masked_values_total", "ec2_instance"] == 1
    assert got["aws_masker_restored_values_total", "ec2_instance"] == 1
    assert got["aws_masker_requests_running",] == 0
    assert got["aws_masker_request_bytes_count",] == 3
    assert got["aws_masker_stage_seconds_count", "mask"] == 3
    assert got["aws_masker_stage_seconds_count", "restore"] == 2
    assert got["aws_masker_answer_bytes_count",] == 2
    assert got["aws_masker_first_byte_seconds_count", "anthropic"] == 2
    assert VALUE not in text
    assert "/v1/" not in text
    assert len(received.requests) == 2


async def test_each_application_counts_for_itself() -> None:
    """Two proxies in one process do not share their counts."""
    async with between(echo) as (client, _):
        await client.get("/v1/models")
    async with between(echo) as (client, _):
        assert "answered" not in (await client.get("/.aws-masker/metrics")).text.replace("`answered`", "")
