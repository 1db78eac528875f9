"""No value in any log, whatever fails and whoever logs."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import structlog

from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.observe import logs
from kong_plugins.aws_masker.pipeline import ResponseRestorer
from kong_plugins.aws_masker.proxy import forward
from kong_plugins.aws_masker.vault.memory import MemoryVault
from tests.proxy.harness import SSE_HEAD, Exchange, between, chunk, instance, proxy, sized, talk, upstream

PLANTED = instance(9)
JSON = {"content-type": "application/json"}
QUESTION = f'{{"messages":[{{"role":"user","content":"reboot {PLANTED}"}}]}}'.encode()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log of this process, as `serve` configures it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for name in ("uvicorn", "uvicorn.error"):  # a server that another test ran in this process may have silenced them
        logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger(name).propagate = True
    stream = io.StringIO()
    logs.configure("json", stream)
    yield stream
    structlog.reset_defaults()
    logging.basicConfig(handlers=handlers, level=level, force=True)


def events(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def own(log: io.StringIO, event: str) -> list[dict[str, Any]]:
    return [line for line in events(log) if line["event"] == event]


@pytest.mark.anyio
async def test_values_everywhere_and_failures_of_every_kind_leave_no_trace(log: io.StringIO) -> None:
    """Values in path, query, headers and body, upstreams that fail with values in their nonsense: the log has none."""

    async def script(exchange: Exchange) -> None:
        kind = exchange.head.split(b" ")[1].rsplit(b"=", 1)[-1]
        answers = {
            b"nonsense": f"{PLANTED} {PLANTED}\r\n\r\n".encode(),
            b"length": f"HTTP/1.1 200 OK\r\ncontent-length: {PLANTED}\r\n\r\n".encode(),
            b"header": f"HTTP/1.1 200 OK\r\nx: {PLANTED}\x00\r\n\r\n".encode(),
            b"cut": SSE_HEAD + chunk(f"data: {PLANTED}\n\n".encode()),
            b"chunk": SSE_HEAD + PLANTED.encode() + b"\r\n",
            b"coding": sized(PLANTED.encode(), b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n"),
            b"error": sized(PLANTED.encode(), b"HTTP/1.1 500 x\r\ncontent-type: text/plain\r\n"),
        }
        await exchange.send(answers[kind])
        exchange.writer.close()

    url_path = f"/v1/messages/{PLANTED}?q={PLANTED}&kind="
    async with between(script) as (client, received):
        for kind in ("nonsense", "length", "header", "cut", "chunk", "coding", "error"):
            with contextlib.suppress(httpx2.HTTPError):
                await client.post(url_path + kind, content=QUESTION, headers={**JSON, "authorization": PLANTED})
        for content, headers in (
            (b'{"a": ' + PLANTED.encode(), JSON),
            (QUESTION, {**JSON, "content-encoding": PLANTED}),
            (QUESTION, {"content-type": PLANTED}),
            (QUESTION, {**JSON, "connection": "upgrade", "upgrade": f"websocket, {PLANTED}"}),
        ):
            answer = await client.post(url_path + "x", content=content, headers=headers)
            assert 400 <= answer.status_code < 500
        for raw in (
            f"GET /{PLANTED} {PLANTED}\r\n\r\n",
            f"GET / HTTP/1.1\r\n{PLANTED}\r\n\r\n",
            f"CONNECT {PLANTED}:443 HTTP/1.1\r\n\r\n",
            f"GET http://{PLANTED} HTTP/1.1\r\nhost: {PLANTED}\r\n\r\n",
        ):
            await talk(client.base_url, raw.encode())
        metrics = (await client.get("/.aws-masker/metrics")).text
    assert len(received.requests) == 7
    assert {line["code"] for line in own(log, "request_failed")} >= {
        "AWS_MASKER_7001",
        "AWS_MASKER_6002",
        "AWS_MASKER_2003",
    }
    assert len(own(log, "request_failed")) >= 9
    assert PLANTED not in log.getvalue()
    assert PLANTED not in metrics


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("mask_request", 503),
        ("Masker", 503),
        ("MemoryVault", 503),
        ("ResponseRestorer", 500),
        ("feed", 500),
        ("close", 500),
        ("feed of a stream", 0),
        ("close of a stream", 0),
        ("framed", 503),
    ],
)
async def test_an_unexpected_error_tells_its_type_and_place_only(
    place: str, status: int, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever raises with a value in its message: an error for the client, nothing unmasked, no message in the log."""

    def fail(*_: Any, **__: Any) -> Any:
        try:
            raise KeyError(PLANTED)
        except KeyError as error:
            raise RuntimeError(f"could not handle {PLANTED}") from error

    targets: dict[str, tuple[Any, str]] = {
        "Masker": (Masker, "session"),
        "MemoryVault": (MemoryVault, "remember"),
        "feed": (ResponseRestorer, "feed"),
        "close": (ResponseRestorer, "close"),
    }
    place, _, streaming = place.partition(" of a ")
    monkeypatch.setattr(*targets.get(place, (forward, place)), fail)

    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + chunk(b"data: x\n\n") + chunk(b"") if streaming else sized(b'{"a":1}'))

    async with between(script) as (client, received):
        if status:
            answer = await client.post("/v1/messages", content=QUESTION, headers=JSON)
            assert answer.status_code == status
            assert PLANTED not in answer.text
        else:
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.post("/v1/messages", content=QUESTION, headers=JSON)
    failed = own(log, "request_failed")
    assert len(failed) == 1
    assert failed[0]["errors"][:2] == ["RuntimeError", "KeyError"]
    assert failed[0]["broken_off"] is (status == 0)
    assert PLANTED not in log.getvalue()
    assert PLANTED.encode() not in received.raw


@pytest.mark.anyio
async def test_good_requests_are_not_logged(log: io.StringIO) -> None:
    """No access log: it would repeat paths and queries."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(sized(b"{}"))

    async with upstream(script) as received:
        with proxy(received.url) as url:
            await talk(url, b"GET /v1/models?x=y HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert [line["event"] for line in events(log)] == ["proxy_stopping"]


def test_what_libraries_log_is_told_by_place_only(log: io.StringIO) -> None:
    """Their messages, arguments and exceptions stay out; that something happened, and where, does not."""
    try:
        raise ValueError(PLANTED)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("failed with %s", PLANTED)
    logging.getLogger("httpcore2").debug(PLANTED)
    (line,) = events(log)
    assert (line["event"], line["logger"], line["level"]) == ("library_message", "uvicorn.error", "error")
    assert line["errors"] == ["ValueError"]
    assert line["place"].startswith("test_logs:")
    assert PLANTED not in log.getvalue()


def test_errors_of_the_event_loop_are_told_by_type_only(log: io.StringIO) -> None:
    """An exception that nobody awaits is logged without its message."""

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(logs.on_loop_error)

        async def fail() -> None:
            raise ValueError(PLANTED)

        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        del task

    asyncio.run(main())
    (line,) = own(log, "event_loop_error")
    assert line["errors"] == ["ValueError"]
    assert PLANTED not in log.getvalue()


@pytest.mark.anyio
async def test_a_librarys_error_is_told_by_where_our_code_met_it(log: io.StringIO) -> None:
    """An upstream that resets: the types of all errors down to the cause, and the place in our code."""

    async def script(exchange: Exchange) -> None:
        exchange.reset()

    async with between(script) as (client, _):
        assert (await client.get("/v1/models")).status_code == 502
    (line,) = own(log, "request_failed")
    assert line["errors"][0] == "UpstreamUnreachable"
    assert len(line["errors"]) > 1
    assert any(place.startswith("proxy.upstream:") for place in line["places"])


def test_the_console_style_holds_the_same() -> None:
    """On a terminal the log is for people; the fields are the same."""
    stream = io.StringIO()
    logs.configure("console", stream)
    try:
        logs.log.warning("request_failed", code="AWS_MASKER_2001")
    finally:
        structlog.reset_defaults()
        logging.basicConfig(force=True)
    assert "request_failed" in stream.getvalue()
    assert "AWS_MASKER_2001" in stream.getvalue()
