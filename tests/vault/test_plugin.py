"""The Kong plugin with its mappings in Redis: plugin servers on two nodes, several workers each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kong_plugins.aws_masker.schema import kong_fields
from tests.kong_config.kong_schema import filled
from tests.pluginserver.conftest import Process
from tests.pluginserver.conftest import run as start
from tests.pluginserver.kong import INSTANCE, KEY, Request
from tests.vault.conftest import Run
from tests.vault.servers import Server

BUCKET = "acme-payroll-exports"
PATIENCE = 20


@pytest.fixture
def nodes(tmp_path: Path, redis_binary: None) -> Iterator[list[Process]]:
    """Two plugin servers with two workers each, as on two nodes."""
    folders = [tmp_path / name for name in ("one", "two")]
    processes = []
    for folder in folders:
        folder.mkdir()
        processes.append(start(folder, workers=2))
    yield processes
    for process in processes:
        process.popen.terminate()
    for process in processes:
        process.popen.wait(PATIENCE)


def ask(node: Process, redis: Server, text: str, phase: str = "access", **options: Any) -> Request:
    """Run a phase on a connection, hence as a rule in a worker, of its own; in `response`, `text` is the answer."""
    where = {"key": KEY, "redis_host": "127.0.0.1", "redis_port": redis.port, **options}
    config, errors = filled(kong_fields(), where)
    assert not errors
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    request = Request(body=json.dumps(body).encode())
    connection = node.connect()
    with closing(connection.socket):
        instance = connection.start(config)
        request.run(connection, instance, "access")
        if phase == "response":
            request.answer = json.dumps({"content": [{"type": "text", "text": text}]}).encode()
            request.run(connection, instance, "response")
    return request


def sent(request: Request) -> str:
    assert request.exit is None
    text: str = json.loads(request.body)["messages"][0]["content"]
    return text


def test_nodes_share_what_they_know(nodes: list[Process], server: Server) -> None:
    """What one masked, another restores; a name that one has seen in a context, another masks without it."""
    masked = sent(ask(nodes[0], server, f"see s3://{BUCKET}/ and {INSTANCE}"))
    assert BUCKET not in masked
    assert INSTANCE not in masked
    for node in nodes * 2:
        answer = ask(node, server, f"I looked at {masked.split()[-1]}.", "response")
        assert answer.exit is not None
        assert f"I looked at {INSTANCE}." in answer.exit[1].decode()
        assert BUCKET not in sent(ask(node, server, f"empty {BUCKET} now"))


def test_without_redis_workers_know_only_their_own(nodes: list[Process], server: Server) -> None:
    """`use_redis: false` leaves Redis alone; values are masked all the same."""
    masked = sent(ask(nodes[0], server, f"see s3://{BUCKET}/", use_redis=False))
    assert BUCKET not in masked
    assert BUCKET in sent(ask(nodes[1], server, f"empty {BUCKET} now", use_redis=False))
    assert server.do("DBSIZE") == 0


@pytest.mark.parametrize("fallback", [True, False])
def test_redis_fallback(nodes: list[Process], run: Run, fallback: bool) -> None:
    """Redis away: requests go on, masked, or are refused with 503 and its code; nothing unmasked passes."""
    redis = run()
    redis.kill()
    for _ in range(7):
        request = ask(nodes[0], redis, f"why is {INSTANCE} slow", redis_fallback=fallback)
        if fallback:
            assert INSTANCE not in sent(request)
        else:
            assert request.exit is not None
            assert request.exit[0] == 503
            assert b"AWS_MASKER_1001" in request.exit[1]
            assert INSTANCE.encode() not in request.exit[1]
