"""What is refused, and what happens when the upstream fails: clear errors, and nothing unmasked upstream."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import httpx2
import pytest

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.pipeline import mask_request
from kong_plugins.aws_masker.proxy import forward
from kong_plugins.aws_masker.proxy.app import create_app
from kong_plugins.aws_masker.settings import Settings
from tests.proxy.harness import (
    KEY,
    SSE_HEAD,
    Exchange,
    between,
    chunk,
    headers_of,
    instance,
    proxy,
    sized,
    talk,
    text_delta,
    upstream,
)

pytestmark = pytest.mark.anyio
VALUE = instance(3)
QUESTION = f'{{"messages":[{{"role":"user","content":"reboot {VALUE}"}}]}}'.encode()
JSON = {"content-type": "application/json"}
SMALL = Settings(max_body_size=2048)


async def ok(exchange: Exchange) -> None:
    await exchange.send(sized(b"{}"))


def assert_error(answer: httpx2.Response, status: int, code: str, kind: str = "") -> None:
    """The answer is an error of ours, in Anthropic's shape, and holds no value."""
    assert answer.status_code == status
    assert answer.headers["x-aws-masker-error"] == code
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["type"] == "error"
    assert code in body["error"]["message"]
    assert kind in body["error"]["type"]
    assert VALUE not in answer.text


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"a": "' + VALUE.encode(), JSON, 422, "AWS_MASKER_6002"),
        (QUESTION, {**JSON, "content-encoding": "gzip"}, 415, "AWS_MASKER_2003"),
        (QUESTION, {**JSON, "content-encoding": "unheard-of"}, 415, "AWS_MASKER_2003"),
        (QUESTION, {"content-type": "application/unheard-of"}, 415, "AWS_MASKER_2003"),
        (QUESTION, {**JSON, "content-encoding": "gzip", "connection": "content-encoding, content-type"}, 415, ""),
    ],
)
async def test_what_cannot_be_masked_is_refused(
    content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """The client is told why in its API's shape; the upstream is not even connected to."""
    async with between(ok) as (client, received):
        answer = await client.post("/v1/messages", content=content, headers=headers)
    if code:
        assert_error(answer, status, code)
    assert received.connections == 0 or VALUE.encode() not in received.raw


async def test_a_presigned_request_that_would_have_to_change_is_refused() -> None:
    """The proxy looks at the signature in the address, too: AWS would find another body under it."""
    target = "/model/m/converse?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0123"
    async with between(ok) as (client, received):
        answer = await client.post(target, content=QUESTION, headers=JSON)
        assert answer.status_code == 400 and "AWS_MASKER_2005" in answer.text and VALUE not in answer.text
        assert received.connections == 0
        assert (await client.post(target, content=b'{"messages":[]}', headers=JSON)).status_code == 200


async def test_an_openai_client_gets_openais_shape() -> None:
    """The path decides the shape of the error."""
    async with between(ok) as (client, received):
        answer = await client.post("/v1/chat/completions", content=b"{", headers=JSON)
    assert answer.json()["error"]["code"] == "AWS_MASKER_6002"
    assert received.connections == 0


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_bound_is_refused(declared: bool) -> None:
    """413, with the length declared or not; at the bound the request passes."""

    async def pieces() -> Any:
        for _ in range(5):
            yield b'"%s"' % (b"x" * 498)

    fits = b'"%s"' % (b"x" * 2046)
    async with between(ok, settings=SMALL) as (client, received):
        content = fits + b" " if declared else pieces()
        answer = await client.post("/v1/messages", content=content, headers=JSON)
        assert_error(answer, 413, "AWS_MASKER_2004", "request_too_large")
        assert received.connections == 0
        assert (await client.post("/v1/messages", content=fits, headers=JSON)).status_code == 200


async def test_a_body_over_the_bound_is_not_even_asked_for() -> None:
    """A client that waits for `100 Continue` gets the refusal instead."""
    head = (
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\nexpect: 100-continue\r\n"
        b"connection: close\r\n\r\n"
    )
    async with upstream(ok) as received:
        with proxy(received.url, SMALL) as url:
            answer = await talk(url, head)
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
async def test_an_upgrade_is_refused(protocol: bytes) -> None:
    """Nothing could be masked in another protocol; 426 makes clients fall back to plain HTTP."""
    head = (
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: %s\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    async with upstream(ok) as received:
        with proxy(received.url) as url:
            answer = await talk(url, head % (protocol, len(QUESTION)) + QUESTION)
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert (b"connection", b"close") in headers_of(answer)
    assert b"AWS_MASKER_2003" in answer
    assert received.connections == 0


async def test_connect_is_refused() -> None:
    """There is no tunnel through the proxy."""
    async with upstream(ok) as received:
        with proxy(received.url) as url:
            answer = await talk(url, b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert received.connections == 0


async def test_an_absolute_target_goes_to_our_upstream_only() -> None:
    """A client that takes this for a forward proxy reaches the configured upstream, and no other host."""
    async with upstream(ok) as received:
        with proxy(received.url) as url:
            request = b"GET http://elsewhere.example/v1/models?a=b HTTP/1.1\r\nhost: elsewhere.example\r\n"
            answer = await talk(url, request + b"connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert received.requests[0].head.startswith(b"GET /v1/models?a=b HTTP/1.1\r\n")


async def test_no_upstream_is_a_502() -> None:
    """Nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with proxy(f"http://127.0.0.1:{port}") as url:
        async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
            answer = await client.post("/v1/messages", content=QUESTION, headers=JSON)
    assert_error(answer, 502, "AWS_MASKER_7001", "api_error")


BROKEN = {
    "reset": b"",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-ty",
    "not HTTP": b"SSH-2.0-x\r\n\r\n",
    "an unasked change of protocol": b"HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    "no known status": b"HTTP/1.1 999 x\r\ncontent-length: 0\r\n\r\n",
    "no number for a length": b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    "an unknown transfer coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_answer_is_a_502(kind: str) -> None:
    """An upstream that breaks off or talks nonsense before an answer began."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(BROKEN[kind])
        if kind == "reset":
            exchange.reset()
        exchange.writer.close()

    async with between(script) as (client, received):
        answer = await client.post("/v1/messages", content=QUESTION, headers=JSON)
    assert_error(answer, 502, "AWS_MASKER_7001", "api_error")
    assert VALUE.encode() not in received.raw
    assert len(received.requests) == 1


async def test_no_answer_in_time_is_a_504() -> None:
    """The read time-out is an option; when it strikes, the upstream's connection is closed."""
    closed = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.wait_closed()
        closed.set()

    async with between(script, read_timeout=0.2) as (client, _):
        answer = await client.post("/v1/messages", content=QUESTION, headers=JSON)
        await closed.wait()
    assert_error(answer, 504, "AWS_MASKER_7002", "timeout_error")


async def test_a_slow_first_byte_within_the_time_out_is_waited_for() -> None:
    """The same pause is no error when more time is allowed."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.5)
        await exchange.send(sized(b"{}"))

    async with between(script, read_timeout=20.0) as (client, _):
        assert (await client.post("/v1/messages", content=QUESTION, headers=JSON)).status_code == 200


async def test_a_stream_that_falls_silent_is_broken_off() -> None:
    """Too long a pause in the middle ends as a broken answer, after what had come."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + chunk(text_delta("thinking. ")))
        await exchange.wait_closed()

    async with between(script, read_timeout=0.2) as (client, _):
        got = b""
        with pytest.raises(httpx2.RemoteProtocolError):
            async with client.stream("POST", "/v1/messages", content=QUESTION, headers=JSON) as answer:
                async for piece in answer.aiter_bytes():
                    got += piece
    assert b"thinking" in got


async def test_an_early_refusal_of_a_large_request_reaches_the_client() -> None:
    """An upstream that answers and closes without reading the body is not a 502."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 x\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nbig")
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    with proxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as url:
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            content = b'"%s"' % (b"x" * 1_000_000)
            answer = await client.post("/v1/messages", content=content, headers=JSON)
    server.close()
    assert (answer.status_code, answer.text) == (413, "big")


async def test_masking_a_large_body_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a large request is being masked, others are answered."""
    masking, go_on = threading.Event(), threading.Event()

    def slow(head: Any, body: bytes, *rest: Any) -> Any:
        if len(body) > 100_000:
            masking.set()
            assert go_on.wait(30)
        return mask_request(head, body, *rest)

    monkeypatch.setattr(forward, "mask_request", slow)
    async with between(ok) as (client, received):
        large = asyncio.create_task(client.post("/v1/messages", content=b'"%s"' % (b"x" * 200_000), headers=JSON))
        await asyncio.to_thread(masking.wait, 30)
        assert (await client.post("/v1/messages", content=QUESTION, headers=JSON)).status_code == 200
        assert len(received.requests) == 1
        go_on.set()
        assert (await large).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.anthropic.com",
        "ftp://x",
        "http://",
        "https://user:pass@x",
        "https://x/?a=b",
        "https://x/#a",
        "http://x:port",
    ],
)
async def test_an_upstream_that_is_no_plain_url_is_refused_at_once(url: str) -> None:
    """Before anything listens; credentials in the URL are not repeated."""
    with pytest.raises(ConfigError) as caught:
        create_app(url, Settings(), KEY)
    assert "pass" not in str(caught.value)
