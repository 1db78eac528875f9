"""The process: it says where it listens, stops with grace, and keeps values out of its output."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.proxy.server import listen
from tests.proxy.harness import PATIENCE, SSE_HEAD, Exchange, chunk, instance, sized, text_delta, upstream

pytestmark = pytest.mark.anyio
VALUE = instance(8)
SCRIPT = """
import sys
from kong_plugins.aws_masker.proxy import serve
from kong_plugins.aws_masker.settings import Settings
serve("127.0.0.1", 0, sys.argv[1], Settings(), bytes(range(32)), grace=int(sys.argv[2]),
      ready=lambda host, port: print(port, flush=True))
"""


@contextmanager
def process(target: str, grace: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the proxy in a process of its own; yields it and its base URL."""
    command = [sys.executable, "-c", SCRIPT, target, str(grace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running, f"http://127.0.0.1:{int(running.stdout.readline())}"
        finally:
            running.kill()


async def output(running: subprocess.Popen[str]) -> str:
    """Wait for the end of the process and return its log."""
    return (await asyncio.to_thread(running.communicate, timeout=PATIENCE))[1]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_running_answers_end_before_the_process_does(signum: signal.Signals) -> None:
    """After the signal nobody new gets in, but the stream under way is complete."""
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + chunk(text_delta("begun")))
        await go_on.wait()
        await exchange.send(chunk(text_delta("done. ")) + chunk(b""))

    async with upstream(script) as received:
        with process(received.url, 20) as (running, url):
            async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
                body = f'{{"messages":[{{"role":"user","content":"reboot {VALUE}"}}]}}'.encode()
                headers = {"content-type": "application/json"}
                async with client.stream("POST", "/v1/messages", content=body, headers=headers) as answer:
                    pieces = answer.aiter_bytes()
                    got = await anext(pieces)
                    running.send_signal(signum)
                    await refused(url)
                    go_on.set()
                    async for piece in pieces:
                        got += piece
            log = await output(running)
    assert b"done" in got
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["proxy_started", "proxy_stopping"]
    assert VALUE not in log
    assert VALUE.encode() not in received.raw


async def refused(url: str) -> None:
    """Wait until no new connection is accepted."""
    target = httpx2.URL(url)
    while True:
        try:
            _, writer = await asyncio.open_connection(target.host, target.port)
        except ConnectionRefusedError:
            return
        writer.close()
        await asyncio.sleep(0.01)


async def test_after_the_grace_time_the_rest_is_cut() -> None:
    """An answer that never ends does not keep the process; the client sees that it is broken."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + chunk(text_delta("begun")))
        await exchange.wait_closed()

    async with upstream(script) as received:
        with process(received.url, 1) as (running, url):
            async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
                with pytest.raises(httpx2.RemoteProtocolError):
                    async with client.stream("GET", "/v1/messages") as answer:
                        async for _ in answer.aiter_bytes():
                            running.send_signal(signal.SIGTERM)
            log = await output(running)
    assert "Traceback" not in log


async def test_an_idle_process_stops_at_once_and_tells_no_value() -> None:
    """Open connections without a request do not delay the end, whatever went over them."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(sized(b"{}"))

    async with upstream(script) as received:
        with process(received.url, 60) as (running, url):
            async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
                await client.get(f"/v1/models/{VALUE}?q={VALUE}")
                await client.post("/v1/messages", content=VALUE.encode(), headers={"content-type": "application/json"})
                running.send_signal(signal.SIGTERM)
                log = await output(running)
    assert "AWS_MASKER_6002" in log
    assert VALUE not in log


async def test_an_address_in_use_is_an_error_of_the_configuration() -> None:
    """The message names the address and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            listen("127.0.0.1", port)
    with pytest.raises(ConfigError):
        listen("no.such.host.invalid", 0)


async def test_ipv6_addresses_work() -> None:
    """`::1` is as good as `127.0.0.1`."""
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    try:
        with listen("::1", 0) as listener:
            assert listener.family == socket.AF_INET6
    except ConfigError:
        pytest.skip("this machine has no IPv6 loopback")
