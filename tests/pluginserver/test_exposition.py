"""The plugin server's own pages: what all workers counted together, and whether the server can serve."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kong_plugins.aws_masker.pluginserver.exposition import components
from tests.pluginserver.conftest import Process, Start, children, eventually
from tests.pluginserver.kong import CONFIG, INSTANCE, Request

BODY = f'{{"messages": [{{"role": "user", "content": "why is {INSTANCE} slow"}}]}}'.encode()


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def address() -> str:
    return free_address()


def page(address: str, path: str, method: str = "GET") -> tuple[int, Any]:
    """Return the status and the page; waits until somebody listens."""
    found: list[tuple[int, Any]] = []

    def get() -> bool:
        try:
            with urllib.request.urlopen(urllib.request.Request(f"http://{address}{path}", method=method)) as answer:
                found.append((answer.status, answer.read()))
        except urllib.error.HTTPError as error:
            found.append((error.code, error.read()))
        except OSError:
            return False
        return True

    eventually(get)
    status, body = found[0]
    return status, body.decode() if path == "/metrics" or not body else json.loads(body)


def samples(address: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name.removeprefix("aws_masker_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page(address, "/metrics")[1])
        for sample in family.samples
    }


def access(process: Process, **config: Any) -> Request:
    connection = process.connect()
    request = Request(body=BODY)
    request.run(connection, connection.start({**CONFIG, **config}), "access")
    connection.socket.close()
    return request


def readiness(address: str) -> tuple[int, str, dict[str, str]]:
    status, told = page(address, "/readyz")
    return status, told["status"], {name: one["status"] for name, one in told["components"].items()}


SENT = ("requests_total", "anthropic", "sent")


def test_workers_count_together_and_a_dead_ones_counts_stay(start: Start, address: str) -> None:
    """The sum over two workers; one is killed, and neither its counts nor its successor's are missing."""
    process = start("--metrics-address", address, workers=2)
    for _ in range(10):
        assert access(process).upstream() is not None
    eventually(lambda: samples(address).get(SENT) == 10)
    got = samples(address)
    assert got["masked_values_total", "ec2_instance"] == 10
    assert got["stage_seconds_count", "mask"] == 10
    assert got["request_bytes_sum",] == 10 * len(BODY)
    assert got["workers",] == got["workers_wanted",] == 2
    for worker in process.workers()[:2]:
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: samples(address).get(("workers_ended_total",)) == 2)
    assert samples(address)[SENT] == 10
    eventually(lambda: samples(address)["workers",] == 2)
    for _ in range(10):
        access(process)
    eventually(lambda: samples(address)[SENT] == 20)
    text = page(address, "/metrics")[1]
    assert INSTANCE not in text
    assert "/v1/" not in text


def test_the_answer_counts_too(start: Start, address: str) -> None:
    """Restored values by family, and what nobody knows."""
    process = start("--metrics-address", address)
    connection = process.connect()
    number = connection.start()
    request = Request(body=BODY)
    request.run(connection, number, "access")
    request.answer = request.body
    request.run(connection, number, "response")
    assert request.exit is not None
    assert INSTANCE.encode() in request.exit[1]
    eventually(lambda: samples(address).get(("restored_values_total", "ec2_instance")) == 1)
    assert samples(address)["answer_bytes_sum",] == len(request.answer)


def test_pages(start: Start, address: str) -> None:
    """Liveness says so; what is no page is a 404 that repeats nothing; nothing can be posted."""
    start("--metrics-address", address)
    status, told = page(address, "/healthz")
    assert (status, told["status"]) == (200, "ok")
    assert page(address, "/healthz", "HEAD") == (200, "")
    status, told = page(address, f"/{INSTANCE}?{INSTANCE}")
    assert status == 404
    assert INSTANCE not in str(told)
    assert page(address, "/metrics", "POST")[0] == 405


def test_readiness(start: Start, address: str) -> None:
    """Ready with its workers; not ready while the key is wrong."""
    process = start("--metrics-address", address)
    assert readiness(address) == (
        200,
        "ok",
        {"workers": "ok", "key": "ok", "redis": "unused", "breaker": "unused"},
    )
    assert access(process, key=None).exit is not None
    eventually(lambda: readiness(address)[2]["key"] == "failed")
    assert readiness(address)[:2] == (503, "failed")


@pytest.mark.parametrize(("fallback", "ready"), [(True, (200, "degraded")), (False, (503, "failed"))])
def test_readiness_without_redis(start: Start, address: str, fallback: bool, ready: tuple[int, str]) -> None:
    """Redis away: with the fallback requests are served, without it they are refused, and both is told."""
    process = start("--metrics-address", address)
    port = int(free_address().rpartition(":")[2])
    request = access(process, redis_host="127.0.0.1", redis_port=port, redis_fallback=fallback)
    assert (request.exit is None) is fallback
    eventually(lambda: readiness(address)[2]["redis"] == ready[1])
    assert readiness(address)[:2] == ready
    got = samples(address)
    assert (got["vault_away",], got["vault_fallback",], got["vault_refusing",]) == (1, fallback, not fallback)
    assert got["vault_errors_total", "AWS_MASKER_1001"] >= 1


def test_components_tell_the_breaker_and_slowness() -> None:
    """What the figures say, in words."""
    redis = {("aws_masker_vault_operations_total", "read"): 5.0, ("aws_masker_workers",): 1.0}
    well = components({**redis, ("aws_masker_workers_wanted",): 1.0}, 1000.0)
    assert {name: one.status for name, one in well.items()} == dict.fromkeys(well, "ok")
    slow = components({**redis, ("aws_masker_vault_latency_seconds",): 0.2}, 1000.0)
    assert slow["redis"].status == "degraded"
    assert components({**redis, ("aws_masker_vault_breaker",): 2.0}, 1000.0)["breaker"].detail.startswith("open")
    assert components({**redis, ("aws_masker_workers_wanted",): 2.0}, 1000.0)["workers"].status == "degraded"
    none = components({("aws_masker_workers_wanted",): 2.0}, 1000.0)
    assert none["workers"].status == "failed"
    earlier = {("aws_masker_misconfigured_timestamp_seconds",): 900.0}
    assert components(earlier, 1000.0)["key"].status == "ok"
    assert components(earlier, 950.0)["key"].status == "failed"


def test_the_address_may_be_taken_for_a_while(start: Start, address: str) -> None:
    """Masking goes on meanwhile, the log says so once, and the pages come when the address is free."""
    host, _, port = address.partition(":")
    with socket.create_server((host, int(port))):
        process = start("--metrics-address", address)
        eventually(lambda: "metrics_address_not_free" in process.log.read_text())
        assert access(process).upstream() is not None
    assert page(address, "/healthz")[0] == 200
    assert process.log.read_text().count("metrics_address_not_free") == 1


def test_the_server_of_the_pages_comes_back(start: Start, address: str) -> None:
    """Killed, it is started again; requests never notice."""
    process = start("--metrics-address", address)
    access(process)
    eventually(lambda: samples(address).get(SENT) == 1)
    os.kill(process.workers()[1], signal.SIGKILL)
    eventually(lambda: "server_of_metrics_ended" in process.log.read_text())
    assert samples(address)[SENT] == 1


def _folders() -> set[Path]:
    places = (Path("/dev/shm"), Path("/tmp"))
    return {folder for place in places if place.exists() for folder in place.glob("aws-masker-metrics-*")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(start: Start, address: str, number: signal.Signals) -> None:
    """However the server ends, its files and all its processes go."""
    before = _folders()
    process = start("--metrics-address", address)
    access(process)
    page(address, "/healthz")
    own = process.workers()
    process.popen.send_signal(number)
    process.popen.wait(20)
    eventually(lambda: not any(Path(f"/proc/{child}/cmdline").exists() and _runs(child) for child in own))
    eventually(lambda: _folders() <= before)


def _runs(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def test_no_pages_without_an_address(start: Start) -> None:
    """By default nothing listens, and no process more than the workers runs."""
    process = start(workers=2)
    assert len(children(process.popen.pid)) == 2
