"""Earlier turns are restored, and each tenant gets only what is its own."""

from __future__ import annotations

import re

import httpx2
import pytest

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.proxy.app import create_app
from kong_plugins.aws_masker.settings import Settings
from tests.proxy.harness import KEY, Exchange, between, headers_of, instance, sized

pytestmark = pytest.mark.anyio
VALUE = instance(5)
PLACEHOLDER = re.compile(rb"i-[0-9a-f]{17}")


class Model:
    """Remembers the first placeholder that it saw and repeats it in every answer."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, exchange: Exchange) -> None:
        self.seen += [found.decode() for found in PLACEHOLDER.findall(exchange.body)]
        await exchange.send(sized(f'{{"content":[{{"type":"text","text":"{self.seen[0]}"}}]}}'.encode()))


async def ask(client: httpx2.AsyncClient, text: str, **headers: str) -> str:
    answer = await client.post("/v1/messages", json={"messages": [{"role": "user", "content": text}]}, headers=headers)
    got: str = answer.json()["content"][0]["text"]
    return got


async def test_a_later_request_gets_the_value_of_an_earlier_one_back() -> None:
    """The vault restores what this request does not contain."""
    model = Model()
    async with between(model) as (client, received):
        assert await ask(client, f"stop {VALUE}") == VALUE
        assert await ask(client, "which one was it?") == VALUE
    assert VALUE.encode() not in received.raw
    assert len(model.seen) == 1


async def test_no_tenant_gets_a_value_of_another() -> None:
    """A placeholder of one tenant stays a placeholder for all others, the one without a name included."""
    model = Model()
    async with between(model, tenant_header="X-Team") as (client, received):
        headers = {"x-team": "a"}
        assert await ask(client, f"stop {VALUE}", **headers) == VALUE
        for other in ({"x-team": "b"}, {"x-team": "A"}, {}):
            assert await ask(client, "which one was it?", **other) == model.seen[0]
        assert await ask(client, "which one was it?", **headers) == VALUE
        assert await ask(client, f"stop {VALUE}", **{"x-team": "b"}) == model.seen[0]
    assert VALUE.encode() not in received.raw
    assert model.seen[0] != model.seen[1]


async def test_the_tenant_header_stays_here() -> None:
    """It is not sent upstream; without the option a header of that name is like any other."""
    for option, expected in (("X-Team", False), (None, True)):
        async with between(Model(), tenant_header=option) as (client, received):
            await ask(client, f"stop {VALUE}", **{"x-team": "a"})
        assert (b"x-team" in dict(headers_of(received.requests[0].head))) is expected


@pytest.mark.parametrize("tenants", [["a", "b"], ["x" * 257]])
async def test_an_unclear_tenant_is_refused(tenants: list[str]) -> None:
    """Two names, or an endless one: refused, and nothing goes upstream."""
    async with between(Model(), tenant_header="x-team") as (client, received):
        headers = [("x-team", tenant) for tenant in tenants]
        answer = await client.post("/v1/messages", json={"a": VALUE}, headers=headers)
    assert answer.headers["x-aws-masker-error"] == "AWS_MASKER_2003"
    assert received.connections == 0


@pytest.mark.parametrize("name", ["", "x team", "x:team", "Content-Length", "h\N{LATIN SMALL LETTER E WITH ACUTE}"])
async def test_a_header_that_cannot_name_a_tenant_is_refused_at_once(name: str) -> None:
    """A wrong name is an error of the configuration."""
    with pytest.raises(ConfigError):
        create_app("http://127.0.0.1:1", Settings(), KEY, tenant_header=name)
