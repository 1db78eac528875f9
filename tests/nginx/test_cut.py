"""An API that breaks off in an answer that Kong collects: Kong's own error must not look like the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import orjson
import pytest
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from kong_plugins.aws_masker.errors import UpstreamUnreachable
from kong_plugins.aws_masker.wire.providers import api_of, error_body
from tests.e2e.project import Planted
from tests.kong.bodies import HEADERS, messages
from tests.nginx.lab import Lab

KONGS = "The upstream server responded with "


def cut(status: int) -> ASGIApp:
    """Return an API that breaks off in the middle of its answer."""

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        async def dying() -> AsyncIterator[bytes]:
            yield b'{"content":[{"type":"text","text":"half of'
            raise RuntimeError

        await StreamingResponse(dying(), status, media_type="application/json")(scope, receive, send)

    return upstream


def _ask(here: Lab, planted: Planted, path: str = "/v1/messages") -> httpx2.Response:
    with here.client() as client:
        answer: httpx2.Response = client.post(path, content=messages(planted.instance), headers=HEADERS)
        return answer


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1/whatever"])
def test_the_client_is_told(here: Lab, planted: Planted, path: str) -> None:
    """Kong would send an error of its own with status 200: the client gets 502 instead, in its API's own shape."""
    here.upstream.instead = cut(200)
    answer = _ask(here, planted, path)
    assert answer.status_code == 502
    assert answer.json() == orjson.loads(error_body(api_of(path), UpstreamUnreachable()))
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert planted.found_in(here.received) == set()
    here.upstream.instead = None
    assert _ask(here, planted).status_code == 200


def test_without_the_lua_plugin_it_would_look_like_the_answer(here: Lab, planted: Planted) -> None:
    """The control: what Kong does by itself."""
    here.route.lua_plugin = False
    here.upstream.instead = cut(200)
    answer = _ask(here, planted)
    assert (answer.status_code, answer.json()["message"]) == (200, f"{KONGS}200")


def test_the_apis_own_errors_keep_their_status(here: Lab, planted: Planted) -> None:
    """The client tries again by it; no error is taken for an answer."""
    here.upstream.instead = cut(429)
    answer = _ask(here, planted)
    assert (answer.status_code, answer.json()["message"]) == (429, f"{KONGS}429")


def test_observed_requests_are_left_alone(here: Lab, planted: Planted) -> None:
    """In mode `observe` nothing is changed, for better or worse."""
    here.configure(mode="observe")
    here.upstream.instead = cut(200)
    assert _ask(here, planted).status_code == 200
