"""Unmodified clients through nginx and both plugins: the SDKs, streaming and not, and Claude Code."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from kong_plugins.aws_masker.demo.answers import sign, turns
from tests.e2e.agents import AGENTS, anthropic_client, ask_for_files, by_responses, looked_through, tell
from tests.e2e.claude import ClaudeCode
from tests.e2e.lab import assert_stable
from tests.e2e.project import Planted
from tests.e2e.scripts import read_main, show_log
from tests.nginx.events import PATHS
from tests.nginx.lab import Lab


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
@pytest.mark.parametrize("api", sorted(AGENTS))
def test_a_conversation_with_tools(here: Lab, planted: Planted, api: str, stream: bool) -> None:
    """The API sees no value; tools and engineer see the real ones, whichever plugin restores."""
    here.upstream.script = turns(ask_for_files, tell)
    outcome = looked_through(AGENTS[api], here.url, planted, stream=stream)
    assert outcome.streamed == (outcome.text if stream else "")
    assert planted.found_in(here.received) == set()
    history = "input" if api == "responses" else "messages"
    assert_stable([request.body for request in here.requests(PATHS[api])], history)
    here.idle()
    responses = [exchange.calls_in("response") for exchange in here.sidecar.exchanges.values()]
    assert len(responses) == 2
    assert not any(responses) if stream else all(responses)


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
def test_history_kept_by_the_api(here: Lab, planted: Planted, stream: bool) -> None:
    """`previous_response_id`: what an earlier request masked is restored in the answer of a later one."""
    here.upstream.script = turns(ask_for_files, tell)
    files = {f"cat {name}": planted.log for name in (f"{planted.instance}.tf", "state", f"{planted.instance}.log")}
    question = f"Look at {planted.subnet} {planted.access_key} and {planted.instance}"
    outcome = by_responses(here.url, question, files.__getitem__, stream=stream, chained=True)
    assert b"previous_response_id" in here.requests("/v1/responses")[-1].body
    assert question in outcome.text
    assert planted.found_in(here.received) == set()


def test_helpers_of_the_sdk(here: Lab, planted: Planted) -> None:
    """Counting tokens, listing models, a batch and its results."""
    with anthropic_client(here.url) as client:
        counted = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": planted.log}])
        assert counted.input_tokens > 20
        assert [model.id for model in client.models.list()] == ["stand-in"]
    assert planted.found_in(here.received) == set()


def test_claude_code(here: Lab, planted: Planted, claude_binary: Path, tmp_path: Path) -> None:
    """It reads files and runs commands by their real names, and prints every value, over streams; none leaves."""
    home, project = tmp_path / "home", tmp_path / f"network-{planted.vpc}"
    home.mkdir()
    project.mkdir()
    (project / "main.tf").write_text(planted.terraform, encoding="utf-8")
    (project / "state.json").write_text(planted.state, encoding="utf-8")
    (project / f"console-{planted.instance}.log").write_text(planted.log, encoding="utf-8")
    here.upstream.script = turns(read_main, show_log, tell)
    output = ClaudeCode(claude_binary, home, project, here.url)(f"Why can't {planted.instance} read the ledger?")
    assert planted.found_in(output) == set(planted.values)
    assert planted.found_in(here.received) == set()
    bodies = [orjson.loads(request.body) for request in here.requests("/v1/messages")]
    assert len(bodies) >= 3
    assert all(body["stream"] for body in bodies)
    blocks = [
        block
        for message in bodies[-1]["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
    ]
    thoughts = [block for block in blocks if block["type"] == "thinking"]
    assert thoughts
    assert all(thought["signature"] == sign(thought["thinking"]) for thought in thoughts)
