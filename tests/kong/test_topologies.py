"""Three ways to the API: straight to Kong, the proxy in front of Kong, the proxy alone. They give the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx2
import orjson
import pytest

from kong_plugins.aws_masker.proxy.app import create_app, create_gateway
from kong_plugins.aws_masker.settings import Settings
from tests.e2e.project import Planted
from tests.kong.bodies import HEADERS, question, said
from tests.kong.lab import KEY, Lab
from tests.proxy.harness import running

_KEY = bytes.fromhex(KEY)
_WAYS = ("kong", "proxy and kong", "proxy")


@contextlib.contextmanager
def _way(name: str, here: Lab) -> Iterator[httpx2.Client]:
    """Yield a client that goes to the API in one of the ways."""
    with contextlib.ExitStack() as stack:
        url = here.url
        if name == "proxy and kong":
            url = stack.enter_context(running(create_gateway(here.url, Settings(), _KEY)))
        elif name == "proxy":
            url = stack.enter_context(running(create_app(here.kong.routes[0].upstream, Settings(), _KEY)))
        yield stack.enter_context(httpx2.Client(base_url=url, timeout=60, trust_env=False))


@pytest.mark.parametrize("path", ["/v1/messages?beta=true", "/v1/chat/completions", "/v1/responses"])
def test_the_same_bytes_go_upstream(here: Lab, planted: Planted, path: str) -> None:
    """For the same key; and the client gets the same answer, with its values."""
    body = question(planted, 20_000)
    if path == "/v1/responses":
        body = orjson.dumps({"model": "m", "input": orjson.loads(body)["messages"][0]["content"]})
    answers = {}
    for way in _WAYS:
        with _way(way, here) as client:
            answers[way] = client.post(path, content=body, headers=HEADERS)
    assert {answer.status_code for answer in answers.values()} == {200}
    bodies = [request.body for request in here.standin.requests]
    assert len(bodies) == 3
    assert set(bodies) == {bodies[0]}
    assert planted.found_in(here.received) == set()
    for answer in answers.values():
        assert planted.found_in(answer.text) == set(planted.values)
    headers = [dict(request.headers) for request in here.standin.requests]
    assert not any(name.startswith(b"x-aws-masker") for sent in headers for name in sent)
    assert {sent[b"content-length"] for sent in headers} == {b"%d" % len(bodies[0])}


@pytest.mark.parametrize("size", [1_000, 3_000_000])
def test_the_proxy_in_front(here: Lab, planted: Planted, size: int) -> None:
    """Small bodies and those that Kong keeps in a file, whose file holds nothing to read either."""
    body = question(planted, size)
    with _way("proxy and kong", here) as client:
        answer = client.post("/v1/messages", content=body, headers=HEADERS)
    assert said(answer) == orjson.loads(body)["messages"][0]["content"]
    assert planted.found_in(here.received) == set()
    assert not any(name.startswith("x-aws-masker") for name in answer.headers)


def test_a_refusal_comes_through(here: Lab, planted: Planted) -> None:
    """What the masker in Kong refuses, the client is told in the masker's words."""
    with _way("proxy and kong", here) as client:
        answer = client.post("/v1/messages", content=planted.log.encode(), headers=HEADERS)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("AWS_MASKER_6002")
    assert not here.standin.requests


def test_kong_without_the_plugin(here: Lab, planted: Planted) -> None:
    """The API gets what nobody can read; the client gets an error."""
    configured, here.kong.routes[0].config = here.kong.routes[0].config, None
    try:
        with _way("proxy and kong", here) as client:
            answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
    finally:
        here.kong.routes[0].config = configured
    assert answer.status_code == 503
    assert answer.json()["error"]["message"].startswith("AWS_MASKER_5002")
    assert len(here.standin.requests) == 1
    assert planted.found_in(here.received) == set()
    assert b"messages" not in here.standin.requests[0].body


def test_kong_with_another_key(here: Lab, planted: Planted) -> None:
    """It cannot open the request and sends nothing on."""
    here.configure(key="ab" * 32)
    with _way("proxy and kong", here) as client:
        answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
    assert answer.status_code == 503
    assert answer.json()["error"]["message"].startswith("AWS_MASKER_5002")
    assert not here.standin.requests


def test_kong_refuses_the_client(here: Lab, planted: Planted) -> None:
    """Kong's own 401, as clients know it; with the right key, the request passes."""
    here.kong.routes[0].consumers = {"right": "alice"}
    with _way("proxy and kong", here) as client:
        wrong = client.post("/v1/messages", content=question(planted), headers=HEADERS)
        right = client.post("/v1/messages", content=question(planted), headers=HEADERS | {"apikey": "right"})
    assert (wrong.status_code, wrong.json()) == (401, {"message": "No API key found in request"})
    assert right.status_code == 200
    assert planted.found_in(said(right)) == set(planted.values)
    assert len(here.standin.requests) == 1
