"""`events`: what is published on a real Redis, as it comes, for people and for programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.observer import Observer, observer_of
from kong_plugins.aws_masker.observe.record import AnswerRecord, RequestRecord
from kong_plugins.aws_masker.settings import Settings
from tests.vault.servers import Server, find_binary, free_port, wait_for

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
Started = Callable[..., "subprocess.Popen[bytes]"]
REQUEST = RequestRecord(
    "request-1", "kong", "consumer:c", "anthropic", "messages", masked={"bucket": 2, "secret_key": 1}, size=1234
)
ANSWER = AnswerRecord("request-1", "kong", "consumer:c", "anthropic", restored={"bucket": 2}, forgotten=1, size=99)
REFUSED = RequestRecord("request-2", "kong", "", "openai-chat", outcome="AWS_MASKER_6002", status=422, sent=False)


@pytest.fixture
def watch(started: Started, redis: Server, environment: dict[str, str]) -> Callable[..., subprocess.Popen[bytes]]:
    """`watch("--json")`: the command, as soon as it listens."""

    def _watch(*options: str) -> subprocess.Popen[bytes]:
        environment.update(REDIS_HOST="127.0.0.1", REDIS_PORT=str(redis.port), PYTHONUNBUFFERED="1")
        process = started("events", *options)
        wait_for(lambda: redis.do("PUBSUB", "CHANNELS", "aws-masker:*"), "the subscription")
        return process

    return _watch


def observer(redis: Server) -> Observer:
    return observer_of(Settings(redis_host="127.0.0.1", redis_port=redis.port, redis_events=True), {}, Metrics())


def lines(process: subprocess.Popen[bytes], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().decode().rstrip("\n") for _ in range(count)]


def test_for_people(watch: Started, redis: Server) -> None:
    """A line each: what was decided, which families, how much, whose; alerts by their urgency. No performance."""
    process = watch()
    told = observer(redis)
    told.request(REQUEST)
    told.answer(ANSWER)
    told.request(REFUSED)
    told.close()
    alert, masked, miss, restored, refusal, refused = lines(process, 6)
    assert "medium: credential_seen  secret_key 1" in alert
    assert "masked    anthropic/messages  bucket 2, secret_key 1  1,234 bytes" in masked
    assert masked.endswith("consumer:c request-1")
    assert "medium: restore_miss" in miss
    assert "restored  anthropic  bucket 2  1 unknown  99 bytes" in restored
    assert "low: request_refused AWS_MASKER_6002" in refusal
    assert "refused   openai-chat/other AWS_MASKER_6002" in refused
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130


def test_for_programs(watch: Started, redis: Server) -> None:
    """The events as they were published, on the channels that were asked for; what is no event changes nothing."""
    process = watch("--json", "--channel", "performance", "--channel", "unmasking")
    told = observer(redis)
    told.request(REQUEST)
    told.answer(ANSWER)
    told.close()
    performance, unmasking = (json.loads(line) for line in lines(process, 2))
    assert (performance["event_type"], performance["request_id"]) == ("performance", "request-1")
    assert (unmasking["event_type"], unmasking["restore_misses"]) == ("unmasking", 1)


def test_what_is_no_event_of_ours(watch: Started, redis: Server) -> None:
    """Anyone may publish there: garbage is left out, and nothing steers the terminal."""
    process = watch("--channel", "masking")
    channel = "aws-masker:events:masking"
    for garbage in (b"\xff", b"[]", b"{}", b'{"event_type": "masking", "timestamp": 1}'):
        redis.do("PUBLISH", channel, garbage)
    told = observer(redis)
    told.request(RequestRecord("\x1b[31mred", "kong", "", "anthropic", "messages"))
    told.close()
    (line,) = lines(process, 1)
    assert "passed" in line
    assert "\x1b" not in line


def test_without_redis(run: Run) -> None:
    """One line that says what to set, or that it is away."""
    nowhere = run("events")
    assert (nowhere.returncode, nowhere.stdout) == (2, b"")
    assert b"redis_host or REDIS_HOST" in nowhere.stderr
    away = run("events", REDIS_HOST="127.0.0.1", REDIS_PORT=str(free_port()))
    assert away.returncode == 2
    assert away.stderr.startswith(b"Error AWS_MASKER_1001:")
    assert away.stderr.count(b"\n") == 1


def test_it_waits_for_a_redis_that_goes(
    started: Started, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> None:
    """It says so once, and goes on when it is back."""
    if find_binary() is None:
        pytest.skip("neither redis-server nor valkey-server is installed")
    server = Server(tmp_path_factory.mktemp("redis")).start()
    environment.update(REDIS_HOST="127.0.0.1", REDIS_PORT=str(server.port), PYTHONUNBUFFERED="1")
    process = started("events")
    wait_for(lambda: server.do("PUBSUB", "CHANNELS", "aws-masker:*"), "the subscription")
    server.kill()
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"Watching")
    assert process.stderr.readline().startswith(b"Redis is away")
    server.start()
    wait_for(lambda: server.do("PUBSUB", "CHANNELS", "aws-masker:*"), "the subscription")
    told = observer(server)
    told.request(REQUEST)
    told.close()
    assert "credential_seen" in lines(process, 1)[0]
    os.kill(process.pid, signal.SIGTERM)
    server.kill()
