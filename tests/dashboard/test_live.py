"""What a page is told: from the audit trail, from events, and from the metrics of real processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kong_plugins.aws_masker.dashboard.sources import Source, read_page
from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.observe.events import MASKING
from kong_plugins.aws_masker.observe.health import Component
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.observer import Observer, observer_of
from kong_plugins.aws_masker.observe.record import AnswerRecord, RequestRecord
from kong_plugins.aws_masker.proxy.app import create_app, create_gateway
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.store import AUDIT
from tests.dashboard.conftest import KEY, Open, Site, Visitor, last_state, news
from tests.proxy.harness import running
from tests.vault.servers import PATIENCE, Server

Visit = Callable[[Site], Visitor]


def request(name: str = "r1", **fields: object) -> RequestRecord:
    told = {"masked": {"bucket": 2, "secret_key": 1}, "time": time.time(), "seconds": {"mask": 0.004, "vault": 0.02}}
    return RequestRecord(name, "proxy", "t", "anthropic", "messages", **{**told, **fields})  # type: ignore[arg-type]


def answer(name: str = "r1", forgotten: int = 0, foreign: int = 0) -> AnswerRecord:
    found = {"bucket": 2}
    return AnswerRecord(name, "proxy", "t", "anthropic", time.time(), found, forgotten, foreign, seconds=0.003)


def test_events(open_site: Open, visit: Visit, redis: Server, observer: Observer) -> None:
    """A request and its answer, told by the real observer: events, figures, times and tenants, each once."""
    visitor = visit(open_site(redis))
    visitor.live(lambda told: last_state(told)["parts"][0]["status"] == "ok")
    observer.request(request())
    observer.answer(answer(forgotten=3))
    told = visitor.live(lambda told: last_state(told)["totals"]["requests"] and len(news(told)) >= 4)
    assert [item["what"] for item in news(told)] == ["alert: medium", "masked", "alert: medium", "restored"]
    assert news(told)[1]["families"] == {"bucket": 2, "secret_key": 1}
    assert {(item["tenant"], item["request"]) for item in news(told)} == {("t", "r1")}
    state = last_state(told)
    assert state["origin"] == "trail"
    assert state["totals"] == {"requests": 1, "values": 3, "observed": 0, "errors": 0} | {
        "restored": 2,
        "misses": 3,
        "foreign": 0,
    }
    assert sum(state["values"]["bucket"][-2:]) == 2
    assert sum(state["requests"]["masked"][-2:]) == 1
    assert state["tenants"] == [
        {"tenant": "t", "api": "anthropic", "route": "messages", "requests": 1, "values": 3, "errors": 0}
    ]
    assert {stage: figures["count"] for stage, figures in state["latency"].items()} == {
        "mask": 1,
        "vault": 1,
        "restore": 1,
    }
    assert 2.5 <= state["latency"]["mask"]["p50"] <= 5


def test_the_trail_reaches_back(open_site: Open, visit: Visit, redis: Server) -> None:
    """What was before the dashboard's start is told where events are off; of the events the latest 50."""
    settings = Settings(redis_host="127.0.0.1", redis_port=redis.port, redis_events=False)
    quiet = observer_of(settings, {}, Metrics())
    for number in range(120):
        quiet.request(request(f"r{number}", time=time.time() - 1800))
    quiet.request(request("bad", outcome="AWS_MASKER_2003", status=415, sent=False, masked={}))
    quiet.request(request("seen", mode="observe"))
    quiet.close()
    visitor = visit(open_site(redis))
    told = visitor.live(lambda told: last_state(told)["totals"]["requests"] == 122 and len(news(told)) >= 50)
    assert len(news(told)) == 50
    assert [(item["what"], item["level"]) for item in news(told)[-2:]] == [("refused", "medium"), ("observed", "low")]
    state = last_state(told)
    assert state["values"]["bucket"][20:40].count(0) < 20 and sum(state["values"]["bucket"]) == 240
    assert state["errors"] == {"AWS_MASKER_2003": 1}
    assert (state["totals"]["values"], state["totals"]["observed"]) == (360, 3)
    recent = last_state(visitor.live(lambda told: told, minutes=15))
    assert recent["totals"]["requests"] == 2
    assert news(visitor.live(lambda told: len(news(told)) >= 2, after=48))[0]["id"] == 49


def test_what_is_not_ours(open_site: Open, visit: Visit, redis: Server, observer: Observer) -> None:
    """Broken events and entries change nothing, and are told of; an operator's look at a value is an event."""
    visitor = visit(open_site(redis))
    visitor.live(lambda told: last_state(told)["parts"][0]["status"] == "ok")
    with redis.client() as client:
        client.publish(MASKING, b'{"event_type": "masking", "evil": "<script>"}')
        client.publish(MASKING, b"\xff")
        client.xadd(AUDIT, {"when": "yesterday", "families": "bucket=many"})
        client.xadd(AUDIT, {"who": "jane", "when": round(time.time() * 1000), "decision": "restored", "reason": "x"})
    observer.request(request())
    told = visitor.live(
        lambda told: (
            last_state(told)["totals"]["requests"]
            and len(news(told)) >= 3
            and "2 events could not be read" in last_state(told)["parts"][0]["detail"]
        )
    )
    assert sorted(item["what"] for item in news(told)) == ["alert: medium", "masked", "restored"]
    (looked,) = (item for item in news(told) if item["source"] == "vault")
    assert (looked["tenant"], looked["text"]) == ("jane", "by an operator")
    assert last_state(told)["totals"]["requests"] == 1


def test_few_rights_are_enough(open_site: Open, visit: Visit, redis: Server, observer: Observer) -> None:
    """A user as docs/dashboard.md has it sees the trail and the events; one with less is told of as a failed part."""
    page = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text()
    rights = next(line.split() for line in page.splitlines() if line.startswith("ACL SETUSER"))
    redis.do(*(word.replace("PASSWORD", "secret") for word in rights))
    allowed = visit(open_site(redis, redis_user="dashboard", redis_password="secret"))
    allowed.live(lambda told: last_state(told)["parts"][0]["status"] == "ok")
    observer.request(request())
    told = allowed.live(lambda told: last_state(told)["totals"]["requests"] == 1 and len(news(told)) >= 2)
    assert [item["what"] for item in news(told)] == ["alert: medium", "masked"]
    redis.do("ACL", "SETUSER", "dashboard", "-xrange", "-xrevrange")
    allowed.live(lambda told: "NoPermissionError" in last_state(told)["parts"][0]["detail"])
    redis.do("ACL", "DELUSER", "dashboard")


def test_redis_goes_away(open_site: Open, visit: Visit, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its part says so; when it is back, so is what it tells, and nothing is counted twice."""
    server = Server(tmp_path_factory.mktemp("redis")).start()
    visitor = visit(open_site(server))
    settings = Settings(redis_host="127.0.0.1", redis_port=server.port)
    first = observer_of(settings, {}, Metrics())
    first.request(request("r1"))
    first.close()
    visitor.live(lambda told: last_state(told)["totals"]["requests"] == 1)
    server.do("SAVE")
    server.kill()
    visitor.live(lambda told: last_state(told)["parts"][0]["status"] == "failed")
    server.start()
    second = observer_of(settings, {}, Metrics())
    second.request(request("r2"))
    second.close()
    told = visitor.live(lambda told: last_state(told)["totals"]["requests"] == 2)
    server.kill()
    assert last_state(told)["parts"][0]["status"] == "ok"


def test_no_redis(open_site: Open, visit: Visit) -> None:
    """There is a page all the same, which says that nothing tells."""
    (told,) = visit(open_site()).live(lambda told: told)
    assert told[1]["origin"] == "none"
    assert told[1]["parts"] == [{"name": "Redis", "status": "unused", "detail": "nothing says where it is"}]


def test_sources(open_site: Open, visit: Visit) -> None:
    """A proxy's metrics and readiness; a proxy in front of Kong is not counted again; a source that is away is told."""
    observer = Observer(Metrics())
    proxy = create_app("http://127.0.0.1:9", Settings(), KEY, observer=observer)
    observer.request(request("before"))
    observer.settle(PATIENCE)
    with running(proxy) as url, running(create_gateway("http://127.0.0.1:9", Settings(), KEY)) as front:
        pages = [f"{one}/.aws-masker/metrics" for one in (url, front, "http://127.0.0.1:9")]
        site = open_site(None, tuple(pages))
        visitor = visit(site)
        visitor.live(lambda told: len(last_state(told)["parts"]) == 4)
        visitor.client.get(f"{front}/v1/messages")  # Kong cannot be reached: an error of the front's
        observer.request(request("after", outcome="AWS_MASKER_2003", status=415, sent=False))
        observer.request(request("seen", mode="observe"))
        observer.answer(answer("after", forgotten=1, foreign=2))
        told = visitor.live(lambda told: last_state(told)["totals"]["restored"])
    state = last_state(told)
    assert state["origin"] == "metrics"
    assert state["totals"] == {"requests": 2, "values": 3, "observed": 3, "errors": 1} | {
        "restored": 2,
        "misses": 1,
        "foreign": 2,
    }
    assert state["requests"].keys() == {"AWS_MASKER_2003", "answered"}
    assert (state["latency"]["mask"]["count"], state["latency"]["restore"]["count"]) == (2, 1)
    assert 2.5 <= state["latency"]["mask"]["p95"] <= 5
    _, masks, fronts, away = state["parts"]
    assert (masks["status"], {part["name"] for part in masks["parts"]}) == ("ok", {"key", "redis", "breaker"})
    assert (fronts["status"], {part["name"]: part["status"] for part in fronts["parts"]}) == (
        "failed",
        {"key": "ok", "kong": "failed"},
    )
    assert (away["status"], away["detail"]) == ("failed", "no answer (ConnectError)")


def test_a_source_begins_anew(open_site: Open, visit: Visit) -> None:
    """Counters that fall were set back to nothing: what they hold then is new."""
    page = b'# TYPE aws_masker_masked_values counter\naws_masker_masked_values_total{family="bucket"} %d\n'
    board = open_site().dashboard.board
    source = Source("http://127.0.0.1:9/metrics")
    for count in (100, 103, 2, 2):
        source._count(read_page(page % count).totals, board, True)
    board.part("x", Component("ok", ""), source=True)
    assert board.state(15)["totals"]["values"] == 3 + 2


@pytest.mark.parametrize(
    "url",
    [
        "kong:9105/metrics",
        "ftp://kong/metrics",
        "http://kong:9105",
        "http://user:secret@kong/metrics",
        "http:///metrics",
        "http://kong/metrics?x=secret",
        "http://kong:secret/metrics",
    ],
)
def test_wrong_sources(url: str) -> None:
    """Are refused at the start, without being repeated."""
    with pytest.raises(ConfigError) as failure:
        Source(url)
    assert "secret" not in str(failure.value)


def test_signing_out_ends_the_stream(open_site: Open, visit: Visit) -> None:
    """Whoever has signed out is told nothing any more."""
    site = open_site()
    visitor, other = visit(site), visit(site)
    told: list[str] = []

    def until_signed_out(_: object) -> None:
        if not told:
            cookies = Visitor(site.url)
            cookies.client.cookies.update(dict(visitor.client.cookies))
            cookies.client.post("/logout", data={"token": cookies.token()})
        told.append("state")

    with pytest.raises(AssertionError, match="the stream has ended"):
        visitor.live(until_signed_out)
    assert len(told) <= 2
    assert other.live(lambda told: told)
