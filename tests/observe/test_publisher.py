"""Events and audit entries in a real Redis: all that is wanted, nothing else, and no request that waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.observe.events import MASKING, PERFORMANCE, SECURITY, UNMASKING
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.observer import Observer, observer_of, wanted_of
from kong_plugins.aws_masker.observe.publisher import Publisher, Wanted
from kong_plugins.aws_masker.observe.record import AnswerRecord, RequestRecord
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.store import AUDIT
from tests.observe.conftest import Listener
from tests.vault.servers import PATIENCE, Server, wait_for

REQUEST = RequestRecord("id", "proxy", "t", "anthropic", "messages", masked={"bucket": 2, "secret_key": 1}, time=1.5)
ANSWER = AnswerRecord("id", "proxy", "t", "anthropic", 1.5, {"bucket": 2})


def observer(redis: Server | int, environ: dict[str, str] | None = None, **options: Any) -> Observer:
    port = redis if isinstance(redis, int) else redis.port
    settings = Settings(redis_host="127.0.0.1", redis_port=port, **options)
    return observer_of(settings, environ or {}, Metrics())


def count(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"aws_masker_{name}", labels) or 0.0


def entries(redis: Server) -> list[dict[str, str]]:
    with redis.client() as client:
        return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in client.xrange(AUDIT)]


def test_events_and_audit(redis: Server, listener: Listener) -> None:
    """A request and its answer: an event on each channel, alerts, and one entry of the trail."""
    told = observer(redis, redis_events=True)
    told.request(REQUEST)
    told.answer(ANSWER)
    channels = [channel for channel, _ in listener.messages(4)]
    assert channels == [SECURITY, MASKING, PERFORMANCE, UNMASKING]
    (entry,) = entries(redis)
    assert entry["families"] == "bucket=2,secret_key=1"
    assert (entry["who"], entry["when"], entry["count"], entry["decision"]) == ("t", "1500", "3", "masked")
    assert (entry["route"], entry["api"], entry["request"]) == ("messages", "anthropic", "id")
    told.close()
    assert count(told.metrics.registry, "events_published_total") == 5


@pytest.mark.parametrize(
    ("option", "variable", "published"),
    [(None, "", 0), (None, "true", 1), (None, "0", 0), (True, "", 1), (True, "false", 1), (False, "true", 0)],
)
def test_redis_events(redis: Server, listener: Listener, option: bool | None, variable: str, published: int) -> None:
    """The option decides, else the variable, else there are none; the trail is written in any case."""
    told = observer(redis, {"ENABLE_REDIS_EVENTS": variable}, redis_events=option)
    told.request(REQUEST)
    told.close()
    with redis.client() as client:
        client.publish(MASKING, '{"event_type": "end"}')
    messages = listener.messages(published + 1, MASKING)
    assert [message["event_type"] for _, message in messages] == ["masking"] * published + ["end"]
    assert len(entries(redis)) == 1


@pytest.mark.parametrize(
    ("option", "variable", "rate"), [(None, "", 100), (None, "7", 7), (3, "7", 3), (0, "7", 0), (None, "0", 0)]
)
def test_events_rate_limit(option: int | None, variable: str, rate: int) -> None:
    """The option decides, else the variable, else 100 a second."""
    wanted = wanted_of(Settings(events_rate_limit=option), {"EVENT_LOG_RATE_LIMIT": variable})
    assert wanted.rate == rate


def test_the_rate_is_kept(redis: Server, listener: Listener) -> None:
    """What is over it is dropped and counted; alerts have a rate of their own; the trail is whole."""
    now = [0.0]
    metrics = Metrics()
    publisher = Publisher(lambda: Redis(port=redis.port), Wanted(True, 4, 1000), metrics, lambda: now[0])
    publisher.tell([REQUEST] * 10)
    assert [channel for channel, _ in listener.messages(8)].count(SECURITY) == 4
    assert count(metrics.registry, "events_dropped_total", reason="rate") == 10 * 3 - 8
    now[0] = 1.0
    publisher.tell([REQUEST])
    assert len(listener.messages(8 + 3)) == 11
    assert len(entries(redis)) == 11
    unbounded = Publisher(lambda: Redis(port=redis.port), Wanted(True, 0, 0), metrics, lambda: now[0])
    unbounded.tell([REQUEST] * 10)
    assert len(listener.messages(11 + 30)) == 41
    assert len(entries(redis)) == 11


def test_the_audit_trail_is_capped(redis: Server) -> None:
    """`audit_max_entries` bounds it, about; 0 switches it off."""
    many = observer(redis, audit_max_entries=100)
    for _ in range(1500):
        many.request(REQUEST)
        many.settle(PATIENCE)
    assert 100 <= len(entries(redis)) < 400
    redis.do("FLUSHALL")
    none = observer(redis, audit_max_entries=0)
    none.request(REQUEST)
    none.close()
    assert redis.do("EXISTS", AUDIT) == 0
    assert count(none.metrics.registry, "requests_total", api="anthropic", outcome="answered") == 1


def test_a_redis_that_is_away_costs_events_only(tmp_path: Path, redis: Server) -> None:
    """They are dropped and counted, with one line in the log; metrics go on; when it is back, so are they."""
    now = [0.0]
    metrics = Metrics()
    server = Server(tmp_path / "redis").start()
    publisher = Publisher(
        lambda: Redis(port=server.port, retry=Retry(NoBackoff(), 0)), Wanted(False, 0, 1000), metrics, lambda: now[0]
    )
    with structlog.testing.capture_logs() as lines:
        publisher.tell([REQUEST])
        server.kill()
        for _ in range(3):
            publisher.tell([REQUEST])
        now[0] = 10.0
        publisher.tell([REQUEST])
        server.start()
        publisher.tell([REQUEST])  # not tried yet
        now[0] = 20.0
        publisher.tell([REQUEST])
    server.kill()
    assert count(metrics.registry, "events_dropped_total", reason="redis") == 5
    assert count(metrics.registry, "events_published_total") == 2
    assert [line["event"] for line in lines] == ["events_not_published", "events_published_again"]


def test_what_redis_forbids_costs_only_that(redis: Server, listener: Listener) -> None:
    """A user who may write the trail and not publish: the trail is there, the rest is counted."""
    redis.do("ACL", "SETUSER", "writer", "on", ">secret", "~*", "+@all", "resetchannels")
    told = observer(redis, redis_events=True, redis_user="writer", redis_password="secret")
    told.request(REQUEST)
    told.close()
    redis.do("ACL", "DELUSER", "writer")
    assert len(entries(redis)) == 1
    assert count(told.metrics.registry, "events_dropped_total", reason="redis") == 3
    assert listener.messages(0) == []


def test_a_full_queue_drops(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hands a record over never waits; what does not fit is counted."""
    told = Observer(Metrics())
    monkeypatch.setattr(told, "_see_to_it", lambda: None)
    for _ in range(2005):
        told.request(REQUEST)
    monkeypatch.undo()
    assert count(told.metrics.registry, "events_dropped_total", reason="queue") == 5
    told.answer(ANSWER)  # full still: dropped, and nobody raises
    assert count(told.metrics.registry, "events_dropped_total", reason="queue") == 6


def test_the_thread_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends when nothing comes, and the next record starts another."""
    monkeypatch.setattr("kong_plugins.aws_masker.observe.observer._IDLE", 0.05)
    told = Observer(Metrics())
    for number in (1, 2):
        told.request(REQUEST)
        told.settle(PATIENCE)
        assert count(told.metrics.registry, "requests_total", api="anthropic", outcome="answered") == number
        wait_for(lambda: told._thread is None, "the end of the thread")


@pytest.mark.parametrize("name", ["ENABLE_REDIS_EVENTS", "EVENT_LOG_RATE_LIMIT"])
def test_a_malformed_variable(name: str) -> None:
    """Is an error that names it, not what it holds."""
    with pytest.raises(ConfigError) as failure:
        wanted_of(Settings(), {name: "perhaps"})
    assert name in str(failure.value)
    assert "perhaps" not in str(failure.value)


@pytest.mark.parametrize("on", [True, False])
def test_use_redis(redis: Server, on: bool) -> None:
    """Without Redis nothing is published, and everything else is told."""
    told = observer(redis, use_redis=on, redis_events=True)
    told.request(REQUEST)
    told.close()
    assert len(entries(redis)) == on
    assert count(told.metrics.registry, "requests_total", api="anthropic", outcome="answered") == 1
