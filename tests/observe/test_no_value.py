"""No value in anything that is told: values everywhere in requests and answers, a search through all that comes out."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import structlog

from kong_plugins.aws_masker.observe import logs
from kong_plugins.aws_masker.observe.events import MASKING, SECURITY
from kong_plugins.aws_masker.observe.metrics import Metrics, process_metrics
from kong_plugins.aws_masker.observe.observer import observer_of
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.choice import vault_of
from kong_plugins.aws_masker.vault.store import AUDIT
from tests.observe.conftest import Listener
from tests.pluginserver.conftest import Here, here  # noqa: F401 - a fixture
from tests.pluginserver.kong import Request
from tests.proxy.harness import KEY, SSE_HEAD, Exchange, chunk, proxy, sized, text_delta, upstream
from tests.vault.servers import PATIENCE, Server, wait_for

SECRET = "7fKq2Lw9Zx4Tn8Vb3Rm6" + "Yc1Hs5Jd0Gp+AeUiOoQz"
VALUES = [
    "i-" + "0a1b2c3d4e5f67890",
    "AKIA" + "QYLPMN5HHHFPZAM2",
    SECRET,
    "4815" + "16234200",
    "acme-billing" + "-exports",
    "10." + "42.7.19",
    "Payroll" + "Deployer",
]
ALL = " ".join(VALUES)
INSTANCE = VALUES[0]
TEXT = (
    f"why is {VALUES[0]} at {VALUES[5]} slow? arn:aws:iam::{VALUES[3]}:role/{VALUES[6]} aws s3 ls s3://{VALUES[4]}/ "
    f"AWS_ACCESS_KEY_ID={VALUES[1]} AWS_SECRET_ACCESS_KEY={SECRET} and once more: {ALL}"
)
CREDENTIAL = "sk-ant-" + "0123456789"


def leaked(told: str | bytes) -> list[str]:
    """Return the values, and the client's credential, that are in what was told."""
    text = told if isinstance(told, str) else told.decode(errors="replace")
    return [value for value in (*VALUES, CREDENTIAL) if value in text or json.dumps(value)[1:-1] in text]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("json", stream)
    yield stream
    structlog.reset_defaults()


def body(**more: Any) -> bytes:
    message = {"role": "user", "content": TEXT, f"key {INSTANCE}": [{ALL: ALL}]}
    thinking = {"type": "thinking", "thinking": TEXT, "signature": "s"}
    return json.dumps(
        {"model": "m", "messages": [message, {"role": "assistant", "content": [thinking]}], "metadata": {ALL: ALL}}
        | more
    ).encode()


def asked(sent: bytes) -> str:
    """Return the question in a request, as the upstream got it: signed blocks go as they are."""
    text: str = json.loads(sent)["messages"][0]["content"]
    return text


def requests() -> list[tuple[str, bytes, dict[str, str]]]:
    """Return path, body and headers: good ones, a stream, and ones that are refused at every stage."""
    headers = {
        "content-type": "application/json",
        "x-api-key": CREDENTIAL,
        "x-tenant": ALL,
        f"x-{INSTANCE}": ALL,
        "cookie": ALL,
        "user-agent": ALL,
    }
    path = f"/v1/messages?a={INSTANCE}&{SECRET.replace('+', '%2B')}"
    return [
        (path, body(), headers),
        (path, body(stream=True), headers),
        (f"/v1/messages/{INSTANCE}", body(), headers),
        (f"/{INSTANCE}/{VALUES[4]}", body(), headers),
        (path, TEXT.encode(), headers),
        (path, body() + ALL.encode(), headers),
        (path, TEXT.encode(), {**headers, "content-type": f"application/{INSTANCE}"}),
        (path, body(), {**headers, "content-encoding": INSTANCE}),
        (path, TEXT.encode(), {**headers, "content-encoding": "gzip"}),
        (path, TEXT.encode(), {**headers, "content-type": "text/plain"}),
    ]


async def _answer(exchange: Exchange) -> None:
    """Echo what came, as an answer, a stream or an error of the provider's."""
    text = exchange.body.decode(errors="replace").replace("\\", "").replace('"', "'")
    if b'"stream": true' in exchange.body:
        await exchange.send(SSE_HEAD + chunk(text_delta(text) * 2) + chunk(b""))
    elif b"text/plain" in exchange.head:
        await exchange.send(b"HTTP/1.1 500 " + b"x\r\ncontent-length: 3\r\n\r\nbad")
    else:
        await exchange.send(
            sized(json.dumps({"content": [{"type": "text", "text": text + " bucket-k7q2m9x4wetag5t2"}]}).encode())
        )


@pytest.mark.anyio
async def test_the_proxy(redis: Server, listener: Listener, log: io.StringIO) -> None:
    """Logs, events, audit trail, metrics, health and error pages of the proxy, with Redis and while it is away."""
    settings = Settings(
        redis_host="127.0.0.1",
        redis_port=redis.port,
        redis_events=True,
        events_rate_limit=0,
        log_masked_requests=True,
        max_body_size=20_000,
    )
    metrics, pages = Metrics(), ""
    async with upstream(_answer) as received:
        options: dict[str, Any] = {
            "vault": vault_of(settings, {}, KEY),
            "observer": observer_of(settings, {}, metrics),
            "tenant_header": "x-tenant",
        }
        with proxy(received.url, settings, **options) as url:
            async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False) as client:
                errors = 0
                for path, content, headers in [*requests(), ("/v1/messages", b"x" * 30_000, {})]:
                    answer = await client.post(path, content=content, headers=headers)
                    if "AWS_MASKER_" in answer.text and answer.status_code >= 400:
                        errors += 1
                        pages += answer.text + str(answer.headers)
                for page in ("healthz", "readyz", "metrics"):
                    pages += (await client.get(f"/.aws-masker/{page}")).text
    assert errors >= 6
    assert not leaked(asked(received.requests[0].body))
    events = listener.messages(11, MASKING)
    assert sum(event["total_patterns"] for _, event in events) > 20
    assert {event["alert"] for _, event in listener.messages(3, SECURITY)} >= {
        "credential_seen",
        "credential_in_signed_block",
        "request_refused",
        "foreign_placeholder",
    }
    trail = str(redis.do("XRANGE", AUDIT, "-", "+"))
    lines = log.getvalue()
    assert lines.count('"request_masked"') >= 4
    assert trail.count("decision") == 11
    assert "aws_masker_masked_values_total" in pages
    for told in (lines, listener.raw, trail, pages):
        assert not leaked(told)


def test_the_kong_plugin(redis: Server, listener: Listener, log: io.StringIO, here: Here) -> None:  # noqa: F811
    """The same for the plugin in Kong, in both modes."""
    connection = here()
    config = {
        "key": KEY.hex(),
        "redis_host": "127.0.0.1",
        "redis_port": redis.port,
        "redis_events": True,
        "events_rate_limit": 0,
        "log_masked_requests": True,
    }
    errors = ""
    for mode in ("enforce", "observe"):
        for path, content, headers in requests():
            connection = here()
            number = connection.start({**config, "mode": mode})
            request = Request(path=path, body=content, headers=dict(headers), consumer="c-1")
            request.run(connection, number, "access")
            if request.exit:
                errors += str(request.exit)
                continue
            if content.endswith(b"}"):
                assert bool(leaked(asked(request.body))) is (mode == "observe")
            for phase in ("response", "log"):
                if not request.exit:
                    request.answer = json.dumps({"content": [{"type": "text", "text": request.body.decode()}]}).encode()
                    connection = here()
                    request.run(connection, connection.start({**config, "mode": mode}), phase)
    assert errors.count("AWS_MASKER_") >= 5
    wait_for(lambda: len(redis.do("XRANGE", AUDIT, "-", "+")) == 20, "the trail")
    assert sum(event["total_patterns"] for _, event in listener.messages(20, MASKING)) > 40
    assert {event["severity"] for _, event in listener.messages(2, SECURITY)} >= {"critical", "medium", "low"}
    trail = str(redis.do("XRANGE", AUDIT, "-", "+"))
    assert "consumer:c-1" in trail
    for told in (log.getvalue(), listener.raw, trail, errors, process_metrics().render()):
        assert not leaked(told)
