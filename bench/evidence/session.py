"""A session of Claude Code through the proxy: fifty turns, and what of its own prompt is changed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import orjson

from kong_plugins.aws_masker.demo.answers import Answer, Call, Say, Thinking, turns
from kong_plugins.aws_masker.demo.received import Received
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.pipeline import Head, mask_request
from kong_plugins.aws_masker.settings import Settings
from tests.e2e.claude import ClaudeCode, install
from tests.e2e.lab import lab, stability
from tests.e2e.project import Planted

_TURNS = 50


class Session(NamedTuple):
    """What came of it."""

    version: str
    turns: int
    size: int
    """Bytes of the last request."""
    entries: int
    """Entries of the history compared with the turn before."""
    changed: int
    """Those that differ from the turn before though the client repeated them."""
    leaked: tuple[str, ...]
    """Names of planted values that reached the API."""
    prompt: int
    """Bytes of the system prompt and the tools as the client sends them without the proxy."""
    prompt_findings: dict[str, int]
    """What would be masked in them, by family."""


def _turn(number: int) -> Answer:
    call = Call("Bash", {"command": f"cat console.log | head -{number + 1}", "description": f"Look again, {number}"})
    return Answer((Thinking(f"Turn {number}."), Say(f"Now part {number} of the log."), call))


def _last(received: Received) -> Answer:
    return Answer((Say(f"All seen: {received.latest[:200]}"),))


def run(masker: Masker) -> Session:
    """Run the session twice, through the proxy and without it, which tells what the client itself changes.

    Raises:
        tests.e2e.claude.NotAvailableError: Claude Code cannot be installed here.
    """
    binary = install()
    planted = Planted()
    masked, direct = (_bodies(binary, planted, through) for through in (True, False))
    ours, theirs = stability(masked.bodies), stability(direct.bodies)
    changed = sum(
        here and not there
        for (before, rest), (after, rest_after) in zip(theirs, ours, strict=True)
        for here, there in zip([*before, rest], [*after, rest_after], strict=True)
    )
    prompt = _prompt(direct.bodies[-1])
    head = Head("/v1/messages", ((b"content-type", b"application/json"),))
    findings = mask_request(head, prompt, masker.session(), Settings()).counts
    entries = sum(len(same) for same, _ in ours)
    leaked = tuple(sorted(planted.found_in(masked.received)))
    return Session(
        masked.version, len(masked.bodies), len(masked.bodies[-1]), entries, changed, leaked, len(prompt), findings
    )


class _Recorded(NamedTuple):
    bodies: list[bytes]
    received: bytes
    version: str


def _bodies(binary: Path, planted: Planted, masked: bool) -> _Recorded:
    script = turns(*[lambda _, number=number: _turn(number) for number in range(_TURNS - 1)], _last)
    with tempfile.TemporaryDirectory() as folder, lab(script, masked=masked) as api:
        home, project = Path(folder, "home"), Path(folder, "project")
        home.mkdir()
        project.mkdir()
        lines = (planted.log + planted.terraform + planted.state).splitlines()
        (project / "console.log").write_text("\n".join(lines * 3), encoding="utf-8")
        ClaudeCode(binary, home, project, api.url)(f"Why can't {planted.instance} read {planted.bucket}?")
        requests = api.requests("/v1/messages")
        agent = dict(requests[0].headers).get(b"user-agent", b"").decode("latin-1")
        return _Recorded([request.body for request in requests], api.received, agent)


def _prompt(body: bytes) -> bytes:
    """Return a request with only the system prompt and the tools of `body`, without the project's folder."""
    sent = orjson.loads(body)
    kept = {key: sent[key] for key in ("model", "max_tokens", "system", "tools") if key in sent}
    return orjson.dumps({**kept, "messages": [{"role": "user", "content": "hi"}]})
