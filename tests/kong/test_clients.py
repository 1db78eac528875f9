"""Unmodified clients through Kong: the anthropic and openai SDKs, and Claude Code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kong_plugins.aws_masker.demo.answers import turns
from tests.e2e.agents import AGENTS, anthropic_client, ask_for_files, looked_through, tell
from tests.e2e.claude import ClaudeCode
from tests.e2e.project import Planted
from tests.e2e.scripts import read_main, show_log
from tests.kong.lab import Lab


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
@pytest.mark.parametrize("api", sorted(AGENTS))
def test_a_conversation_with_tools(here: Lab, planted: Planted, api: str, stream: bool) -> None:
    """The API sees no value; tools and engineer see the real ones."""
    here.standin.script = turns(ask_for_files, tell)
    looked_through(AGENTS[api], here.url, planted, stream=stream)
    assert len(here.standin.requests) == 2
    assert planted.found_in(here.received) == set()


@pytest.mark.parametrize("prefix", ["", "/claude-proxy"])
def test_results_of_a_batch(here: Lab, planted: Planted, prefix: str) -> None:
    """The SDK follows the link that the API gives, which must lead through Kong: its results are restored, too."""
    here.kong.routes.insert(0, replace(here.kong.routes[0], prefix="/claude-proxy", strip="/claude-proxy"))
    here.standin.script = tell
    entry: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": planted.log}]}
    with anthropic_client(here.url + prefix) as client:
        made = client.messages.batches.create(requests=[{"custom_id": "one", "params": entry}])
        results: Any = list(client.messages.batches.results(made.id))
    assert planted.log in results[0].result.message.content[0].text
    assert planted.found_in(here.received) == set()


def test_claude_code(here: Lab, planted: Planted, claude_binary: Path, tmp_path: Path) -> None:
    """It reads files and runs commands by their real names, and prints every value; none of them leaves."""
    home, project = tmp_path / "home", tmp_path / f"network-{planted.vpc}"
    home.mkdir()
    project.mkdir()
    (project / "main.tf").write_text(planted.terraform, encoding="utf-8")
    (project / "state.json").write_text(planted.state, encoding="utf-8")
    (project / f"console-{planted.instance}.log").write_text(planted.log, encoding="utf-8")
    here.standin.script = turns(read_main, show_log, tell)
    output = ClaudeCode(claude_binary, home, project, here.url)(f"Why can't {planted.instance} read the ledger?")
    assert planted.found_in(output) == set(planted.values)
    assert len(here.requests("/v1/messages")) >= 3
    assert planted.found_in(here.received) == set()
