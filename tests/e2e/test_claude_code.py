"""An unmodified Claude Code works through the proxy, and the API behind it never sees a value."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from kong_plugins.aws_masker.demo.answers import Answer, Call, Say, Thinking, sign, turns
from kong_plugins.aws_masker.demo.received import Received, Recorded
from tests.e2e.claude import ClaudeCode
from tests.e2e.lab import Lab, assert_stable, lab, proxy_process, stability
from tests.e2e.project import Planted
from tests.e2e.scripts import find


def _directory(received: Received) -> str:
    return find(r"Primary working directory: ([^\\]+)", orjson.dumps(received.body["system"]).decode())


def _read_terraform(received: Received) -> Answer:
    directory = _directory(received)
    return Answer(
        (
            Thinking(f"The project is in {directory}."),
            Say(f"I'll read main.tf in {directory}."),
            Call("Read", {"file_path": f"{directory}/main.tf"}),
        )
    )


def _read_the_rest(received: Received) -> Answer:
    instance = find(r'instance_id = "([^"]+)"', received.text)
    return Answer(
        (
            Thinking(f"Now the log of {instance}."),
            Say(f"Now the state, and the log of `{instance}`."),
            Call("Bash", {"command": "cat terraform.tfstate", "description": "Show the state"}),
            Call("Bash", {"command": f"cat console-{instance}.log", "description": f"Show the log of {instance}"}),
        )
    )


def _write_report(received: Received) -> Answer:
    instance = find(r'instance_id = "([^"]+)"', received.text)
    path = f"{_directory(received)}/report-{instance}.md"
    return Answer((Call("Write", {"file_path": path, "content": received.text}),))


def _look_up_key(received: Received) -> Answer:
    key = find(r'access_key = "([^"]+)"', received.text)
    return Answer((Call("Bash", {"command": f"grep -c '{key}' main.tf > found.txt", "description": "Look it up"}),))


def _tell_everything(received: Received) -> Answer:
    return Answer((Thinking("All is known."), Say(f"This is what I know:\n{received.text}")))


MODEL_TURNS = (_read_terraform, _read_the_rest, _write_report, _look_up_key, _tell_everything)
"""The turns of the first run; the runs after it get the last one again."""


@dataclass(frozen=True)
class Session:
    """A session of three runs, and what came of it."""

    api: Lab
    root: Path
    project: Path
    outputs: list[str]

    @property
    def requests(self) -> list[Recorded]:
        return self.api.requests("/v1/messages")

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.requests]


@contextlib.contextmanager
def _session(binary: Path, planted: Planted, root: Path, *, masked: bool) -> Iterator[Session]:
    """Three runs; between the second and the third, the proxy starts anew."""
    home, project = root / "home", root / f"network-{planted.vpc}"
    home.mkdir()
    project.mkdir()
    (project / "main.tf").write_text(planted.terraform, encoding="utf-8")
    (project / "terraform.tfstate").write_text(planted.state, encoding="utf-8")
    (project / f"console-{planted.instance}.log").write_text(planted.log, encoding="utf-8")
    with lab(turns(*MODEL_TURNS), masked=False) as api:

        def way() -> contextlib.AbstractContextManager[str]:
            return proxy_process(api.url, root) if masked else contextlib.nullcontext(api.url)

        with way() as url:
            claude = ClaudeCode(binary, home, project, url)
            outputs = [claude(f"Why can't {planted.instance} read the ledger?"), claude("And now?", "--continue")]
        name = dict(api.requests("/v1/messages")[0].headers)[b"x-claude-code-session-id"].decode()
        with way() as url:
            claude = ClaudeCode(binary, home, project, url)
            outputs.append(claude(f"Is it arn:aws:iam::{planted.account}:role/{planted.role}?", "--resume", name))
        yield Session(api, root, project, outputs)


@pytest.fixture(scope="module")
def masked(claude_binary: Path, planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """The session through `aws-masker proxy`."""
    with _session(claude_binary, planted, tmp_path_factory.mktemp("masked"), masked=True) as session:
        yield session


@pytest.fixture(scope="module")
def direct(claude_binary: Path, planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """The same session with no proxy between: what the client does by itself."""
    with _session(claude_binary, planted, tmp_path_factory.mktemp("direct"), masked=False) as session:
        yield session


def test_the_log_of_the_proxy_holds_no_value(masked: Session, planted: Planted) -> None:
    """It says that it started, twice, and nothing that is secret."""
    log = (masked.root / "proxy.log").read_text()
    assert log.count("proxy_started") == 2
    assert planted.found_in(log) == set()


def test_no_planted_value_reaches_the_api(masked: Session, direct: Session, planted: Planted) -> None:
    """Neither bodies, headers nor paths of any request hold a value; without the proxy, all of them arrive."""
    assert planted.found_in(direct.api.received) == set(planted.values)
    assert planted.found_in(masked.api.received) == set()


def test_the_engineer_reads_every_value(masked: Session, planted: Planted) -> None:
    """What the client prints holds all values, in every run of the session."""
    for output in masked.outputs:
        assert planted.found_in(output) == set(planted.values)


def test_tools_work_on_the_real_values(masked: Session, planted: Planted) -> None:
    """File names, contents and commands of tool calls hold the real values: the files show it."""
    report = (masked.project / f"report-{planted.instance}.md").read_text(encoding="utf-8")
    assert planted.log.strip() in report  # the shell's last line break is not part of what it printed
    assert planted.state in report
    assert (masked.project / "found.txt").read_text() == "1\n"


def test_history_is_byte_identical_from_turn_to_turn(masked: Session, direct: Session) -> None:
    """Whatever the client itself repeats byte for byte arrives byte for byte, so the provider's prompt cache works.

    Within a run that is everything; a run that continues the session rewrites some of it, which the direct one tells.
    A proxy that starts anew with the same key masks to the same bytes.
    """
    first_run = len(MODEL_TURNS)
    assert_stable(direct.bodies[:first_run])
    assert_stable(masked.bodies[:first_run])
    assert stability(masked.bodies) == stability(direct.bodies)


def test_what_is_not_text_arrives_as_the_client_sent_it(masked: Session, direct: Session) -> None:
    """The same requests with the same headers, credentials, attribution line, tools and settings arrive."""
    assert [request.target for request in masked.requests] == [request.target for request in direct.requests]
    for ours, theirs in zip(masked.requests, direct.requests, strict=True):
        assert _stable_headers(ours) == _stable_headers(theirs)
        mine, original = orjson.loads(ours.body), orjson.loads(theirs.body)
        assert list(mine) == list(original)
        assert mine["system"][0] == original["system"][0]
        assert "x-anthropic-billing-header" in mine["system"][0]["text"]
        varying = {"messages", "system", "metadata"}
        assert {k: v for k, v in mine.items() if k not in varying} == {
            k: v for k, v in original.items() if k not in varying
        }


def test_signed_thinking_comes_back_unchanged(masked: Session) -> None:
    """The model's reasoning, which speaks in placeholders, returns to the API bit by bit with its signature."""
    messages = orjson.loads(masked.bodies[-1])["messages"]
    blocks = [block for message in messages if isinstance(message["content"], list) for block in message["content"]]
    thoughts = [block for block in blocks if block["type"] == "thinking"]
    assert len(thoughts) >= len(masked.outputs)
    assert all(thought["signature"] == sign(thought["thinking"]) for thought in thoughts)


def _stable_headers(request: Recorded) -> dict[bytes, bytes]:
    """Return the headers but for those that tell one session, one connection and one length from another."""
    own = {b"host", b"content-length", b"connection", b"x-claude-code-session-id"}
    return {name.lower(): value for name, value in request.headers if name.lower() not in own}
