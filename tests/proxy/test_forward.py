"""Plain exchanges: what the upstream received, byte for byte, and what the client got."""

from __future__ import annotations

import asyncio
import gzip
import re

import pytest

from kong_plugins.aws_masker.proxy import upstream as upstream_module
from tests.proxy.harness import (
    JSON_HEAD,
    Exchange,
    Script,
    between,
    headers_of,
    instance,
    proxy,
    sized,
    talk,
    upstream,
)

pytestmark = pytest.mark.anyio
VALUE = instance(1)
QUESTION = f'{{"model":"m","messages":[{{"role":"user","content":"reboot {VALUE}"}}]}}'.encode()
FRAMING = (b"content-length", b"transfer-encoding", b"connection")
PLACEHOLDER = re.compile(rb"i-[0-9a-f]{17}")


async def echo(exchange: Exchange) -> None:
    """Answer with the placeholder that the request held."""
    found = PLACEHOLDER.search(exchange.body)
    text = found[0].decode() if found else "nothing"
    await exchange.send(sized(f'{{"content":[{{"type":"text","text":"rebooting {text} now"}}]}}'.encode()))


async def test_a_value_is_masked_upstream_and_restored_for_the_client() -> None:
    """The upstream never sees the value, the client gets it back."""
    async with between(echo) as (client, received):
        answer = await client.post("/v1/messages", content=QUESTION, headers={"content-type": "application/json"})
    assert VALUE.encode() not in received.raw
    assert PLACEHOLDER.search(received.requests[0].body)
    assert answer.json() == {"content": [{"type": "text", "text": f"rebooting {VALUE} now"}]}


async def test_nothing_to_mask_goes_on_byte_for_byte() -> None:
    """A body without values is not touched."""
    body = b'{ "messages" :[ {"role":"user" , "content":"\\u0041 1.0e2"}],"b":1,"a":2 }'
    async with between(echo) as (client, received):
        await client.post("/v1/messages", content=body, headers={"content-type": "application/json"})
    assert received.requests[0].body == body


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/messages?beta=true",
        b"/a%2Fb/%7e//../c;d=1/?x=%20+&y&z==%e4&x=%2f",
        b"/v1/files/a@b:c,d'(e)!*$~",
        b"/",
        b"/.aws-maskerx",
    ],
)
async def test_the_target_goes_on_as_it_came(target: bytes) -> None:
    """Path and query keep their encoding, their order and their odd characters; a base path goes before them."""
    async with upstream(echo) as received:
        for base in ("", "/base/"):
            with proxy(received.url + base) as url:
                await talk(url, b"GET " + target + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    lines = [request.head.split(b"\r\n")[0] for request in received.requests]
    assert lines == [b"GET " + target + b" HTTP/1.1", b"GET /base" + target + b" HTTP/1.1"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
async def test_every_method_goes_on(method: str) -> None:
    """The method is the client's, also where there is no body; an answer to HEAD has none."""

    async def script(exchange: Exchange) -> None:
        answer = sized(b'{"a":1}')
        await exchange.send(answer[: -len(b'{"a":1}')] if method == "HEAD" else answer)

    async with between(script) as (client, received):
        for _ in range(2):
            answer = await client.request(method, "/v1/models")
            assert answer.status_code == 200
            assert answer.content == (b"" if method == "HEAD" else b'{"a":1}')
    assert [request.head.split(b" ")[0].decode() for request in received.requests] == [method, method]


async def test_options_of_the_whole_server() -> None:
    """`OPTIONS *` goes on too."""
    async with upstream(echo) as received:
        with proxy(received.url) as url:
            await talk(url, b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert received.requests[0].head.startswith(b"OPTIONS * HTTP/1.1\r\n")


async def test_headers_go_on_in_order_and_nothing_is_added() -> None:
    """Credentials, duplicates and unknown headers arrive as sent; those of the connection and `Host` do not."""
    sent = (
        b"GET /v1/models HTTP/1.1\r\nHost: proxy.example\r\nX-B: 2\r\nAuthorization: Bearer abc.def\r\nX-A: 1\r\n"
        b'x-api-key: k\r\nX-A: 3\r\nCookie: a=b\r\nX-Odd: \xe9;,"=\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\n'
        b"Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: close\r\n\r\n"
    )
    async with upstream(echo) as received:
        with proxy(received.url) as url:
            await talk(url, sent)
    assert headers_of(received.requests[0].head) == [
        (b"host", received.url.removeprefix("http://").encode()),
        (b"x-b", b"2"),
        (b"authorization", b"Bearer abc.def"),
        (b"x-a", b"1"),
        (b"x-api-key", b"k"),
        (b"x-a", b"3"),
        (b"cookie", b"a=b"),
        (b"x-odd", b'\xe9;,"='),
    ]


async def test_the_environments_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """`HTTP_PROXY` and its like change nothing: requests go where `--upstream` says."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with between(echo) as (client, received):
        assert (await client.get("/v1/models")).status_code == 200
    assert len(received.requests) == 1


async def test_status_and_headers_come_back_as_sent() -> None:
    """Unknown codes, duplicate headers and redirects reach the client; cookies are not kept for the next request."""

    async def script(exchange: Exchange) -> None:
        status = exchange.head.split(b" ")[1].lstrip(b"/")
        await exchange.send(
            b"HTTP/1.1 " + status + b" Odd\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nLocation: /elsewhere\r\n"
            b"request-id: r\r\nConnection: X-Hop\r\nX-Hop: 1\r\ncontent-length: 0\r\n\r\n"
        )

    async with upstream(script) as received:
        with proxy(received.url) as url:
            for status in (200, 299, 302, 307, 404, 418, 529, 599):
                answer = await talk(url, b"GET /%d HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % status)
                assert answer.startswith(b"HTTP/1.1 %d " % status)
                got = [header for header in headers_of(answer) if header[0] not in FRAMING]
                assert got == [
                    (b"set-cookie", b"a=1"),
                    (b"set-cookie", b"b=2"),
                    (b"location", b"/elsewhere"),
                    (b"request-id", b"r"),
                ]
    assert len(received.requests) == 8
    assert b"cookie" not in bytes(received.raw).lower()


@pytest.mark.parametrize("head", [b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", b"HTTP/1.1 204 x\r\n\r\n"])
async def test_answers_without_a_body_end_at_their_head(head: bytes) -> None:
    """A 304 that tells a length and a 204 leave the connection usable on both sides."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(head)

    async with between(script) as (client, received):
        for _ in range(2):
            answer = await client.get("/v1/models")
            assert answer.status_code == int(head.split(b" ")[1])
            assert answer.content == b""
    assert received.connections == 1


async def test_connections_are_kept_open_on_both_sides() -> None:
    """Several requests, one after another, use one connection to the proxy and one to the upstream."""
    request = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    request = request % len(QUESTION)
    async with upstream(echo) as received:
        with proxy(received.url) as url:
            answers = await talk(
                url, *[request + b"\r\n" + QUESTION] * 3, request + b"connection: close\r\n\r\n" + QUESTION
            )
    assert answers.count(b"HTTP/1.1 200 OK") == 4
    assert answers.count(VALUE.encode()) == 4
    assert received.connections == 1
    assert len(received.requests) == 4
    assert VALUE.encode() not in received.raw


async def test_an_upstream_that_closes_idle_connections_does_no_harm() -> None:
    """A connection that was closed meanwhile is replaced before anything is sent on it."""

    async def script(exchange: Exchange) -> None:
        await echo(exchange)
        exchange.writer.close()

    async with between(script) as (client, received):
        for _ in range(5):
            answer = await client.post("/v1/messages", content=QUESTION, headers={"content-type": "application/json"})
            assert VALUE in answer.text
            await received.all_closed()
    assert received.connections == 5


def closing(used: set[object], how: str) -> Script:
    """Answer the first request on each connection; close it, or reset it, when another one has arrived on it."""

    async def script(exchange: Exchange) -> None:
        if exchange.writer not in used:
            used.add(exchange.writer)
            await echo(exchange)
        elif how == "reset":
            exchange.reset()
        else:
            exchange.writer.close()

    return script


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_connection_that_is_closed_under_a_request(how: str) -> None:
    """The upstream gave it up for idle just then: the request goes once more, masked, on a fresh connection."""
    async with between(closing(set(), how)) as (client, received):
        for _ in range(3):
            answer = await client.post("/v1/messages", content=QUESTION, headers={"content-type": "application/json"})
            assert VALUE in answer.text
        assert (received.connections, len(received.requests)) == (3, 5)
    assert VALUE.encode() not in received.raw
    assert len({request.body for request in received.requests}) == 1


async def test_many_connections_that_are_closed_under_requests() -> None:
    """Whatever other kept connection the request is tried on next, it ends on a fresh one."""
    used: set[object] = set()
    arrived = 0
    everybody = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        nonlocal arrived
        if exchange.writer not in used:  # each of the first gets a connection of its own
            arrived += 1
            if arrived == 5:
                everybody.set()
            await everybody.wait()
        await closing(used, "close")(exchange)

    async with between(script) as (client, received):
        await asyncio.gather(*[client.get("/v1/models") for _ in range(5)])
        assert received.connections == 5
        answer = await client.post("/v1/messages", content=QUESTION, headers={"content-type": "application/json"})
        assert VALUE in answer.text


async def test_a_fresh_connection_that_breaks_off_is_not_tried_again() -> None:
    """The upstream may have been at work on the request."""

    async def script(exchange: Exchange) -> None:
        exchange.writer.close()

    async with between(script) as (client, received):
        answer = await client.post("/v1/messages", content=QUESTION, headers={"content-type": "application/json"})
    assert answer.status_code == 502
    assert len(received.requests) == 1


async def test_what_breaks_off_late_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upstream that held the request for a while may have been at work on it."""
    monkeypatch.setattr(upstream_module, "STALE", 0.0)
    async with between(closing(set(), "close")) as (client, received):
        statuses = [(await client.post("/v1/messages", json={"messages": []})).status_code for _ in range(2)]
    assert statuses == [200, 502]
    assert len(received.requests) == 2


async def test_a_request_body_without_a_length_is_masked_too() -> None:
    """A chunked request, a value cut between its chunks, arrives masked and with a length."""
    head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"
    cut = QUESTION.index(VALUE.encode()) + 5
    pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (QUESTION[:cut], QUESTION[cut:])]
    async with upstream(echo) as received:
        with proxy(received.url) as url:
            answer = await talk(
                url, head + b"transfer-encoding: chunked\r\n\r\n", *pieces, b"0\r\nx-trailer: 1\r\n\r\n"
            )
    assert VALUE.encode() in answer
    assert VALUE.encode() not in received.raw
    headers = dict(headers_of(received.requests[0].head))
    assert headers[b"content-length"] == b"%d" % len(received.requests[0].body)
    assert b"transfer-encoding" not in headers


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on() -> None:
    """The body comes only after the proxy asked for it; the upstream is not asked to wait."""
    head = (
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"expect: 100-continue\r\nconnection: close\r\n\r\n" % len(QUESTION)
    )
    async with upstream(echo) as received:
        with proxy(received.url) as url:
            answer = await talk(url, head, QUESTION)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert VALUE.encode() in answer
    assert b"expect" not in received.requests[0].head


async def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    """An HTTP/1.0 style answer is complete when the upstream closes."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + b'{"a":1}')
        exchange.writer.close()

    async with between(script) as (client, _):
        assert (await client.get("/v1/models")).json() == {"a": 1}


async def test_large_bodies_are_masked_and_restored() -> None:
    """Above the size at which masking moves to a thread, the same holds."""
    padding = "x" * 300_000
    body = QUESTION.replace(b"reboot", padding.encode())

    async def script(exchange: Exchange) -> None:
        await exchange.send(sized(exchange.body))

    async with between(script) as (client, received):
        answer = await client.post("/v1/messages", content=body, headers={"content-type": "application/json"})
    assert VALUE.encode() not in received.raw
    assert len(received.requests[0].body) > 300_000
    assert answer.content == body


async def test_gzip_goes_through_on_both_ways() -> None:
    """A compressed request is masked, a compressed answer restored; the client can read what it gets."""

    async def script(exchange: Exchange) -> None:
        found = PLACEHOLDER.search(readable(exchange.body))
        assert found
        answer = gzip.compress(b'{"content":[{"type":"text","text":"%s"}]}' % found[0])
        await exchange.send(sized(answer, JSON_HEAD + b"content-encoding: gzip\r\n"))

    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    async with between(script) as (client, received):
        answer = await client.post("/v1/messages", content=gzip.compress(QUESTION), headers=headers)
    assert answer.json()["content"][0]["text"] == VALUE
    assert VALUE.encode() not in received.raw + readable(received.requests[0].body)


def readable(body: bytes) -> bytes:
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


async def test_no_coding_is_asked_for_that_could_not_be_restored() -> None:
    """A client's own Accept-Encoding never asks the upstream for a coding that could not be restored."""
    async with between(echo) as (client, received):
        await client.get("/v1/models", headers={"accept-encoding": "gzip, deflate, br, zstd, compress"})
    offered = dict(headers_of(received.requests[0].head))[b"accept-encoding"]
    assert b"compress" not in [offer.strip() for offer in offered.split(b",")]


async def test_an_error_in_plain_text_comes_back_as_it_is() -> None:
    """A provider's error in plain text comes back as it is."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(sized(b"oops \xff", b"HTTP/1.1 500 x\r\ncontent-type: text/plain\r\n"))

    async with between(script) as (client, _):
        answer = await client.get("/v1/models")
    assert (answer.status_code, answer.content) == (500, b"oops \xff")
