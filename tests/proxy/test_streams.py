"""Streams: at once, many together, cut anywhere, and broken off on either side."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx2
import pytest

from tests.proxy.harness import (
    BLOCK_STOP,
    JSON_HEAD,
    PATIENCE,
    SSE_HEAD,
    Exchange,
    between,
    chunk,
    instance,
    proxy,
    sized,
    text_delta,
    upstream,
)

pytestmark = pytest.mark.anyio
VALUE = instance(7)
PLACEHOLDER = re.compile(rb"i-[0-9a-f]{17}")


def question(value: str = VALUE) -> dict[str, Any]:
    body = f'{{"stream":true,"messages":[{{"role":"user","content":"watch {value}"}}]}}'
    return {"content": body.encode(), "headers": {"content-type": "application/json"}}


def placeholder(exchange: Exchange) -> str:
    found = PLACEHOLDER.search(exchange.body)
    assert found is not None
    return found[0].decode()


async def test_the_first_event_arrives_while_the_upstream_is_still_sending() -> None:
    """Nothing waits for the end: the rest is sent only after the client has the beginning."""
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + chunk(text_delta(f"first {placeholder(exchange)} .")))
        await go_on.wait()
        await exchange.send(chunk(text_delta("second. ") + BLOCK_STOP) + chunk(b""))

    async with between(script) as (client, received), client.stream("POST", "/v1/messages", **question()) as answer:
        got = b""
        async for piece in answer.aiter_bytes():
            got += piece
            if VALUE.encode() in got:
                go_on.set()
    assert got.index(VALUE.encode()) < got.index(b"second") < got.index(b"content_block_stop")
    assert VALUE.encode() not in received.raw


async def test_the_head_of_an_answer_does_not_wait_for_its_body() -> None:
    """The client has status and headers while the model still thinks."""
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD)
        await go_on.wait()
        await exchange.send(chunk(b""))

    async with between(script) as (client, _), client.stream("POST", "/v1/messages", **question()) as answer:
        assert answer.status_code == 200
        go_on.set()


async def test_fifty_streams_run_at_the_same_time() -> None:
    """No stream waits for another: all have begun before any may end, and each gets its own value back."""
    begun = 0
    all_begun = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + chunk(text_delta(f"at {placeholder(exchange)} .")))
        await all_begun.wait()
        await exchange.send(chunk(BLOCK_STOP) + chunk(b""))

    async with between(script) as (client, received):

        async def one(number: int) -> bool:
            nonlocal begun
            got = b""
            async with client.stream("POST", "/v1/messages", **question(instance(number))) as answer:
                async for piece in answer.aiter_bytes():
                    if not got:
                        begun += 1
                        if begun == 50:
                            all_begun.set()
                    got += piece
            return re.findall(PLACEHOLDER, got) == [instance(number).encode()]

        assert all(await asyncio.wait_for(asyncio.gather(*map(one, range(50))), PATIENCE))
    assert received.connections == 50
    assert not any(instance(number).encode() in received.raw for number in range(50))


async def test_a_placeholder_cut_anywhere_is_restored() -> None:
    """Every cut of the stream's bytes gives the client the same events."""

    async def script(exchange: Exchange) -> None:
        name = placeholder(exchange)
        stream = text_delta(f"a {name[:7]}") + text_delta(f"{name[7:]} b") + BLOCK_STOP
        await exchange.send(SSE_HEAD)
        for at in range(len(stream)):
            await exchange.send(chunk(stream[at : at + 1]))
            await asyncio.sleep(0)
        await exchange.send(chunk(b""))

    async with between(script) as (client, _):
        answer = await client.post("/v1/messages", **question())
    texts = re.findall(r'"text":"([^"]*)"', answer.text)
    assert "".join(texts) == f"a {VALUE} b"


async def test_a_stream_that_breaks_off_is_broken_for_the_client_too() -> None:
    """All that came before the break is handed on, what was held back included; the end is missing."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + chunk(text_delta(f"at {placeholder(exchange)}") + text_delta("and i-0")))
        exchange.reset() if b"reset" in exchange.head else exchange.writer.close()

    async with between(script) as (client, _):
        for path in ("/v1/messages", "/v1/messages?reset"):
            got = b""
            with pytest.raises(httpx2.RemoteProtocolError):
                async with client.stream("POST", path, **question()) as answer:
                    async for piece in answer.aiter_bytes():
                        got += piece
            assert answer.status_code == 200
            assert b"reset" in path.encode() or VALUE.encode() in got


@pytest.mark.parametrize("kind", [b"text/plain", b"application/octet-stream"])
async def test_an_answer_shorter_than_it_said_is_broken_for_the_client(kind: bytes) -> None:
    """A wrong length upstream is no complete answer downstream, but what came is handed on."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ncontent-length: 1000\r\n\r\nhalf")
        exchange.writer.close()

    async with between(script) as (client, _):
        got = b""
        with pytest.raises(httpx2.RemoteProtocolError):
            async with client.stream("GET", "/v1/models") as answer:
                async for piece in answer.aiter_bytes():
                    got += piece
    assert got == b"half"


async def test_half_a_json_answer_is_a_502() -> None:
    """JSON is restored as a whole, so the error is known before anything is out: the client gets it instead."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(JSON_HEAD + b'content-length: 1000\r\n\r\n{"a":1}')
        exchange.writer.close()

    async with between(script) as (client, _):
        answer = await client.get("/v1/models")
    assert (answer.status_code, answer.headers["x-aws-masker-error"]) == (502, "AWS_MASKER_7001")


async def test_a_json_answer_has_the_length_of_what_the_client_gets() -> None:
    """Restored or not, large (in a thread) or small: the length is right, and the connection goes on."""

    async def script(exchange: Exchange) -> None:
        found = PLACEHOLDER.search(exchange.body)
        await exchange.send(sized(b'{"a": "%s %s"}' % (found[0] if found else b"", b"x" * len(exchange.body))))

    async with between(script) as (client, received):
        for size in (0, 200_000):
            for value in (VALUE, ""):
                answer = await client.post("/v1/messages", json={"a": f"{value} {'y' * size}"})
                assert int(answer.headers["content-length"]) == len(answer.content)
                assert answer.json()["a"].split(" ")[0] == value
    assert received.connections == 1
    assert VALUE.encode() not in received.raw


async def test_an_answer_longer_than_it_said_ends_where_it_said() -> None:
    """What comes after the declared length is not part of this answer, nor of the next."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(sized(b'{"a":1}') + b"HTTP/1.1 200 surplus")

    async with between(script) as (client, _):
        for _ in range(2):
            assert (await client.get("/v1/models")).json() == {"a": 1}


@pytest.mark.parametrize("body", [b'{"half":', b"", b"not JSON"])
async def test_malformed_json_comes_back_as_it_is(body: bytes) -> None:
    """An answer that is not what it claims to be is the provider's own bytes for the client."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(sized(body))

    async with between(script) as (client, _):
        answer = await client.get("/v1/models")
    assert (answer.status_code, answer.content) == (200, body)


async def test_trailers_and_interim_answers_do_no_harm() -> None:
    """1xx answers before the real one are taken in, trailers after a chunked one dropped."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        await exchange.send(SSE_HEAD + chunk(text_delta(placeholder(exchange)) + BLOCK_STOP) + b"0\r\nx-t: 1\r\n\r\n")

    async with between(script) as (client, received):
        for _ in range(2):
            answer = await client.post("/v1/messages", **question())
            assert VALUE in answer.text
    assert received.connections == 1


@pytest.mark.parametrize("begun", [False, True])
async def test_a_client_that_leaves_closes_the_upstreams_connection(begun: bool) -> None:
    """Before the answer's first byte and in its middle."""
    arrived = asyncio.Event()
    closed = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if begun:
            await exchange.send(SSE_HEAD + chunk(text_delta("x")))
        arrived.set()
        await exchange.wait_closed()
        closed.set()

    async with upstream(script) as received:
        with proxy(received.url) as url:
            target = httpx2.URL(url)
            reader, writer = await asyncio.open_connection(target.host, target.port)
            writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
            await asyncio.wait_for(arrived.wait(), PATIENCE)
            if begun:
                await reader.readuntil(b"content_block_delta")
            writer.close()
            await asyncio.wait_for(closed.wait(), PATIENCE)


async def test_a_client_that_leaves_before_its_body_is_complete_sends_nothing_upstream() -> None:
    """Half a request is none."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(sized(b"{}"))

    async with upstream(script) as received:
        with proxy(received.url) as url:
            target = httpx2.URL(url)
            _, writer = await asyncio.open_connection(target.host, target.port)
            writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
            await writer.drain()
            writer.close()
            async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
                await client.get("/v1/models")
                while "client_gone" not in (await client.get("/.aws-masker/metrics")).text:
                    await asyncio.sleep(0.01)
    assert [request.head.split(b" ")[1] for request in received.requests] == [b"/v1/models"]


async def test_a_client_that_reads_slowly_slows_the_upstream_down() -> None:
    """A stream is not piled up in the proxy: the upstream cannot send all of it while the client reads nothing."""
    size = 64 * 1024 * 1024
    sent = 0

    async def script(exchange: Exchange) -> None:
        nonlocal sent
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: %d\r\n\r\n" % size
        await exchange.send(head)
        while sent < size:
            await exchange.send(b"x" * 65536)
            sent += 65536

    async with between(script) as (client, _), client.stream("GET", "/v1/files/f/content") as answer:
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.5)
        assert sent < size // 2
        got = 0
        async for piece in answer.aiter_raw():
            got += len(piece)
    assert got == size
