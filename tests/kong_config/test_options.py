"""Every option that only the plugin has, in both positions: what goes upstream, what is restored, what is logged."""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from kong_plugins.aws_masker.plugin import Plugin
from kong_plugins.aws_masker.pluginserver.instances import Instances
from kong_plugins.aws_masker.pluginserver.protocol import Frames, Gone
from kong_plugins.aws_masker.pluginserver.server import Server
from kong_plugins.aws_masker.schema import kong_fields
from kong_plugins.aws_masker.settings import PluginSettings, Settings
from tests.kong_config.kong_schema import filled
from tests.pluginserver.kong import INSTANCE, KEY, Connection, Request

TEXT = f"why is {INSTANCE} slow"
Run = Callable[..., Request]
SECRET = "sk-" + "config-credential"


class _Server:
    """The plugin server in threads of this process, so that a test can change its environment and see its log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server = Server(Instances(Plugin))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=(self._listener.accept()[0],), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        frames = Frames(connection)
        with closing(connection), suppress(Gone):
            while self._server.answer(frames):
                pass

    def event(self, request: Request, instance: int, phase: str) -> None:
        """Run a phase on a connection of its own: after `kong.response.exit`, Kong drops the one that it had."""
        connection = Connection(self.path)
        with closing(connection.socket):
            request.run(connection, instance, phase)

    def start(self, config: dict[str, Any]) -> int:
        connection = Connection(self.path)
        with closing(connection.socket):
            return connection.start(config)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a request through a new plugin with options that Kong's schema took, and its answer, an echo, back."""

    def through(options: dict[str, Any], text: str = TEXT, **fields: Any) -> Request:
        config, errors = filled(kong_fields(), {"key": KEY, **options})
        assert not errors
        message = {"model": "m", "messages": [{"role": "user", "content": text}]}
        request = Request(body=json.dumps(message).encode(), **fields)
        with closing(_Server(tmp_path / secrets.token_hex(4))) as server:
            instance = server.start(config)
            server.event(request, instance, "access")
            if request.exit:
                return request
            request.answer = json.dumps({"content": [{"type": "text", "text": sent(request)}]}).encode()
            server.event(request, instance, "response")
            server.event(request, instance, "log")
        return request

    return through


def sent(request: Request) -> str:
    """Return the text that went upstream."""
    text: str = json.loads(request.body)["messages"][0]["content"]
    return text


def test_these_are_all_options_of_the_plugin() -> None:
    """Another one needs its tests here."""
    own = set(PluginSettings.model_fields) - set(Settings.model_fields)
    assert own == {"mode", "key", "namespace", "anthropic_api_key"}


def test_mode(run: Run) -> None:
    """`enforce` masks and restores; `observe` touches nothing, in either direction, and reports what it saw."""
    enforced = run({"mode": "enforce"})
    assert INSTANCE not in sent(enforced)
    assert enforced.exit is not None
    assert INSTANCE.encode() in enforced.exit[1]
    with capture_logs() as logs:
        observed = run({"mode": "observe"})
    assert sent(observed) == TEXT
    assert observed.exit is None
    assert [entry["families"] for entry in logs if entry["event"] == "request_would_be_masked"] == [{"ec2_instance": 1}]


def test_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option decides the placeholders; without it the environment does; without both nothing passes."""
    by_option = sent(run({}))
    assert sent(run({})) == by_option
    assert sent(run({"key": "4d" * 32})) != by_option
    monkeypatch.setenv("AWS_MASKER_KEY", KEY)
    assert sent(run({"key": None})) == by_option
    monkeypatch.delenv("AWS_MASKER_KEY")
    monkeypatch.setenv("AWS_MASKER_KEY_FILE", "/nonexistent/key")
    refused = run({"key": None})
    assert refused.exit is not None
    assert refused.exit[0] == 500
    assert b"AWS_MASKER_4001" in refused.exit[1]


def test_namespace(run: Run) -> None:
    """It parts the clients without a consumer, and says nothing about those with one, even one of its name."""
    without, one, two = (sent(run({"namespace": name})) for name in (None, "one", "two"))
    assert len({without, one, two}) == 3
    assert sent(run({"namespace": "one"})) == one
    consumer = sent(run({"namespace": "one"}, consumer="c-1"))
    assert sent(run({}, consumer="c-1")) == consumer
    assert consumer not in (without, one, sent(run({"namespace": "c-1"})), sent(run({}, consumer="one")))


def test_anthropic_api_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """For Anthropic requests without a credential: that of the option, else of the environment, else none."""
    given = {"anthropic_api_key": SECRET}
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    assert run(given).headers["x-api-key"] == SECRET
    assert "x-api-key" not in run({}).headers
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of-the-environment")
    assert run({}).headers["x-api-key"] == "of-the-environment"
    assert run(given).headers["x-api-key"] == SECRET
    assert "x-api-key" not in run(given, path="/v1/chat/completions").headers


@pytest.mark.parametrize("name", ["x-api-key", "authorization", "anthropic-api-key"])
def test_a_clients_own_credential_goes_through_as_it_came(run: Run, name: str) -> None:
    """Whatever the option says."""
    headers = {"content-type": "application/json", name: "the client's"}
    after = run({"anthropic_api_key": SECRET}, headers=dict(headers)).headers
    assert after[name] == "the client's"
    assert SECRET not in after.values()


def test_log_masked_requests(run: Run) -> None:
    """A line with counts for a request in which something was masked, only if it is on; never a value."""
    for on in (True, False):
        with capture_logs() as logs:
            run({"log_masked_requests": on})
        lines = [entry for entry in logs if entry["event"] == "request_masked"]
        assert [line["families"] for line in lines] == ([{"ec2_instance": 1}] if on else [])
        assert INSTANCE not in str(logs)


def test_the_maskers_options_reach_the_masker(run: Run) -> None:
    """Through Kong's config as well: a switch, a list, a pattern, a bound."""
    assert sent(run({"mask_ec2_instances": False})) == TEXT
    assert sent(run({"allowlist": [INSTANCE]})) == TEXT
    assert "slow" not in sent(run({"custom_patterns": [{"name": "pace", "pattern": "slow|fast"}]}))
    long = TEXT * 50
    assert INSTANCE not in sent(run({}, long))
    refused = run({"max_body_size": 1024}, long)
    assert refused.exit is not None
    assert refused.exit[0] == 413
