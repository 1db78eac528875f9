"""In front of Kong: nobody but the masker can read the request, and no answer counts that is not the masker's."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from kong_plugins.aws_masker.seal import Seal
from kong_plugins.aws_masker.settings import Settings
from tests.proxy.harness import (
    KEY,
    PATIENCE,
    SSE_HEAD,
    Exchange,
    Script,
    Upstream,
    chunk,
    gateway,
    headers_of,
    instance,
    sized,
    talk,
    upstream,
)

pytestmark = pytest.mark.anyio
VALUE = instance(1)
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"stop {VALUE}"}]}).encode()
JSON = {"content-type": "application/json"}


def opened(exchange: Exchange, key: bytes = KEY) -> tuple[Seal, bytes]:
    """Do what the plugin does."""
    (salt,) = (value for name, value in headers_of(exchange.head) if name.lower() == b"x-aws-masker-seal")
    seal = Seal(key, bytes.fromhex(salt.decode()))
    return seal, seal.open(exchange.body)


def proven(seal: Seal, head: bytes) -> bytes:
    return head.replace(b"\r\n", b"\r\nX-AWS-Masker-Opened: " + seal.proof.encode() + b"\r\n", 1)


@asynccontextmanager
async def before(script: Script, **options: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, Upstream]]:
    """Run a stand-in for Kong, the proxy before it and a client before that."""
    async with upstream(script) as kong:
        with gateway(kong.url, **options) as url:
            async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False) as client:
                yield client, kong


async def test_kong_can_read_it_and_nobody_else() -> None:
    """Without the key there is nothing of the body to be seen; with it, it is the client's, byte for byte."""
    bodies = []

    async def kong(exchange: Exchange) -> None:
        seal, body = opened(exchange)
        bodies.append(body)
        await exchange.send(proven(seal, sized(b'{"content": []}')))

    async with before(kong) as (client, received):
        answer = await client.post("/v1/messages?beta=true", content=BODY, headers={**JSON, "x-api-key": "k"})
        again = await client.post("/v1/messages?beta=true", content=BODY, headers={**JSON, "x-api-key": "k"})
    assert (answer.status_code, answer.content) == (again.status_code, again.content) == (200, b'{"content": []}')
    assert "x-aws-masker-opened" not in answer.headers
    assert bodies == [BODY, BODY]
    assert VALUE.encode() not in received.raw
    assert b"messages" not in received.requests[0].body
    assert received.requests[0].body != received.requests[1].body
    assert received.requests[0].head.startswith(b"POST /v1/messages?beta=true HTTP/1.1\r\n")


async def test_headers_go_end_to_end() -> None:
    """As they came, but for those of the connection and the length; a seal of the client's own does not count."""

    async def kong(exchange: Exchange) -> None:
        seal, _ = opened(exchange)
        await exchange.send(
            proven(seal, sized(b"{}", b"HTTP/1.1 200 OK\r\nX-One: 1\r\nX-one: 2\r\nConnection: x-hop\r\nX-Hop: 3\r\n"))
        )

    async with before(kong) as (client, received):
        head = (
            b"POST /v1/messages HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer t\r\nX-B: 1\r\nx-b: 2\r\n"
            b"X-AWS-Masker-Seal: 00\r\nConnection: close, X-Gone\r\nX-Gone: 1\r\nContent-Length: 2\r\n\r\n{}"
        )
        answer = await talk(client.base_url, head)
    sent = headers_of(received.requests[0].head)
    assert [name for name, _ in sent if name.lower() not in (b"x-aws-masker-seal", b"host")] == [
        b"authorization",
        b"x-b",
        b"x-b",
        b"content-length",
    ]
    assert (b"content-length", b"18") in [(name.lower(), value) for name, value in sent]
    assert b"x-hop" not in answer.lower()
    assert b"x-one: 1\r\nx-one: 2\r\n" in answer


async def test_answers_are_untouched() -> None:
    """What looks like a placeholder, and every byte of a coded body, comes through: restoring is Kong's."""
    body = hashlib.sha512(b"x").digest() * 4

    async def kong(exchange: Exchange) -> None:
        seal, _ = opened(exchange)
        coded = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
        await exchange.send(proven(seal, sized(body, coded)))

    async with before(kong) as (client, _), client.stream("POST", "/v1/messages", content=BODY, headers=JSON) as answer:
        assert b"".join([piece async for piece in answer.aiter_raw()]) == body
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    ("path", "is_led"),
    [("/v1/messages/batches/b", True), ("/v1/messages/batches/b/results", False), ("/v1/messages", False)],
)
async def test_links_to_the_results_of_a_batch(path: str, is_led: bool) -> None:
    """The masker makes them lead to Kong, the proxy to itself; nowhere else is anything changed."""

    async def kong(exchange: Exchange) -> None:
        seal, _ = opened(exchange)
        (host,) = (value for name, value in headers_of(exchange.head) if name.lower() == b"host")
        link = b'{"results_url": "http://%s/v1/messages/batches/b/results"}' % host
        await exchange.send(proven(seal, sized(link, b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")))

    async with before(kong) as (client, other):
        answer = await client.get(path)
        base = str(client.base_url).rstrip("/") if is_led else other.url
    assert answer.json() == {"results_url": f"{base}/v1/messages/batches/b/results"}


async def test_streams_are_not_held_back() -> None:
    """The client has each piece before Kong sends the next."""
    seen = asyncio.Event()

    async def kong(exchange: Exchange) -> None:
        seal, _ = opened(exchange)
        await exchange.send(proven(seal, SSE_HEAD) + chunk(b"data: 1"))
        await seen.wait()
        await exchange.send(chunk(b"\n\n") + chunk(b""))

    async with before(kong) as (client, _), client.stream("POST", "/v1/messages", content=BODY, headers=JSON) as answer:
        pieces = answer.aiter_raw()
        assert await asyncio.wait_for(anext(pieces), PATIENCE) == b"data: 1"
        seen.set()
        assert await asyncio.wait_for(anext(pieces), PATIENCE) == b"\n\n"


async def test_the_client_leaves() -> None:
    """Kong is told, by its connection being closed."""

    async def kong(exchange: Exchange) -> None:
        seal, _ = opened(exchange)
        await exchange.send(proven(seal, SSE_HEAD) + chunk(b"data: 1\n\n"))
        await exchange.wait_closed()
        gone.set()

    gone = asyncio.Event()
    async with before(kong) as (client, _):
        async with client.stream("POST", "/v1/messages", content=BODY, headers=JSON) as answer:
            await anext(answer.aiter_raw())
        await asyncio.wait_for(gone.wait(), PATIENCE)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize("proof", ["none", "another key's", "another request's"])
async def test_without_proof(proof: str, path: str) -> None:
    """A Kong without the plugin, with another key, or anybody else: an error in the shape of the client's API."""

    async def kong(exchange: Exchange) -> None:
        assert opened(exchange)[1] == BODY
        other = Seal(bytes(32) if proof == "another key's" else KEY, bytes(16))
        answer = sized(b'{"content": "no"}')
        await exchange.send(answer if proof == "none" else proven(other, answer))

    async with before(kong) as (client, received):
        answer = await client.post(path, content=BODY, headers=JSON)
        metrics = (await client.get("/.aws-masker/metrics")).text
    assert answer.status_code == 503
    assert answer.headers["x-aws-masker-error"] == "AWS_MASKER_5002"
    error = answer.json()["error"]
    assert "without the proof of the masker" in error["message"]
    assert (answer.json().get("type") == "error") is (path == "/v1/messages")
    assert VALUE.encode() not in received.raw
    assert 'outcome="AWS_MASKER_5002"' in metrics


@pytest.mark.parametrize(("status", "shown"), [(401, 401), (403, 403), (413, 413), (429, 429), (404, 503), (500, 503)])
async def test_kong_answers_before_the_masker(status: int, shown: int) -> None:
    """Of what needs no proof, clients know what to do about it; all else is our error. The request stays sealed."""

    async def kong(exchange: Exchange) -> None:
        head = b"HTTP/1.1 %d No\r\ncontent-type: application/json\r\nretry-after: 7\r\n" % status
        await exchange.send(sized(b'{"message":"no"}', head))

    async with before(kong) as (client, received):
        answer = await client.post("/v1/messages", content=BODY, headers=JSON)
    assert answer.status_code == shown
    if shown == status:
        assert (answer.json(), answer.headers["retry-after"]) == ({"message": "no"}, "7")
    else:
        assert f"Kong answered with status {status}" in answer.json()["error"]["message"]
    assert VALUE.encode() not in received.raw


async def test_kong_is_away() -> None:
    """502 with our code; readiness says so, and that Kong is there when it is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with gateway(nobody) as url:
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False) as client:
            answer = await client.post("/v1/messages", content=BODY, headers=JSON)
            ready = await client.get("/.aws-masker/readyz")
            alive = await client.get("/.aws-masker/healthz")
    assert answer.status_code == 502
    assert answer.json()["error"]["message"].startswith("AWS_MASKER_7001")
    assert "Kong does not answer" in answer.json()["error"]["message"]
    assert (ready.status_code, ready.json()["components"]["kong"]["status"]) == (503, "failed")
    assert alive.status_code == 200

    async def kong(exchange: Exchange) -> None:
        raise AssertionError("nothing is asked")

    async with before(kong) as (client, _):
        ready = await client.get("/.aws-masker/readyz")
    assert (ready.status_code, ready.json()["components"]["kong"]["status"]) == (200, "ok")


async def test_an_answer_breaks_off() -> None:
    """The client sees that the end is missing."""

    async def kong(exchange: Exchange) -> None:
        seal, _ = opened(exchange)
        await exchange.send(proven(seal, SSE_HEAD) + chunk(b"data: 1\n\n"))
        exchange.reset()

    async with before(kong) as (client, _):
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post("/v1/messages", content=BODY, headers=JSON)


async def test_bounds_and_upgrades() -> None:
    """What could not be masked is refused before Kong hears of it."""

    async def kong(exchange: Exchange) -> None:
        raise AssertionError("nothing is asked")

    async with before(kong, settings=Settings(max_body_size=1024)) as (client, received):
        large = await client.post("/v1/messages", content=b"x" * 1025, headers=JSON)
        upgrade = await client.get("/v1/responses", headers={"upgrade": "websocket", "connection": "upgrade"})
    assert (large.status_code, upgrade.status_code) == (413, 426)
    assert received.connections == 0


async def test_large_bodies() -> None:
    """Sealed in a thread, whole."""
    large = b'{"x": "' + b"y" * 3_000_000 + b'"}'

    async def kong(exchange: Exchange) -> None:
        seal, body = opened(exchange)
        await exchange.send(proven(seal, sized(b"%d" % (body == large))))

    async with before(kong) as (client, _):
        assert (await client.post("/v1/messages", content=large, headers=JSON)).content == b"1"


@pytest.mark.parametrize("method", ["HEAD", "GET", "DELETE"])
async def test_without_a_body(method: str) -> None:
    """Nothing to seal, but proof is asked for."""

    async def kong(exchange: Exchange) -> None:
        seal, body = opened(exchange)
        assert body == b""
        await exchange.send(proven(seal, b"HTTP/1.1 204 No Content\r\n\r\n"))

    async with before(kong) as (client, received):
        answer = await client.request(method, "/v1/models/x")
    assert answer.status_code == 204
    assert received.requests[0].head.startswith(method.encode())
