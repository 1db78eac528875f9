"""The stand-in for Kong's runloop does what Kong 3.9 does, as a Lua plugin sees it that only looks on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import re2

from kong_plugins.aws_masker.demo.echo import parrot
from tests.kong.bodies import HEADERS, messages, said
from tests.kong.server import PATIENCE
from tests.nginx.lab import Lab, lab
from tests.nginx.nginx import Urls, nginx

WITNESS = Path(__file__).with_name("witness.lua")


@pytest.fixture(scope="module")
def _witnessed(_nginx: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("witness"), script=parrot, handler=WITNESS) as here:
        yield here


@pytest.fixture
def seen(_witnessed: Lab) -> Iterator[Lab]:
    """A lab whose Lua plugin only looks on."""
    _witnessed.reset()
    yield _witnessed
    _witnessed.reset()


def _phases(urls: Urls, answer: httpx2.Response) -> str:
    """Return where the witness was; it tells when the client has its answer already."""
    deadline = time.monotonic() + PATIENCE
    wanted = rf"witness {answer.headers['x-kong-request-id']} {{(.*)}}"
    while not (lines := re2.findall(wanted, urls.log())):
        assert time.monotonic() < deadline, "the log phase does not come"
        time.sleep(0.01)
    assert len(lines) == 1
    return str(lines[0])


UNBUFFERED = {"x-unbuffered": "1"}


def _ask(
    here: Lab, body: bytes = messages("i-0f3c9a71be5d24806"), more: dict[str, str] | None = None
) -> tuple[httpx2.Response, str]:
    with here.client() as client:
        answer = client.post("/v1/messages", content=body, headers=HEADERS | (more or {}))
    return answer, _phases(here.nginx, answer)


@pytest.mark.parametrize("buffering", [True, False])
def test_a_collected_answer(seen: Lab, buffering: bool) -> None:
    """The external plugin's `response` ends the request with another body; the filters see that as an exit."""
    seen.route.response_buffering = buffering
    answer, phases = _ask(seen)
    assert said(answer) == "i-0f3c9a71be5d24806"
    assert phases == "access:marked header_filter:exit:200 body_filter log"
    assert seen.last.calls_in("response")[-1] == "kong.response.exit"


def test_a_collected_answer_that_stays(seen: Lab) -> None:
    """It comes from the service."""
    answer, phases = _ask(seen, messages("hello"))
    assert said(answer) == "hello"
    assert phases == "access:marked header_filter:service:200 body_filter log"


def test_buffering_is_looked_at_after_all_access_handlers(seen: Lab) -> None:
    """A Lua plugin can take back what the external plugin's `response` phase asked for, for one request."""
    answer, phases = _ask(seen, more=UNBUFFERED)
    assert "i-0f3c9a71be5d24806" not in said(answer)
    assert phases == "access:marked header_filter:service:200 body_filter log"
    assert seen.last.calls_in("response") == []
    assert _ask(seen)[0].status_code == 200
    assert seen.last.calls_in("response") != []


def test_an_exit_in_access(seen: Lab) -> None:
    """Later plugins' `access` does not run, their filters do."""
    answer, phases = _ask(seen, b"{")
    assert answer.status_code == 422
    assert phases == "header_filter:exit:422 body_filter log"
    seen.route.refusing = True
    answer, phases = _ask(seen)
    assert phases == "header_filter:exit:401 body_filter log"
    assert not seen.upstream.requests


def test_nothing_marked(seen: Lab) -> None:
    """Without the external plugin nothing is collected."""
    seen.route.config = None
    answer, phases = _ask(seen)
    assert phases == "access:unmarked header_filter:service:200 body_filter log"
    assert said(answer) == "i-0f3c9a71be5d24806"


def test_no_upstream(seen: Lab, tmp_path: Path) -> None:
    """nginx's own errors go through the filters, too."""
    with nginx(tmp_path, "http://127.0.0.1:1", seen.nginx.folder.parent / "sidecar.sock", WITNESS) as urls:
        answers = [
            httpx2.post(
                f"{urls.kong}/v1/messages", content=messages("?"), headers=HEADERS | more, trust_env=False, verify=False
            )
            for more in ({}, UNBUFFERED)
        ]
        phases = [_phases(urls, answer) for answer in answers]
    assert [answer.status_code for answer in answers] == [502, 502]
    assert "invalid response" in answers[1].json()["message"]
    assert phases[1] == "access:marked header_filter:error:502 body_filter log"
