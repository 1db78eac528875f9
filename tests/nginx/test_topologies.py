"""The proxy in front of nginx with both plugins: streams pass it as they come, restored by the Lua plugin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx2
import pytest

from kong_plugins.aws_masker.proxy.app import create_gateway
from kong_plugins.aws_masker.settings import Settings
from tests.e2e.project import Planted
from tests.kong.bodies import HEADERS, question, said
from tests.kong.lab import KEY
from tests.nginx import events
from tests.nginx.events import PATHS, Turns, acknowledged, told
from tests.nginx.lab import Lab
from tests.proxy.harness import running


@contextlib.contextmanager
def _client(here: Lab) -> Iterator[httpx2.Client]:
    with (
        running(create_gateway(here.url, Settings(), bytes.fromhex(KEY))) as url,
        httpx2.Client(base_url=url, timeout=60, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize("api", sorted(PATHS))
def test_each_event_reaches_the_client_before_the_next_is_sent(here: Lab, planted: Planted, api: str) -> None:
    """Through both, with all values in their places; upstream there is none, and no trace of the proxy."""
    turns = here.upstream.instead = Turns(api)
    text = f"{planted.instance} {planted.address} {planted.log}"
    with (
        _client(here) as client,
        client.stream("POST", PATHS[api], content=events.question(api, text), headers=HEADERS) as response,
    ):
        assert response.status_code == 200
        assert not any(name.startswith("x-aws-masker") for name in response.headers)
        chunks = [chunk for _, chunk in acknowledged(response, turns)]
    assert turns.late is None
    assert turns.ended
    assert told(api, b"".join(chunks)) == (text, f"echo '{text}'")
    assert planted.found_in(here.received) == set()
    assert b"x-aws-masker" not in here.received.lower()


def test_the_same_bytes_as_without_the_proxy(here: Lab, planted: Planted) -> None:
    """For a whole answer, too; those of a body that nginx kept in a file as well."""
    body = question(planted, 1_000_000)
    with here.client() as direct, _client(here) as client:
        answers = [one.post("/v1/messages", content=body, headers=HEADERS) for one in (direct, client)]
    first, second = here.requests("/v1/messages")
    assert first.body == second.body
    assert said(answers[0]) == said(answers[1])
    assert planted.found_in(said(answers[1])) == set(planted.values)
    assert planted.found_in(here.received) == set()


@pytest.mark.parametrize("guarded", [True, False])
def test_without_the_python_plugin(here: Lab, planted: Planted, guarded: bool) -> None:
    """The guard stops the request; without the guard the API gets what nobody can read. The client gets an error."""
    here.route.config = None
    here.route.lua_plugin = guarded
    with _client(here) as client:
        answer = client.post("/v1/messages", content=question(planted), headers=HEADERS)
    assert answer.status_code == 503
    assert answer.json()["error"]["message"].startswith("AWS_MASKER_5002")
    assert len(here.upstream.requests) == (0 if guarded else 1)
    assert planted.found_in(here.received) == set()
    assert b'"messages"' not in here.received


def test_the_masker_refuses(here: Lab) -> None:
    """Its refusal comes through, with its proof."""
    with _client(here) as client:
        refused = client.post("/v1/messages", content=b"{", headers=HEADERS)
    assert refused.status_code == 422
    assert refused.json()["error"]["message"].startswith("AWS_MASKER_6002")
